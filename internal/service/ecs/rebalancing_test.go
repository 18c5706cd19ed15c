package ecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

const (
	enabled  = types.AvailabilityZoneRebalancingEnabled
	disabled = types.AvailabilityZoneRebalancingDisabled
)

func atMost(percent int32) *types.DeploymentConfiguration {
	return &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(50), MaximumPercent: &percent}
}

func TestRebalancingIsSaid(t *testing.T) {
	const refused = "because Availability Zone Rebalancing does not support maximumPercent <= 100 % as deployment configuration."
	for _, tt := range []struct {
		said    types.AvailabilityZoneRebalancing
		percent int32
		want    types.AvailabilityZoneRebalancing // "": refused
	}{
		{"", 200, enabled}, {"", 100, disabled}, {enabled, 150, enabled}, {disabled, 200, disabled}, {disabled, 100, disabled}, {enabled, 100, ""},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
				w.Define()
				in := &sdk.CreateServiceInput{
					ServiceName: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(0), NetworkConfiguration: ecstest.Placed,
					AvailabilityZoneRebalancing: tt.said, DeploymentConfiguration: atMost(tt.percent),
				}
				_, err := w.API.CreateService(t.Context(), in)
				if tt.want == "" {
					wantError(t, err, badCode, "The service couldn't be created "+refused)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := w.Describe().AvailabilityZoneRebalancing; got != tt.want {
					t.Errorf("is %s, want %s", got, tt.want)
				}
			})
		})
	}
	t.Run("update", func(t *testing.T) {
		ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
			w.Define()
			w.Service(0)
			_, err := w.TryUpdate(&sdk.UpdateServiceInput{DeploymentConfiguration: atMost(100)})
			wantError(t, err, badCode, "The service couldn't be updated "+refused)
			s, err := w.TryUpdate(&sdk.UpdateServiceInput{DeploymentConfiguration: atMost(100), AvailabilityZoneRebalancing: disabled})
			if err != nil || s.AvailabilityZoneRebalancing != disabled || len(s.Deployments) != 1 {
				t.Fatalf("%v: %s, %d deployments", err, s.AvailabilityZoneRebalancing, len(s.Deployments))
			}
			_, err = w.TryUpdate(&sdk.UpdateServiceInput{AvailabilityZoneRebalancing: enabled})
			wantError(t, err, badCode, "The service couldn't be updated "+refused)
			s, err = w.TryUpdate(&sdk.UpdateServiceInput{DeploymentConfiguration: atMost(200)})
			if err != nil || s.AvailabilityZoneRebalancing != disabled {
				t.Errorf("%v: an update that says nothing of it makes it %s", err, s.AvailabilityZoneRebalancing)
			}
		})
	})
}

// TestRebalancing: once protection is over, one of two tasks in a zone moves to
// the other: it starts there first, and never is a request without a task.
func TestRebalancing(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Uneven(5)
		w.After(4 * time.Minute)
		w.WantZones("while they are protected", map[string]int{"a": 2})
		for range 600 {
			w.After(200 * time.Millisecond)
			if n := w.Describe().RunningCount; n < 2 || n > 4 {
				t.Fatalf("%d are running", n)
			}
		}
		w.WantZones("after protection", map[string]int{"a": 1, "b": 1})
		for _, want := range []string{
			"is not AZ balanced with 2 tasks in a, and 0 in b. AZ Rebalancing in progress.", "has started 1 tasks in b to AZ Rebalance: (task ",
			"has stopped 1 running tasks in a due to AZ rebalancing: (task ", "is AZ balanced with 1 tasks in a, and 1 tasks in b.",
		} {
			if n := w.Told(want); n != 1 {
				t.Errorf("told %d times: %s\n%s", n, want, strings.Join(w.Events(12), "\n"))
			}
		}
		quiet := len(w.Describe().Events)
		w.After(time.Hour)
		if n := len(w.Describe().Events); n != quiet {
			t.Errorf("it isn't quiet then:\n%s", strings.Join(w.Events(n-quiet), "\n"))
		}
	})
}

func TestRebalancingCanBeSwitchedOff(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Uneven(5)
		w.Update(&sdk.UpdateServiceInput{AvailabilityZoneRebalancing: disabled})
		w.After(time.Hour)
		w.WantZones("switched off", map[string]int{"a": 2})
		w.Update(&sdk.UpdateServiceInput{AvailabilityZoneRebalancing: enabled})
		w.After(time.Second) // the new task isn't healthy yet
		w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.After(time.Minute)
		w.WantZones("after a deployment in the middle", map[string]int{"a": 1, "b": 1})
		if n := w.Told("stopped AZ Rebalancing."); n != 1 {
			t.Errorf("told %d times that it stopped:\n%s", n, strings.Join(w.Events(12), "\n"))
		}
	})
}

// TestRebalancingWithoutRoom: on a machine that is full it waits, and says so
// once.
func TestRebalancingWithoutRoom(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Shrink(4)
		w.Uneven(5)
		others := w.Runs(2)
		w.After(time.Hour)
		w.WantZones("full", map[string]int{"a": 4 - 1, "b": 1}) // with those of RunTask
		if n := w.Told("is unable to place a task in b."); n != 1 || w.Told(unplaced) > 0 {
			t.Errorf("told %d times:\n%s", n, strings.Join(w.Events(8), "\n"))
		}
		for _, task := range others.Tasks {
			w.StopTask(task.TaskArn)
		}
		w.After(time.Minute)
		w.WantZones("with room", map[string]int{"a": 1, "b": 1})
	})
}

// TestSubnetWithoutAddresses: tasks go to the other subnet after the first
// failure, rebalancing doesn't insist, and tries again when it may have some.
func TestSubnetWithoutAddresses(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Network.Full("subnet-b", true)
		w.Service(8, ecstest.Balanced, breaker(true))
		w.After(ecstest.Sec(30))
		w.WantZones("b is full", map[string]int{"a": 8})
		if s := w.Describe(); s.RunningCount != 8 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
			t.Errorf("%d running, %s", s.RunningCount, s.Deployments[0].RolloutState)
		}
		failed := w.Told("InsufficientFreeAddressesInSubnet")
		w.After(time.Hour)
		if n := w.Told("InsufficientFreeAddressesInSubnet") - failed; n == 0 || n > 32 {
			t.Errorf("%d failures more in an hour", n)
		}
		if w.Told("is unable to place a task in b.") == 0 || w.Told("stopped AZ Rebalancing.") == 0 {
			t.Errorf("says:\n%s", strings.Join(w.Events(10), "\n"))
		}
		w.WantZones("b is still full", map[string]int{"a": 8})
		if w.Told("is unable to consistently start tasks") > 0 {
			t.Error("it blames the version")
		}
		w.Network.Full("subnet-b", false)
		w.After(2 * time.Hour)
		w.WantZones("b has addresses", map[string]int{"a": 4, "b": 4})
	})
}
