package edge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

const local = "127.0.0.0/8"

// fixture is a running Edge whose sockets are opened beforehand, so that
// their ports are free.
type fixture struct {
	*edge.Edge
	t  *testing.T
	mu sync.Mutex
	ln map[string]net.Listener
}

func start(t *testing.T, c edge.Config) *fixture {
	t.Helper()
	f := &fixture{t: t, ln: map[string]net.Listener{}}
	if c.Listen == nil {
		c.Listen = f.listen
	}
	if c.Grace == 0 {
		c.Grace = time.Second
	}
	f.Edge = edge.New(c)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	return f
}

// bind opens a socket for the table.
func (f *fixture) bind() netip.AddrPort {
	f.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ln[ln.Addr().String()] = ln
	f.t.Cleanup(func() { ln.Close() })
	return netip.MustParseAddrPort(ln.Addr().String())
}

func (f *fixture) listen(_ context.Context, _, addr string) (net.Listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ln := f.ln[addr]
	delete(f.ln, addr)
	if ln == nil {
		return nil, fmt.Errorf("%s is taken", addr)
	}
	return ln, nil
}

func (f *fixture) load(t *table.Table) {
	f.t.Helper()
	if err := f.Load(t); err != nil {
		f.t.Fatal(err)
	}
}

// wait follows the changes until ok is true of all statuses.
func (f *fixture) wait(ok func([]table.TargetStatus) bool) {
	f.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	done := errors.New("done")
	err := f.Changes(ctx, func([]table.TargetStatus) error {
		if ok(f.Statuses()) {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		f.t.Fatalf("the targets never became as expected: %+v", f.Statuses())
	}
}

func (f *fixture) waitState(want table.State) {
	f.t.Helper()
	f.wait(func(all []table.TargetStatus) bool {
		for _, s := range all {
			if s.State != want {
				return false
			}
		}
		return len(all) > 0
	})
}

// forwardAll is one listener that forwards all to one pool.
func forwardAll(bind netip.AddrPort, targets ...netip.AddrPort) *table.Table {
	p := table.Pool{
		ID: "pool", InUse: true,
		Check: table.Check{Path: "/", Interval: time.Second, Timeout: time.Second, HealthyThreshold: 2, UnhealthyThreshold: 2, Matcher: "200-499"},
	}
	for _, a := range targets {
		p.Targets = append(p.Targets, table.Target{ID: a.Addr().String(), Addr: a})
	}
	return &table.Table{
		Listeners: []table.Listener{listener("listener", bind, forward("pool"))},
		Pools:     []table.Pool{p},
	}
}

func listener(id string, bind netip.AddrPort, a table.Action) table.Listener {
	return table.Listener{
		ID: id, Binds: []netip.AddrPort{bind}, Port: 80, Default: a,
		Balancer: table.Balancer{
			ID: "balancer-of-" + id, DNSName: id + ".elb.localhost", IdleTimeout: 5 * time.Second,
			Admit: []netip.Prefix{netip.MustParsePrefix(local)},
		},
	}
}

func forward(pools ...string) table.Action {
	f := &table.Forward{}
	for _, p := range pools {
		f.Pools = append(f.Pools, table.WeightedPool{Pool: p, Weight: 1})
	}
	return table.Action{Forward: f}
}

func fixed(status int, body string) table.Action {
	return table.Action{Fixed: &table.Fixed{Status: status, ContentType: "text/plain", Body: body}}
}

// backend is an HTTP server.
func backend(t testing.TB, h http.HandlerFunc) netip.AddrPort {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) } //nolint:errcheck // the client may be gone
}

// rawBackend gives each connection to serve and closes it afterwards.
// Health checks are answered beforehand.
func rawBackend(t testing.TB, serve func(net.Conn, *bufio.Reader)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { ln.Close(); conns.Wait() })
	conns.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				r.Peek(1) //nolint:errcheck // fills the buffer
				if p, _ := r.Peek(r.Buffered()); strings.Contains(string(p), "ELB-HealthChecker") {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") //nolint:errcheck // as above
					return
				}
				serve(c, r)
			})
		}
	})
	return netip.MustParseAddrPort(ln.Addr().String())
}

// dial opens a connection that fails the test rather than hang.
func dial(t testing.TB, addr netip.AddrPort) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // just opened
	return c, bufio.NewReader(c)
}

// ask sends a request as it is and reads one answer.
func ask(t testing.TB, addr netip.AddrPort, request string) (*http.Response, string) {
	t.Helper()
	c, r := dial(t, addr)
	return askOn(t, c, r, request)
}

func askOn(t testing.TB, c net.Conn, r *bufio.Reader, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("answer to %.60q: %v", request, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("body of the answer to %.60q: %v", request, err)
	}
	return res, string(body)
}

const get = "GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n"
