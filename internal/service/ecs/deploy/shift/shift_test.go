package shift

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/ecs"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// kind returns a world in which nothing is in the way.
func kind(now time.Time) World {
	n := 0
	return World{
		Now: now, Started: start, Alone: true, Ready: true, Routed: true, Settled: true,
		HookID:     func() string { n++; return fmt.Sprintf("%d-%d", now.UnixNano(), n) },
		HookAnswer: func(string) types.DeploymentLifecycleHookAction { return "" },
	}
}

func hook(minutes int32, then types.DeploymentLifecycleHookAction, stages ...types.DeploymentLifecycleHookStage) ecs.Hook {
	return ecs.Hook{Stages: stages, TimeoutMinutes: minutes, OnTimeout: then}
}

var (
	blueGreen = ecs.Strategy{Kind: types.DeploymentStrategyBlueGreen, BakeMinutes: 5}
	linear    = ecs.Strategy{Kind: types.DeploymentStrategyLinear, BakeMinutes: 1, Linear: ecs.ShiftStep{Percent: 40, Minutes: 2}}
	canary    = ecs.Strategy{Kind: types.DeploymentStrategyCanary, Canary: ecs.ShiftStep{Percent: 0.5, Minutes: 10}}
)

// run plays a deployment in a kind world and tells each stage that a look at it
// ended in: after which minute, and green's share of the traffic.
func run(c Course) (log []string) {
	var s ecs.Shift
	for now := start; ; {
		next, out := Next(c, s, kind(now))
		log = append(log, fmt.Sprintf("%s %s %g/%g", now.Sub(start), next.Stage, next.Production, next.Test))
		if out.Done {
			return append(log, "done")
		}
		if out.Fail != "" || len(log) > 50 {
			return append(log, "failed: "+out.Fail)
		}
		s = next
		if out.Again.After(now) {
			now = out.Again
		}
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		course Course
		want   []string
	}{
		{"blue/green", CourseOf(blueGreen, true, false), []string{
			"0s TEST_TRAFFIC_SHIFT 0/100", "0s PRODUCTION_TRAFFIC_SHIFT 100/100", "0s BAKE_TIME 100/100", "5m0s CLEAN_UP 100/100", "done",
		}},
		{"linear", CourseOf(linear, true, false), []string{
			"0s TEST_TRAFFIC_SHIFT 0/100", "0s PRODUCTION_TRAFFIC_SHIFT 40/100", "0s PRODUCTION_TRAFFIC_SHIFT 40/100",
			"2m0s PRODUCTION_TRAFFIC_SHIFT 80/100", "2m0s PRODUCTION_TRAFFIC_SHIFT 80/100",
			"4m0s PRODUCTION_TRAFFIC_SHIFT 100/100", "4m0s BAKE_TIME 100/100", "5m0s CLEAN_UP 100/100", "done",
		}},
		{"canary", CourseOf(canary, true, true), []string{
			"0s TEST_TRAFFIC_SHIFT 0/100", "0s PRODUCTION_TRAFFIC_SHIFT 0.5/100", "0s PRODUCTION_TRAFFIC_SHIFT 0.5/100",
			"10m0s PRODUCTION_TRAFFIC_SHIFT 100/100", "10m0s CLEAN_UP 100/100", "done",
		}},
		{"the first deployment waits for nothing", CourseOf(linear, false, false), []string{
			"0s TEST_TRAFFIC_SHIFT 0/100", "0s PRODUCTION_TRAFFIC_SHIFT 100/100", "0s CLEAN_UP 100/100", "done",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, run(tt.course)); diff != "" {
				t.Errorf("the stages (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStage looks at one stage in one world.
func TestStage(t *testing.T) {
	t.Parallel()
	paused := func(stage types.ServiceDeploymentLifecycleStage, then types.DeploymentLifecycleHookAction) ecs.Shift {
		return ecs.Shift{Stage: stage, Since: start, Test: 100, Hooks: []ecs.HookRun{
			{ID: "h", Status: types.DeploymentLifecycleHookStatusAwaitingAction, ExpiresAt: start.Add(time.Minute), OnTimeout: then},
		}}
	}
	at := func(stage types.ServiceDeploymentLifecycleStage) ecs.Shift {
		return ecs.Shift{Stage: stage, Since: start}
	}
	answer := func(a types.DeploymentLifecycleHookAction) func(w *World) {
		return func(w *World) {
			w.HookAnswer = func(string) types.DeploymentLifecycleHookAction { return a }
		}
	}
	later := func(d time.Duration) func(w *World) { return func(w *World) { w.Now = start.Add(d) } }
	tests := []struct {
		name  string
		shift ecs.Shift
		world func(w *World)
		stage types.ServiceDeploymentLifecycleStage
		fail  string // a part of it
		again time.Duration
	}{
		{"others go first", at(reconcile), func(w *World) { w.Alone = false }, reconcile, "", stageLimit},
		{"green isn't healthy", at(scaleUp), func(w *World) { w.Ready = false }, scaleUp, "", stageLimit},
		{"green never gets healthy", at(scaleUp), func(w *World) { w.Ready = false; w.Now = start.Add(stageLimit) }, scaleUp, "SCALE_UP lifecycle stage timed out", 0},
		{"green's group isn't in use", at(preScaleUp), func(w *World) { w.Routed = false }, preScaleUp, "", stageLimit},
		{"the rule is gone", at(postScaleUp), func(w *World) { w.Misrouted = "no rule" }, postScaleUp, "no rule", 0},
		{"a hook waits", paused(postTestShift, "ROLLBACK"), func(*World) {}, postTestShift, "", time.Minute},
		{"is continued", paused(postTestShift, "ROLLBACK"), answer("CONTINUE"), production, "", 0},
		{"is refused", paused(postTestShift, "CONTINUE"), answer("ROLLBACK"), postTestShift, "POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) failed", 0},
		{"is forgotten", paused(postTestShift, "ROLLBACK"), later(time.Minute), postTestShift, "POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) timed out", 0},
		{"is not needed", paused(postTestShift, "CONTINUE"), later(time.Minute), production, "", time.Minute},
		{"an end is asked for", at(bakeTime), func(w *World) { w.Stop = "stop" }, bakeTime, "stop", 0},
		{"too late", at(cleanUp), func(w *World) { w.Stop = "stop"; w.Settled = false }, cleanUp, "", 0},
		{"green fell ill before it serves", ecs.Shift{Stage: postTestShift, Since: start, Test: 100}, func(w *World) { w.Lost = true; w.Ready = false }, preProduction, "", stageLimit},
		{"green fell ill while it serves", ecs.Shift{Stage: bakeTime, Since: start, Production: 100, Test: 100}, func(w *World) { w.Lost = true }, bakeTime, "are unhealthy", 0},
		{"the bake ends only with green well", ecs.Shift{Stage: bakeTime, Since: start, Production: 100, Test: 100}, func(w *World) { w.Ready = false; w.Now = start.Add(5 * time.Minute) }, bakeTime, "", stageLimit + 5*time.Minute},
		{"30 days", ecs.Shift{Stage: bakeTime, Since: start.Add(wholeLimit - time.Minute)}, later(wholeLimit), bakeTime, "30 days", 0},
		{"back", Back(at(bakeTime), start), func(w *World) { w.Routed = false }, production, "", 0},
		{"back, routed", Back(at(bakeTime), start), func(w *World) { w.Settled = false; w.Stop = "stop" }, cleanUp, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := kind(start)
			tt.world(&w)
			s, out := Next(CourseOf(blueGreen, true, true), tt.shift, w)
			again := time.Duration(0)
			if !out.Again.IsZero() {
				again = out.Again.Sub(start)
			}
			if s.Stage != tt.stage || tt.fail == "" != (out.Fail == "") || !strings.Contains(out.Fail, tt.fail) || again != tt.again {
				t.Errorf("stage %s, fails %q, again after %s; want %s, %q, %s", s.Stage, out.Fail, again, tt.stage, tt.fail, tt.again)
			}
		})
	}
}

func TestWeights(t *testing.T) {
	t.Parallel()
	for green, want := range map[float64][2]int32{0: {100, 0}, 100: {0, 100}, 5: {95, 5}, 0.1: {999, 1}, 33.3: {667, 333}, 99.9: {1, 999}} {
		if b, g := Weights(green); b != want[0] || g != want[1] {
			t.Errorf("Weights(%g) = %d, %d; want %v", green, b, g, want)
		}
	}
}

// TestProperties plays random deployments in random worlds.
func TestProperties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 3))
		g := game{t: t, r: r, seed: seed, answers: map[string]types.DeploymentLifecycleHookAction{}}
		g.course = CourseOf(randomStrategy(r), r.IntN(5) > 0, r.IntN(3) == 0)
		g.play()
	}
}

func randomStrategy(r *rand.Rand) ecs.Strategy {
	s := ecs.Strategy{
		Kind:        []types.DeploymentStrategy{types.DeploymentStrategyBlueGreen, types.DeploymentStrategyLinear, types.DeploymentStrategyCanary}[r.IntN(3)],
		BakeMinutes: r.Int32N(1441),
		Linear:      ecs.ShiftStep{Percent: float64(30+r.IntN(971)) / 10, Minutes: r.Int32N(1441)},
		Canary:      ecs.ShiftStep{Percent: float64(1+r.IntN(1000)) / 10, Minutes: r.Int32N(1441)},
	}
	for range r.IntN(4) {
		stages := []types.DeploymentLifecycleHookStage{"RECONCILE_SERVICE", "PRE_SCALE_UP", "POST_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"}
		s.Hooks = append(s.Hooks, hook(1+r.Int32N(20160), []types.DeploymentLifecycleHookAction{"CONTINUE", "ROLLBACK"}[r.IntN(2)], stages[r.IntN(len(stages))]))
	}
	return s
}

// game is one deployment in a random world, which in its second half is kind.
type game struct {
	t       *testing.T
	r       *rand.Rand
	seed    uint64
	course  Course
	shift   ecs.Shift
	now     time.Time
	answers map[string]types.DeploymentLifecycleHookAction
	ids     int
	wasBack bool
}

func (g *game) play() {
	g.now = start
	for round := 0; ; round++ {
		if round == 2000 {
			g.fatalf("does not end")
		}
		w := g.world(round < 30)
		next, out := Next(g.course, g.shift, w)
		if out.Fail != "" {
			next = Back(next, w.Now)
		}
		g.check(next, w)
		g.shift = next
		if out.Done {
			g.checkEnd()
			return
		}
		if out.Fail == "" && out.Again.IsZero() && !w.Settled && next.Stage != cleanUp && !next.Back {
			g.fatalf("waits for ever")
		}
		switch {
		case out.Again.After(g.now) && (g.r.IntN(2) == 0 || round >= 30):
			g.now = out.Again
		case g.r.IntN(2) == 0:
			g.now = g.now.Add(time.Duration(g.r.Int64N(int64(3 * time.Hour))))
		}
	}
}

func (g *game) world(harsh bool) World {
	yes := func(n int) bool { return !harsh || g.r.IntN(n) > 0 }
	w := World{
		Now: g.now, Started: start, Alone: yes(3), Ready: yes(3), Routed: yes(3), Settled: yes(2),
		HookID:     func() string { g.ids++; return fmt.Sprint(g.ids) },
		HookAnswer: func(id string) types.DeploymentLifecycleHookAction { return g.answers[id] },
	}
	if harsh {
		w.Lost = !w.Ready && g.r.IntN(4) == 0
		w.Stop = []string{"", "stopped"}[g.r.IntN(40)/39]
		w.Misrouted = []string{"", "no such rule"}[g.r.IntN(40)/39]
	}
	for _, h := range g.shift.Hooks {
		if g.r.IntN(4) == 0 && g.answers[h.ID] == "" {
			g.answers[h.ID] = []types.DeploymentLifecycleHookAction{"CONTINUE", "CONTINUE", "CONTINUE", "ROLLBACK"}[g.r.IntN(4)]
		}
	}
	return w
}

// check holds one step to what is promised.
func (g *game) check(next ecs.Shift, w World) {
	was := g.shift
	if next.Production < 0 || next.Production > 100 || next.Test < 0 || next.Test > 100 {
		g.fatalf("weights %g/%g", next.Production, next.Test)
	}
	if b, gr := Weights(next.Production); b+gr != 100 && b+gr != 1000 || b < 0 || gr < 0 || b > 999 || gr > 999 {
		g.fatalf("weights %d and %d", b, gr)
	}
	if next.Production > was.Production && !w.Ready {
		g.fatalf("%s: green gets %g %% and isn't healthy", next.Stage, next.Production)
	}
	if next.Production != was.Production && was.Production != 0 && !w.Routed && !next.Back {
		g.fatalf("%s: new weights before the last ones were there", next.Stage)
	}
	if next.Back && next.Production+next.Test != 0 {
		g.fatalf("given up, and green has %g/%g", next.Production, next.Test)
	}
	if g.wasBack = g.wasBack || next.Back; g.wasBack && !next.Back {
		g.fatalf("given up, and on again")
	}
	if was.Stage != next.Stage && !next.Back {
		for _, h := range was.Hooks {
			if h.Status == types.DeploymentLifecycleHookStatusAwaitingAction && g.answers[h.ID] != "CONTINUE" && !(h.OnTimeout == "CONTINUE" && !w.Now.Before(h.ExpiresAt)) {
				g.fatalf("%s: went on to %s past hook %s", was.Stage, next.Stage, h.ID)
			}
		}
	}
	if !Blue(next) && (next.Production != 100 || next.Stage != cleanUp) {
		g.fatalf("blue may go while green has %g %%", next.Production)
	}
	if next.Back && !Green(next) && !(next.Stage == cleanUp && (w.Routed || was.Stage == cleanUp)) {
		g.fatalf("green may go before the traffic is back")
	}
	if at := slices.Index(order, next.Stage); at < 0 {
		g.fatalf("stage %q", next.Stage)
	}
}

func (g *game) checkEnd() {
	want := 100.0
	if g.shift.Back {
		want = 0
	}
	if g.shift.Production != want || g.shift.Stage != cleanUp {
		g.fatalf("ends in %s with %g %%", g.shift.Stage, g.shift.Production)
	}
}

func (g *game) fatalf(format string, args ...any) {
	g.t.Helper()
	g.t.Fatalf("seed %d: %s\ncourse %+v\nshift %+v", g.seed, fmt.Sprintf(format, args...), g.course, g.shift)
}
