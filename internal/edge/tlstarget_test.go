package edge_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

// securedBackend is a target over TLS with a certificate that nobody trusts. What it is
// told in its handshakes goes to seen.
func securedBackend(t testing.TB, h http.Handler, change func(*tls.Config), seen func(*tls.ClientHelloInfo)) netip.AddrPort {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = nil
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if seen != nil {
			seen(hello)
		}
		return nil, nil
	}}
	if change != nil {
		change(s.TLS)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

func TestTargetsOverTLS(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12, tls.VersionTLS13} {
		f := start(t, edge.Config{})
		var mu sync.Mutex
		names, resumed := []string{}, 0
		target := securedBackend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if r.TLS.DidResume {
				resumed++
			}
			b, _ := io.ReadAll(r.Body)
			if r.URL.Path == "/last" {
				w.Header().Set("Connection", "close")
			}
			fmt.Fprintf(w, "%s %s %d", r.Proto, r.Host, len(b))
		}), func(c *tls.Config) { c.MaxVersion = version }, func(hello *tls.ClientHelloInfo) {
			mu.Lock()
			defer mu.Unlock()
			names = append(names, hello.ServerName)
		})
		tb := forwardAll(f.bind(), target)
		tb.Pools[0].TLS, tb.Pools[0].Check.TLS = true, true
		f.load(tb)
		f.waitState(table.Healthy) // over TLS, too
		bind := tb.Listeners[0].Binds[0]
		for i := range 6 {
			path := []string{"/", "/last"}[i%2]
			if res, body := ask(t, bind, "GET "+path+" HTTP/1.1\r\nHost: a.example.com\r\n\r\n"); res.StatusCode != 200 || body != "HTTP/1.1 a.example.com 0" {
				t.Fatalf("%s %s: got %d %q", tls.VersionName(version), path, res.StatusCode, body)
			}
		}
		large := bytes.Repeat([]byte("x"), 1<<20)
		res, err := http.Post("http://"+bind.String()+"/", "text/plain", bytes.NewReader(large))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if !strings.HasSuffix(string(b), fmt.Sprint(" ", len(large))) {
			t.Errorf("%s: a large body: got %q", tls.VersionName(version), b)
		}
		mu.Lock()
		if resumed < 3 {
			t.Errorf("%s: only %d requests on resumed sessions", tls.VersionName(version), resumed)
		}
		if strings.Join(names, "") != "" {
			t.Errorf("targets are told names: %q", names)
		}
		mu.Unlock()
	}
}

// TestTargetsThatDoNotShakeHands: 502, as behind an ALB, and unhealthy.
func TestTargetsThatDoNotShakeHands(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	tb := forwardAll(f.bind(), backend(t, says("plain")))
	tb.Pools[0].TLS, tb.Pools[0].Check.TLS = true, true
	tb.Pools[0].Check.Interval = 100 * time.Millisecond
	f.load(tb)
	if res, _ := ask(t, tb.Listeners[0].Binds[0], get); res.StatusCode != 502 {
		t.Errorf("got %d", res.StatusCode)
	}
	f.waitState(table.Unhealthy)
	if s := f.Statuses()[0]; s.Reason != "Target.FailedHealthChecks" {
		t.Errorf("got %+v", s)
	}
}

// TestSwitchOverTLS: a WebSocket to a target over TLS.
func TestSwitchOverTLS(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	target := securedBackend(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n") //nolint:errcheck // the client sees it
		io.Copy(c, rw)                                                                                        //nolint:errcheck // as above
	}), func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }, nil)
	tb := forwardAll(f.bind(), target)
	tb.Pools[0].TLS = true
	f.load(tb)
	c, r := dial(t, tb.Listeners[0].Binds[0])
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n") //nolint:errcheck // reads see it
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	for i := range 3 {
		said := fmt.Sprintf("message %d", i)
		io.WriteString(c, said) //nolint:errcheck // as above
		got := make([]byte, len(said))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != said {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}
