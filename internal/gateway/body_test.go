package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnreadBody sends requests with a body that never comes: where nothing is
// to be read of it, the answer comes at once, and the connection ends.
func TestUnreadBody(t *testing.T) {
	t.Parallel()
	g, _ := open(t, func(c *Config) {
		c.ReadTimeout = time.Hour
		c.Mounts = []Mount{{Prefix: "/v2/", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "{}")
		})}}
	})
	for _, tt := range []struct{ request, want string }{
		{"POST /livez", "405"},
		{"GET /livez", "200"},
		{"GET /readyz", "200"},
		{"PUT /readyz", "405"},
		{"POST /v2/", "401"},
		{"PATCH /v2/shop/blobs/uploads/x", "401"},
		{"POST / HTTP/1.1\r\nX-Amz-Target: AmazonEC2ContainerServiceV20141113.ListClusters\r\nContent-Type: application/x-amz-json-1.1", "400"},
		{"POST / HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAUNKNOWN/20260101/us-west-2/ec2/aws4_request, SignedHeaders=host, Signature=00\r\nX-Amz-Date: 20260101T000000Z", "401"},
	} {
		for _, framing := range []string{"Content-Length: 10", "Content-Length: 9999999999", "Transfer-Encoding: chunked"} {
			t.Run(tt.request+" "+framing, func(t *testing.T) {
				t.Parallel()
				request, fields, _ := strings.Cut(tt.request, " HTTP/1.1\r\n")
				if fields != "" {
					fields += "\r\n"
				}
				conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(30 * time.Second)) // the hour is not waited for
				fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\n%s%s\r\n\r\n", request, fields, framing)
				r := bufio.NewReader(conn)
				res, err := http.ReadResponse(r, &http.Request{Method: strings.Fields(request)[0]})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAll(res.Body); err != nil || !strings.HasPrefix(res.Status, tt.want) || !res.Close {
					t.Errorf("%s, closes: %v, %v; want %s and a close", res.Status, res.Close, err, tt.want)
				}
				if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
					t.Errorf("after the answer: %v, want the end", err)
				}
			})
		}
	}
}

// TestRefusedWithBody sends a body of which nothing is read, whole: the answer
// isn't lost in a reset.
func TestRefusedWithBody(t *testing.T) {
	t.Parallel()
	g, _ := open(t, nil)
	for _, n := range []int{10, 100 << 10} {
		res, err := http.Post(g.url+"/livez", "text/plain", strings.NewReader(strings.Repeat("x", n)))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%d bytes: %s", n, res.Status)
		}
	}
}

// deadlines is a ResponseWriter over a body that arrives in pieces: reading
// fails when the deadline comes before the next piece.
type deadlines struct {
	http.ResponseWriter
	at    time.Time
	pause time.Duration // before each piece
	left  int           // pieces of piece bytes
	piece int
}

func (d *deadlines) SetReadDeadline(at time.Time) error { d.at = at; return nil }

func (d *deadlines) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	if until := time.Until(d.at); !d.at.IsZero() && until < d.pause {
		time.Sleep(max(0, until))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(d.pause)
	d.left--
	return min(len(p), d.piece), nil
}

func (d *deadlines) Close() error { return nil }

// The deadline of a body moves as it arrives, also for hours; where a pace is
// asked for, it must keep that.
func TestBodyDeadline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		pause  time.Duration
		pieces int
		piece  int
		pace   int64
		want   error
		took   time.Duration
	}{
		{"slow but alive", 29 * time.Second, 1000, 100, 0, nil, 29000 * time.Second},
		{"stalls", 31 * time.Second, 1000, 100, 0, os.ErrDeadlineExceeded, 30 * time.Second},
		{"too slow for a call", 29 * time.Second, 1000, 1, slowest, os.ErrDeadlineExceeded, 30 * time.Second},
		{"large, at the pace", time.Second, 1000, slowest, slowest, nil, 1000 * time.Second},
		{"large, at half the pace", time.Second, 1000, slowest / 2, slowest, os.ErrDeadlineExceeded, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &deadlines{ResponseWriter: httptest.NewRecorder(), pause: tt.pause, left: tt.pieces, piece: tt.piece}
				r := httptest.NewRequest(http.MethodPut, "/", d)
				r.ContentLength = -1
				b := New(Config{Region: region, Log: slog.New(slog.DiscardHandler)}).bodyOf(d, r)
				b.pace = tt.pace
				began := time.Now()
				_, err := io.Copy(struct{ io.Writer }{io.Discard}, r.Body)
				took := time.Since(began)
				if !errors.Is(err, tt.want) || took.Round(time.Second) != tt.took {
					t.Errorf("%v after %v, want %v after %v", err, took, tt.want, tt.took)
				}
				if err == nil && !d.at.IsZero() {
					t.Errorf("a deadline stays after the end")
				}
			})
		})
	}
}

// A request without a body is left alone: its handler may take its time.
func TestNoBody(t *testing.T) {
	t.Parallel()
	d := &deadlines{ResponseWriter: httptest.NewRecorder()}
	in := New(Config{Region: region, Log: slog.New(slog.DiscardHandler)}).bodyOf(d, httptest.NewRequest(http.MethodGet, "/", nil))
	in.refuse()
	if in.guard(d) != http.ResponseWriter(d) || !d.at.IsZero() || d.Header().Get("Connection") != "" {
		t.Errorf("deadline %v, Connection %q", d.at, d.Header().Get("Connection"))
	}
}
