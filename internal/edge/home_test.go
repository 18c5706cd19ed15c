package edge_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/securetest"
	"github.com/skylift/skylift/internal/edge/table"
)

// TestHomeLeaves: a connection over TLS ends when the listener that answered its
// handshake leaves. No other balancer of the socket gets a request of it.
func TestHomeLeaves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		leave func(tb *table.Table)
	}{
		{"deleted", func(tb *table.Table) { tb.Listeners = tb.Listeners[1:] }},
		{"another policy", func(tb *table.Table) {
			said := *tb.Listeners[0].TLS
			said.Policy, said.Oldest = "strict", tls.VersionTLS13
			tb.Listeners[0].TLS = &said
		}},
		{"over HTTP", func(tb *table.Table) { tb.Listeners[0].TLS = nil }},
	} {
		for _, busy := range []bool{false, true} {
			f := start(t, edge.Config{})
			bind := f.bind()
			goOn, began := make(chan struct{}), make(chan struct{}, 1)
			slow := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				began <- struct{}{}
				<-goOn
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhome") //nolint:errcheck // the client sees it
			})
			tb := forwardAll(bind, slow)
			home := listener("home", bind, forward("pool"))
			home.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "home.test"))
			other := listener("other", bind, fixed(200, "other"))
			other.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "other.test"))
			tb.Listeners = []table.Listener{home, other}
			f.load(tb)
			c, r := greet(t, bind, "home.test")
			ask := "GET / HTTP/1.1\r\nHost: home.test\r\n\r\n"
			if busy {
				io.WriteString(c, ask) //nolint:errcheck // read sees it
				<-began
			}
			next := *tb
			next.Listeners = append([]table.Listener(nil), tb.Listeners...)
			tt.leave(&next)
			f.load(&next)
			close(goOn)
			io.WriteString(c, ask) //nolint:errcheck // the connection may be closed
			all, _ := io.ReadAll(r)
			if strings.Contains(string(all), "other") {
				t.Errorf("%s, busy %t: another balancer answered: %q", tt.name, busy, all)
			}
			if busy && !strings.HasSuffix(string(all), "home") {
				t.Errorf("%s: the request under way got %q", tt.name, all)
			}
		}
	}
}

// TestCertificateBeforeRule: on a connection for a name that its listener has the
// certificate of, a rule of another balancer with a wider pattern doesn't take it.
func TestCertificateBeforeRule(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	rule := func(l *table.Listener, host string) {
		l.Rules = []table.Rule{{ID: "r-" + l.ID, Conditions: []table.Condition{{Field: table.HostHeader, Values: []string{host}}}, Action: fixed(200, l.ID)}}
	}
	a := listener("a", bind, fixed(200, "a"))
	a.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "shop.example.com"))
	b := listener("b", bind, fixed(200, "b"))
	b.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "*.example.com"))
	rule(&b, "*.example.com")
	c := listener("c", bind, fixed(200, "c"))
	c.TLS = securetest.Listener(securetest.Certificate(t, securetest.Spec{}, "c.example.com"))
	f.load(&table.Table{Listeners: []table.Listener{b, a, c}})
	for _, tt := range []struct{ asks, host, want string }{
		{"shop.example.com", "shop.example.com", "a"},
		{"shop.example.com", "www.example.com", "b"},
		{"shop.example.com", "SHOP.example.com:443", "a"},
		{"www.example.com", "shop.example.com", "a"}, // as a new connection would
		{"www.example.com", "c.example.com", "c"},
		{"www.example.com", "www.example.com", "b"},
		{"shop.example.com", "elsewhere.test", "a"},
		{"shop.example.com", "b.elb.localhost", "b"},
	} {
		nc, r := greet(t, bind, tt.asks)
		if _, body := askOn(t, nc, r, "GET / HTTP/1.1\r\nHost: "+tt.host+"\r\n\r\n"); body != tt.want {
			t.Errorf("%s on a connection for %s: got %q, want %q", tt.host, tt.asks, body, tt.want)
		}
	}
}
