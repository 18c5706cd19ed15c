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
)

// run starts a task of web.
func (w *world) run() types.Task {
	w.t.Helper()
	out, err := w.api.RunTask(w.t.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: placed})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Tasks[0]
}

// TestEngineRestartsWhileTaskStarts: the sandbox was made, the answers got lost,
// and then the daemon ended it.
func TestEngineRestartsWhileTaskStarts(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.define()
		w.eng.LoseAnswers("Create", 1000)
		w.run()
		w.after(10 * time.Millisecond)
		w.eng.Restart()
		w.eng.LoseAnswers("Create", 0)
		w.after(sec(2))
		task := w.tasks(types.DesiredStatusStopped)[0]
		want := "ResourceInitializationError: unable to set up the task's network namespace: the task's sandbox has stopped"
		if *task.LastStatus != "STOPPED" || task.StopCode != types.TaskStopCodeTaskFailedToStart || *task.StoppedReason != want {
			t.Errorf("got %s %s %q", *task.LastStatus, task.StopCode, *task.StoppedReason)
		}
	})
}

// TestFullLogDisk keeps a task's containers while its last output can't be
// stored, but not for ever.
func TestFullLogDisk(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.logs.full = true
		w.define(func(in *sdk.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": "/web", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "x",
			}}
		})
		task := w.run()
		w.after(sec(2))
		if _, err := w.api.StopTask(w.t.Context(), &sdk.StopTaskInput{Task: task.TaskArn}); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{4 * time.Minute, "DEPROVISIONING"}, {2 * time.Minute, "STOPPED"}} {
			w.after(step.after)
			if got := *w.tasks(types.DesiredStatusStopped)[0].LastStatus; got != step.want {
				t.Errorf("after %v more: %s, want %s", step.after, got, step.want)
			}
		}
		if left, _ := w.eng.List(w.t.Context()); len(left) != 0 {
			t.Errorf("left in the engine: %+v", left)
		}
	})
}

// TestTargetGroupIsDeleted under a service: its tasks run on, new ones wait, and
// another target group ends that.
func TestTargetGroupIsDeleted(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.define()
		w.service(2, balanced)
		w.after(sec(20))
		before := arns(w.tasks(types.DesiredStatusRunning))
		w.lb.lose("tg")
		update := func(in *sdk.UpdateServiceInput) {
			t.Helper()
			in.Service = aws.String("web")
			if _, err := w.api.UpdateService(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.after(time.Hour)
		const says = "(service web) failed to register targets in (target-group tg) with (error Target groups 'tg' not found)"
		if n := w.told(says); n != 1 {
			t.Errorf("told %d times, want once:\n%s", n, strings.Join(w.events(10), "\n"))
		}
		s := w.describe()
		if s.RunningCount != 2 || s.PendingCount != 2 || len(s.Deployments) != 2 || s.Deployments[0].FailedTasks != 0 {
			t.Errorf("%d running, %d pending, %+v", s.RunningCount, s.PendingCount, s.Deployments)
		}
		var waits, old []types.Task
		for _, task := range w.tasks(types.DesiredStatusRunning) {
			if *task.LastStatus == "ACTIVATING" {
				waits = append(waits, task)
				continue
			}
			old = append(old, task)
		}
		if len(waits) != 2 || arns(old) != before {
			t.Fatalf("%d tasks wait; %s run, want %s", len(waits), arns(old), before)
		}
		if err := w.eng.Exit(id(waits[0]), "web", 3); err != nil {
			t.Fatal(err)
		}
		w.after(sec(30))
		if out, err := w.api.DescribeTasks(t.Context(), &sdk.DescribeTasksInput{Tasks: []string{*waits[0].TaskArn}}); err != nil || *out.Tasks[0].LastStatus != "STOPPED" {
			t.Errorf("a task that ends while it waits: %+v, %v", out, err)
		}
		w.after(7 * time.Hour)
		if n := w.told(says); n != 2 {
			t.Errorf("told %d times after eight hours, want twice", n)
		}
		update(&sdk.UpdateServiceInput{LoadBalancers: []types.LoadBalancer{
			{TargetGroupArn: aws.String("tg-blue"), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)},
		}})
		w.after(time.Minute)
		if s := w.describe(); s.RunningCount != 2 || len(s.Deployments) != 1 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted || w.lb.in("tg-blue") != 2 {
			t.Errorf("with another group: %d running, %+v, %d in it", s.RunningCount, s.Deployments, w.lb.in("tg-blue"))
		}
		if n := w.told("deregistered 1 targets in (target-group tg)"); n != 2 {
			t.Errorf("%d tasks were taken out of the group, want those that were in it: 2", n)
		}
	})
}

func TestStopWhilePulling(t *testing.T) {
	play(t, fake.Config{Pull: func(string) fake.Pull { return fake.Pull{Time: time.Hour} }}, func(w *world) {
		w.define()
		task := w.run()
		w.after(sec(10))
		if _, err := w.api.StopTask(w.t.Context(), &sdk.StopTaskInput{Task: task.TaskArn}); err != nil {
			t.Fatal(err)
		}
		w.after(sec(3))
		stopped := w.tasks(types.DesiredStatusStopped)[0]
		if *stopped.LastStatus != "STOPPED" || stopped.StopCode != types.TaskStopCodeUserInitiated || stopped.StartedAt != nil || len(w.net.ids) != 0 {
			t.Errorf("got %+v with interfaces %v", stopped, w.net.ids)
		}
	})
}

// TestSlowImage: while a new deployment waits for its image, the old one is
// looked after.
func TestSlowImage(t *testing.T) {
	play(t, fake.Config{Pull: func(ref string) fake.Pull {
		if strings.HasSuffix(ref, ":slow") {
			return fake.Pull{Time: time.Minute}
		}
		return fake.Pull{}
	}}, func(w *world) {
		w.define()
		w.service(2)
		w.after(sec(5))
		w.define(func(in *sdk.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].Image = aws.String("example.test/web:slow")
		})
		if _, err := w.api.UpdateService(w.t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(1)}); err != nil {
			t.Fatal(err)
		}
		w.after(sec(10))
		if s := w.describe(); s.RunningCount != 1 || s.PendingCount != 0 || len(s.Deployments) != 2 {
			t.Errorf("while the image comes %d run, %d are pending in %d deployments; want the surplus of the old one stopped", s.RunningCount, s.PendingCount, len(s.Deployments))
		}
		w.after(2 * time.Minute)
		if s := w.describe(); s.RunningCount != 1 || len(s.Deployments) != 1 {
			t.Errorf("after it came %d run in %d deployments", s.RunningCount, len(s.Deployments))
		}
	})
}

// TestManyTasks starts more than go into one pass.
func TestManyTasks(t *testing.T) {
	play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{} }}, func(w *world) {
		w.define()
		w.service(45)
		w.after(sec(30))
		if s := w.describe(); s.RunningCount != 45 {
			t.Errorf("%d run, want 45", s.RunningCount)
		}
		w.eng.Restart()
		w.after(time.Minute)
		if s := w.describe(); s.RunningCount != 45 || len(w.net.ids) != 45 {
			t.Errorf("after a restart of the engine %d run with %d interfaces, want 45", s.RunningCount, len(w.net.ids))
		}
	})
}

// TestImageOfItsOwnDeployment makes new deployments while images are resolved:
// each task runs what its own task definition says.
func TestImageOfItsOwnDeployment(t *testing.T) {
	play(t, fake.Config{Latency: 30 * time.Millisecond}, func(w *world) {
		w.define()
		w.service(1)
		for i := range 20 {
			w.define(func(in *sdk.RegisterTaskDefinitionInput) {
				in.ContainerDefinitions[0].Image = aws.String(fmt.Sprintf("example.test/web%d", i))
			})
			if _, err := w.api.UpdateService(w.t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web")}); err != nil {
				t.Fatal(err)
			}
			w.after(time.Duration(13*i%61) * time.Millisecond)
		}
		w.after(time.Minute)
		want, _ := w.eng.Pull(w.t.Context(), "example.test/web19", engine.Auth{})
		for _, task := range w.tasks(types.DesiredStatusRunning) {
			if c := task.Containers[0]; !strings.HasSuffix(want, *c.ImageDigest) {
				t.Errorf("%s runs %s, want %s", *c.Image, *c.ImageDigest, want)
			}
		}
	})
}
