package ecs_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/run"
	"github.com/skylift/skylift/internal/store"
)

// containers puts a definition of web with these containers into the store.
func (w *world) containers(cs ...types.ContainerDefinition) {
	w.t.Helper()
	w.define()
	for i := range cs {
		if cs[i].Image == nil {
			cs[i].Image = aws.String("example.test/" + *cs[i].Name)
		}
		if cs[i].Essential == nil {
			cs[i].Essential = aws.Bool(true)
		}
	}
	w.amend(func(d *types.TaskDefinition) { d.ContainerDefinitions = cs })
}

// amend changes the first revision of web in the store.
func (w *world) amend(change func(*types.TaskDefinition)) {
	w.t.Helper()
	err := w.db.Update(w.t.Context(), func(tx store.Tx) error {
		d, err := ecs.Definitions.Get(tx, ecs.DefinitionKey("web", 1))
		if err != nil {
			return err
		}
		change(&d.Definition)
		return ecs.Definitions.Put(tx, ecs.DefinitionKey("web", 1), d)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// task returns the only task.
func (w *world) task() types.Task {
	w.t.Helper()
	all := append(w.tasks(types.DesiredStatusRunning), w.tasks(types.DesiredStatusStopped)...)
	if len(all) != 1 {
		w.t.Fatalf("%d tasks, want 1", len(all))
	}
	return all[0]
}

// looks describes a task in a line.
func looks(t types.Task) string {
	out := *t.LastStatus
	if t.StopCode != "" {
		out += fmt.Sprintf(" %s %q", t.StopCode, *t.StoppedReason)
	}
	for _, c := range t.Containers {
		out += fmt.Sprintf("; %s %s", *c.Name, *c.LastStatus)
		if c.ExitCode != nil {
			out += fmt.Sprintf(" %d", *c.ExitCode)
		}
		if c.Reason != nil {
			out += fmt.Sprintf(" %q", *c.Reason)
		}
	}
	return out
}

func (w *world) want(when, want string) {
	w.t.Helper()
	if got := looks(w.task()); got != want {
		w.t.Errorf("%s:\n got %s\nwant %s", when, got, want)
	}
}

// scripts gives each container its behaviour by name.
func scripts(by map[string]fake.Behaviour) fake.Config {
	return fake.Config{Behave: func(c engine.Container) fake.Behaviour {
		if b, ok := by[c.Name]; ok {
			return b
		}
		return fake.Runs(c)
	}}
}

func after(name string, c types.ContainerCondition) []types.ContainerDependency {
	return []types.ContainerDependency{{ContainerName: &name, Condition: c}}
}

func TestNonEssentialContainerEnds(t *testing.T) {
	play(t, scripts(map[string]fake.Behaviour{"side": {Exits: true, ExitAfter: sec(5), ExitCode: 3}}), func(w *world) {
		w.containers(types.ContainerDefinition{Name: aws.String("web")}, types.ContainerDefinition{Name: aws.String("side"), Essential: aws.Bool(false)})
		w.run()
		w.after(sec(2))
		w.want("while both run", "RUNNING; web RUNNING; side RUNNING")
		w.after(sec(10))
		w.want("when one has ended", "RUNNING; web RUNNING; side STOPPED 3")
		if err := w.eng.Exit(id(w.task()), "web", 1); err != nil {
			t.Fatal(err)
		}
		w.after(sec(1))
		w.want("when the essential one has ended", `STOPPED EssentialContainerExited "Essential container in task exited"; web STOPPED 1; side STOPPED 3`)
	})
}

func id(t types.Task) string { return (*t.TaskArn)[strings.LastIndex(*t.TaskArn, "/")+1:] }

func TestInitContainer(t *testing.T) {
	play(t, scripts(map[string]fake.Behaviour{"init": {Exits: true, ExitAfter: sec(20)}}), func(w *world) {
		w.containers(
			types.ContainerDefinition{Name: aws.String("web"), DependsOn: after("init", types.ContainerConditionSuccess)},
			types.ContainerDefinition{Name: aws.String("init"), Essential: aws.Bool(false)},
		)
		w.run()
		w.after(sec(10))
		w.want("while the first works", "PENDING; web PENDING; init RUNNING")
		w.halt() // what is known of it outlives the process
		w.start()
		w.after(sec(15))
		w.want("when it is done", "RUNNING; web RUNNING; init STOPPED 0")
		if started := w.task().StartedAt.Sub(*w.task().CreatedAt); started < sec(20) {
			t.Errorf("RUNNING after %v, before its containers were", started)
		}
	})
}

func TestInitContainerFails(t *testing.T) {
	play(t, scripts(map[string]fake.Behaviour{"init": {Exits: true, ExitAfter: sec(5), ExitCode: 9}}), func(w *world) {
		w.containers(
			types.ContainerDefinition{Name: aws.String("web"), DependsOn: after("init", types.ContainerConditionSuccess)},
			types.ContainerDefinition{Name: aws.String("init"), Essential: aws.Bool(false)},
		)
		w.run()
		w.after(sec(10))
		reason := `"CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [init(example.test/init) (STOPPED->RUNNING) - Exit: 9] for target [web(example.test/web) (NONE->RUNNING)] as dependency did not exit successfully."`
		w.want("in the end", "STOPPED TaskFailedToStart "+reason+"; web STOPPED 143 "+reason+"; init STOPPED 9")
		if w.task().StartedAt != nil {
			t.Error("it says that it was RUNNING")
		}
	})
}

func TestDependencyIsLate(t *testing.T) {
	play(t, scripts(map[string]fake.Behaviour{"db": {Unhealthy: true}}), func(w *world) {
		w.containers(
			types.ContainerDefinition{Name: aws.String("web")},
			types.ContainerDefinition{Name: aws.String("extra"), Essential: aws.Bool(false), DependsOn: after("db", types.ContainerConditionHealthy)},
			types.ContainerDefinition{
				Name: aws.String("db"), Essential: aws.Bool(false), StartTimeout: aws.Int32(30),
				HealthCheck: &types.HealthCheck{Command: []string{"CMD", "check"}, Interval: aws.Int32(5), Retries: aws.Int32(2)},
			},
		)
		w.run()
		w.after(sec(29))
		w.want("before", "PENDING; web RUNNING; extra PENDING; db RUNNING")
		w.after(sec(2))
		w.want("after", `RUNNING; web RUNNING; extra STOPPED 143 "CannotStartContainerError: dependency graph: container ordering dependency [db(example.test/db) (RUNNING->RUNNING)] for target [extra(example.test/extra) (NONE->RUNNING)] has timed out."; db RUNNING`)
	})
}

func TestHealthOfTask(t *testing.T) {
	check := &types.HealthCheck{Command: []string{"CMD-SHELL", "check"}, Interval: aws.Int32(10), Retries: aws.Int32(2)}
	play(t, fake.Config{}, func(w *world) {
		w.containers(
			types.ContainerDefinition{Name: aws.String("web"), HealthCheck: check},
			types.ContainerDefinition{Name: aws.String("side"), HealthCheck: check, Essential: aws.Bool(false)},
			types.ContainerDefinition{Name: aws.String("plain")},
		)
		w.run()
		w.after(sec(5))
		health := func(when, want string) {
			t.Helper()
			task := w.task()
			got := fmt.Sprint(task.HealthStatus, " ", task.Containers[0].HealthStatus, " ", task.Containers[1].HealthStatus, " ", task.Containers[2].HealthStatus)
			if got != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
		}
		health("before the first check", "UNKNOWN UNKNOWN UNKNOWN UNKNOWN")
		w.after(sec(10))
		health("after it", "HEALTHY HEALTHY HEALTHY UNKNOWN")
		for _, name := range []string{"side", "web"} {
			if err := w.eng.SetHealth(id(w.task()), name, engine.Unhealthy, "no"); err != nil {
				t.Fatal(err)
			}
			w.after(sec(1))
			if name == "side" {
				health("a container that isn't essential is sick", "HEALTHY HEALTHY UNHEALTHY UNKNOWN")
			}
		}
		health("an essential one is sick", "UNHEALTHY UNHEALTHY UNHEALTHY UNKNOWN")
		w.want("a task of no service runs on", "RUNNING; web RUNNING; side RUNNING; plain RUNNING")
	})
}

func TestRestartPolicy(t *testing.T) {
	runs := 0
	play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour {
		runs++
		return fake.Behaviour{Exits: true, ExitAfter: time.Duration(4-runs) * time.Minute, ExitCode: runs}
	}}, func(w *world) {
		w.containers(types.ContainerDefinition{Name: aws.String("web"), RestartPolicy: &types.ContainerRestartPolicy{
			Enabled: aws.Bool(true), RestartAttemptPeriod: aws.Int32(90), IgnoredExitCodes: []int32{0},
		}})
		w.run()
		w.after(4 * time.Minute) // it ended after three minutes
		w.want("after a restart", "RUNNING; web RUNNING")
		if n := w.eng.Calls("StartAgain"); n != 1 {
			t.Errorf("it was started again %d times", n)
		}
		w.after(90 * time.Second) // it ended again, after two
		w.want("after another one", "RUNNING; web RUNNING")
		w.after(time.Minute) // and after one, which is less than its attempt period
		w.want("in the end", `STOPPED EssentialContainerExited "Essential container in task exited"; web STOPPED 3`)
	})
}

func TestStopOrder(t *testing.T) {
	slow := fake.Behaviour{TermTime: sec(5), TermCode: 0}
	play(t, scripts(map[string]fake.Behaviour{"db": slow, "web": slow, "deaf": {IgnoreTerm: true}}), func(w *world) {
		w.containers(
			types.ContainerDefinition{Name: aws.String("db")},
			types.ContainerDefinition{Name: aws.String("web"), DependsOn: after("db", types.ContainerConditionStart)},
			types.ContainerDefinition{Name: aws.String("deaf"), StopTimeout: aws.Int32(8), DependsOn: after("web", types.ContainerConditionStart)},
		)
		w.run()
		w.after(sec(2))
		if _, err := w.api.StopTask(t.Context(), &sdk.StopTaskInput{Task: w.task().TaskArn}); err != nil {
			t.Fatal(err)
		}
		ends := `UserInitiated "Task stopped by user"; `
		w.after(sec(7))
		w.want("before the stopTimeout", "STOPPING "+ends+"db RUNNING; web RUNNING; deaf RUNNING")
		w.after(sec(4))
		w.want("after it", "STOPPING "+ends+"db RUNNING; web RUNNING; deaf STOPPED 137")
		w.after(sec(4))
		w.want("then", "STOPPING "+ends+"db RUNNING; web STOPPED 0; deaf STOPPED 137")
		w.after(sec(6))
		w.want("at last", "STOPPED "+ends+"db STOPPED 0; web STOPPED 0; deaf STOPPED 137")
	})
}

func TestImageOfNonEssentialContainerIsMissing(t *testing.T) {
	play(t, fake.Config{Pull: func(ref string) fake.Pull {
		if strings.Contains(ref, "side") {
			return fake.Pull{Err: &engine.PullError{Ref: ref, Reason: "no such image"}}
		}
		return fake.Pull{}
	}}, func(w *world) {
		w.containers(types.ContainerDefinition{Name: aws.String("web")}, types.ContainerDefinition{Name: aws.String("side"), Essential: aws.Bool(false)})
		w.run()
		w.after(sec(2))
		w.want("without it", `RUNNING; web RUNNING; side STOPPED "CannotPullContainerError: no such image"`)
	})
}

func TestContainerCantStart(t *testing.T) {
	play(t, scripts(map[string]fake.Behaviour{"bad": {StartError: "no such command"}}), func(w *world) {
		w.containers(types.ContainerDefinition{Name: aws.String("bad"), Essential: aws.Bool(false)}, types.ContainerDefinition{Name: aws.String("web")})
		w.run()
		w.after(sec(2))
		w.want("one that isn't essential", `RUNNING; bad STOPPED "CannotStartContainerError: no such command"; web RUNNING`)
	})
	t.Run("essential", func(t *testing.T) {
		play(t, scripts(map[string]fake.Behaviour{"bad": {StartError: "no such command"}}), func(w *world) {
			w.containers(types.ContainerDefinition{Name: aws.String("web")}, types.ContainerDefinition{Name: aws.String("bad")})
			w.run()
			w.after(sec(40))
			reason := `"CannotStartContainerError: no such command"`
			w.want("in the end", "STOPPED TaskFailedToStart "+reason+"; web STOPPED 143; bad STOPPED "+reason)
		})
	})
}

func TestTagOfAContainerWithoutVersionConsistency(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.containers(
			types.ContainerDefinition{Name: aws.String("web"), Image: aws.String("example.test/web:v")},
			types.ContainerDefinition{Name: aws.String("side"), Image: aws.String("example.test/side:v"), VersionConsistency: types.VersionConsistencyDisabled},
		)
		w.service(1)
		w.after(sec(3))
		first := w.task()
		w.eng.Push("example.test/web:v")
		w.eng.Push("example.test/side:v")
		if err := w.eng.Exit(id(first), "web", 1); err != nil {
			t.Fatal(err)
		}
		w.after(sec(10))
		second := w.tasks(types.DesiredStatusRunning)[0]
		if *first.Containers[0].ImageDigest != *second.Containers[0].ImageDigest {
			t.Errorf("the digest of a deployment changed: %s, then %s", *first.Containers[0].ImageDigest, *second.Containers[0].ImageDigest)
		}
		if *first.Containers[1].ImageDigest == *second.Containers[1].ImageDigest {
			t.Errorf("the tag means %s still", *second.Containers[1].ImageDigest)
		}
	})
}

func TestEphemeralStorage(t *testing.T) {
	play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{Storage: 20<<30 + 1} }}, func(w *world) {
		w.define()
		w.run()
		w.after(sec(10))
		w.want("not yet measured", "RUNNING; web RUNNING")
		if task := w.task(); task.EphemeralStorage.SizeInGiB != 20 || task.FargateEphemeralStorage.SizeInGiB != 20 {
			t.Errorf("it has %+v", task.EphemeralStorage)
		}
		w.after(sec(12))
		w.want("measured", `STOPPED EssentialContainerExited "Task used 20.0 GiB of its ephemeral storage of 20 GiB: no space left on device"; web STOPPED 0`)
	})
	t.Run("enough", func(t *testing.T) {
		play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{Storage: 20<<30 + 1} }}, func(w *world) {
			w.containers(types.ContainerDefinition{Name: aws.String("web")})
			w.amend(func(d *types.TaskDefinition) { d.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 21} })
			w.run()
			w.after(time.Minute)
			w.want("measured", "RUNNING; web RUNNING")
			if got := w.task().EphemeralStorage.SizeInGiB; got != 21 {
				t.Errorf("it has %d GiB", got)
			}
		})
	})
}

func TestEvidence(t *testing.T) {
	var lines []engine.Line
	for i := range 30 {
		lines = append(lines, engine.Line{Text: fmt.Sprint("line ", i)})
	}
	lines = append(lines, engine.Line{Text: strings.Repeat("é", 3000)})
	play(t, scripts(map[string]fake.Behaviour{
		"web":  {Exits: true, ExitAfter: sec(30), OOM: true, Output: lines},
		"side": {Unhealthy: true, HealthOutput: "connection refused"},
	}), func(w *world) {
		w.containers(types.ContainerDefinition{Name: aws.String("web")}, types.ContainerDefinition{
			Name: aws.String("side"), HealthCheck: &types.HealthCheck{Command: []string{"CMD", "check"}, Interval: aws.Int32(5), Retries: aws.Int32(1)},
		}, types.ContainerDefinition{Name: aws.String("quiet")})
		w.run()
		w.after(time.Minute)
		w.want("in the end", `STOPPED EssentialContainerExited "Essential container in task exited"; `+
			`web STOPPED 137 "OutOfMemoryError: Container killed due to memory usage"; side STOPPED 0; quiet STOPPED 143`)
		evidence := func() (e ecs.Evidence, err error) {
			err = w.db.View(t.Context(), func(tx store.Tx) error {
				e, err = ecs.Evidences.Get(tx, "default/"+id(w.task()))
				return err
			})
			return e, err
		}
		e, err := evidence()
		if err != nil || len(e.Containers) != 2 {
			t.Fatalf("evidence %+v, %v", e, err)
		}
		web, side := e.Containers[0], e.Containers[1]
		if n := len(web.Lines); !web.OOM || n != 20 || web.Lines[0] != "line 11" || web.Lines[18] != "line 29" || len(web.Lines[19]) > 1024 {
			t.Errorf("of web there are %d lines, %+v", n, web)
		}
		if side.HealthLog != "connection refused" || side.OOM || len(side.Lines) > 0 {
			t.Errorf("of side there is %+v", side)
		}
		key := id(w.task())
		w.after(25 * time.Hour)
		err = w.db.View(t.Context(), func(tx store.Tx) error {
			_, err := ecs.Evidences.Get(tx, "default/"+key)
			return err
		})
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("when the task is forgotten its evidence is %v", err)
		}
	})
}

// TestTooManyProcesses notes which tasks could not start a process, while they run
// and when they end before anybody counted.
func TestTooManyProcesses(t *testing.T) {
	for name, tc := range map[string]struct {
		wanted  int
		stopped bool // at once
		reached bool
	}{
		"some":                  {wanted: 20},
		"some, and ended":       {wanted: 20, stopped: true},
		"too many":              {wanted: 100_000, reached: true},
		"too many until it end": {wanted: 100_000, stopped: true, reached: true},
	} {
		t.Run(name, func(t *testing.T) {
			behave := func(engine.Container) fake.Behaviour { return fake.Behaviour{Processes: tc.wanted} }
			play(t, fake.Config{Behave: behave}, func(w *world) {
				w.containers(types.ContainerDefinition{Name: aws.String("web")})
				limit := func() (is int) {
					t.Helper()
					err := w.db.View(t.Context(), func(tx store.Tx) error {
						all, err := ecs.Tasks.List(tx, "")
						is = all[0].ProcessLimit
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
					return is
				}
				w.run()
				w.after(sec(5))
				w.want("before it is counted", "RUNNING; web RUNNING")
				if got := limit(); got != 0 {
					t.Errorf("at once its limit is noted as %d", got)
				}
				if tc.stopped {
					if _, err := w.api.StopTask(t.Context(), &sdk.StopTaskInput{Task: w.task().TaskArn}); err != nil {
						t.Fatal(err)
					}
				}
				w.after(sec(10))
				if !tc.stopped {
					w.after(sec(20))
					w.want("after it is counted", "RUNNING; web RUNNING")
				}
				if got := limit(); (got > 0) != tc.reached {
					t.Errorf("the limit that was reached is %d", got)
				}
			})
		})
	}
}

// TestALostFileSystem ends the task that had it.
func TestALostFileSystem(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.containers(types.ContainerDefinition{Name: aws.String("web")})
		w.run()
		w.after(sec(30))
		w.want("before", "RUNNING; web RUNNING")
		w.files.mu.Lock()
		w.files.lost[id(w.task())] = true
		w.files.mu.Unlock()
		w.after(sec(60))
		w.want("after", `STOPPED EssentialContainerExited "Task lost an EFS volume: the process that served it was ended"; web STOPPED 143`)
	})
}

func TestFileSystems(t *testing.T) {
	for name, fileSystem := range map[string]string{"there": "fs-1", "missing": "fs-2"} {
		t.Run(name, func(t *testing.T) {
			var saw []engine.Mount
			play(t, fake.Config{Behave: func(c engine.Container) fake.Behaviour { saw = c.Mounts; return fake.Runs(c) }}, func(w *world) {
				w.containers(types.ContainerDefinition{Name: aws.String("web"), User: aws.String("7:8"), MountPoints: []types.MountPoint{
					{SourceVolume: aws.String("data"), ContainerPath: aws.String("/data"), ReadOnly: aws.Bool(true)},
					{SourceVolume: aws.String("scratch"), ContainerPath: aws.String("/tmp")},
				}})
				w.amend(func(d *types.TaskDefinition) {
					d.Volumes = []types.Volume{{Name: aws.String("scratch")}, {Name: aws.String("data"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{
						FileSystemId: &fileSystem, AuthorizationConfig: &types.EFSAuthorizationConfig{AccessPointId: aws.String("fsap-1")},
					}}}
				})
				w.run()
				w.after(sec(2))
				if fileSystem == "fs-2" {
					w.want("without it", `STOPPED TaskFailedToStart "ResourceInitializationError: failed to invoke EFS utils commands: no fs-2"; web STOPPED`)
					return
				}
				w.want("with it", "RUNNING; web RUNNING")
				task := w.task()
				want := []engine.Mount{{Source: "/mounts/" + id(task) + "/0", Target: "/data", ReadOnly: true}, {Source: "scratch", Target: "/tmp"}}
				if !slices.Equal(saw, want) {
					t.Errorf("the container mounts %+v, want %+v", saw, want)
				}
				if m := w.files.mounts(id(task)); len(m) != 1 || m[0] != (run.FileMount{FileSystem: "fs-1", AccessPoint: "fsap-1", UID: 7, GID: 8}) {
					t.Errorf("mounted %+v", m)
				}
				if _, err := w.api.StopTask(t.Context(), &sdk.StopTaskInput{Task: task.TaskArn}); err != nil {
					t.Fatal(err)
				}
				w.after(sec(5))
				if m := w.files.mounts(id(task)); len(m) != 0 {
					t.Errorf("after its end it has mounted %+v", m)
				}
			})
		})
	}
}
