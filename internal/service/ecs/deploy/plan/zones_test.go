package plan

import (
	"fmt"
	rand "math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// spreadOut makes members from a picture: a word a zone, in the letters of
// tasks.
func spreadOut(picture string) (ms []Member, zones []Zone) {
	for i, word := range strings.Fields(picture) {
		name := string(rune('a' + i))
		closed := strings.HasPrefix(word, "x")
		zones = append(zones, Zone{name, closed})
		for _, m := range tasks(strings.Trim(word, "x-")) {
			m.ID, m.Zone = name+m.ID, name
			ms = append(ms, m)
		}
	}
	return ms, zones
}

func TestPlanLevelsZones(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name               string
		desired, low, high int
		tasks              string // a word a zone: - has none, x is closed
		start, moving      int
		stop               []string
	}{
		{name: "even", desired: 4, low: 4, high: 8, tasks: "HH HH"},
		{name: "as even as can be", desired: 3, low: 3, high: 6, tasks: "HH H"},
		{name: "fewer tasks than zones", desired: 2, low: 2, high: 4, tasks: "H - H"},
		{name: "one moves", desired: 3, low: 3, high: 6, tasks: "HHH -", start: 1, moving: 1},
		{name: "it waits until the new one is healthy", desired: 3, low: 3, high: 6, tasks: "HHH S", moving: 1},
		{name: "then one goes where there are too many", desired: 3, low: 3, high: 6, tasks: "HHH H", stop: []string{"aH0"}},
		{name: "one of two is healthy", desired: 4, low: 4, high: 8, tasks: "HHHH H S", moving: 1, stop: []string{"aH0"}},
		{name: "over three zones", desired: 6, low: 6, high: 12, tasks: "HHHHHH - -", start: 4, moving: 4},
		{name: "no more than the maximum", desired: 6, low: 6, high: 7, tasks: "HHHHHH - -", start: 1, moving: 1},
		{name: "not at all without room for one more", desired: 2, low: 1, high: 2, tasks: "HH -"},
		{name: "what is missing comes first", desired: 4, low: 4, high: 8, tasks: "HHH -", start: 1},
		{name: "not while one is unhealthy", desired: 3, low: 3, high: 6, tasks: "HHHB -", stop: []string{"aB3"}},
		{name: "nor while old ones are there", desired: 3, low: 3, high: 6, tasks: "HHHh -", stop: []string{"ah3"}},
		{name: "protected ones stay", desired: 4, low: 4, high: 8, tasks: "H!H!H!H -", start: 1, moving: 1},
		{name: "and are counted where they are", desired: 4, low: 4, high: 8, tasks: "H!H!H!H H", stop: []string{"aH6"}},
		{name: "all protected", desired: 2, low: 2, high: 4, tasks: "H!H! -"},
		{name: "a closed zone gets none", desired: 3, low: 3, high: 6, tasks: "HHH x"},
		{name: "and keeps its own", desired: 4, low: 4, high: 8, tasks: "HHH xH -", start: 1, moving: 1},
		{name: "scale in keeps zones even", desired: 3, low: 3, high: 6, tasks: "HH HH HH", stop: []string{"aH0", "bH0", "cH0"}},
		{name: "an uneven one makes them even", desired: 3, low: 3, high: 6, tasks: "HHHH HH", stop: []string{"aH0", "aH1", "bH0"}},
		{name: "what starts goes first", desired: 3, low: 3, high: 6, tasks: "HS HH", stop: []string{"aS1"}},
	}
	for _, tt := range tests {
		ms, zones := spreadOut(tt.tasks)
		got := Decide(Input{Desired: tt.desired, Low: tt.low, High: tt.high, Tasks: ms, Zones: zones, MayStart: true, Fits: tt.high})
		if got.Start != tt.start || got.Moving != tt.moving || !slices.Equal(got.Stop, tt.stop) {
			t.Errorf("%s: plan(%q) = start %d moving %d stop %v, want start %d moving %d stop %v", tt.name, tt.tasks, got.Start, got.Moving, got.Stop, tt.start, tt.moving, tt.stop)
		}
	}
}

// TestScaleInWithoutLevelling: where zones are left alone, scale-in still takes
// from the fullest, protected and starting tasks counted.
func TestScaleInWithoutLevelling(t *testing.T) {
	t.Parallel()
	for picture, want := range map[string]string{"H!H!H HH": "aH4", "HHH HS H": "bS1", "H HHH HH": "bH0"} {
		ms, _ := spreadOut(picture)
		a := Decide(Input{Desired: len(ms) - 1, Low: 1, High: 99, Tasks: ms, MayStart: true, Fits: 99})
		if !slices.Equal(a.Stop, []string{want}) {
			t.Errorf("%s: stops %v, want %s", picture, a.Stop, want)
		}
	}
}

// TestLevelProperties plays random services whose tasks are uneven, die, and
// are protected for a while, in zones of which some are closed for a while: the
// promises of TestPlanProperties hold, it ends, and then zones are even.
func TestLevelProperties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 2))
		g := game{t: t, r: r, seed: seed, in: Input{Desired: r.IntN(9), MayStart: true}}
		g.in.Low = r.IntN(g.in.Desired + 1)
		g.in.High = g.in.Desired + 1 + r.IntN(g.in.Desired+1)
		for i := range 2 + r.IntN(3) {
			g.in.Zones = append(g.in.Zones, Zone{Name: fmt.Sprint(i), Closed: r.IntN(4) == 0})
		}
		first := 1 + r.IntN(len(g.in.Zones)) // how many zones have tasks at first
		for range r.IntN(2*g.in.Desired + 2) {
			g.add(r.IntN(6) > 0, Health(r.IntN(3)))
			m := &g.in.Tasks[len(g.in.Tasks)-1]
			m.Zone, m.Protected = fmt.Sprint(r.IntN(first)), r.IntN(4) == 0
		}
		g.slots = max(g.in.Desired, len(g.in.Tasks)) + 1 + r.IntN(g.in.Desired+1)
		over := r.IntN(30) // when the world gets kind
		for step := 0; !g.step() || step <= over; step++ {
			if step == 400 {
				t.Fatalf("seed %d: does not end: %+v", seed, g)
			}
			if n := len(g.in.Tasks); step < over && n > 0 && r.IntN(5) == 0 {
				i := r.IntN(n)
				g.in.Tasks = slices.Delete(g.in.Tasks, i, i+1)
			}
			for i := range g.in.Tasks {
				g.in.Tasks[i].Protected = g.in.Tasks[i].Protected && step < over
			}
			for i := range g.in.Zones {
				g.in.Zones[i].Closed = g.in.Zones[i].Closed && step < over
			}
		}
		if _, even := g.in.PerZone(""); !g.in.AllFit() || !even {
			t.Fatalf("seed %d: ends at %+v", seed, g)
		}
	}
}
