package ecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// TestEngineRestartsWhileTaskStarts: the sandbox was made, the answers got lost,
// and then the daemon ended it.
func TestEngineRestartsWhileTaskStarts(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Engine.LoseAnswers("Create", 1000)
		w.Run()
		w.After(10 * time.Millisecond)
		w.Engine.Restart()
		w.Engine.LoseAnswers("Create", 0)
		w.After(ecstest.Sec(2))
		task := w.Tasks(types.DesiredStatusStopped)[0]
		want := "ResourceInitializationError: unable to set up the task's network namespace: the task's sandbox has stopped"
		if *task.LastStatus != "STOPPED" || task.StopCode != types.TaskStopCodeTaskFailedToStart || *task.StoppedReason != want {
			t.Errorf("got %s %s %q", *task.LastStatus, task.StopCode, *task.StoppedReason)
		}
	})
}

// TestFullLogDisk keeps a task's containers while its last output can't be
// stored, but not for ever.
func TestFullLogDisk(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Logs.Full = true
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": "/web", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "x",
			}}
		})
		task := w.Run()
		w.After(ecstest.Sec(2))
		if _, err := w.API.StopTask(w.T.Context(), &sdk.StopTaskInput{Task: task.TaskArn}); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{4 * time.Minute, "DEPROVISIONING"}, {2 * time.Minute, "STOPPED"}} {
			w.After(step.after)
			if got := *w.Tasks(types.DesiredStatusStopped)[0].LastStatus; got != step.want {
				t.Errorf("after %v more: %s, want %s", step.after, got, step.want)
			}
		}
		if left, _ := w.Engine.List(w.T.Context()); len(left) != 0 {
			t.Errorf("left in the engine: %+v", left)
		}
	})
}

// TestTargetGroupIsDeleted under a service: its tasks run on, new ones wait, and
// another target group ends that.
func TestTargetGroupIsDeleted(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, ecstest.Balanced)
		w.After(ecstest.Sec(20))
		before := arns(w.Tasks(types.DesiredStatusRunning))
		w.Balancing.Lose("tg")
		update := func(in *sdk.UpdateServiceInput) {
			t.Helper()
			in.Service = aws.String("web")
			if _, err := w.API.UpdateService(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.After(time.Hour)
		const says = "(service web) failed to register targets in (target-group tg) with (error Target groups 'tg' not found)"
		if n := w.Told(says); n != 1 {
			t.Errorf("told %d times, want once:\n%s", n, strings.Join(w.Events(10), "\n"))
		}
		s := w.Describe()
		if s.RunningCount != 2 || s.PendingCount != 2 || len(s.Deployments) != 2 || s.Deployments[0].FailedTasks != 0 {
			t.Errorf("%d running, %d pending, %+v", s.RunningCount, s.PendingCount, s.Deployments)
		}
		var waits, old []types.Task
		for _, task := range w.Tasks(types.DesiredStatusRunning) {
			if *task.LastStatus == "ACTIVATING" {
				waits = append(waits, task)
				continue
			}
			old = append(old, task)
		}
		if len(waits) != 2 || arns(old) != before {
			t.Fatalf("%d tasks wait; %s run, want %s", len(waits), arns(old), before)
		}
		if err := w.Engine.Exit(id(waits[0]), "web", 3); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(30))
		if out, err := w.API.DescribeTasks(t.Context(), &sdk.DescribeTasksInput{Tasks: []string{*waits[0].TaskArn}}); err != nil || *out.Tasks[0].LastStatus != "STOPPED" {
			t.Errorf("a task that ends while it waits: %+v, %v", out, err)
		}
		w.After(7 * time.Hour)
		if n := w.Told(says); n != 2 {
			t.Errorf("told %d times after eight hours, want twice", n)
		}
		update(&sdk.UpdateServiceInput{LoadBalancers: []types.LoadBalancer{
			{TargetGroupArn: aws.String("tg-blue"), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)},
		}})
		w.After(time.Minute)
		if s := w.Describe(); s.RunningCount != 2 || len(s.Deployments) != 1 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted || w.Balancing.In("tg-blue") != 2 {
			t.Errorf("with another group: %d running, %+v, %d in it", s.RunningCount, s.Deployments, w.Balancing.In("tg-blue"))
		}
		if n := w.Told("deregistered 1 targets in (target-group tg)"); n != 2 {
			t.Errorf("%d tasks were taken out of the group, want those that were in it: 2", n)
		}
	})
}

func TestStopWhilePulling(t *testing.T) {
	ecstest.Play(t, fake.Config{Pull: func(string) fake.Pull { return fake.Pull{Time: time.Hour} }}, func(w *ecstest.World) {
		w.Define()
		task := w.Run()
		w.After(ecstest.Sec(10))
		if _, err := w.API.StopTask(w.T.Context(), &sdk.StopTaskInput{Task: task.TaskArn}); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(3))
		stopped := w.Tasks(types.DesiredStatusStopped)[0]
		if *stopped.LastStatus != "STOPPED" || stopped.StopCode != types.TaskStopCodeUserInitiated || stopped.StartedAt != nil || len(w.Network.IDs) != 0 {
			t.Errorf("got %+v with interfaces %v", stopped, w.Network.IDs)
		}
	})
}

// TestSlowImage: while a new deployment waits for its image, the old one is
// looked after.
func TestSlowImage(t *testing.T) {
	ecstest.Play(t, fake.Config{Pull: func(ref string) fake.Pull {
		if strings.HasSuffix(ref, ":slow") {
			return fake.Pull{Time: time.Minute}
		}
		return fake.Pull{}
	}}, func(w *ecstest.World) {
		w.Define()
		w.Service(2)
		w.After(ecstest.Sec(5))
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].Image = aws.String("example.test/web:slow")
		})
		if _, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(1)}); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(10))
		if s := w.Describe(); s.RunningCount != 1 || s.PendingCount != 0 || len(s.Deployments) != 2 {
			t.Errorf("while the image comes %d run, %d are pending in %d deployments; want the surplus of the old one stopped", s.RunningCount, s.PendingCount, len(s.Deployments))
		}
		w.After(2 * time.Minute)
		if s := w.Describe(); s.RunningCount != 1 || len(s.Deployments) != 1 {
			t.Errorf("after it came %d run in %d deployments", s.RunningCount, len(s.Deployments))
		}
	})
}

// TestManyTasks starts more than go into one pass.
func TestManyTasks(t *testing.T) {
	ecstest.Play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{} }}, func(w *ecstest.World) {
		w.Define()
		w.Service(45)
		w.After(ecstest.Sec(30))
		if s := w.Describe(); s.RunningCount != 45 {
			t.Errorf("%d run, want 45", s.RunningCount)
		}
		w.Engine.Restart()
		w.After(time.Minute)
		if s := w.Describe(); s.RunningCount != 45 || len(w.Network.IDs) != 45 {
			t.Errorf("after a restart of the engine %d run with %d interfaces, want 45", s.RunningCount, len(w.Network.IDs))
		}
	})
}

// TestImageOfItsOwnDeployment makes new deployments while images are resolved:
// each task runs what its own task definition says.
func TestImageOfItsOwnDeployment(t *testing.T) {
	ecstest.Play(t, fake.Config{Latency: 30 * time.Millisecond}, func(w *ecstest.World) {
		w.Define()
		w.Service(1)
		for i := range 20 {
			w.Define(func(in *sdk.RegisterTaskDefinitionInput) {
				in.ContainerDefinitions[0].Image = aws.String(fmt.Sprintf("example.test/web%d", i))
			})
			if _, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web")}); err != nil {
				t.Fatal(err)
			}
			w.After(time.Duration(13*i%61) * time.Millisecond)
		}
		w.After(time.Minute)
		want, _ := w.Engine.Pull(w.T.Context(), "example.test/web19", engine.Auth{})
		for _, task := range w.Tasks(types.DesiredStatusRunning) {
			if c := task.Containers[0]; !strings.HasSuffix(want, *c.ImageDigest) {
				t.Errorf("%s runs %s, want %s", *c.Image, *c.ImageDigest, want)
			}
		}
	})
}
