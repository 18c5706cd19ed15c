package target_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/edge/target"
)

// pipes are targets that are reached without a network: each connection gets
// one answer. A status of 0 refuses connections, one of -1 says nothing.
type pipes struct{ status atomic.Int64 }

func (p *pipes) dial(_ context.Context, source netip.Addr, _ netip.AddrPort) (net.Conn, error) {
	status := p.status.Load()
	if status == 0 {
		return nil, errors.New("refused")
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		r := bufio.NewReader(theirs)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		if status > 0 {
			fmt.Fprintf(theirs, "HTTP/1.1 %d x\r\nX-Source: %s\r\nContent-Length: 0\r\n\r\n", status, source)
			return
		}
		r.ReadByte() //nolint:errcheck // until it gives up
	}()
	return ours, nil
}

// world is a Set whose targets are reached without a network.
type world struct {
	*target.Set
	ctx     context.Context
	running sync.WaitGroup
	runs    bool
	waiting []func(context.Context) // parts, for run
}

// newWorld returns a Set without pools. It ends with the test's bubble.
func newWorld(t *testing.T, dial func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error)) *world {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &world{ctx: ctx}
	t.Cleanup(func() { stop(); w.running.Wait() })
	w.Set = target.NewSet(target.Config{
		Log: slog.New(slog.DiscardHandler), Dial: dial, Cut: func(*target.Target) {},
		Spawn: w.spawn,
	})
	return w
}

func (w *world) spawn(part func(context.Context)) {
	if !w.runs {
		w.waiting = append(w.waiting, part)
		return
	}
	w.running.Go(func() { part(w.ctx) })
}

// run starts the checks.
func (w *world) run() {
	w.runs = true
	for _, part := range w.waiting {
		w.spawn(part)
	}
}

// load swaps the pools.
func (w *world) load(pools []table.Pool) {
	w.Add(pools)
	w.Apply(pools)
}

// Health follows the checks, in fake time.
func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pipes
		s := newWorld(t, p.dial)
		s.run()

		addr := netip.MustParseAddrPort("10.0.0.1:80")
		tb := &table.Table{Pools: []table.Pool{{
			ID: "p", InUse: true, Targets: []table.Target{{ID: "10.0.0.1", Addr: addr}},
			Check: table.Check{Path: "/", Interval: 10 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 3, UnhealthyThreshold: 2, Matcher: "200"},
		}}}
		load := func(change func(*table.Pool)) {
			t.Helper()
			change(&tb.Pools[0])
			next := &table.Table{Pools: slices.Clone(tb.Pools)}
			next.Pools[0].Targets = slices.Clone(tb.Pools[0].Targets)
			s.load(next.Pools)
			synctest.Wait()
		}
		expect := func(state table.State, reason, description string) {
			t.Helper()
			synctest.Wait()
			want := []table.TargetStatus{{Pool: "p", Target: addr, State: state, Reason: reason, Description: description}}
			got := s.Statuses()
			fails := state == table.Unhealthy || state == table.Initial
			if seen := got[0].Seen; fails != (seen.Asked == "http://10.0.0.1:80/") || fails == (seen.Status+seen.Error == "") {
				t.Errorf("a target that is %s was seen as %+v", state, seen)
			}
			got[0].Seen = table.Seen{}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
		round := func() { time.Sleep(10 * time.Second) }

		p.status.Store(302)
		load(func(*table.Pool) {})
		expect(table.Initial, "Elb.InitialHealthChecking", "Initial health checks in progress")
		round()
		expect(table.Unhealthy, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [302]")
		p.status.Store(0)
		round()
		expect(table.Unhealthy, "Target.FailedHealthChecks", "Health checks failed")
		p.status.Store(-1)
		round()
		time.Sleep(5 * time.Second)
		expect(table.Unhealthy, "Target.Timeout", "Request timed out")
		p.status.Store(200)
		round()
		round()
		expect(table.Unhealthy, "Target.Timeout", "Request timed out")
		round()
		expect(table.Healthy, "", "")
		load(func(*table.Pool) {}) // carried over
		expect(table.Healthy, "", "")
		load(func(p *table.Pool) { p.InUse = false })
		expect(table.Unused, "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
		load(func(p *table.Pool) { p.InUse = true })
		expect(table.Healthy, "", "") // at once: the first check isn't waited for
		load(func(p *table.Pool) { p.Targets[0].Draining, p.Targets[0].Deadline = true, time.Now().Add(time.Hour) })
		expect(table.Drained, "Target.DeregistrationInProgress", "Target deregistration is in progress")
		p.status.Store(500)
		load(func(p *table.Pool) { p.Targets[0].Draining = false })
		expect(table.Initial, "Elb.InitialHealthChecking", "Initial health checks in progress")
	})
}

// Changes tells all first, then each change, and what came together at once.
func TestChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pipes
		p.status.Store(200)
		s := newWorld(t, p.dial)
		s.run()
		pool := table.Pool{ID: "p", InUse: true, Check: table.Check{Interval: 10 * time.Second, UnhealthyThreshold: 2, HealthyThreshold: 2}}
		for i := range 1000 {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
			pool.Targets = append(pool.Targets, table.Target{Addr: addr})
		}
		s.load([]table.Pool{pool})
		synctest.Wait()
		calls := make(chan []table.TargetStatus, 100)
		s.running.Go(func() {
			err := s.Changes(s.ctx, func(changed []table.TargetStatus) error {
				calls <- changed
				time.Sleep(time.Second)
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Changes: %v", err)
			}
		})
		if first := <-calls; len(first) != 1000 || first[0].State != table.Healthy {
			t.Fatalf("got %d, first %+v", len(first), first[:1])
		}
		time.Sleep(30 * time.Second)
		if len(calls) != 0 {
			t.Errorf("told without a change: %v", len(<-calls))
		}
		p.status.Store(404)
		time.Sleep(30 * time.Second)
		told := map[netip.AddrPort]table.State{}
		for len(calls) > 0 {
			for _, now := range <-calls {
				told[now.Target] = now.State
			}
		}
		if len(told) != 1000 || told[pool.Targets[7].Addr] != table.Unhealthy {
			t.Errorf("told of %d targets, one is %s", len(told), told[pool.Targets[7].Addr])
		}
	})
}

// A target that answers a moment after its registration is healthy long before
// its second check, and one that never does is given its whole intervals.
func TestLateStarterIsHealthySoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pipes
		s := newWorld(t, p.dial)
		s.run()
		tb := &table.Table{Pools: []table.Pool{{
			ID: "pool", InUse: true, Targets: []table.Target{{ID: "10.0.0.1", Addr: netip.MustParseAddrPort("10.0.0.1:80")}},
			Check: table.Check{Path: "/", Interval: 30 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 5, UnhealthyThreshold: 2, Matcher: "200"},
		}}}
		s.load(tb.Pools)
		time.Sleep(20 * time.Second) // simulated: many looks, one check
		synctest.Wait()
		if got := s.Statuses()[0].State; got != table.Initial {
			t.Errorf("after one failed check the target is %s, want initial", got)
		}
		p.status.Store(200)
		time.Sleep(1500 * time.Millisecond) // simulated
		synctest.Wait()
		if got := s.Statuses()[0].State; got != table.Healthy {
			t.Errorf("a second after it began to answer the target is %s, want healthy", got)
		}
	})
}

// A process that comes after another goes on with what that one knew: nobody
// takes a healthy target for one that was just registered.
func TestKnownHealth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		known, want, then table.State
	}{
		{"", table.Initial, table.Initial}, // one failure is not enough
		{table.Healthy, table.Healthy, table.Healthy},
		{table.Unhealthy, table.Unhealthy, table.Unhealthy},
	} {
		synctest.Test(t, func(t *testing.T) {
			var p pipes // refuses
			s := newWorld(t, p.dial)
			s.load([]table.Pool{{
				ID: "pool", InUse: true, Targets: []table.Target{{ID: "10.0.0.1", Addr: netip.MustParseAddrPort("10.0.0.1:80"), Known: tt.known}},
				Check: table.Check{Path: "/", Interval: time.Second, Timeout: time.Second, HealthyThreshold: 2, UnhealthyThreshold: 2, Matcher: "200-499"},
			}})
			if got := s.Statuses()[0].State; got != tt.want {
				t.Errorf("known as %q it begins as %s, want %s", tt.known, got, tt.want)
			}
			s.run()
			synctest.Wait() // the first check is over
			if got := s.Statuses()[0].State; got != tt.then {
				t.Errorf("known as %q, after one failure it is %s, want %s", tt.known, got, tt.then)
			}
		})
	}
}

// Ten thousand targets are checked, all at once at first.
func TestManyTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pipes
		p.status.Store(200)
		s := newWorld(t, p.dial)
		s.run()
		pool := table.Pool{ID: "p", InUse: true}
		for i := range 10_000 {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
			pool.Targets = append(pool.Targets, table.Target{Addr: addr})
		}
		s.load([]table.Pool{pool})
		synctest.Wait()
		for _, is := range s.Statuses() {
			if is.State != table.Healthy {
				t.Fatalf("got %+v", is)
			}
		}
	})
}

// ours is a failure of this machine, as net.Dial reports it.
func ours(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", err)}
}

// A failure of this machine is no outcome of a check: a healthy target stays
// so, an unhealthy one too, and the next check comes soon.
func TestOwnFailuresAreNoOutcome(t *testing.T) {
	t.Parallel()
	for _, own := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN} {
		synctest.Test(t, func(t *testing.T) {
			var p pipes
			var short atomic.Bool
			s := newWorld(t, func(ctx context.Context, source netip.Addr, addr netip.AddrPort) (net.Conn, error) {
				if short.Load() {
					return nil, ours(own)
				}
				return p.dial(ctx, source, addr)
			})
			s.run()
			addr := netip.MustParseAddrPort("10.0.0.1:80")
			tb := &table.Table{Pools: []table.Pool{{
				ID: "p", InUse: true, Targets: []table.Target{{ID: "10.0.0.1", Addr: addr}},
				Check: table.Check{Path: "/", Interval: 10 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 2, UnhealthyThreshold: 2, Matcher: "200"},
			}}}
			s.load(tb.Pools)
			p.status.Store(200)
			is := func(want table.State) {
				t.Helper()
				synctest.Wait()
				if got := s.Statuses()[0].State; got != want {
					t.Errorf("%v: the target is %s, want %s", own, got, want)
				}
			}
			time.Sleep(11 * time.Second)
			is(table.Healthy)
			short.Store(true)
			time.Sleep(5 * time.Minute)
			is(table.Healthy)
			if !s.WasShort() {
				t.Errorf("%v: not told", own)
			}
			short.Store(false)
			p.status.Store(500)
			time.Sleep(12 * time.Second) // one check at once, and the next
			is(table.Unhealthy)
			short.Store(true)
			p.status.Store(200)
			time.Sleep(5 * time.Minute)
			is(table.Unhealthy)
			short.Store(false)
			time.Sleep(2 * time.Minute)
			is(table.Healthy)
			if s.WasShort() {
				t.Errorf("%v: told for too long", own)
			}
		})
	}
}
