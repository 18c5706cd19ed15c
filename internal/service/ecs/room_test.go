package ecs_test

import (
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
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

const (
	noCapacity = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
	unplaced   = "was unable to place a task. Reason: "
)

func arns(tasks []types.Task) string {
	var all []string
	for _, t := range tasks {
		all = append(all, *t.TaskArn)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestRunTaskBeyondCapacity(t *testing.T) {
	slow := func(engine.Container) fake.Behaviour { return fake.Behaviour{TermTime: time.Second, TermCode: 143} } // the loops don't get past it at once
	ecstest.Play(t, fake.Config{Behave: slow}, func(w *ecstest.World) {
		w.Shrink(3)
		w.Define()
		token := func(in *sdk.RunTaskInput) { in.ClientToken = aws.String("once") }
		out := w.Runs(5, token)
		if len(out.Tasks) != 3 || len(out.Failures) != 2 {
			t.Fatalf("%d tasks and %d failures, want 3 and 2", len(out.Tasks), len(out.Failures))
		}
		f := out.Failures[0]
		detail := "The task needs 512 MiB and 0.25 vCPU. This machine has 1536 MiB and 0.75 vCPU for tasks, of which 1536 MiB and 0.75 vCPU are taken."
		if f.Arn != nil || *f.Reason != noCapacity || *f.Detail != detail {
			t.Errorf("failure %v %s %s", f.Arn, *f.Reason, *f.Detail)
		}
		if again := w.Runs(5, token); arns(again.Tasks) != arns(out.Tasks) {
			t.Errorf("with its token again: %s, want %s", arns(again.Tasks), arns(out.Tasks))
		}
		w.After(ecstest.Sec(2))
		w.Halt()
		w.Start() // the ledger is made from the records
		if out := w.Runs(1); len(out.Tasks) != 0 || len(out.Failures) != 1 {
			t.Errorf("%d tasks after a restart", len(out.Tasks))
		}
		w.StopTask(out.Tasks[0].TaskArn)
		if out := w.Runs(1); len(out.Tasks) != 0 {
			t.Error("a task's room is given away before its containers are gone")
		}
		w.After(ecstest.Sec(2))
		if out := w.Runs(1); len(out.Tasks) != 1 {
			t.Errorf("%d tasks after one stopped: %v", len(out.Tasks), *out.Failures[0].Detail)
		}
	})
}

func TestTaskLargerThanTheMachine(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Shrink(3)
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) { in.Cpu, in.Memory = aws.String("256"), aws.String("2048") })
		if out := w.Runs(1); len(out.Tasks) != 0 || *out.Failures[0].Reason != "The requested MEMORY configuration is above your limit" {
			t.Errorf("got %+v", out)
		}
		w.Service(1)
		w.After(ecstest.Sec(10))
		if n := w.Told(unplaced + "The requested MEMORY configuration is above your limit."); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

func TestRunTaskThatFailsHoldsNothing(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Shrink(2)
		w.Define()
		for range 3 {
			_, err := w.API.RunTask(t.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, Overrides: &types.TaskOverride{
				ContainerOverrides: []types.ContainerOverride{{Name: aws.String("other")}},
			}})
			if err == nil {
				t.Fatal("a task with an override of another container runs")
			}
		}
		if out := w.Runs(2); len(out.Tasks) != 2 {
			t.Errorf("room for %d tasks, want 2", len(out.Tasks))
		}
	})
}

// TestServiceWaitsForRoom: it says so once, and starts as soon as a task of
// somebody else is gone.
func TestServiceWaitsForRoom(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Shrink(4)
		w.Define()
		others := w.Runs(3)
		w.Service(3)
		w.After(time.Hour)
		if s := w.Describe(); s.RunningCount != 1 || w.Told(unplaced+noCapacity+".") != 1 {
			t.Fatalf("%d running, told %d times", s.RunningCount, w.Told(unplaced))
		}
		if waiting := w.Capacity.Waiting(); len(waiting) != 1 || waiting[0].Key != "default/web" || waiting[0].Tasks != 2 {
			t.Errorf("waiting: %v", waiting)
		}
		w.StopTask(others.Tasks[0].TaskArn)
		w.After(ecstest.Sec(1))
		if s := w.Describe(); s.RunningCount != 2 {
			t.Errorf("%d running a second after another task stopped, want 2", s.RunningCount)
		}
		w.StopTask(others.Tasks[1].TaskArn)
		w.After(ecstest.Sec(1))
		if s := w.Describe(); s.RunningCount != 3 || w.Told(unplaced) != 1 {
			t.Errorf("%d running, told %d times", s.RunningCount, w.Told(unplaced))
		}
		if waiting := w.Capacity.Waiting(); len(waiting) != 0 {
			t.Errorf("still waiting: %v", waiting)
		}
	})
}

// TestDeploymentWithoutRoom: where the minimum lets old tasks go first, they do;
// where it doesn't, the service says what is in the way, and nothing is lost.
func TestDeploymentWithoutRoom(t *testing.T) {
	for low, want := range map[int32]bool{50: true, 100: false} {
		t.Run(fmt.Sprint(low), func(t *testing.T) {
			ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
				w.Shrink(4)
				w.Define()
				w.Service(4, ecstest.Balanced, func(in *sdk.CreateServiceInput) {
					in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: &low, MaximumPercent: aws.Int32(200)}
				})
				w.After(ecstest.Sec(20))
				w.Define()
				if _, err := w.API.UpdateService(t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web")}); err != nil {
					t.Fatal(err)
				}
				for range 600 {
					w.After(100 * time.Millisecond)
					if n := w.Describe().RunningCount; n < 4*low/100 {
						t.Fatalf("%d running, the minimum is %d %%", n, low)
					}
				}
				s := w.Describe()
				if done := len(s.Deployments) == 1 && s.RunningCount == 4; done != want {
					t.Errorf("done: %v, want %v: %+v", done, want, s.Deployments)
				}
				if told := w.Told(unplaced + noCapacity + "."); told != map[bool]int{true: 0, false: 1}[want] {
					t.Errorf("told %d times", told)
				}
			})
		})
	}
}

// TestRunTaskAvoidsFullSubnets: its tasks go to the other subnets, and end with
// the reason only when all are full.
func TestRunTaskAvoidsFullSubnets(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		three := func(in *sdk.RunTaskInput) {
			in.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-a", "subnet-b", "subnet-c"}}}
		}
		seen := func() map[string]int { return ecstest.Zones(w.Tasks(types.DesiredStatusRunning)) }
		w.Network.Full("subnet-b", true)
		w.Runs(6, three)
		w.After(ecstest.Sec(10))
		if got := seen(); got["a"]+got["c"] != 6 || got["a"] < 2 || got["c"] < 2 {
			t.Errorf("b is full: %v, want 6 in a and c", got)
		}
		before := seen()["c"]
		w.Network.Full("subnet-a", true)
		w.Runs(6, three)
		w.After(ecstest.Sec(10))
		if got := seen(); got["c"] != before+6 {
			t.Errorf("a is full, too: %v, want %d in c", got, before+6)
		}
		w.Network.Full("subnet-c", true)
		w.Runs(1, three)
		w.After(ecstest.Sec(10))
		ended := w.Tasks(types.DesiredStatusStopped)
		if len(ended) != 1 || !strings.Contains(aws.ToString(ended[0].StoppedReason), "InsufficientFreeAddressesInSubnet") {
			t.Errorf("all are full: %+v", ended)
		}
	})
}

// TestTasksAreSpread over the zones of their subnets: those of a service also
// when some are gone, and those of one RunTask.
func TestTasksAreSpread(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		three := &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-a", "subnet-b", "subnet-c"}}}
		w.Service(6, func(in *sdk.CreateServiceInput) { in.NetworkConfiguration = three })
		w.After(ecstest.Sec(10))
		even := map[string]int{"a": 2, "b": 2, "c": 2}
		expect := func(what string, want map[string]int) {
			t.Helper()
			if got := ecstest.Zones(w.Tasks(types.DesiredStatusRunning)); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		expect("new", even)
		for _, task := range w.Tasks(types.DesiredStatusRunning) {
			if *task.AvailabilityZone == "b" {
				w.StopTask(task.TaskArn)
			}
		}
		w.After(ecstest.Sec(10))
		expect("after two of a zone were stopped", even)
		if _, err := w.API.UpdateService(t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true}); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(30))
		expect("after a deployment", even)
		if _, err := w.API.UpdateService(t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(3)}); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(10))
		expect("after scale-in", map[string]int{"a": 1, "b": 1, "c": 1})
		out := w.Runs(6, func(in *sdk.RunTaskInput) { in.NetworkConfiguration = three })
		if got := ecstest.Zones(out.Tasks); fmt.Sprint(got) != fmt.Sprint(even) {
			t.Errorf("RunTask: %v", got)
		}
	})
}
