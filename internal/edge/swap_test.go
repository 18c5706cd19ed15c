package edge_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

// Tables that come and go under load lose no request: targets are replaced
// as a deployment does it (registered, waited for, drained, shut down) while
// clients ask without a pause.
func TestSwapsLoseNoRequest(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	serve := func() (*httptest.Server, netip.AddrPort) {
		s := httptest.NewServer(says("ok"))
		return s, netip.MustParseAddrPort(s.Listener.Addr().String())
	}
	old, oldAddr := serve()
	tb := forwardAll(bind, oldAddr)
	tb.Pools[0].Check.Interval = 50 * time.Millisecond
	f.load(tb)

	var asked atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				res, err := client.Get("http://" + bind.String() + "/")
				if err != nil {
					t.Errorf("request failed: %v", err)
					return
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != 200 || string(body) != "ok" {
					t.Errorf("got %d %q, %v", res.StatusCode, body, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	for range 15 {
		next, nextAddr := serve()
		both := forwardAll(bind, oldAddr, nextAddr)
		both.Pools[0].Check.Interval = 50 * time.Millisecond
		f.load(both)
		f.waitState(table.Healthy)
		drain := *both
		drain.Pools = slices.Clone(both.Pools)
		drain.Pools[0].Targets = slices.Clone(both.Pools[0].Targets)
		drain.Pools[0].Targets[0].Draining = true
		drain.Pools[0].Targets[0].Deadline = time.Now().Add(time.Minute)
		f.load(&drain)
		f.wait(func(all []table.TargetStatus) bool {
			return slices.ContainsFunc(all, func(s table.TargetStatus) bool { return s.Target == oldAddr && s.State == table.Drained })
		})
		old.Close()
		f.load(forwardAll(bind, nextAddr))
		old, oldAddr = next, nextAddr
	}
	stop()
	clients.Wait()
	old.Close()
	t.Logf("%d requests", asked.Load())
}

// A restart without a drain loses none either, as long as another target is
// there: connections kept to the old one end, new ones are refused.
func TestShutdownOfATargetLosesNoRequest(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	first := httptest.NewServer(says("ok"))
	tb := forwardAll(bind, netip.MustParseAddrPort(first.Listener.Addr().String()), backend(t, says("ok")))
	tb.Pools[0].Check.Interval = time.Hour
	f.load(tb)
	f.waitState(table.Healthy)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			c, r := dial(t, bind)
			for range 300 {
				if res, body := askOn(t, c, r, get); res.StatusCode != 200 || body != "ok" {
					t.Errorf("got %d %q", res.StatusCode, body)
					return
				}
			}
		})
	}
	first.Close()
	clients.Wait()
}

func TestDrainWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-release
		}
		io.WriteString(w, "old") //nolint:errcheck // the test sees it
	})
	tb := forwardAll(bind, slow)
	f.load(tb)
	f.waitState(table.Healthy)
	answer := make(chan string)
	go func() {
		res, err := http.Get("http://" + bind.String() + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-arrived

	fresh := backend(t, says("new"))
	tb = forwardAll(bind, fresh, slow)
	tb.Pools[0].Targets[1].Draining = true
	tb.Pools[0].Targets[1].Deadline = time.Now().Add(time.Hour)
	f.load(tb)
	state := func() table.TargetStatus {
		all := f.Statuses()
		return all[slices.IndexFunc(all, func(s table.TargetStatus) bool { return s.Target == slow })]
	}
	want := table.TargetStatus{
		Pool: "pool", Target: slow, State: table.Draining, Inflight: 1,
		Reason: "Target.DeregistrationInProgress", Description: "Target deregistration is in progress",
	}
	if got := state(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, body := ask(t, bind, get); body != "new" {
		t.Errorf("a draining target answered %q", body)
	}
	close(release)
	if got := <-answer; got != "old" {
		t.Errorf("got %q from what was under way", got)
	}
	f.wait(func([]table.TargetStatus) bool { return state().State == table.Drained })
}

func TestDrainCutsAtItsDeadline(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	target := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		http.ReadRequest(r)                                                                                        //nolint:errcheck // whatever it is
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n") //nolint:errcheck // the test sees it
		io.Copy(io.Discard, r)                                                                                     //nolint:errcheck // until the end
	})
	f.load(forwardAll(bind, target))
	c, r := dial(t, bind)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n") //nolint:errcheck // the test sees it
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	tb := forwardAll(bind, target)
	tb.Pools[0].Targets[0].Draining = true
	tb.Pools[0].Targets[0].Deadline = time.Now().Add(200 * time.Millisecond)
	f.load(tb)
	if s := f.Statuses()[0]; s.State != table.Draining || s.Inflight != 1 {
		t.Errorf("got %+v, want it to drain", s)
	}
	f.waitState(table.Drained)
	if _, err := r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is open after the deadline: %v", err)
	}
	if res, _ := ask(t, bind, get); res.StatusCode != 503 {
		t.Errorf("got %d with only a draining target, want 503", res.StatusCode)
	}
}

func TestBlackHole(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	nobody := listener("nobody", bind, fixed(200, "nobody"))
	nobody.Balancer.Admit = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	all := listener("all", bind, fixed(200, "all"))
	f.load(&table.Table{Listeners: []table.Listener{nobody, all}})

	silent := func(c net.Conn, r *bufio.Reader) {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) //nolint:errcheck // is open
		if _, err := r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want silence", err)
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // is open
	}
	// The listener that the Host names doesn't admit the client.
	c, r := dial(t, bind)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: nobody.elb.localhost\r\n\r\n") //nolint:errcheck // the test sees it
	silent(c, r)
	kept, keptReader := dial(t, bind)
	const getAll = "GET / HTTP/1.1\r\nHost: all.elb.localhost\r\n\r\n"
	if _, body := askOn(t, kept, keptReader, getAll); body != "all" {
		t.Errorf("got %q", body)
	}
	// Nobody is admitted any more: what is open is cut, what comes is held.
	shut := all
	shut.Balancer.Admit = nil
	f.load(&table.Table{Listeners: []table.Listener{nobody, shut}})
	if _, err := keptReader.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v on the open connection, want it cut", err)
	}
	late, lateReader := dial(t, bind)
	io.WriteString(late, getAll) //nolint:errcheck // the test sees it
	silent(late, lateReader)
	silent(c, r)
	// Who is held gets through once the rule is there.
	open := nobody
	open.Balancer.Admit = all.Balancer.Admit
	f.load(&table.Table{Listeners: []table.Listener{open, all}})
	if _, body := askOn(t, late, lateReader, ""); body != "all" {
		t.Errorf("got %q", body)
	}
	if _, body := askOn(t, c, r, ""); body != "nobody" {
		t.Errorf("got %q", body)
	}
}

func TestSockets(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	a, b := f.bind(), f.bind()
	taken := netip.MustParseAddrPort("127.0.0.1:1")
	tb := &table.Table{Listeners: []table.Listener{listener("l", a, fixed(200, "hi"))}}
	tb.Listeners[0].Binds = []netip.AddrPort{taken, a}
	if err := f.Load(tb); err == nil {
		t.Error("a socket that is taken is not reported")
	}
	if errs := f.BindErrors(); len(errs) != 1 || errs[taken] == nil {
		t.Errorf("got %v", errs)
	}
	c, r := dial(t, a)
	if _, body := askOn(t, c, r, get); body != "hi" {
		t.Errorf("got %q", body)
	}
	// The socket stays: so do its connections.
	f.load(&table.Table{Listeners: []table.Listener{listener("l", a, fixed(200, "two")), listener("m", b, fixed(200, "b"))}})
	if _, body := askOn(t, c, r, get); body != "two" {
		t.Errorf("got %q", body)
	}
	if _, body := ask(t, b, get); body != "b" {
		t.Errorf("got %q", body)
	}
	// It goes: idle connections end, nobody is accepted.
	f.load(&table.Table{Listeners: []table.Listener{listener("m", b, fixed(200, "b"))}})
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want the idle connection to end", err)
	}
	if _, err := net.Dial("tcp", a.String()); err == nil {
		t.Error("the socket is still open")
	}
}

// A socket that is taken is bound as soon as it is free.
func TestBindIsTriedAgain(t *testing.T) {
	t.Parallel()
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bound := make(chan struct{})
	f := start(t, edge.Config{Listen: func(ctx context.Context, network, addr string) (net.Listener, error) {
		ln, err := new(net.ListenConfig).Listen(ctx, network, addr)
		if err == nil {
			close(bound)
		}
		return ln, err
	}})
	addr := netip.MustParseAddrPort(holder.Addr().String())
	if err := f.Load(&table.Table{Listeners: []table.Listener{listener("l", addr, fixed(200, "hi"))}}); err == nil {
		t.Error("a socket that is taken is not reported")
	}
	holder.Close()
	<-bound
	if _, body := ask(t, addr, get); body != "hi" {
		t.Errorf("got %q", body)
	}
}

func TestWeights(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	tb := forwardAll(bind, backend(t, says("a")))
	tb.Pools = append(tb.Pools, tb.Pools[0])
	tb.Pools[1].ID = "other"
	tb.Pools[1].Targets = []table.Target{{Addr: backend(t, says("b"))}}
	tb.Listeners[0].Default.Forward.Pools = []table.WeightedPool{{Pool: "pool", Weight: 3}, {Pool: "other", Weight: 1}, {Pool: "missing", Weight: 0}}
	f.load(tb)
	got := map[string]int{}
	c, r := dial(t, bind)
	for range 400 {
		_, body := askOn(t, c, r, get)
		got[body]++
	}
	if got["a"] < 240 || got["a"] > 360 || got["a"]+got["b"] != 400 {
		t.Errorf("got %v, want about 300 to 100", got)
	}
}
