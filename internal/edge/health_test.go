package edge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/edge"
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

// Health follows the checks, in fake time.
func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pipes
		e := edge.New(edge.Config{Dial: p.dial})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) }) //nolint:errcheck // ends with ctx
		defer running.Wait()
		defer stop()

		addr := netip.MustParseAddrPort("10.0.0.1:80")
		tb := &edge.Table{Pools: []edge.Pool{{
			ID: "p", InUse: true, Targets: []edge.Target{{ID: "10.0.0.1", Addr: addr}},
			Check: edge.Check{Path: "/", Interval: 10 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 3, UnhealthyThreshold: 2, Matcher: "200"},
		}}}
		load := func(change func(*edge.Pool)) {
			t.Helper()
			change(&tb.Pools[0])
			next := &edge.Table{Pools: slices.Clone(tb.Pools)}
			next.Pools[0].Targets = slices.Clone(tb.Pools[0].Targets)
			if err := e.Load(next); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		expect := func(state edge.State, reason, description string) {
			t.Helper()
			synctest.Wait()
			want := []edge.TargetStatus{{Pool: "p", Target: addr, State: state, Reason: reason, Description: description}}
			if diff := cmp.Diff(want, e.Statuses(), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
		round := func() { time.Sleep(10 * time.Second) }

		p.status.Store(302)
		load(func(*edge.Pool) {})
		expect(edge.Initial, "Elb.InitialHealthChecking", "Initial health checks in progress")
		round()
		expect(edge.Unhealthy, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [302]")
		p.status.Store(0)
		round()
		expect(edge.Unhealthy, "Target.FailedHealthChecks", "Health checks failed")
		p.status.Store(-1)
		round()
		time.Sleep(5 * time.Second)
		expect(edge.Unhealthy, "Target.Timeout", "Request timed out")
		p.status.Store(200)
		round()
		round()
		expect(edge.Unhealthy, "Target.Timeout", "Request timed out")
		round()
		expect(edge.Healthy, "", "")
		load(func(*edge.Pool) {}) // carried over
		expect(edge.Healthy, "", "")
		load(func(p *edge.Pool) { p.InUse = false })
		expect(edge.Unused, "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
		load(func(p *edge.Pool) { p.InUse = true })
		expect(edge.Healthy, "", "") // at once: the first check isn't waited for
		load(func(p *edge.Pool) { p.Targets[0].Draining, p.Targets[0].Deadline = true, time.Now().Add(time.Hour) })
		expect(edge.Drained, "Target.DeregistrationInProgress", "Target deregistration is in progress")
		p.status.Store(500)
		load(func(p *edge.Pool) { p.Targets[0].Draining = false })
		expect(edge.Initial, "Elb.InitialHealthChecking", "Initial health checks in progress")
	})
}

// Changes tells all first, then each change, and what came together at once.
func TestChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pipes
		p.status.Store(200)
		e := edge.New(edge.Config{Dial: p.dial})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) }) //nolint:errcheck // ends with ctx
		defer running.Wait()
		defer stop()
		pool := edge.Pool{ID: "p", InUse: true, Check: edge.Check{Interval: 10 * time.Second, UnhealthyThreshold: 2, HealthyThreshold: 2}}
		for i := range 1000 {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
			pool.Targets = append(pool.Targets, edge.Target{Addr: addr})
		}
		if err := e.Load(&edge.Table{Pools: []edge.Pool{pool}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		calls := make(chan []edge.TargetStatus, 100)
		running.Go(func() {
			err := e.Changes(ctx, func(s []edge.TargetStatus) error {
				calls <- s
				time.Sleep(time.Second)
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Changes: %v", err)
			}
		})
		if first := <-calls; len(first) != 1000 || first[0].State != edge.Healthy {
			t.Fatalf("got %d, first %+v", len(first), first[:1])
		}
		time.Sleep(30 * time.Second)
		if len(calls) != 0 {
			t.Errorf("told without a change: %v", len(<-calls))
		}
		p.status.Store(404)
		time.Sleep(30 * time.Second)
		told := map[netip.AddrPort]edge.State{}
		for len(calls) > 0 {
			for _, s := range <-calls {
				told[s.Target] = s.State
			}
		}
		if len(told) != 1000 || told[pool.Targets[7].Addr] != edge.Unhealthy {
			t.Errorf("told of %d targets, one is %s", len(told), told[pool.Targets[7].Addr])
		}
	})
}

// Requests go to healthy targets only, and to all when none is.
func TestFailOpen(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	var sick atomic.Bool
	sometimes := func(name string, always bool) netip.AddrPort {
		return backend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.UserAgent() == "ELB-HealthChecker/2.0" && (always || sick.Load()) {
				w.WriteHeader(500)
			}
			says(name)(w, r)
		})
	}
	tb := table(bind, sometimes("well", false), sometimes("ill", true))
	tb.Pools[0].Check.Interval = 20 * time.Millisecond
	f.load(tb)
	count := func(state edge.State, want int) func([]edge.TargetStatus) bool {
		return func(all []edge.TargetStatus) bool {
			n := 0
			for _, s := range all {
				if s.State == state {
					n++
				}
			}
			return n == want
		}
	}
	answers := func() map[string]int {
		got := map[string]int{}
		c, r := dial(t, bind)
		for range 20 {
			_, body := askOn(t, c, r, get)
			got[body]++
		}
		return got
	}
	tb = table(bind, tb.Pools[0].Targets[0].Addr, tb.Pools[0].Targets[1].Addr)
	tb.Pools[0].Check.Matcher, tb.Pools[0].Check.Interval = "200", 20*time.Millisecond
	f.load(tb)
	f.wait(func(all []edge.TargetStatus) bool {
		return count(edge.Healthy, 1)(all) && count(edge.Unhealthy, 1)(all)
	})
	if got := answers(); got["well"] != 20 {
		t.Errorf("got %v, want all from the healthy one", got)
	}
	sick.Store(true)
	f.wait(count(edge.Unhealthy, 2))
	if got := answers(); got["well"] != 10 || got["ill"] != 10 {
		t.Errorf("got %v, want both in turn", got)
	}
}

// A target that answers a moment after its registration is healthy long before
// its second check, and one that never does is given its whole intervals.
func TestLateStarterIsHealthySoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pipes
		e := edge.New(edge.Config{Dial: p.dial})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) }) //nolint:errcheck // ends with ctx
		defer running.Wait()
		defer stop()
		tb := &edge.Table{Pools: []edge.Pool{{
			ID: "pool", InUse: true, Targets: []edge.Target{{ID: "10.0.0.1", Addr: netip.MustParseAddrPort("10.0.0.1:80")}},
			Check: edge.Check{Path: "/", Interval: 30 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 5, UnhealthyThreshold: 2, Matcher: "200"},
		}}}
		if err := e.Load(tb); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second) // simulated: many looks, one check
		synctest.Wait()
		if got := e.Statuses()[0].State; got != edge.Initial {
			t.Errorf("after one failed check the target is %s, want initial", got)
		}
		p.status.Store(200)
		time.Sleep(1500 * time.Millisecond) // simulated
		synctest.Wait()
		if got := e.Statuses()[0].State; got != edge.Healthy {
			t.Errorf("a second after it began to answer the target is %s, want healthy", got)
		}
	})
}

// A process that comes after another goes on with what that one knew: nobody
// takes a healthy target for one that was just registered.
func TestKnownHealth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		known, want, then edge.State
	}{
		{"", edge.Initial, edge.Initial}, // one failure is not enough
		{edge.Healthy, edge.Healthy, edge.Healthy},
		{edge.Unhealthy, edge.Unhealthy, edge.Unhealthy},
	} {
		synctest.Test(t, func(t *testing.T) {
			var p pipes // refuses
			e := edge.New(edge.Config{Dial: p.dial})
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			addr := netip.MustParseAddrPort("10.0.0.1:80")
			tb := table(netip.AddrPort{}, addr)
			tb.Pools[0].Targets[0].Known = tt.known
			if err := e.Load(&edge.Table{Pools: tb.Pools}); err != nil {
				t.Fatal(err)
			}
			if got := e.Statuses()[0].State; got != tt.want {
				t.Errorf("known as %q it begins as %s, want %s", tt.known, got, tt.want)
			}
			running.Go(func() { e.Run(ctx) }) //nolint:errcheck // ends with ctx
			defer running.Wait()
			defer stop()
			synctest.Wait() // the first check is over
			if got := e.Statuses()[0].State; got != tt.then {
				t.Errorf("known as %q, after one failure it is %s, want %s", tt.known, got, tt.then)
			}
		})
	}
}
