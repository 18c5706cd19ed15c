package ecs_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	smithy "github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

func TestRunTask(t *testing.T) {
	ecstest.Play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour {
		return fake.Behaviour{Exits: true, ExitAfter: 10 * time.Second, ExitCode: 3}
	}}, func(w *ecstest.World) {
		w.Define()
		out, err := w.API.RunTask(w.T.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, StartedBy: aws.String("me")})
		if err != nil {
			t.Fatal(err)
		}
		if got := *out.Tasks[0].LastStatus; got != "PROVISIONING" {
			t.Errorf("a new task is %s, want PROVISIONING", got)
		}
		w.After(time.Second)
		task := w.Tasks(types.DesiredStatusRunning)[0]
		if *task.LastStatus != "RUNNING" || *task.Containers[0].LastStatus != "RUNNING" || task.StartedAt == nil || task.PullStartedAt == nil {
			t.Errorf("after a second: %+v", task)
		}
		if !strings.HasPrefix(*task.Containers[0].ImageDigest, "sha256:") || *task.Containers[0].NetworkInterfaces[0].PrivateIpv4Address != "172.31.0.1" {
			t.Errorf("container: %+v", task.Containers[0])
		}
		w.After(10 * time.Second)
		task = w.Tasks(types.DesiredStatusStopped)[0]
		got := []any{*task.LastStatus, task.StopCode, *task.StoppedReason, *task.Containers[0].ExitCode, *task.Containers[0].LastStatus, task.StoppedAt != nil}
		want := []any{"STOPPED", types.TaskStopCodeEssentialContainerExited, "Essential container in task exited", int32(3), "STOPPED", true}
		if !slices.Equal(got, want) {
			t.Errorf("after its end: %v, want %v", got, want)
		}
		if left, _ := w.Engine.List(w.T.Context()); len(left) != 0 {
			t.Errorf("left in the engine: %+v", left)
		}
		w.After(25 * time.Hour)
		if left := w.Tasks(types.DesiredStatusStopped); len(left) != 0 {
			t.Errorf("after a day it is still described: %+v", left)
		}
	})
}

func TestStopTask(t *testing.T) {
	ecstest.Play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{IgnoreTerm: true} }}, func(w *ecstest.World) {
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].StopTimeout = aws.Int32(5) })
		out, err := w.API.RunTask(w.T.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("web:1"), NetworkConfiguration: ecstest.Placed})
		if err != nil {
			t.Fatal(err)
		}
		w.After(time.Second)
		if _, err := w.API.StopTask(w.T.Context(), &sdk.StopTaskInput{Task: out.Tasks[0].TaskArn, Reason: aws.String("enough")}); err != nil {
			t.Fatal(err)
		}
		w.After(4 * time.Second)
		if task := w.Tasks(types.DesiredStatusStopped)[0]; *task.LastStatus != "STOPPING" {
			t.Errorf("within its stopTimeout the task is %s, want STOPPING", *task.LastStatus)
		}
		w.After(2 * time.Second)
		task := w.Tasks(types.DesiredStatusStopped)[0]
		if *task.LastStatus != "STOPPED" || *task.Containers[0].ExitCode != 137 || task.StopCode != types.TaskStopCodeUserInitiated || *task.StoppedReason != "enough" {
			t.Errorf("after its stopTimeout: %s %d %s %q", *task.LastStatus, *task.Containers[0].ExitCode, task.StopCode, *task.StoppedReason)
		}
	})
}

func TestTaskThatCannotStart(t *testing.T) {
	tests := []struct {
		name   string
		script fake.Config
		change func(*sdk.RegisterTaskDefinitionInput)
		want   string
	}{
		{
			name: "no such image",
			script: fake.Config{Pull: func(string) fake.Pull {
				return fake.Pull{Err: &engine.PullError{Reason: "manifest unknown"}}
			}},
			want: "CannotPullContainerError: manifest unknown",
		},
		{
			name:   "no such command",
			script: fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{StartError: "exec: no such file"} }},
			want:   "CannotStartContainerError: exec: no such file",
		},
		{
			name:   "can't be created",
			script: fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{CreateError: "bad user"} }},
			want:   "CannotCreateContainerError: bad user",
		},
		{
			name: "no log group",
			change: func(in *sdk.RegisterTaskDefinitionInput) {
				in.ContainerDefinitions[0].LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
					"awslogs-group": "/gone", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "x",
				}}
			},
			want: "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. : exit status 1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ecstest.Play(t, tt.script, func(w *ecstest.World) {
				if tt.change == nil {
					tt.change = func(*sdk.RegisterTaskDefinitionInput) {}
				}
				w.Define(tt.change)
				if _, err := w.API.RunTask(w.T.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed}); err != nil {
					t.Fatal(err)
				}
				w.After(time.Second)
				task := w.Tasks(types.DesiredStatusStopped)[0]
				if *task.LastStatus != "STOPPED" || task.StopCode != types.TaskStopCodeTaskFailedToStart || *task.StoppedReason != tt.want || task.Containers[0].ExitCode != nil {
					t.Errorf("got %s %s %q", *task.LastStatus, task.StopCode, *task.StoppedReason)
				}
				if left, _ := w.Engine.List(w.T.Context()); len(left) != 0 {
					t.Errorf("left in the engine: %+v", left)
				}
				if len(w.Network.IDs) != 0 {
					t.Errorf("interfaces left: %v", w.Network.IDs)
				}
			})
		})
	}
}

func TestServiceStartsAndScales(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(3, ecstest.Balanced)
		w.After(time.Second)
		if s := w.Describe(); s.RunningCount != 3 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress {
			t.Errorf("before the targets are healthy: %d running, %s", s.RunningCount, s.Deployments[0].RolloutState)
		}
		w.After(5 * time.Second)
		s := w.Describe()
		if s.RunningCount != 3 || s.PendingCount != 0 || len(s.Deployments) != 1 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
			t.Errorf("after the start: %+v", s)
		}
		if got := *s.Events[0].Message; got != "(service web) has reached a steady state." {
			t.Errorf("last event %q", got)
		}
		if zones := ecstest.Zones(w.Tasks(types.DesiredStatusRunning)); len(zones) != 2 {
			t.Errorf("tasks are not spread: %v", zones)
		}
		if service, deployment := *s.PlatformVersion, *s.Deployments[0].PlatformVersion; service != "LATEST" || deployment != "1.4.0" {
			t.Errorf("platform version: %s of the service, %s of its deployment; want as it was asked for, and the one that it is", service, deployment)
		}
		for _, n := range []int32{5, 1, 0} {
			if _, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), DesiredCount: &n}); err != nil {
				t.Fatal(err)
			}
			w.After(10 * time.Second)
			if s := w.Describe(); s.RunningCount != n || len(s.Deployments) != 1 {
				t.Errorf("scaled to %d: %d running, %d deployments", n, s.RunningCount, len(s.Deployments))
			}
		}
	})
}

// TestRollingDeployment holds a deployment to its bounds at every moment.
func TestRollingDeployment(t *testing.T) {
	tests := []struct{ desired, low, high int32 }{{3, 100, 200}, {4, 50, 100}, {1, 0, 100}, {1, 100, 200}, {5, 60, 140}}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
				w.Define()
				w.Service(tt.desired, ecstest.Balanced, func(in *sdk.CreateServiceInput) {
					in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: &tt.low, MaximumPercent: &tt.high}
				})
				w.After(10 * time.Second)
				w.Engine.Push("example.test/web:latest")
				if _, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true}); err != nil {
					t.Fatal(err)
				}
				low, high := int((tt.desired*tt.low+99)/100), int(tt.desired*tt.high/100)
				for range 600 {
					w.After(100 * time.Millisecond)
					healthy, alive := 0, 0
					for _, task := range w.Tasks(types.DesiredStatusRunning) {
						alive++
						addr := netip.MustParseAddr(*task.Attachments[0].Details[4].Value)
						if state, _, _ := w.Balancing.TargetState(w.T.Context(), "tg", addr, 8080); state == "healthy" {
							healthy++
						}
					}
					if healthy < low || alive > high {
						t.Fatalf("%d healthy (at least %d), %d alive (at most %d)", healthy, low, alive, high)
					}
				}
				s := w.Describe()
				if len(s.Deployments) != 1 || s.RunningCount != tt.desired || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
					t.Errorf("at the end: %+v", s)
				}
				digests := map[string]bool{}
				for _, task := range w.Tasks(types.DesiredStatusRunning) {
					digests[*task.Containers[0].ImageDigest] = true
				}
				if len(digests) != 1 {
					t.Errorf("the tasks run %d images, want one", len(digests))
				}
			})
		})
	}
}

func TestDeploymentKeepsItsImage(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(1)
		w.After(5 * time.Second)
		first := *w.Tasks(types.DesiredStatusRunning)[0].Containers[0].ImageDigest
		w.Engine.Push("example.test/web:latest") // somebody pushes meanwhile
		if _, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(3)}); err != nil {
			t.Fatal(err)
		}
		w.After(5 * time.Second)
		for _, task := range w.Tasks(types.DesiredStatusRunning) {
			if got := *task.Containers[0].ImageDigest; got != first {
				t.Errorf("a task of the same deployment runs %s, want %s", got, first)
			}
		}
	})
}

func TestCrashLoopBacksOff(t *testing.T) {
	ecstest.Play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour {
		return fake.Behaviour{Exits: true, ExitAfter: 100 * time.Millisecond, ExitCode: 1}
	}}, func(w *ecstest.World) {
		w.Define()
		w.Service(2)
		w.After(10 * time.Minute)
		if n := len(w.Tasks(types.DesiredStatusStopped)); n < 10 || n > 40 {
			t.Errorf("%d tasks were tried in 10 minutes, want back-off", n)
		}
		told := false
		for _, e := range w.Describe().Events {
			told = told || strings.HasPrefix(*e.Message, "(service web) is unable to consistently start tasks successfully.")
		}
		if !told {
			t.Error("no event tells that tasks can't be started")
		}
	})
}

// A crash loop whose tasks are RUNNING for a moment is never called steady
// again, and its failures add up.
func TestCrashLoopIsNotSteady(t *testing.T) {
	ecstest.Play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour {
		return fake.Behaviour{Exits: true, ExitAfter: time.Second, ExitCode: 1}
	}}, func(w *ecstest.World) {
		w.Define()
		w.Service(1)
		w.After(5 * time.Minute)
		s := w.Describe()
		steady := 0
		for _, e := range s.Events {
			if strings.HasSuffix(*e.Message, "has reached a steady state.") {
				steady++
			}
		}
		if failed := s.Deployments[0].FailedTasks; steady > 1 || failed < 3 {
			t.Errorf("told %d times that it is steady (at most once, at first), %d failed tasks", steady, failed)
		}
	})
}

func TestDeadTaskIsReplacedAtOnce(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, ecstest.Balanced)
		w.After(time.Minute * 2)
		id := strings.Split(*w.Tasks(types.DesiredStatusRunning)[0].TaskArn, "/")[2]
		if err := w.Engine.Exit(id, "web", 3); err != nil {
			t.Fatal(err)
		}
		w.After(500 * time.Millisecond)
		if n := len(w.Tasks(types.DesiredStatusRunning)); n != 2 {
			t.Errorf("half a second after a task died %d are wanted, want 2", n)
		}
		w.After(5 * time.Second)
		if s := w.Describe(); s.RunningCount != 2 {
			t.Errorf("%d running, want 2", s.RunningCount)
		}
	})
}

func TestUnhealthyTaskIsReplaced(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, ecstest.Balanced, func(in *sdk.CreateServiceInput) { in.HealthCheckGracePeriodSeconds = aws.Int32(30) })
		w.After(10 * time.Second)
		bad := netip.MustParseAddr(*w.Tasks(types.DesiredStatusRunning)[0].Attachments[0].Details[4].Value)
		w.Balancing.Change(func() { w.Balancing.Sick = func(a netip.Addr) bool { return a == bad } })
		w.After(10 * time.Second)
		if n := len(w.Tasks(types.DesiredStatusStopped)); n != 0 {
			t.Errorf("%d tasks were stopped within the grace period", n)
		}
		w.After(30 * time.Second)
		gone := w.Tasks(types.DesiredStatusStopped)
		if len(gone) != 1 || *gone[0].StoppedReason != "Task failed ELB health checks in (target-group tg)" {
			t.Fatalf("stopped: %+v", gone)
		}
		if s := w.Describe(); s.RunningCount != 2 {
			t.Errorf("%d running, want 2", s.RunningCount)
		}
	})
}

// When nothing is healthy the balancer sends requests to all, so tasks that are
// called unhealthy in their grace period, which go on running, stay until their
// replacements are healthy. The engine is slow, but no slower than a step waits
// for a pull: then it would be a matter of luck when the tasks are there.
func TestUnhealthyOldTasksStayUntilReplaced(t *testing.T) {
	ecstest.Play(t, fake.Config{Latency: 800 * time.Millisecond}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, ecstest.Balanced, func(in *sdk.CreateServiceInput) { in.HealthCheckGracePeriodSeconds = aws.Int32(300) })
		w.After(20 * time.Second)
		old := map[netip.Addr]bool{}
		for _, task := range w.Tasks(types.DesiredStatusRunning) {
			old[netip.MustParseAddr(*task.Attachments[0].Details[4].Value)] = true
		}
		w.Balancing.Change(func() { w.Balancing.Sick = func(a netip.Addr) bool { return old[a] } })
		w.After(time.Second)
		w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		for range 200 {
			w.After(100 * time.Millisecond)
			if running := w.Running(); running < 2 {
				t.Fatalf("%d tasks run, want 2 at any time", running)
			}
		}
		if s := w.Describe(); len(s.Deployments) != 1 || s.RunningCount != 2 {
			t.Errorf("%d deployments, %d running", len(s.Deployments), s.RunningCount)
		}
	})
}

// Tasks that get RUNNING while the image of the next version is looked up are
// among those that must stay.
func TestTasksThatRunSinceAMomentStay(t *testing.T) {
	ecstest.Play(t, fake.Config{
		Pull: func(ref string) fake.Pull {
			if strings.HasSuffix(ref, "slow") {
				return fake.Pull{Time: 1500 * time.Millisecond}
			}
			return fake.Pull{}
		},
		Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{StartTime: time.Second} },
	}, func(w *ecstest.World) {
		w.Define()
		w.Service(2)
		w.After(500 * time.Millisecond)
		w.Update(&sdk.UpdateServiceInput{TaskDefinition: aws.String(w.Define(image("slow")))})
		most := 0
		for range 200 {
			w.After(50 * time.Millisecond)
			running := w.Running()
			if most = max(most, running); most >= 2 && running < 2 {
				t.Fatalf("%d tasks run, there were %d", running, most)
			}
		}
		if s := w.Describe(); len(s.Deployments) != 1 || s.RunningCount != 2 {
			t.Errorf("%d deployments, %d running", len(s.Deployments), s.RunningCount)
		}
	})
}

// TestRestarts ends the loops at random moments of a deployment, as kill -9
// does, and restarts the engine, and wants the same end.
func TestRestarts(t *testing.T) {
	ecstest.Play(t, fake.Config{Latency: 50 * time.Millisecond}, func(w *ecstest.World) {
		w.Define()
		w.Service(3, ecstest.Balanced)
		w.After(10 * time.Second)
		if _, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true}); err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			w.After(time.Duration(37*i%211) * time.Millisecond)
			w.Halt()
			w.Start()
		}
		w.Engine.LoseAnswers("Start", 2)
		w.After(time.Minute)
		s := w.Describe()
		if len(s.Deployments) != 1 || s.RunningCount != 3 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
			t.Fatalf("after restarts: %d deployments, %d running, %s", len(s.Deployments), s.RunningCount, s.Deployments[0].RolloutState)
		}
		if there, _ := w.Engine.List(w.T.Context()); len(there) != 3 {
			t.Errorf("the engine has %d tasks, want 3", len(there))
		}
		w.Engine.Restart()
		w.After(time.Minute)
		if s := w.Describe(); s.RunningCount != 3 || len(w.Network.IDs) != 3 {
			t.Errorf("after a restart of the engine %d run with %d interfaces, want 3", s.RunningCount, len(w.Network.IDs))
		}
	})
}

func TestDeleteService(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2)
		w.After(5 * time.Second)
		_, err := w.API.DeleteService(w.T.Context(), &sdk.DeleteServiceInput{Service: aws.String("web")})
		wantError(t, err, "InvalidParameterException", "The service cannot be stopped while it is scaled above 0.")
		out, err := w.API.DeleteService(w.T.Context(), &sdk.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)})
		if err != nil || *out.Service.Status != "DRAINING" {
			t.Fatalf("delete: %v %+v", err, out)
		}
		w.After(5 * time.Second)
		if s := w.Describe(); *s.Status != "INACTIVE" || s.RunningCount != 0 {
			t.Errorf("after its deletion: %s, %d running", *s.Status, s.RunningCount)
		}
		w.Service(1)
		w.After(5 * time.Second)
		if s := w.Describe(); *s.Status != "ACTIVE" || s.RunningCount != 1 {
			t.Errorf("made again: %s, %d running", *s.Status, s.RunningCount)
		}
	})
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), message) {
		t.Errorf("got %v, want %s: %s", err, code, message)
	}
}
