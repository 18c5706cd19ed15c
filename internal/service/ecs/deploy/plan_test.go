package deploy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// tasks makes members from a picture: a letter a task, s starting, h healthy,
// b bad, upper case of the primary deployment.
func tasks(picture string) (ms []member) {
	for i, r := range picture {
		m := member{id: fmt.Sprintf("%c%d", r, i), current: r < 'a', zone: "a"}
		m.health = map[rune]health{'s': starting, 'S': starting, 'h': healthy, 'H': healthy, 'b': bad, 'B': bad}[r]
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
		start              int
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
		{name: "scale out", desired: 4, low: 4, high: 8, tasks: "HH", start: 2},
		{name: "scale in takes what starts first", desired: 1, low: 1, high: 2, tasks: "HSH", stop: []string{"S1", "H0"}},
		{name: "to nothing", desired: 0, low: 0, high: 0, tasks: "HhBs", stop: []string{"H0", "s3", "h1", "B2"}},
		{name: "a bad one is replaced", desired: 2, low: 2, high: 4, tasks: "HB", start: 1},
		{name: "and goes when its replacement is healthy", desired: 2, low: 2, high: 4, tasks: "HBH", stop: []string{"B1"}},
		{name: "all bad: replacements start, none goes", desired: 2, low: 2, high: 4, tasks: "BB", start: 2},
		{name: "all bad and no room: one goes", desired: 2, low: 2, high: 2, tasks: "BB", stop: []string{"B0"}},
		{name: "and no other while its replacement starts", desired: 2, low: 2, high: 2, tasks: "BS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := plan(input{desired: tt.desired, low: tt.low, high: tt.high, tasks: tasks(tt.tasks), leaving: tt.leaving, mayStart: !tt.held})
			if got.start != tt.start || !slices.Equal(got.stop, tt.stop) {
				t.Errorf("plan(%q) = start %d stop %v, want start %d stop %v", tt.tasks, got.start, got.stop, tt.start, tt.stop)
			}
		})
	}
}

// TestPlanProperties plays random services under random health: never fewer
// healthy tasks by plan's doing than low, never more tasks than high (unless
// there were), and once the world is kind it ends with desired healthy current
// tasks and nothing else.
func TestPlanProperties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20000) {
		r := rand.New(rand.NewPCG(seed, 1))
		in := input{desired: r.IntN(6), mayStart: true}
		in.low = r.IntN(in.desired + 1)
		in.high = in.desired + r.IntN(in.desired+1)
		if in.low == in.high && in.desired > 0 {
			in.high++ // AWS refuses what can never change
		}
		for i := range r.IntN(2*in.desired + 2) {
			in.tasks = append(in.tasks, member{id: fmt.Sprint(i), current: r.IntN(2) == 0, health: health(r.IntN(3)), zone: fmt.Sprint(r.IntN(3))})
		}
		id := 1000
		for step := 0; ; step++ {
			if step == 200 {
				t.Fatalf("seed %d: does not end: %+v", seed, in)
			}
			before := count(in.tasks)
			a := plan(in)
			after := slices.DeleteFunc(slices.Clone(in.tasks), func(m member) bool { return slices.Contains(a.stop, m.id) })
			if len(after) != len(in.tasks)-len(a.stop) {
				t.Fatalf("seed %d: stops a task twice or one that isn't there: %v of %+v", seed, a.stop, in)
			}
			if got := count(after); got < before && got < in.low {
				t.Fatalf("seed %d: %d healthy left, low is %d: %+v -> %+v", seed, got, in.low, in, a)
			}
			if a.start > 0 && len(in.tasks)+a.start > in.high {
				t.Fatalf("seed %d: %d tasks, high is %d: %+v -> %+v", seed, len(in.tasks)+a.start, in.high, in, a)
			}
			if unfit := len(in.tasks) - before; a.start == 0 && in.desired > 1 && unfit == len(in.tasks) && unfit > 1 && len(after) == 0 && !anyOldStarting(in.tasks) {
				t.Fatalf("seed %d: stops every task at once: %+v -> %+v", seed, in, a)
			}
			for range a.start {
				id++
				after = append(after, member{id: fmt.Sprint(id), current: true, zone: fmt.Sprint(r.IntN(3))})
			}
			in.tasks = after
			if a.start == 0 && len(a.stop) == 0 && !slices.ContainsFunc(in.tasks, func(m member) bool { return m.health == starting }) {
				break
			}
			for i := range in.tasks { // what starts gets healthy, in any order
				if in.tasks[i].health == starting && r.IntN(2) == 0 {
					in.tasks[i].health = healthy
				}
			}
		}
		if len(in.tasks) != in.desired || count(in.tasks) != in.desired || slices.ContainsFunc(in.tasks, func(m member) bool { return !m.current }) {
			t.Fatalf("seed %d: ends at %+v", seed, in)
		}
	}
}

func count(ms []member) (n int) {
	for _, m := range ms {
		if m.health == healthy {
			n++
		}
	}
	return n
}

func anyOldStarting(ms []member) bool {
	return slices.ContainsFunc(ms, func(m member) bool { return !m.current && m.health == starting })
}
