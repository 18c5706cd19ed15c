package order

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
)

// at is a moment of the tests, in seconds.
func at(s int) time.Time { return time.Unix(1_000_000+int64(s), 0) }

// part is a container of a task under test: how it is defined and how it is.
type part struct {
	def types.ContainerDefinition
	is  engine.ContainerStatus
	rec string // its recorded status; "": PENDING
}

// task is a task's record with its definition.
type task struct {
	ecs.Task
	def types.TaskDefinition
}

func (t task) container(name string) types.ContainerDefinition {
	return t.def.ContainerDefinitions[slices.IndexFunc(t.def.ContainerDefinitions, func(c types.ContainerDefinition) bool { return *c.Name == name })]
}

func taskOf(parts ...part) (task, engine.Status) {
	var t task
	var s engine.Status
	for _, p := range parts {
		t.def.ContainerDefinitions = append(t.def.ContainerDefinitions, p.def)
		status := p.rec
		if status == "" {
			status = ecs.Pending
		}
		t.Containers = append(t.Containers, ecs.Container{Name: *p.def.Name, Status: status, Essential: aws.ToBool(p.def.Essential)})
		if p.is.State != "" {
			p.is.Name = *p.def.Name
			s.Containers = append(s.Containers, p.is)
		}
	}
	return t, s
}

func def(name string, edit ...func(*types.ContainerDefinition)) types.ContainerDefinition {
	d := types.ContainerDefinition{Name: &name, Image: aws.String("img-" + name), Essential: aws.Bool(false)}
	for _, e := range edit {
		e(&d)
	}
	return d
}

func on(name string, c types.ContainerCondition) func(*types.ContainerDefinition) {
	return func(d *types.ContainerDefinition) {
		d.DependsOn = append(d.DependsOn, types.ContainerDependency{ContainerName: &name, Condition: c})
	}
}

func within(seconds int32) func(*types.ContainerDefinition) {
	return func(d *types.ContainerDefinition) { d.StartTimeout = &seconds }
}

func essential(d *types.ContainerDefinition) { d.Essential = aws.Bool(true) }

func policy(period int32, ignored ...int32) func(*types.ContainerDefinition) {
	return func(d *types.ContainerDefinition) {
		d.RestartPolicy = &types.ContainerRestartPolicy{Enabled: aws.Bool(true), RestartAttemptPeriod: &period, IgnoredExitCodes: ignored}
	}
}

var created = engine.ContainerStatus{State: engine.Created}

func up(from int, h engine.Health) engine.ContainerStatus {
	return engine.ContainerStatus{State: engine.Running, StartedAt: at(from), Health: h}
}

func exited(from, to, code int) engine.ContainerStatus {
	return engine.ContainerStatus{State: engine.Exited, StartedAt: at(from), FinishedAt: at(to), ExitCode: code}
}

func TestStart(t *testing.T) {
	t.Parallel()
	const (
		start    = types.ContainerConditionStart
		complete = types.ContainerConditionComplete
		success  = types.ContainerConditionSuccess
		healthy  = types.ContainerConditionHealthy
	)
	tests := []struct {
		name  string
		now   int
		parts []part
		want  string // start=…; again=…; never=…; wait=…
	}{
		{"all at once", 0, []part{{def: def("a"), is: created}, {def: def("b"), is: created}}, "start=a,b"},
		{"START waits", 0, []part{{def: def("a"), is: created}, {def: def("b", on("a", start)), is: created}}, "start=a"},
		{"START is met by one that runs", 9, []part{{def: def("a"), is: up(0, "")}, {def: def("b", on("a", start)), is: created}}, "start=b"},
		{"START is met by one that ended", 9, []part{{def: def("a"), is: exited(0, 1, 1)}, {def: def("b", on("a", start)), is: created}}, "start=b"},
		{"COMPLETE waits", 10, []part{{def: def("a"), is: up(0, "")}, {def: def("b", on("a", complete)), is: created}}, "wait=170"},
		{"COMPLETE whatever the code", 9, []part{{def: def("a"), is: exited(0, 1, 1)}, {def: def("b", on("a", complete)), is: created}}, "start=b"},
		{"SUCCESS", 9, []part{{def: def("a"), is: exited(0, 1, 0)}, {def: def("b", on("a", success)), is: created}}, "start=b"},
		{
			"SUCCESS that can't be", 9,
			[]part{{def: def("a"), is: exited(0, 1, 3)}, {def: def("b", on("a", success)), is: created}},
			"never=b: CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [a(img-a) (STOPPED->RUNNING) - Exit: 3] for target [b(img-b) (NONE->RUNNING)] as dependency did not exit successfully.",
		},
		{"HEALTHY waits", 10, []part{{def: def("a", within(60)), is: up(0, engine.HealthStarting)}, {def: def("b", on("a", healthy)), is: created}}, "wait=50"},
		{"HEALTHY", 10, []part{{def: def("a"), is: up(0, engine.Healthy)}, {def: def("b", on("a", healthy)), is: created}}, "start=b"},
		{
			"too late", 60,
			[]part{{def: def("a", within(60)), is: up(0, engine.Unhealthy)}, {def: def("b", on("a", healthy)), is: created}},
			"never=b: CannotStartContainerError: dependency graph: container ordering dependency [a(img-a) (RUNNING->RUNNING)] for target [b(img-b) (NONE->RUNNING)] has timed out.",
		},
		{"just in time", 60, []part{{def: def("a", within(60)), is: up(0, engine.Healthy)}, {def: def("b", on("a", healthy)), is: created}}, "start=b"},
		{
			"HEALTHY that ended", 9,
			[]part{{def: def("a"), is: exited(0, 5, 0)}, {def: def("b", on("a", healthy)), is: created}},
			"never=b: CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [a(img-a) (STOPPED->RUNNING) - Exit: 0] for target [b(img-b) (NONE->RUNNING)] because dependency has stopped",
		},
		{
			"a dependency that could not start", 9,
			[]part{{def: def("a"), is: created, rec: ecs.Stopped}, {def: def("b", on("a", start)), is: created}},
			"never=b: CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [a(img-a) (STOPPED->RUNNING)] for target [b(img-b) (NONE->RUNNING)] because dependency will never start",
		},
		{"two dependencies, one is met", 9, []part{
			{def: def("a"), is: exited(0, 1, 0)},
			{def: def("b"), is: up(0, "")},
			{def: def("c", on("a", success), on("b", complete)), is: created},
		}, "wait=171"},
		{"nothing starts in a task that ends", 9, []part{{def: def("a", essential), is: exited(0, 1, 0)}, {def: def("b", on("a", success)), is: created}}, ""},
		{"restart", 99, []part{{def: def("a", essential, policy(60)), is: exited(0, 60, 1)}}, "again=a"},
		{"too short for a restart", 99, []part{{def: def("a", policy(60)), is: exited(0, 59, 1)}}, ""},
		{"an exit code that is ignored", 99, []part{{def: def("a", policy(60, 0, 1)), is: exited(0, 90, 1)}}, ""},
		{"a restart that failed is not tried again", 99, []part{{def: def("a", policy(60)), is: exited(0, 90, 1), rec: ecs.Stopped}}, ""},
		{"no restart without a policy", 999, []part{{def: def("a"), is: exited(0, 900, 1)}}, ""},
		{"COMPLETE is not met by one that runs again", 99, []part{{def: def("a", policy(60)), is: exited(0, 90, 1)}, {def: def("b", on("a", complete)), is: created}}, "again=a; wait=81"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, is := taskOf(tc.parts...)
			if got := say(Start(rec.Task, rec.def, is, at(tc.now))); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func say(p Plan) string {
	var out []string
	if len(p.Start) > 0 {
		out = append(out, "start="+strings.Join(p.Start, ","))
	}
	if len(p.Again) > 0 {
		out = append(out, "again="+strings.Join(p.Again, ","))
	}
	for name, why := range p.Never {
		out = append(out, "never="+name+": "+why)
	}
	if p.Wait > 0 {
		out = append(out, fmt.Sprintf("wait=%.0f", p.Wait.Seconds()))
	}
	return strings.Join(out, "; ")
}

// TestOrderAlwaysEnds plays random tasks: no container starts before what it
// waits for, and in the end each one was started, or never will be, or the task
// has ended.
func TestOrderAlwaysEnds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		rec, is := randomTask(r)
		now := at(0)
		for round := 0; ; round++ {
			p := Start(rec.Task, rec.def, is, now)
			if p.Idle() && p.Wait == 0 && !settle(r, &is, now) {
				break
			}
			if round > 500 {
				t.Fatalf("seed %d: it doesn't end: %+v %+v", seed, is, p)
			}
			check(t, seed, rec, is, p)
			enact(r, &rec, &is, p, now)
			now = now.Add(min(max(p.Wait, time.Second), 10*time.Second))
		}
		for i, c := range rec.Containers {
			over := slices.ContainsFunc(sights(rec.Task, rec.def, is), func(s sight) bool { return s.known == knownStopped && *s.def.Essential })
			if is.Containers[i].State == engine.Created && c.Status != ecs.Stopped && !over {
				t.Fatalf("seed %d: %s neither runs nor has it failed: %+v", seed, c.Name, is)
			}
		}
	}
}

func randomTask(r *rand.Rand) (task, engine.Status) {
	conditions := types.ContainerCondition("").Values()
	var parts []part
	for i := range 1 + r.IntN(5) {
		d := def(string(rune('a' + i)))
		d.Essential = aws.Bool(r.IntN(4) == 0)
		for j := range i {
			if r.IntN(3) == 0 {
				on(string(rune('a'+j)), conditions[r.IntN(len(conditions))])(&d)
			}
		}
		if r.IntN(2) == 0 {
			within(int32(2 + r.IntN(118)))(&d)
		}
		if r.IntN(4) == 0 {
			policy(60, 0)(&d)
		}
		parts = append(parts, part{def: d, is: created})
	}
	return taskOf(parts...)
}

// check holds a plan against what the definition asks for.
func check(t *testing.T, seed uint64, rec task, is engine.Status, p Plan) {
	t.Helper()
	state := func(name string) engine.ContainerStatus {
		return is.Containers[slices.IndexFunc(is.Containers, func(c engine.ContainerStatus) bool { return c.Name == name })]
	}
	for _, name := range p.Start {
		if state(name).State != engine.Created {
			t.Fatalf("seed %d: %s is started twice", seed, name)
		}
		for _, d := range rec.container(name).DependsOn {
			dep := state(*d.ContainerName)
			met := map[types.ContainerCondition]bool{
				types.ContainerConditionStart:    dep.State != engine.Created,
				types.ContainerConditionComplete: dep.State == engine.Exited,
				types.ContainerConditionSuccess:  dep.State == engine.Exited && dep.ExitCode == 0,
				types.ContainerConditionHealthy:  dep.State == engine.Running && dep.Health == engine.Healthy,
			}[d.Condition]
			if !met {
				t.Fatalf("seed %d: %s starts while %s is %+v, not %s", seed, name, *d.ContainerName, dep, d.Condition)
			}
		}
	}
}

// enact does what a plan says; and the containers do what they like.
func enact(r *rand.Rand, rec *task, is *engine.Status, p Plan, now time.Time) {
	for i := range is.Containers {
		c := &is.Containers[i]
		switch {
		case p.Never[c.Name] != "":
			rec.Containers[i].Status = ecs.Stopped
		case slices.Contains(p.Start, c.Name), slices.Contains(p.Again, c.Name):
			if c.State == engine.Exited {
				c.Restarts++
			}
			c.State, c.StartedAt, c.Health = engine.Running, now, engine.HealthStarting
		case c.State == engine.Running && r.IntN(10) == 0:
			c.State, c.FinishedAt, c.ExitCode = engine.Exited, now, r.IntN(2)
		case c.State == engine.Running && r.IntN(5) == 0:
			c.Health = []engine.Health{engine.Healthy, engine.Unhealthy}[r.IntN(2)]
		}
	}
}

// settle ends one of the containers that others may wait for, if one runs.
func settle(r *rand.Rand, is *engine.Status, now time.Time) bool {
	for i := range is.Containers {
		if c := &is.Containers[i]; c.State == engine.Running && r.IntN(2) == 0 {
			c.State, c.FinishedAt, c.ExitCode = engine.Exited, now, 0
			return true
		}
	}
	return false
}

func TestStop(t *testing.T) {
	t.Parallel()
	parts := []part{
		{def: def("db"), is: up(0, "")},
		{def: def("app", on("db", types.ContainerConditionHealthy)), is: up(0, "")},
		{def: def("proxy", on("app", types.ContainerConditionStart)), is: up(0, "")},
	}
	rec, is := taskOf(parts...)
	steps := []struct {
		now        int
		change     func()
		term, kill string
		wait       time.Duration
	}{
		{0, func() {}, "proxy", "", time.Minute},
		{10, func() { rec.Containers[2].TermAt = at(5) }, "", "", 25 * time.Second},
		{35, func() {}, "", "proxy", time.Minute},
		{36, func() { is.Containers[2] = engine.ContainerStatus{Name: "proxy", State: engine.Exited} }, "app", "", time.Minute},
		{40, func() { is.Containers[1] = engine.ContainerStatus{Name: "app", State: engine.Exited} }, "db", "", time.Minute},
	}
	for i, s := range steps {
		s.change()
		got := Stop(rec.Task, rec.def, is, at(s.now))
		if strings.Join(got.Term, ",") != s.term || strings.Join(got.Kill, ",") != s.kill || got.Wait != s.wait {
			t.Errorf("step %d: got %+v, want %+v", i, got, s)
		}
	}
}
