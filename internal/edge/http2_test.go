package edge_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/securetest"
	"github.com/skylift/skylift/internal/edge/table"
)

// site is a listener over HTTPS for a.example.com that forwards to targets.
func site(t testing.TB, bind netip.AddrPort, targets ...netip.AddrPort) *table.Table {
	return secured(forwardAll(bind, targets...), securetest.Certificate(t, securetest.Spec{}, "a.example.com"))
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	target := backend(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %s %s %s %s %q %d %v", r.Method, r.Proto, r.Host, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Port"), r.Header.Get("X-Forwarded-For"), len(b), r.Trailer)
		w.Header().Set("X-Sum", "7")
	})
	f.load(site(t, bind, target))
	client := overTLS(t, bind, true)
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<15)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			req, _ := http.NewRequest("GET", "https://a.example.com/", nil)
			want := `GET HTTP/1.1 a.example.com https 443 "127.0.0.1" 0 map[]`
			switch i % 4 {
			case 1:
				req, _ = http.NewRequest("POST", "https://a.example.com/", bytes.NewReader(large))
				want = fmt.Sprintf(`POST HTTP/1.1 a.example.com https 443 "127.0.0.1" %d map[]`, len(large))
			case 2:
				req, _ = http.NewRequest("POST", "https://a.example.com/", io.MultiReader(bytes.NewReader(large)))
				req.Trailer = http.Header{"X-End": {"1"}}
				want = fmt.Sprintf(`POST HTTP/1.1 a.example.com https 443 "127.0.0.1" %d map[X-End:[1]]`, len(large))
			case 3:
				req, _ = http.NewRequest("PUT", "https://a.example.com/", strings.NewReader("x"))
				want = `PUT HTTP/1.1 a.example.com https 443 "127.0.0.1" 1 map[]`
			}
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil || string(b) != want || res.ProtoMajor != 2 || res.Trailer.Get("X-Sum") != "7" {
				t.Errorf("got %s %q, %v, trailer %v, want %q", res.Proto, b, err, res.Trailer, want)
			}
		})
	}
	all.Wait()
}

// TestHTTP2Answers: the balancer's own answers, and those to requests that fail.
func TestHTTP2Answers(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	none := httptest.NewServer(nil)
	none.Close()
	tb := site(t, bind, netip.MustParseAddrPort(none.Listener.Addr().String()))
	tb.Listeners[0].Rules = []table.Rule{{Conditions: []table.Condition{{Field: table.PathPattern, Values: []string{"/fixed"}}}, Action: fixed(404, "no such page")}}
	f.load(tb)
	client := overTLS(t, bind, true)
	for path, want := range map[string]int{"/fixed": 404, "/": 502, "/a%20b": 502} {
		res, err := client.Get("https://a.example.com" + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want || res.ContentLength != int64(len(b)) || res.Header.Get("Server") != "awselb/2.0" || len(res.Header["Connection"]) > 0 {
			t.Errorf("%s: got %d %v %q", path, res.StatusCode, res.Header, b)
		}
	}
	res, err := client.Head("https://a.example.com/fixed")
	if err != nil || res.StatusCode != 404 || res.ContentLength != 12 {
		t.Errorf("HEAD: got %v, %v", res, err)
	}
	// An answer before the whole request was read.
	res, err = client.Post("https://a.example.com/fixed", "text/plain", bytes.NewReader(make([]byte, 1<<20)))
	if err != nil || res.StatusCode != 404 {
		t.Errorf("early answer: got %v, %v", res, err)
	}
}

// TestHTTP2GivenUp: what a client gives up ends at the target, and other requests on the
// connection go on.
func TestHTTP2GivenUp(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	begun, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	target := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			begun <- struct{}{}
			<-r.Context().Done()
			ended <- struct{}{}
		}
	})
	f.load(site(t, bind, target))
	client := overTLS(t, bind, true)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://a.example.com/wait", nil)
	failed := make(chan error)
	go func() {
		_, err := client.Do(req)
		failed <- err
	}()
	<-begun
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the target works on")
	}
	if res, err := client.Get("https://a.example.com/"); err != nil || res.StatusCode != 200 {
		t.Errorf("another request: %v, %v", res, err)
	}
}

// TestHTTP2LosesNothing: requests over HTTP/2 go on without a loss while targets come and
// go, certificates and policies change, and connections end in between.
func TestHTTP2LosesNothing(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	one, two := backend(t, says("ok")), backend(t, says("ok"))
	tables := []*table.Table{site(t, bind, one), site(t, bind, one, two), site(t, bind, two)}
	strict := *tables[1].Listeners[0].TLS
	strict.Policy, strict.Oldest = "strict", tls.VersionTLS13
	tables[1].Listeners[0].TLS = &strict
	f.load(tables[0])
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		client := overTLS(t, bind, true)
		for range 4 {
			clients.Go(func() {
				for ctx.Err() == nil {
					res, err := client.Get("https://a.example.com/")
					if err != nil {
						t.Errorf("request failed: %v", err)
						return
					}
					b, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || string(b) != "ok" {
						t.Errorf("got %q, %v", b, err)
					}
				}
			})
		}
	}
	for i := range 12 {
		f.load(tables[i%len(tables)])
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	clients.Wait()
}

// TestHTTP2Idle: a connection without requests ends after the idle timeout, with a farewell.
func TestHTTP2Idle(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(b *bubble) {
		tb := secured(&table.Table{Listeners: []table.Listener{listener("l", bubbleBind, fixed(200, "ok"))}}, securetest.Certificate(t, securetest.Spec{}, "a.example.com"))
		tb.Listeners[0].Balancer.IdleTimeout = time.Minute
		if err := b.Load(tb); err != nil {
			t.Fatal(err)
		}
		c, _ := b.connect("127.0.0.1")
		defer c.Close()
		tc := tls.Client(c, &tls.Config{ServerName: "a.example.com", RootCAs: securetest.Roots(), NextProtos: []string{"h2"}})
		if err := tc.Handshake(); err != nil {
			t.Fatal(err)
		}
		fr := http2.NewFramer(tc, tc)
		io.WriteString(tc, http2.ClientPreface) //nolint:errcheck // reads see it
		go fr.WriteSettings()                   //nolint:errcheck // as above
		began := time.Now()
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			if g, ok := f.(*http2.GoAwayFrame); ok {
				if g.ErrCode != http2.ErrCodeNo {
					t.Errorf("ended by %v", g)
				}
				break
			}
		}
		if waited := time.Since(began); waited < time.Minute || waited > 63*time.Second {
			t.Errorf("ended after %v", waited)
		}
	})
}
