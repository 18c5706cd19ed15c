package edge_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

func TestStreamsBothWays(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	f.load(forwardAll(bind, backend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex() //nolint:errcheck // HTTP/1 has it
		w.WriteHeader(200)
		rc.Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			io.WriteString(w, strings.ToUpper(lines.Text())+"\n") //nolint:errcheck // the test sees it
			rc.Flush()
		}
	})))
	body, feed := io.Pipe()
	req, _ := http.NewRequest("POST", "http://"+bind.String()+"/", body)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	for _, word := range []string{"one", "two", "three"} {
		io.WriteString(feed, word+"\n") //nolint:errcheck // the test sees it
		if got, err := r.ReadString('\n'); got != strings.ToUpper(word)+"\n" {
			t.Fatalf("got %q, %v for %q before the next was sent", got, err, word)
		}
	}
	feed.Close()
	if rest, err := io.ReadAll(r); len(rest) != 0 || err != nil {
		t.Errorf("got %q, %v behind the end", rest, err)
	}
}

func TestBodiesOfAnySize(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	f.load(forwardAll(bind, backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("target reads: %v", err)
		}
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", r.Header.Get("X-Length"))
		}
		w.Write(body) //nolint:errcheck // the test sees it
	})))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, size := range []int{0, 1, 4000, 4096, 5000, 65536, 3 << 20} {
		for _, chunked := range []bool{false, true} {
			want := make([]byte, size)
			for i := range want {
				want[i] = byte(rand.Uint32())
			}
			var body io.Reader = bytes.NewReader(want)
			if chunked {
				body = io.MultiReader(body)
			}
			req, _ := http.NewRequest("POST", "http://"+bind.String()+"/", body)
			res, err := client.Do(req)
			if err != nil {
				t.Fatalf("%d bytes, chunked %v: %v", size, chunked, err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || sha256.Sum256(got) != sha256.Sum256(want) {
				t.Errorf("%d bytes, chunked %v: got %d bytes back, %v", size, chunked, len(got), err)
			}
		}
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	f.load(forwardAll(bind, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(413)
			return
		}
		io.Copy(w, r.Body) //nolint:errcheck // the test sees it
	})))
	c, r := dial(t, bind)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n") //nolint:errcheck // the test sees it
	if line, _ := r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q", line)
	}
	r.ReadString('\n') //nolint:errcheck // the empty line
	if res, body := askOn(t, c, r, "hello"); res.StatusCode != 200 || body != "hello" {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
	res, _ := askOn(t, c, r, "POST /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if res.StatusCode != 413 || !res.Close {
		t.Errorf("got %d, closes %v", res.StatusCode, res.Close)
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	f.load(forwardAll(bind, rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil || req.Header.Get("Upgrade") != "websocket" || req.Header.Get("Connection") != "Upgrade" {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nfirst") //nolint:errcheck // the test sees it
		io.Copy(c, r)                                                                                                                              //nolint:errcheck // until the end
	})))
	c, r := dial(t, bind)
	io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nsecond") //nolint:errcheck // the test sees it
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" || res.Header.Get("Sec-WebSocket-Accept") != "x" {
		t.Fatalf("got %+v, %v", res, err)
	}
	for _, want := range []string{"firstsecond", "third"} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
		io.WriteString(c, "third") //nolint:errcheck // the test sees it
	}
	if n := f.Statuses()[0].Inflight; n != 1 {
		t.Errorf("got %d in flight, want 1", n)
	}
}

func TestPipelinedRequests(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	f.load(forwardAll(bind, backend(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }))) //nolint:errcheck // the test sees it
	c, r := dial(t, bind)
	res, body := askOn(t, c, r, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, want := range []string{"/1", "/2", "/3"} {
		if res.StatusCode != 200 || body != want {
			t.Fatalf("got %d %q, want %q", res.StatusCode, body, want)
		}
		if want != "/3" {
			res, body = askOn(t, c, r, "")
		}
	}
}

// A target that closes a connection it kept loses no request: each of its
// connections answers once and is closed when the second request is there.
func TestStaleConnections(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	var conns atomic.Int64
	f.load(forwardAll(bind, rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		conns.Add(1)
		http.ReadRequest(r)                                                 //nolint:errcheck // whatever it is
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") //nolint:errcheck // the test sees it
		r.Peek(1)                                                           //nolint:errcheck // waits
	})))
	c, r := dial(t, bind)
	for range 20 {
		if res, body := askOn(t, c, r, get); res.StatusCode != 200 || body != "ok" {
			t.Fatalf("got %d %q", res.StatusCode, body)
		}
	}
	if n := conns.Load(); n != 20 {
		t.Errorf("the target saw %d connections, want 20", n)
	}
	// A POST may have been done: it is not sent twice.
	if res, _ := askOn(t, c, r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"); res.StatusCode != 502 {
		t.Errorf("got %d for a POST, want 502", res.StatusCode)
	}
}

// Of two targets one refuses: the other one answers.
func TestRefusedGoesToAnother(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	dead := httptest.NewServer(says("dead"))
	tb := forwardAll(bind, backend(t, says("alive")), netip.MustParseAddrPort(dead.Listener.Addr().String()))
	tb.Pools[0].Check.Interval = 1e12
	f.load(tb)
	f.waitState(table.Healthy)
	dead.Close()
	c, r := dial(t, bind)
	for range 10 {
		if res, body := askOn(t, c, r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"); res.StatusCode != 200 || body != "alive" {
			t.Fatalf("got %d %q", res.StatusCode, body)
		}
	}
}
