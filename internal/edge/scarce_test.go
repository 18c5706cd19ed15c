package edge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/limit"
)

// ours is a failure of this machine, as net.Dial reports it.
func ours(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", err)}
}

// A request that this machine can't connect for is answered 503, and no other
// target is tried: nothing is wrong with the first.
func TestOwnFailuresAreOurs(t *testing.T) {
	t.Parallel()
	for _, own := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN} {
		t.Run(own.Error(), func(t *testing.T) {
			t.Parallel()
			var dials atomic.Int64
			f := start(t, edge.Config{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
				dials.Add(1)
				return nil, ours(own)
			}})
			bind := f.bind()
			tb := forwardAll(bind, netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:80"))
			tb.Pools[0].InUse = false // no checks
			f.load(tb)
			res, body := ask(t, bind, get)
			if res.StatusCode != 503 || !strings.Contains(body, "503 Service Temporarily Unavailable") || dials.Load() != 1 {
				t.Errorf("%d %q after %d dials, want 503 after 1", res.StatusCode, body, dials.Load())
			}
		})
	}
}

// bounded is an Edge for at most n clients.
func bounded(t *testing.T, n int, targets ...netip.AddrPort) (*fixture, netip.AddrPort) {
	t.Helper()
	f := start(t, edge.Config{Clients: limit.NewConns(limit.Config{Name: "load balancers", Max: n})})
	bind := f.bind()
	f.load(forwardAll(bind, targets...))
	f.waitState(table.Healthy)
	return f, bind
}

// ended tells whether the balancer has closed a connection.
func ended(c net.Conn, r *bufio.Reader) bool {
	c.SetReadDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // just a test
	_, err := r.ReadByte()
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// At the bound, those go that idle longest, whether they never asked, are in the
// middle of a head or wait for the next request. What is under way stays.
func TestIdleClientsMakeRoom(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}), make(chan struct{})
	_, bind := bounded(t, 4, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(begun)
			<-finish
		}
		says("ok")(w, r)
	}))
	busy, busyReader := dial(t, bind)
	io.WriteString(busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") //nolint:errcheck // the answer tells
	<-begun
	half, halfReader := dial(t, bind)
	io.WriteString(half, "GET / HTTP/1.1\r\nHo") //nolint:errcheck // as above
	silent, silentReader := dial(t, bind)
	kept, keptReader := dial(t, bind)
	askOn(t, kept, keptReader, get)
	for range 3 {
		c, r := dial(t, bind)
		if res, _ := askOn(t, c, r, get); res.StatusCode != 200 {
			t.Errorf("a new client gets %d", res.StatusCode)
		}
	}
	if !ended(half, halfReader) || !ended(silent, silentReader) || !ended(kept, keptReader) {
		t.Error("an idle connection is open")
	}
	close(finish)
	if res, err := http.ReadResponse(busyReader, nil); err != nil || res.StatusCode != 200 {
		t.Errorf("what was under way: %v", err)
	}
}

// When all are busy, who comes waits for the first that ends; that one's
// connection isn't kept. Who waits for too long is refused.
func TestBusyClientsMakeRoom(t *testing.T) {
	t.Parallel()
	slow := func(c net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if wait, err := time.ParseDuration(req.URL.Query().Get("wait")); err == nil {
				time.Sleep(wait)
			}
			io.WriteString(c, smallAnswer) //nolint:errcheck // the client tells
		}
	}
	inBoundedBubble(t, 1, slow, func(b *bubble) {
		first, firstReader := b.connect("127.0.0.1")
		io.WriteString(first, "GET /?wait=700ms HTTP/1.1\r\nHost: a\r\n\r\n") //nolint:errcheck // the answer tells
		synctest.Wait()
		next, nextReader := b.connect("127.0.0.1")
		go io.WriteString(next, "GET /?wait=5s HTTP/1.1\r\nHost: a\r\n\r\n") //nolint:errcheck // as above
		b.expect(firstReader, 200, 700*time.Millisecond, 700*time.Millisecond)
		if _, err := firstReader.ReadByte(); !errors.Is(err, io.EOF) {
			b.t.Errorf("the first connection: %v, want its end", err)
		}
		synctest.Wait()
		_, lastReader := b.connect("127.0.0.1")
		if _, err := lastReader.ReadByte(); !errors.Is(err, io.EOF) {
			b.t.Errorf("one too many: %v, want its end", err)
		}
		b.expect(nextReader, 200, 3*time.Second, 5*time.Second)
	})
}

// Of connections to targets there are never many more than may be: at three
// quarters none is kept, and beyond the bound the kept ones go.
func TestTargetsAreBounded(t *testing.T) {
	t.Parallel()
	const most, pools = 16, 8
	var open, peak atomic.Int64
	f := start(t, edge.Config{MaxTargets: most, Dial: func(ctx context.Context, _ netip.Addr, addr netip.AddrPort) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr.String())
		if err != nil {
			return nil, err
		}
		n := open.Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		return &closing{c, sync.OnceFunc(func() { open.Add(-1) })}, nil
	}})
	bind := f.bind()
	tb := &table.Table{}
	l := listener("l", bind, fixed(404, ""))
	for i := range pools {
		id := fmt.Sprint("pool", i)
		l.Rules = append(l.Rules, table.Rule{Conditions: []table.Condition{{Field: table.PathPattern, Values: []string{"/" + id}}}, Action: forward(id)})
		tb.Pools = append(tb.Pools, table.Pool{ID: id, Targets: []table.Target{{Addr: backend(t, says(id))}}})
	}
	tb.Listeners = []table.Listener{l}
	f.load(tb)
	const clients = 8
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			c, r := dial(t, bind)
			for i := range 20 * pools {
				id := fmt.Sprint("pool", i%pools)
				if _, body := askOn(t, c, r, "GET /"+id+" HTTP/1.1\r\nHost: a\r\n\r\n"); body != id {
					t.Errorf("%s answered %q", id, body)
				}
			}
		})
	}
	all.Wait()
	if p := peak.Load(); p > most+clients {
		t.Errorf("%d connections to targets, want %d at most", p, most)
	}
	if n := open.Load(); n > most*3/4+1 {
		t.Errorf("%d connections are kept, want %d at most", n, most*3/4)
	}
}

// closing says when it is closed.
type closing struct {
	net.Conn
	end func()
}

func (c *closing) Close() error {
	c.end()
	return c.Conn.Close()
}

// A connection ends with an answer when it has become an hour old.
func TestKeepAliveEnds(t *testing.T) {
	t.Parallel()
	answers := func(c net.Conn, r *bufio.Reader) {
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.WriteString(c, smallAnswer) //nolint:errcheck // the client tells
		}
	}
	inBubble(t, answers, func(b *bubble) {
		c, r := b.connect("127.0.0.1")
		began := time.Now()
		for {
			io.WriteString(c, get) //nolint:errcheck // the answer tells
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				b.t.Fatalf("after %v: %v", time.Since(began), err)
			}
			io.Copy(io.Discard, res.Body) //nolint:errcheck // the head is what counts
			if old := time.Since(began); res.Close && old < time.Hour || !res.Close && old > time.Hour+2*time.Minute {
				b.t.Fatalf("after %v: close is %v", old, res.Close)
			}
			if res.Close {
				return
			}
			time.Sleep(50 * time.Second)
		}
	})
}

// Heads are held to an Application Load Balancer's limits.
func TestHeadLimits(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	f.load(forwardAll(bind, rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		var n int
		fmt.Sscan(req.URL.Query().Get("head"), &n) //nolint:errcheck // 0 is small
		head := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
		for n-len(head) > 2 { // lines of 1,000 bytes
			pad := min(1000, n-2-len(head))
			if n-2-len(head)-pad < 5 {
				pad = n - 2 - len(head)
			}
			head += "X: " + strings.Repeat("x", max(0, pad-5)) + "\r\n"
		}
		io.WriteString(c, head+"\r\n") //nolint:errcheck // the balancer tells
	})))
	line := func(n int) string {
		return "GET /" + strings.Repeat("a", n-len("GET / HTTP/1.1")) + " HTTP/1.1\r\nHost: a\r\n\r\n"
	}
	field := func(name string, n int) string {
		return "GET / HTTP/1.1\r\nHost: a\r\n" + name + ": " + strings.Repeat("a", n-len(name)-2) + "\r\n\r\n"
	}
	fields := func(n int) string { // of n bytes of header lines
		head, rest := "GET / HTTP/1.1\r\n", "Host: a\r\n"
		for n-len(rest)-2 > 0 {
			pad := min(8000, n-2-len(rest))
			rest += "X: " + strings.Repeat("x", max(0, pad-5)) + "\r\n"
		}
		return head + rest + "\r\n"
	}
	for _, tt := range []struct {
		name, request string
		want          int
	}{
		{"a request line of 16 KB", line(16 << 10), 200},
		{"and one more", line(16<<10 + 1), 414},
		{"a request line of 100 KB", line(100 << 10), 414},
		{"a header of nearly 16 KB", field("X", 16<<10-1), 200},
		{"of 16 KB", field("X", 16<<10), 400},
		{"a cookie of 40 KB", field("Cookie", 40<<10), 200},
		{"headers of 64 KB", fields(64 << 10), 200},
		{"and some more", fields(64<<10 + 10), 400},
		{"headers of 1 MB", fields(1 << 20), 400},
		{"an answer's head of 32 KB", "GET /?head=32768 HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		{"and one more", "GET /?head=32769 HTTP/1.1\r\nHost: a\r\n\r\n", 502},
		{"of 100 KB", "GET /?head=102400 HTTP/1.1\r\nHost: a\r\n\r\n", 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, r := dial(t, bind)
			go io.WriteString(c, tt.request) //nolint:errcheck // refused, it isn't read to its end
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != tt.want {
				t.Errorf("got %v, %v; want %d", res, err, tt.want)
			}
		})
	}
}
