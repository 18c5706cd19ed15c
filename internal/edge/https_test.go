package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/securetest"
	"github.com/skylift/skylift/internal/edge/table"
)

// secured makes a table's first listener speak HTTPS with certificates.
func secured(tb *table.Table, certificates ...*table.Certificate) *table.Table {
	tb.Listeners[0].Port = 443
	tb.Listeners[0].Balancer.IdleTimeout = time.Minute
	tb.Listeners[0].TLS = securetest.Listener(certificates...)
	return tb
}

// greet opens a connection over TLS, over HTTP/1.1.
func greet(t testing.TB, addr netip.AddrPort, name string) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	nc, _ := dial(t, addr)
	c := tls.Client(nc, &tls.Config{ServerName: name, RootCAs: securetest.Roots(), NextProtos: []string{"http/1.1"}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// overTLS is a client that trusts the tests' certificates and finds every name at addr.
func overTLS(t testing.TB, addr netip.AddrPort, http2 bool) *http.Client {
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: securetest.Roots()}, ForceAttemptHTTP2: http2, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr.String())
		},
	}
	if !http2 {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetHTTP1(true)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 2 * time.Minute}
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	target := backend(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %d", r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Port"), r.Host, len(b))
	})
	f.load(secured(forwardAll(bind, target), securetest.Certificate(t, securetest.Spec{}, "a.example.com")))
	c, r := greet(t, bind, "a.example.com")
	for range 3 {
		if res, body := askOn(t, c, r, get); res.StatusCode != 200 || body != "https 443 a.example.com 0" {
			t.Fatalf("got %d %q", res.StatusCode, body)
		}
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	client := overTLS(t, bind, false)
	for _, chunked := range []bool{false, true} {
		var body io.Reader = bytes.NewReader(large)
		if chunked {
			body = io.MultiReader(body)
		}
		res, err := client.Post("https://a.example.com/", "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if want := fmt.Sprintf("https 443 a.example.com %d", len(large)); string(got) != want {
			t.Errorf("chunked %t: got %q, want %q", chunked, got, want)
		}
	}
}

// TestLargeAnswersOverTLS: a large answer comes whole, and what a target flushes comes at once.
func TestLargeAnswersOverTLS(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	goOn := make(chan struct{})
	target := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			io.WriteString(w, "first") //nolint:errcheck // the client may be gone
			w.(http.Flusher).Flush()
			<-goOn
		}
		w.Write(large) //nolint:errcheck // as above
	})
	f.load(secured(forwardAll(bind, target), securetest.Certificate(t, securetest.Spec{}, "a.example.com")))
	for _, http2 := range []bool{false, true} {
		client := overTLS(t, bind, http2)
		res, err := client.Get("https://a.example.com/")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(got, large) {
			t.Errorf("HTTP/2 %t: got %d bytes, %v", http2, len(got), err)
		}
		res.Body.Close()
		if want := map[bool]int{false: 1, true: 2}[http2]; res.ProtoMajor != want {
			t.Errorf("got HTTP/%d, want %d", res.ProtoMajor, want)
		}
		res, err = client.Get("https://a.example.com/stream")
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 5)
		if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first" {
			t.Errorf("HTTP/2 %t: got %q, %v before the rest", http2, first, err)
		}
		goOn <- struct{}{}
		if rest, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(rest, large) {
			t.Errorf("HTTP/2 %t: then got %d bytes, %v", http2, len(rest), err)
		}
		res.Body.Close()
	}
}

func TestPlainHTTPOnAnHTTPSListener(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	tb := secured(forwardAll(bind), securetest.Certificate(t, securetest.Spec{}, "a.example.com"))
	f.load(tb)
	if res, body := ask(t, bind, get); res.StatusCode != 400 || !strings.Contains(body, "The plain HTTP request was sent to HTTPS port") {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
}

// TestListenersOfOneSocket: several balancers share a socket, over HTTP and over HTTPS. A
// client gets the one whose name, certificate or rule it asks for.
func TestListenersOfOneSocket(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	plain := listener("plain", bind, fixed(200, "plain"))
	other := listener("other", bind, fixed(200, "other"))
	other.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "other.test"))
	site := listener("site", bind, fixed(200, "site"))
	site.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "site.test", "*.site.test", "site.elb.localhost"))
	app := listener("app", bind, fixed(200, "app"))
	app.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "*.site.test"))
	app.Rules = []table.Rule{{ID: "r", Conditions: []table.Condition{{Field: table.HostHeader, Values: []string{"app.site.test"}}}, Action: fixed(200, "app")}}
	strict := listener("strict", bind, fixed(200, "strict"))
	strict.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "strict.test"))
	strict.TLS.Policy, strict.TLS.Oldest = "strict", tls.VersionTLS13
	f.load(&table.Table{Listeners: []table.Listener{plain, other, site, app, strict}})

	if _, body := ask(t, bind, get); body != "plain" {
		t.Errorf("over HTTP got %q", body)
	}
	for _, tt := range []struct{ asks, host, want string }{
		{"site.test", "site.test", "site"},
		{"other.test", "other.test", "other"},
		{"www.site.test", "www.site.test", "site"},
		{"app.site.test", "app.site.test", "app"},
		{"site.elb.localhost", "site.elb.localhost", "site"},
		{"site.test", "app.site.test", "app"},           // as on a connection that a browser uses for both
		{"site.test", "other.elb.localhost", "other"},   // a balancer's own name
		{"site.test", "plain.elb.localhost", "site"},    // which is not over HTTPS
		{"site.test", "strict.elb.localhost", "site"},   // which asks more of a client
		{"strict.test", "site.elb.localhost", "strict"}, // and the other way round
		{"site.test", "elsewhere.test", "site"},
	} {
		c, r := greet(t, bind, tt.asks)
		if _, body := askOn(t, c, r, "GET / HTTP/1.1\r\nHost: "+tt.host+"\r\n\r\n"); body != tt.want {
			t.Errorf("%s on a connection for %s: got %q, want %q", tt.host, tt.asks, body, tt.want)
		}
	}
	old := &tls.Config{ServerName: "strict.test", RootCAs: securetest.Roots(), MaxVersion: tls.VersionTLS12}
	if nc, _ := dial(t, bind); tls.Client(nc, old).Handshake() == nil {
		t.Error("TLS 1.2 with a listener for TLS 1.3")
	}
}

// TestUnadmittedOverTLS: a client that the listener it asks for doesn't admit gets no byte.
func TestUnadmittedOverTLS(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	open := listener("open", bind, fixed(200, "open"))
	open.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "open.test"))
	shut := listener("shut", bind, fixed(200, "shut"))
	shut.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "shut.test"))
	shut.Balancer.Admit = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	f.load(&table.Table{Listeners: []table.Listener{open, shut}})
	c, r := greet(t, bind, "open.test")
	if _, body := askOn(t, c, r, "GET / HTTP/1.1\r\nHost: open.test\r\n\r\n"); body != "open" {
		t.Errorf("got %q", body)
	}
	nc, _ := dial(t, bind)
	silent := make(chan error, 1)
	go func() {
		silent <- tls.Client(nc, &tls.Config{ServerName: "shut.test", RootCAs: securetest.Roots()}).Handshake()
	}()
	select {
	case err := <-silent:
		t.Errorf("the client was answered: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	shut.Balancer.Admit = open.Balancer.Admit
	f.load(&table.Table{Listeners: []table.Listener{open, shut}})
	if err := <-silent; err == nil {
		t.Error("a handshake that was not answered went on")
	}
	greet(t, bind, "shut.test")
}

// TestCertificatesAreSwapped: a connection goes on over a swap, and a new one gets the new certificate.
func TestCertificatesAreSwapped(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	old, next := securetest.Certificate(t, securetest.Spec{}, "a.example.com"), securetest.Certificate(t, securetest.Spec{}, "a.example.com")
	tb := func(c *table.Certificate) *table.Table {
		return secured(&table.Table{Listeners: []table.Listener{listener("l", bind, fixed(200, "ok"))}}, c)
	}
	f.load(tb(old))
	c, r := greet(t, bind, "a.example.com")
	askOn(t, c, r, get)
	f.load(tb(next))
	if res, _ := askOn(t, c, r, get); res.StatusCode != 200 || res.Close {
		t.Errorf("after the swap: %v", res)
	}
	if !c.ConnectionState().PeerCertificates[0].Equal(old.TLS.Leaf) {
		t.Error("the connection began with another certificate")
	}
	again, _ := greet(t, bind, "a.example.com")
	if !again.ConnectionState().PeerCertificates[0].Equal(next.TLS.Leaf) {
		t.Error("a new connection got the old certificate")
	}

	other := tb(next)
	other.Listeners[0].TLS.Policy, other.Listeners[0].TLS.Oldest = "strict", tls.VersionTLS13
	f.load(other)
	if _, err := r.ReadByte(); err == nil {
		t.Error("a connection under another policy goes on")
	}
}

func TestUpgradeOverTLS(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	target := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n") //nolint:errcheck // the client sees it
		io.Copy(c, r)                                                                                         //nolint:errcheck // as above
	})
	f.load(secured(forwardAll(bind, target), securetest.Certificate(t, securetest.Spec{}, "a.example.com")))
	c, r := greet(t, bind, "a.example.com")
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly") //nolint:errcheck // read sees it
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	for _, said := range []string{"early", "later"} {
		if said == "later" {
			io.WriteString(c, said) //nolint:errcheck // read sees it
		}
		got := make([]byte, len(said))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != said {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// TestHandshakesEnd: who connects and doesn't shake hands is cut, and so is who begins.
func TestHandshakesEnd(t *testing.T) {
	t.Parallel()
	for _, begun := range []string{"", "\x16\x03\x01"} {
		inBubble(t, nil, func(b *bubble) {
			tb := secured(&table.Table{Listeners: []table.Listener{listener("l", bubbleBind, fixed(200, "ok"))}}, securetest.Certificate(t, securetest.Spec{}, "a.example.com"))
			if err := b.Load(tb); err != nil {
				t.Fatal(err)
			}
			c, _ := b.connect("127.0.0.1")
			defer c.Close()
			began := time.Now()
			io.WriteString(c, begun) //nolint:errcheck // read sees it
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("an answer to half a handshake")
			}
			if waited := time.Since(began); waited != 10*time.Second {
				t.Errorf("begun with %q: cut after %v", begun, waited)
			}
		})
	}
}

// TestToldOfTLS: targets are told what a client agreed on, under the names that the listener
// has for it, and no client says it in the balancer's place.
func TestToldOfTLS(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	seen := make(chan *http.Request, 1)
	tb := site(t, bind, backend(t, echo(seen)))
	for _, names := range []table.Tells{{}, {Version: "X-Amzn-Tls-Version", Suite: "X-Amzn-Tls-Cipher-Suite"}, {Version: "X-Version", Suite: "X-Amzn-Tls-Cipher-Suite"}} {
		tb.Listeners[0].Tells = names
		f.load(tb)
		for _, http2 := range []bool{false, true} {
			client := overTLS(t, bind, http2)
			for range 2 {
				req, _ := http.NewRequest("GET", "https://a.example.com/", nil)
				for _, name := range []string{"X-Version", "X-Amzn-Tls-Version", "X-Amzn-Tls-Cipher-Suite"} {
					req.Header.Set(name, "forged")
				}
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				got := <-seen
				want := http.Header{"X-Version": {"forged"}}
				if names.Version != "" {
					want.Set("X-Amzn-Tls-Cipher-Suite", tls.CipherSuiteName(res.TLS.CipherSuite))
					want.Set(names.Version, "TLSv1.3")
				}
				for _, name := range []string{"X-Version", "X-Amzn-Tls-Version", "X-Amzn-Tls-Cipher-Suite"} {
					if g, w := strings.Join(got.Header.Values(name), ","), strings.Join(want.Values(name), ","); g != w {
						t.Errorf("%+v, HTTP/2 %t: %s is %q, want %q", names, http2, name, g, w)
					}
				}
			}
		}
	}
}
