package target_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/edge/target"
)

// poolOf has targets 10.0.0.1, 10.0.0.2 …, in that state.
func poolOf(states ...table.State) table.Pool {
	p := table.Pool{ID: "pool", InUse: true, Check: table.Check{Path: "/", Interval: 30 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 1, UnhealthyThreshold: 1}}
	for i, s := range states {
		p.Targets = append(p.Targets, table.Target{Addr: addrOf(i + 1), Known: s})
	}
	return p
}

func addrOf(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 80)
}

// shares picks often and counts whom it gets, by the last byte of the address.
func shares(p *target.Pool, zone string) map[int]int {
	got := map[int]int{}
	for range 6000 {
		if t := p.Pick(zone, nil); t != nil {
			got[int(t.Addr.Addr().As4()[3])]++
		}
	}
	return got
}

func near(got, want int) bool { return got > want*8/10-20 && got < want*12/10+20 }

func TestPick(t *testing.T) {
	t.Parallel()
	const h, u = table.Healthy, table.Unhealthy
	for _, tt := range []struct {
		name   string
		states []table.State
		change func(*table.Pool)
		zone   string
		want   map[int]int
	}{
		{"in turn", []table.State{h, h, u}, func(*table.Pool) {}, "", map[int]int{1: 3000, 2: 3000}},
		{"at random", []table.State{h, h, u}, func(p *table.Pool) { p.Algorithm = table.WeightedRandom }, "", map[int]int{1: 3000, 2: 3000}},
		{"fewest", []table.State{h, h, u}, func(p *table.Pool) { p.Algorithm = table.LeastOutstanding }, "", map[int]int{1: 3000, 2: 3000}},
		{"none healthy", []table.State{u, u}, func(*table.Pool) {}, "", map[int]int{1: 3000, 2: 3000}},
		{"too few", []table.State{h, u, u}, func(p *table.Pool) { p.MinHealthy = 2 }, "", map[int]int{1: 2000, 2: 2000, 3: 2000}},
		{"enough", []table.State{h, h, u}, func(p *table.Pool) { p.MinHealthy = 2 }, "", map[int]int{1: 3000, 2: 3000}},
		{"too small a share", []table.State{h, u, u}, func(p *table.Pool) { p.MinHealthyPercent = 34 }, "", map[int]int{1: 2000, 2: 2000, 3: 2000}},
		{"a share that is enough", []table.State{h, u, u}, func(p *table.Pool) { p.MinHealthyPercent = 33 }, "", map[int]int{1: 6000}},
		{"a zone", []table.State{h, h, u, h}, inZones, "a", map[int]int{1: 3000, 4: 3000}},
		{"a zone without health", []table.State{h, u, u, u}, inZones, "b", map[int]int{2: 2000, 3: 2000, 4: 2000}},
		{"no such zone", []table.State{h, h, h}, inZones, "c", map[int]int{}},
		{"no zone", []table.State{h, h, h}, inZones, "", map[int]int{1: 2000, 2: 2000, 3: 2000}},
		{"zones don't count", []table.State{h, h, h}, func(p *table.Pool) { inZones(p); p.OneZone = false }, "a", map[int]int{1: 2000, 2: 2000, 3: 2000}},
	} {
		w := newWorld(t, new(pipes).dial)
		p := poolOf(tt.states...)
		tt.change(&p)
		w.load([]table.Pool{p})
		got := shares(w.Pool("pool"), tt.zone)
		for n := range 5 {
			if !near(got[n], tt.want[n]) {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
				break
			}
		}
	}
}

// inZones puts the first target in a, the next two in b, and the fourth in all.
func inZones(p *table.Pool) {
	p.OneZone = true
	for i, z := range []string{"a", "b", "b", table.AllZones} {
		if i < len(p.Targets) {
			p.Targets[i].Zone = z
		}
	}
}

func TestFewestUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, new(pipes).dial)
	p := poolOf(table.Healthy, table.Healthy, table.Healthy)
	p.Algorithm = table.LeastOutstanding
	w.load([]table.Pool{p})
	pool := w.Pool("pool")
	first := pool.Pick("", nil)
	first.Begin()
	second := pool.Pick("", nil)
	second.Begin()
	third := pool.Pick("", nil)
	third.Begin()
	third.Begin()
	if first == second || second == third || first == third {
		t.Fatalf("got %s, %s and %s", first.Addr, second.Addr, third.Addr)
	}
	for range 5 {
		if got := pool.Pick("", second); got != first {
			t.Errorf("got %s, which isn't the one with the fewest beside %s", got.Addr, second.Addr)
		}
	}
}

func TestSlowStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		backends := new(pipes)
		backends.status.Store(200)
		w := newWorld(t, backends.dial)
		p := poolOf(table.Healthy, "")
		p.SlowStart = 100 * time.Second
		w.load([]table.Pool{p})
		w.run()
		synctest.Wait() // the second one has passed its first check
		begin := time.Now()
		for _, tt := range []struct {
			after time.Duration
			want  int // of 6,000, if the other one has the rest
		}{
			{0, 0}, {50 * time.Second, 2000}, {101 * time.Second, 3000},
		} {
			time.Sleep(tt.after - time.Since(begin))
			w.Tick(time.Now(), false)
			if got := shares(w.Pool("pool"), ""); !near(got[2], tt.want) {
				t.Errorf("after %v: got %v, want %d of the second", tt.after, got, tt.want)
			}
		}
	})
}

func TestFirstTargetsStartAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		backends := new(pipes)
		backends.status.Store(200)
		w := newWorld(t, backends.dial)
		p := poolOf("")
		p.SlowStart = 100 * time.Second
		w.load([]table.Pool{p})
		w.run()
		synctest.Wait()
		if got := shares(w.Pool("pool"), ""); got[1] != 6000 {
			t.Errorf("got %v of a single target", got)
		}
	})
}

func TestAnomaly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, new(pipes).dial)
	p := poolOf(table.Healthy, table.Healthy, table.Healthy)
	p.Algorithm, p.Mitigate = table.WeightedRandom, true
	w.load([]table.Pool{p})
	pool := w.Pool("pool")
	// rounds lets each target have 100 requests between looks, of which the second fails some.
	rounds := func(n int, failing uint64) {
		for range n {
			for i := range 3 {
				m := &pool.Usable("", addrOf(i+1)).Meter
				m.Requests.Add(100)
				m.Failed.Add(1)
			}
			pool.Usable("", addrOf(2)).Meter.Failed.Add(failing)
			w.Tick(time.Now(), true)
		}
	}
	status := func() table.TargetStatus { return w.Statuses()[1] }
	rounds(3, 0)
	if s := status(); s.Anomalous || s.Mitigated {
		t.Errorf("among equals: %+v", s)
	}
	rounds(1, 50)
	if s := status(); !s.Anomalous || !s.Mitigated {
		t.Errorf("failing: %+v", s)
	}
	if got := shares(pool, ""); !near(got[2], 1200) {
		t.Errorf("after one look: got %v, want 1200 of the second", got)
	}
	rounds(10, 50)
	if got := shares(pool, ""); got[2] == 0 || got[2] > 300 {
		t.Errorf("at last: got %v, want few of the second, but some", got)
	}
	rounds(3, 0)
	if s := status(); s.Anomalous || !s.Mitigated {
		t.Errorf("better: %+v", s)
	}
	rounds(5, 0)
	if got := shares(pool, ""); status().Mitigated || !near(got[2], 2000) {
		t.Errorf("well: got %v, %+v, want 2000 of the second", got, status())
	}
	p.Mitigate = false
	w.load([]table.Pool{p})
	rounds(2, 50)
	if s := status(); !s.Anomalous || s.Mitigated {
		t.Errorf("watched only: %+v", s)
	}
}
