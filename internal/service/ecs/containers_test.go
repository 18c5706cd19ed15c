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
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/service/ecs/run"
	"github.com/skylift/skylift/internal/store"
)

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
	ecstest.Play(t, scripts(map[string]fake.Behaviour{"side": {Exits: true, ExitAfter: ecstest.Sec(5), ExitCode: 3}}), func(w *ecstest.World) {
		w.Containers(types.ContainerDefinition{Name: aws.String("web")}, types.ContainerDefinition{Name: aws.String("side"), Essential: aws.Bool(false)})
		w.Run()
		w.After(ecstest.Sec(2))
		w.Want("while both run", "RUNNING; web RUNNING; side RUNNING")
		w.After(ecstest.Sec(10))
		w.Want("when one has ended", "RUNNING; web RUNNING; side STOPPED 3")
		if err := w.Engine.Exit(id(w.Task()), "web", 1); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(1))
		w.Want("when the essential one has ended", `STOPPED EssentialContainerExited "Essential container in task exited"; web STOPPED 1; side STOPPED 3`)
	})
}

func id(t types.Task) string { return (*t.TaskArn)[strings.LastIndex(*t.TaskArn, "/")+1:] }

func TestInitContainer(t *testing.T) {
	ecstest.Play(t, scripts(map[string]fake.Behaviour{"init": {Exits: true, ExitAfter: ecstest.Sec(20)}}), func(w *ecstest.World) {
		w.Containers(
			types.ContainerDefinition{Name: aws.String("web"), DependsOn: after("init", types.ContainerConditionSuccess)},
			types.ContainerDefinition{Name: aws.String("init"), Essential: aws.Bool(false)},
		)
		w.Run()
		w.After(ecstest.Sec(10))
		w.Want("while the first works", "PENDING; web PENDING; init RUNNING")
		w.Halt() // what is known of it outlives the process
		w.Start()
		w.After(ecstest.Sec(15))
		w.Want("when it is done", "RUNNING; web RUNNING; init STOPPED 0")
		if started := w.Task().StartedAt.Sub(*w.Task().CreatedAt); started < ecstest.Sec(20) {
			t.Errorf("RUNNING after %v, before its containers were", started)
		}
	})
}

func TestInitContainerFails(t *testing.T) {
	ecstest.Play(t, scripts(map[string]fake.Behaviour{"init": {Exits: true, ExitAfter: ecstest.Sec(5), ExitCode: 9}}), func(w *ecstest.World) {
		w.Containers(
			types.ContainerDefinition{Name: aws.String("web"), DependsOn: after("init", types.ContainerConditionSuccess)},
			types.ContainerDefinition{Name: aws.String("init"), Essential: aws.Bool(false)},
		)
		w.Run()
		w.After(ecstest.Sec(10))
		reason := `"CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [init(example.test/init) (STOPPED->RUNNING) - Exit: 9] for target [web(example.test/web) (NONE->RUNNING)] as dependency did not exit successfully."`
		w.Want("in the end", "STOPPED TaskFailedToStart "+reason+"; web STOPPED 143 "+reason+"; init STOPPED 9")
		if w.Task().StartedAt != nil {
			t.Error("it says that it was RUNNING")
		}
	})
}

func TestDependencyIsLate(t *testing.T) {
	ecstest.Play(t, scripts(map[string]fake.Behaviour{"db": {Unhealthy: true}}), func(w *ecstest.World) {
		w.Containers(
			types.ContainerDefinition{Name: aws.String("web")},
			types.ContainerDefinition{Name: aws.String("extra"), Essential: aws.Bool(false), DependsOn: after("db", types.ContainerConditionHealthy)},
			types.ContainerDefinition{
				Name: aws.String("db"), Essential: aws.Bool(false), StartTimeout: aws.Int32(30),
				HealthCheck: &types.HealthCheck{Command: []string{"CMD", "check"}, Interval: aws.Int32(5), Retries: aws.Int32(2)},
			},
		)
		w.Run()
		w.After(ecstest.Sec(29))
		w.Want("before", "PENDING; web RUNNING; extra PENDING; db RUNNING")
		w.After(ecstest.Sec(2))
		w.Want("after", `RUNNING; web RUNNING; extra STOPPED 143 "CannotStartContainerError: dependency graph: container ordering dependency [db(example.test/db) (RUNNING->RUNNING)] for target [extra(example.test/extra) (NONE->RUNNING)] has timed out."; db RUNNING`)
	})
}

func TestHealthOfTask(t *testing.T) {
	check := &types.HealthCheck{Command: []string{"CMD-SHELL", "check"}, Interval: aws.Int32(10), Retries: aws.Int32(2)}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Containers(
			types.ContainerDefinition{Name: aws.String("web"), HealthCheck: check},
			types.ContainerDefinition{Name: aws.String("side"), HealthCheck: check, Essential: aws.Bool(false)},
			types.ContainerDefinition{Name: aws.String("plain")},
		)
		w.Run()
		w.After(ecstest.Sec(5))
		health := func(when, want string) {
			t.Helper()
			task := w.Task()
			got := fmt.Sprint(task.HealthStatus, " ", task.Containers[0].HealthStatus, " ", task.Containers[1].HealthStatus, " ", task.Containers[2].HealthStatus)
			if got != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
		}
		health("before the first check", "UNKNOWN UNKNOWN UNKNOWN UNKNOWN")
		w.After(ecstest.Sec(10))
		health("after it", "HEALTHY HEALTHY HEALTHY UNKNOWN")
		for _, name := range []string{"side", "web"} {
			if err := w.Engine.SetHealth(id(w.Task()), name, engine.Unhealthy, "no"); err != nil {
				t.Fatal(err)
			}
			w.After(ecstest.Sec(1))
			if name == "side" {
				health("a container that isn't essential is sick", "HEALTHY HEALTHY UNHEALTHY UNKNOWN")
			}
		}
		health("an essential one is sick", "UNHEALTHY UNHEALTHY UNHEALTHY UNKNOWN")
		w.Want("a task of no service runs on", "RUNNING; web RUNNING; side RUNNING; plain RUNNING")
	})
}

func TestRestartPolicy(t *testing.T) {
	runs := 0
	ecstest.Play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour {
		runs++
		return fake.Behaviour{Exits: true, ExitAfter: time.Duration(4-runs) * time.Minute, ExitCode: runs}
	}}, func(w *ecstest.World) {
		w.Containers(types.ContainerDefinition{Name: aws.String("web"), RestartPolicy: &types.ContainerRestartPolicy{
			Enabled: aws.Bool(true), RestartAttemptPeriod: aws.Int32(90), IgnoredExitCodes: []int32{0},
		}})
		w.Run()
		w.After(4 * time.Minute) // it ended after three minutes
		w.Want("after a restart", "RUNNING; web RUNNING")
		if n := w.Engine.Calls("StartAgain"); n != 1 {
			t.Errorf("it was started again %d times", n)
		}
		w.After(90 * time.Second) // it ended again, after two
		w.Want("after another one", "RUNNING; web RUNNING")
		w.After(time.Minute) // and after one, which is less than its attempt period
		w.Want("in the end", `STOPPED EssentialContainerExited "Essential container in task exited"; web STOPPED 3`)
	})
}

func TestStopOrder(t *testing.T) {
	slow := fake.Behaviour{TermTime: ecstest.Sec(5), TermCode: 0}
	ecstest.Play(t, scripts(map[string]fake.Behaviour{"db": slow, "web": slow, "deaf": {IgnoreTerm: true}}), func(w *ecstest.World) {
		w.Containers(
			types.ContainerDefinition{Name: aws.String("db")},
			types.ContainerDefinition{Name: aws.String("web"), DependsOn: after("db", types.ContainerConditionStart)},
			types.ContainerDefinition{Name: aws.String("deaf"), StopTimeout: aws.Int32(8), DependsOn: after("web", types.ContainerConditionStart)},
		)
		w.Run()
		w.After(ecstest.Sec(2))
		if _, err := w.API.StopTask(t.Context(), &sdk.StopTaskInput{Task: w.Task().TaskArn}); err != nil {
			t.Fatal(err)
		}
		ends := `UserInitiated "Task stopped by user"; `
		w.After(ecstest.Sec(7))
		w.Want("before the stopTimeout", "STOPPING "+ends+"db RUNNING; web RUNNING; deaf RUNNING")
		w.After(ecstest.Sec(4))
		w.Want("after it", "STOPPING "+ends+"db RUNNING; web RUNNING; deaf STOPPED 137")
		w.After(ecstest.Sec(4))
		w.Want("then", "STOPPING "+ends+"db RUNNING; web STOPPED 0; deaf STOPPED 137")
		w.After(ecstest.Sec(6))
		w.Want("at last", "STOPPED "+ends+"db STOPPED 0; web STOPPED 0; deaf STOPPED 137")
	})
}

func TestImageOfNonEssentialContainerIsMissing(t *testing.T) {
	ecstest.Play(t, fake.Config{Pull: func(ref string) fake.Pull {
		if strings.Contains(ref, "side") {
			return fake.Pull{Err: &engine.PullError{Ref: ref, Reason: "no such image"}}
		}
		return fake.Pull{}
	}}, func(w *ecstest.World) {
		w.Containers(types.ContainerDefinition{Name: aws.String("web")}, types.ContainerDefinition{Name: aws.String("side"), Essential: aws.Bool(false)})
		w.Run()
		w.After(ecstest.Sec(2))
		w.Want("without it", `RUNNING; web RUNNING; side STOPPED "CannotPullContainerError: no such image"`)
	})
}

func TestContainerCantStart(t *testing.T) {
	ecstest.Play(t, scripts(map[string]fake.Behaviour{"bad": {StartError: "no such command"}}), func(w *ecstest.World) {
		w.Containers(types.ContainerDefinition{Name: aws.String("bad"), Essential: aws.Bool(false)}, types.ContainerDefinition{Name: aws.String("web")})
		w.Run()
		w.After(ecstest.Sec(2))
		w.Want("one that isn't essential", `RUNNING; bad STOPPED "CannotStartContainerError: no such command"; web RUNNING`)
	})
	t.Run("essential", func(t *testing.T) {
		ecstest.Play(t, scripts(map[string]fake.Behaviour{"bad": {StartError: "no such command"}}), func(w *ecstest.World) {
			w.Containers(types.ContainerDefinition{Name: aws.String("web")}, types.ContainerDefinition{Name: aws.String("bad")})
			w.Run()
			w.After(ecstest.Sec(40))
			reason := `"CannotStartContainerError: no such command"`
			w.Want("in the end", "STOPPED TaskFailedToStart "+reason+"; web STOPPED 143; bad STOPPED "+reason)
		})
	})
}

func TestTagOfAContainerWithoutVersionConsistency(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Containers(
			types.ContainerDefinition{Name: aws.String("web"), Image: aws.String("example.test/web:v")},
			types.ContainerDefinition{Name: aws.String("side"), Image: aws.String("example.test/side:v"), VersionConsistency: types.VersionConsistencyDisabled},
		)
		w.Service(1)
		w.After(ecstest.Sec(3))
		first := w.Task()
		w.Engine.Push("example.test/web:v")
		w.Engine.Push("example.test/side:v")
		if err := w.Engine.Exit(id(first), "web", 1); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(10))
		second := w.Tasks(types.DesiredStatusRunning)[0]
		if *first.Containers[0].ImageDigest != *second.Containers[0].ImageDigest {
			t.Errorf("the digest of a deployment changed: %s, then %s", *first.Containers[0].ImageDigest, *second.Containers[0].ImageDigest)
		}
		if *first.Containers[1].ImageDigest == *second.Containers[1].ImageDigest {
			t.Errorf("the tag means %s still", *second.Containers[1].ImageDigest)
		}
	})
}

func TestEphemeralStorage(t *testing.T) {
	ecstest.Play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{Storage: 20<<30 + 1} }}, func(w *ecstest.World) {
		w.Define()
		w.Run()
		w.After(ecstest.Sec(10))
		w.Want("not yet measured", "RUNNING; web RUNNING")
		if task := w.Task(); task.EphemeralStorage.SizeInGiB != 20 || task.FargateEphemeralStorage.SizeInGiB != 20 {
			t.Errorf("it has %+v", task.EphemeralStorage)
		}
		w.After(ecstest.Sec(12))
		w.Want("measured", `STOPPED EssentialContainerExited "Task used 20.0 GiB of its ephemeral storage of 20 GiB: no space left on device"; web STOPPED 0`)
	})
	t.Run("enough", func(t *testing.T) {
		ecstest.Play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{Storage: 20<<30 + 1} }}, func(w *ecstest.World) {
			w.Containers(types.ContainerDefinition{Name: aws.String("web")})
			w.Amend(func(d *types.TaskDefinition) { d.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 21} })
			w.Run()
			w.After(time.Minute)
			w.Want("measured", "RUNNING; web RUNNING")
			if got := w.Task().EphemeralStorage.SizeInGiB; got != 21 {
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
	ecstest.Play(t, scripts(map[string]fake.Behaviour{
		"web":  {Exits: true, ExitAfter: ecstest.Sec(30), OOM: true, Output: lines},
		"side": {Unhealthy: true, HealthOutput: "connection refused"},
	}), func(w *ecstest.World) {
		w.Containers(types.ContainerDefinition{Name: aws.String("web")}, types.ContainerDefinition{
			Name: aws.String("side"), HealthCheck: &types.HealthCheck{Command: []string{"CMD", "check"}, Interval: aws.Int32(5), Retries: aws.Int32(1)},
		}, types.ContainerDefinition{Name: aws.String("quiet")})
		w.Run()
		w.After(time.Minute)
		w.Want("in the end", `STOPPED EssentialContainerExited "Essential container in task exited"; `+
			`web STOPPED 137 "OutOfMemoryError: Container killed due to memory usage"; side STOPPED 0; quiet STOPPED 143`)
		evidence := func() (e ecs.Evidence, err error) {
			err = w.DB.View(t.Context(), func(tx store.Tx) error {
				e, err = ecs.Evidences.Get(tx, "default/"+id(w.Task()))
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
		key := id(w.Task())
		w.After(25 * time.Hour)
		err = w.DB.View(t.Context(), func(tx store.Tx) error {
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
			ecstest.Play(t, fake.Config{Behave: behave}, func(w *ecstest.World) {
				w.Containers(types.ContainerDefinition{Name: aws.String("web")})
				limit := func() (is int) {
					t.Helper()
					err := w.DB.View(t.Context(), func(tx store.Tx) error {
						all, err := ecs.Tasks.List(tx, "")
						is = all[0].ProcessLimit
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
					return is
				}
				w.Run()
				w.After(ecstest.Sec(5))
				w.Want("before it is counted", "RUNNING; web RUNNING")
				if got := limit(); got != 0 {
					t.Errorf("at once its limit is noted as %d", got)
				}
				if tc.stopped {
					if _, err := w.API.StopTask(t.Context(), &sdk.StopTaskInput{Task: w.Task().TaskArn}); err != nil {
						t.Fatal(err)
					}
				}
				w.After(ecstest.Sec(10))
				if !tc.stopped {
					w.After(ecstest.Sec(20))
					w.Want("after it is counted", "RUNNING; web RUNNING")
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
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Containers(types.ContainerDefinition{Name: aws.String("web")})
		w.Run()
		w.After(ecstest.Sec(30))
		w.Want("before", "RUNNING; web RUNNING")
		w.Files.Lose(id(w.Task()))
		w.After(ecstest.Sec(60))
		w.Want("after", `STOPPED EssentialContainerExited "Task lost an EFS volume: the process that served it was ended"; web STOPPED 143`)
	})
}

// TestWhoMounts: what a definition says of IAM and of encryption is told to EFS, with the task's role.
func TestWhoMounts(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Roles = trust(appRole)
		w.Restart()
		w.Containers(types.ContainerDefinition{Name: aws.String("web"), MountPoints: []types.MountPoint{
			{SourceVolume: aws.String("mine"), ContainerPath: aws.String("/mine")}, {SourceVolume: aws.String("anybodys"), ContainerPath: aws.String("/anybodys")},
		}})
		w.Amend(func(d *types.TaskDefinition) {
			d.TaskRoleArn = aws.String(appRole)
			d.Volumes = []types.Volume{
				{Name: aws.String("mine"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{
					FileSystemId: aws.String("fs-1"), TransitEncryption: types.EFSTransitEncryptionEnabled, AuthorizationConfig: &types.EFSAuthorizationConfig{Iam: types.EFSAuthorizationConfigIAMEnabled},
				}},
				{Name: aws.String("anybodys"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{FileSystemId: aws.String("fs-1"), RootDirectory: aws.String("/x")}},
			}
		})
		w.Run()
		w.After(ecstest.Sec(2))
		task := w.Task()
		want := []run.FileMount{{FileSystem: "fs-1", Encrypted: true, Role: appRole, Task: *task.TaskArn}, {FileSystem: "fs-1", Root: "/x"}}
		if got := w.Files.Mounts(id(task)); !slices.Equal(got, want) {
			t.Errorf("mounted %+v, want %+v", got, want)
		}
	})
}

func TestFileSystems(t *testing.T) {
	for name, fileSystem := range map[string]string{"there": "fs-1", "missing": "fs-2"} {
		t.Run(name, func(t *testing.T) {
			var saw []engine.Mount
			ecstest.Play(t, fake.Config{Behave: func(c engine.Container) fake.Behaviour { saw = c.Mounts; return fake.Runs(c) }}, func(w *ecstest.World) {
				w.Containers(types.ContainerDefinition{Name: aws.String("web"), User: aws.String("7:8"), MountPoints: []types.MountPoint{
					{SourceVolume: aws.String("data"), ContainerPath: aws.String("/data"), ReadOnly: aws.Bool(true)},
					{SourceVolume: aws.String("scratch"), ContainerPath: aws.String("/tmp")},
				}})
				w.Amend(func(d *types.TaskDefinition) {
					d.Volumes = []types.Volume{{Name: aws.String("scratch")}, {Name: aws.String("data"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{
						FileSystemId: &fileSystem, AuthorizationConfig: &types.EFSAuthorizationConfig{AccessPointId: aws.String("fsap-1")},
					}}}
				})
				w.Run()
				w.After(ecstest.Sec(2))
				if fileSystem == "fs-2" {
					w.Want("without it", `STOPPED TaskFailedToStart "ResourceInitializationError: failed to invoke EFS utils commands: no fs-2"; web STOPPED`)
					return
				}
				w.Want("with it", "RUNNING; web RUNNING")
				task := w.Task()
				want := []engine.Mount{{Source: "/mounts/" + id(task) + "/0", Target: "/data", ReadOnly: true}, {Source: "scratch", Target: "/tmp"}}
				if !slices.Equal(saw, want) {
					t.Errorf("the container mounts %+v, want %+v", saw, want)
				}
				if m := w.Files.Mounts(id(task)); len(m) != 1 || m[0] != (run.FileMount{FileSystem: "fs-1", AccessPoint: "fsap-1", UID: 7, GID: 8}) {
					t.Errorf("mounted %+v", m)
				}
				if _, err := w.API.StopTask(t.Context(), &sdk.StopTaskInput{Task: task.TaskArn}); err != nil {
					t.Fatal(err)
				}
				w.After(ecstest.Sec(5))
				if m := w.Files.Mounts(id(task)); len(m) != 0 {
					t.Errorf("after its end it has mounted %+v", m)
				}
			})
		})
	}
}
