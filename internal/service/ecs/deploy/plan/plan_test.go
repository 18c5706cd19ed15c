package plan

import (
	"cmp"
	"fmt"
	rand "math/rand/v2"
	"slices"
	"testing"
)

// tasks makes members from a picture: a letter a task, s starting, h healthy,
// b bad, upper case of the primary deployment; ! behind one says that it is
// protected.
func tasks(picture string) (ms []Member) {
	for i, r := range picture {
		if r == '!' {
			ms[len(ms)-1].Protected = true
			continue
		}
		m := Member{ID: fmt.Sprintf("%c%d", r, i), Current: r < 'a', Zone: "a"}
		m.Health = map[rune]Health{'s': Starting, 'S': Starting, 'h': Healthy, 'H': Healthy, 'b': Unhealthy, 'B': Unhealthy}[r]
		ms = append(ms, m)
	}
	return ms
}

func TestPlan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name               string
		desired, low, high int
		tasks              string
		held               bool
		leaving            int
		freeing            int
		full, never        bool // the machine has room for one task, or never has
		soon               bool // it has been so for a moment only
		start, lacking     int
		stop               []string
	}{
		{name: "a new service starts all", desired: 3, low: 3, high: 6, start: 3},
		{name: "steady", desired: 2, low: 2, high: 4, tasks: "HH"},
		{name: "a deployment starts beside the old", desired: 2, low: 2, high: 4, tasks: "hh", start: 2},
		{name: "nothing goes while the new ones start", desired: 2, low: 2, high: 4, tasks: "hhSS"},
		{name: "one healthy, one goes", desired: 2, low: 2, high: 4, tasks: "hhHS", stop: []string{"h0"}},
		{name: "no room to start: old ones go down to the minimum", desired: 4, low: 2, high: 4, tasks: "hhhh", stop: []string{"h0", "h1"}},
		{name: "not while starts are held back", desired: 4, low: 2, high: 4, tasks: "hhhh", held: true},
		{name: "old ones that never got healthy go at once", desired: 2, low: 2, high: 4, tasks: "hhss", stop: []string{"s2", "s3"}},
		{name: "who leaves still takes room", desired: 2, low: 1, high: 2, tasks: "h", leaving: 1},
		{name: "for as many as start", desired: 2, low: 0, high: 2, tasks: "Hh", leaving: 1},
		{name: "no room on the machine for all", desired: 3, low: 3, high: 6, full: true, start: 1, lacking: 2},
		{name: "as many as there is room for start beside the old", desired: 2, low: 2, high: 4, tasks: "hh", full: true, start: 1, lacking: 1},
		{name: "no room on the machine: old ones go down to the minimum", desired: 4, low: 2, high: 8, tasks: "hhhh", full: true, start: 1, lacking: 3, stop: []string{"h0", "h1"}},
		{name: "but not before those who went are gone", desired: 4, low: 2, high: 8, tasks: "hhh", freeing: 3, full: true, start: 1, lacking: 3},
		{name: "nor at once", desired: 4, low: 2, high: 8, tasks: "hhhh", soon: true, full: true, start: 1, lacking: 3},
		{name: "none goes for what never fits", desired: 4, low: 2, high: 8, tasks: "hhhh", never: true, lacking: 4},
		{name: "scale out", desired: 4, low: 4, high: 8, tasks: "HH", start: 2},
		{name: "scale in takes what starts first", desired: 1, low: 1, high: 2, tasks: "HSH", stop: []string{"S1", "H0"}},
		{name: "to nothing", desired: 0, low: 0, high: 0, tasks: "HhBs", stop: []string{"H0", "s3", "h1", "B2"}},
		{name: "a bad one is replaced", desired: 2, low: 2, high: 4, tasks: "HB", start: 1},
		{name: "and goes when its replacement is healthy", desired: 2, low: 2, high: 4, tasks: "HBH", stop: []string{"B1"}},
		{name: "all bad: replacements start, none goes", desired: 2, low: 2, high: 4, tasks: "BB", start: 2},
		{name: "all bad and no room: one goes", desired: 2, low: 2, high: 2, tasks: "BB", stop: []string{"B0"}},
		{name: "scale in spares the protected", desired: 1, low: 1, high: 2, tasks: "H!HH", stop: []string{"H2", "H3"}},
		{name: "even when there are too many", desired: 1, low: 1, high: 2, tasks: "H!H!"},
		{name: "a deployment spares the protected", desired: 2, low: 2, high: 4, tasks: "h!hHH", stop: []string{"h2"}},
		{name: "a protected one takes room", desired: 2, low: 1, high: 2, tasks: "h!h", stop: []string{"h2"}},
		{name: "to nothing but the protected", desired: 0, low: 0, high: 0, tasks: "HS!b!h", stop: []string{"H0", "h5"}},
		{name: "an unhealthy one that is protected stays beside its replacement", desired: 2, low: 2, high: 4, tasks: "HB!H"},
		{name: "and no other while its replacement starts", desired: 2, low: 2, high: 2, tasks: "BS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{
				Desired: tt.desired, Low: tt.low, High: tt.high, Tasks: tasks(tt.tasks), Leaving: tt.leaving, Freeing: max(tt.leaving, tt.freeing),
				MayStart: !tt.held, Fits: tt.high, Stuck: !tt.soon, Never: tt.never,
			}
			if tt.full {
				in.Fits = 1
			}
			if tt.never {
				in.Fits = 0
			}
			got := Decide(in)
			if got.Start != tt.start || got.Lacking != tt.lacking || !slices.Equal(got.Stop, tt.stop) {
				t.Errorf("plan(%q) = start %d lacking %d stop %v, want start %d lacking %d stop %v", tt.tasks, got.Start, got.Lacking, got.Stop, tt.start, tt.lacking, tt.stop)
			}
		})
	}
}

// TestPlanProperties plays random services under random health on a machine
// with little room: never fewer healthy tasks by plan's doing than low, never
// more tasks than high (unless there were) or than the machine has room for, no
// protected task stopped, and once the world is kind and protection is over it
// ends with desired healthy current tasks and nothing else. When the new
// revision is rolled back in the middle, it ends so at the old one.
func TestPlanProperties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20000) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := game{t: t, r: r, seed: seed, in: Input{Desired: r.IntN(6), MayStart: true}}
		g.in.Low = r.IntN(g.in.Desired + 1)
		g.in.High = g.in.Desired + r.IntN(g.in.Desired+1)
		if g.in.Low == g.in.High && g.in.Desired > 0 {
			g.in.High++ // AWS refuses what can never change
		}
		for range r.IntN(2*g.in.Desired + 2) {
			g.add(r.IntN(2) == 0, Health(r.IntN(3)))
			g.in.Tasks[len(g.in.Tasks)-1].Protected = r.IntN(4) == 0
		}
		g.slots = max(g.in.Desired, len(g.in.Tasks)) + r.IntN(g.in.Desired+1)
		if g.in.Low == g.in.Desired {
			g.slots++ // nothing may go before
		}
		back, over := r.IntN(12), 3+r.IntN(20) // when it is rolled back, in every other game, and when protection ends
		for step := 0; !g.step() || step <= max(back, over); step++ {
			if step == 300 {
				t.Fatalf("seed %d: does not end: %+v", seed, g)
			}
			for i := range g.in.Tasks {
				m := &g.in.Tasks[i]
				m.Current = m.Current != (step == back && seed%2 == 0)
				m.Protected = m.Protected && step < over
			}
		}
		if ms := g.in.Tasks; len(ms) != g.in.Desired || count(ms) != g.in.Desired || slices.ContainsFunc(ms, func(m Member) bool { return !m.Current }) {
			t.Fatalf("seed %d: ends at %+v", seed, g)
		}
	}
}

// game is one play of TestPlanProperties.
type game struct {
	t     *testing.T
	r     *rand.Rand
	seed  uint64
	in    Input
	next  int // the next task's id
	slots int // how many tasks the machine has room for
	going int // tasks on their way out that no longer count
}

func (g *game) add(current bool, h Health) {
	g.next++
	g.in.Tasks = append(g.in.Tasks, Member{ID: fmt.Sprint(g.next), Current: current, Health: h, Zone: g.zone()})
}

// zone chooses where a task starts: where there are the fewest, if zones are to
// be even, or anywhere.
func (g *game) zone() string {
	open := slices.DeleteFunc(slices.Clone(g.in.Zones), func(z Zone) bool { return z.Closed })
	if len(open) == 0 {
		return fmt.Sprint(g.r.IntN(cmp.Or(len(g.in.Zones), 3)))
	}
	g.r.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	tasks := slices.DeleteFunc(slices.Clone(g.in.Tasks), func(m Member) bool { return !m.Current || m.Health == Unhealthy })
	n := levels{}.excess(tasks)
	return slices.MinFunc(open, func(a, b Zone) int { return n[a.Name] - n[b.Name] }).Name
}

// step plans, checks, acts, and lets some time pass; it says whether nothing is
// left to do.
func (g *game) step() (done bool) {
	g.in.Freeing = g.in.Leaving + g.going
	g.in.Fits = max(0, g.slots-len(g.in.Tasks)-g.in.Freeing)
	g.in.Stuck = g.r.IntN(3) > 0
	in, a := g.in, Decide(g.in)
	after := slices.DeleteFunc(slices.Clone(in.Tasks), func(m Member) bool { return slices.Contains(a.Stop, m.ID) })
	before := count(in.Tasks)
	switch got := count(after); {
	case len(after) != len(in.Tasks)-len(a.Stop):
		g.t.Fatalf("seed %d: stops a task twice or one that isn't there: %v of %+v", g.seed, a.Stop, in)
	case got < before && got < in.Low:
		g.t.Fatalf("seed %d: %d healthy left, low is %d: %+v -> %+v", g.seed, got, in.Low, in, a)
	case a.Start > 0 && len(in.Tasks)+in.Leaving+a.Start > in.High:
		g.t.Fatalf("seed %d: %d tasks, high is %d: %+v -> %+v", g.seed, len(in.Tasks)+in.Leaving+a.Start, in.High, in, a)
	case a.Start > in.Fits:
		g.t.Fatalf("seed %d: starts %d, there is room for %d: %+v -> %+v", g.seed, a.Start, in.Fits, in, a)
	}
	for _, m := range in.Tasks {
		if m.Protected && slices.Contains(a.Stop, m.ID) {
			g.t.Fatalf("seed %d: stops the protected task %s: %+v -> %+v", g.seed, m.ID, in, a)
		}
	}
	if unfit := len(in.Tasks) - before; a.Start == 0 && in.Desired > 1 && unfit == len(in.Tasks) && unfit > 1 && len(after) == 0 && !anyOldStarting(in.Tasks) {
		g.t.Fatalf("seed %d: stops every task at once: %+v -> %+v", g.seed, in, a)
	}
	g.in.Tasks = after
	for range a.Start {
		g.add(true, Starting)
	}
	g.in.Leaving += len(a.Stop)
	if a.Start == 0 && len(a.Stop) == 0 && in.Freeing == 0 && in.Stuck && !slices.ContainsFunc(in.Tasks, func(m Member) bool { return m.Health == Starting }) {
		return true
	}
	for i := range g.in.Tasks { // what starts gets healthy, in any order
		if g.in.Tasks[i].Health == Starting && g.r.IntN(2) == 0 {
			g.in.Tasks[i].Health = Healthy
		}
	}
	g.going -= g.r.IntN(g.going + 1) // and what leaves goes
	if n := g.r.IntN(g.in.Leaving + 1); n > 0 {
		g.in.Leaving -= n
		g.going += n
	}
	return false
}

func count(ms []Member) (n int) {
	for _, m := range ms {
		if m.Health == Healthy {
			n++
		}
	}
	return n
}

func anyOldStarting(ms []Member) bool {
	return slices.ContainsFunc(ms, func(m Member) bool { return !m.Current && m.Health == Starting })
}
