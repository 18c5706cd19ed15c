package ecs_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine/fake"
)

const (
	enabled  = types.AvailabilityZoneRebalancingEnabled
	disabled = types.AvailabilityZoneRebalancingDisabled
)

func atMost(percent int32) *types.DeploymentConfiguration {
	return &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(50), MaximumPercent: &percent}
}

// tryUpdate changes the service web, or is refused.
func (w *world) tryUpdate(in *sdk.UpdateServiceInput) (types.Service, error) {
	in.Service = aws.String("web")
	out, err := w.api.UpdateService(w.t.Context(), in)
	if err != nil {
		return types.Service{}, err
	}
	return *out.Service, nil
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
			play(t, fake.Config{}, func(w *world) {
				w.define()
				in := &sdk.CreateServiceInput{
					ServiceName: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(0), NetworkConfiguration: placed,
					AvailabilityZoneRebalancing: tt.said, DeploymentConfiguration: atMost(tt.percent),
				}
				_, err := w.api.CreateService(t.Context(), in)
				if tt.want == "" {
					wantError(t, err, badCode, "The service couldn't be created "+refused)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := w.describe().AvailabilityZoneRebalancing; got != tt.want {
					t.Errorf("is %s, want %s", got, tt.want)
				}
			})
		})
	}
	t.Run("update", func(t *testing.T) {
		play(t, fake.Config{}, func(w *world) {
			w.define()
			w.service(0)
			_, err := w.tryUpdate(&sdk.UpdateServiceInput{DeploymentConfiguration: atMost(100)})
			wantError(t, err, badCode, "The service couldn't be updated "+refused)
			s, err := w.tryUpdate(&sdk.UpdateServiceInput{DeploymentConfiguration: atMost(100), AvailabilityZoneRebalancing: disabled})
			if err != nil || s.AvailabilityZoneRebalancing != disabled || len(s.Deployments) != 1 {
				t.Fatalf("%v: %s, %d deployments", err, s.AvailabilityZoneRebalancing, len(s.Deployments))
			}
			_, err = w.tryUpdate(&sdk.UpdateServiceInput{AvailabilityZoneRebalancing: enabled})
			wantError(t, err, badCode, "The service couldn't be updated "+refused)
			s, err = w.tryUpdate(&sdk.UpdateServiceInput{DeploymentConfiguration: atMost(200)})
			if err != nil || s.AvailabilityZoneRebalancing != disabled {
				t.Errorf("%v: an update that says nothing of it makes it %s", err, s.AvailabilityZoneRebalancing)
			}
		})
	})
}

// uneven brings web to two tasks in zone a and none in b: those in a were
// protected when it was scaled in from four.
func (w *world) uneven(minutes int32) {
	w.t.Helper()
	w.define()
	w.service(4, balanced)
	w.after(sec(20))
	w.protect(minutes, w.inZone("a")...)
	w.update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(2)})
	w.after(sec(20))
	w.wantZones("scaled in", map[string]int{"a": 2})
}

// inZone returns the tasks of a zone that are to run.
func (w *world) inZone(zone string) (of []string) {
	for _, task := range w.tasks(types.DesiredStatusRunning) {
		if *task.AvailabilityZone == zone {
			of = append(of, *task.TaskArn)
		}
	}
	return of
}

func (w *world) wantZones(what string, want map[string]int) {
	w.t.Helper()
	if got := zones(w.tasks(types.DesiredStatusRunning)); !maps.Equal(got, want) {
		w.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// events are the service's newest, the oldest of them first, without the names
// of tasks.
func (w *world) events(n int) (out []string) {
	for _, e := range w.describe().Events[:n] {
		words := strings.TrimPrefix(*e.Message, "(service web) ")
		words, _, _ = strings.Cut(words, " (task")
		out = append([]string{words}, out...)
	}
	return out
}

// TestRebalancing: once protection is over, one of two tasks in a zone moves to
// the other: it starts there first, and never is a request without a task.
func TestRebalancing(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.uneven(5)
		w.after(4 * time.Minute)
		w.wantZones("while they are protected", map[string]int{"a": 2})
		for range 600 {
			w.after(200 * time.Millisecond)
			if n := w.describe().RunningCount; n < 2 || n > 4 {
				t.Fatalf("%d are running", n)
			}
		}
		w.wantZones("after protection", map[string]int{"a": 1, "b": 1})
		for _, want := range []string{
			"is not AZ balanced with 2 tasks in a, and 0 in b. AZ Rebalancing in progress.", "has started 1 tasks in b to AZ Rebalance: (task ",
			"has stopped 1 running tasks in a due to AZ rebalancing: (task ", "is AZ balanced with 1 tasks in a, and 1 tasks in b.",
		} {
			if n := w.told(want); n != 1 {
				t.Errorf("told %d times: %s\n%s", n, want, strings.Join(w.events(12), "\n"))
			}
		}
		quiet := len(w.describe().Events)
		w.after(time.Hour)
		if n := len(w.describe().Events); n != quiet {
			t.Errorf("it isn't quiet then:\n%s", strings.Join(w.events(n-quiet), "\n"))
		}
	})
}

func TestRebalancingCanBeSwitchedOff(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.uneven(5)
		w.update(&sdk.UpdateServiceInput{AvailabilityZoneRebalancing: disabled})
		w.after(time.Hour)
		w.wantZones("switched off", map[string]int{"a": 2})
		w.update(&sdk.UpdateServiceInput{AvailabilityZoneRebalancing: enabled})
		w.after(time.Second) // the new task isn't healthy yet
		w.update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.after(time.Minute)
		w.wantZones("after a deployment in the middle", map[string]int{"a": 1, "b": 1})
		if n := w.told("stopped AZ Rebalancing."); n != 1 {
			t.Errorf("told %d times that it stopped:\n%s", n, strings.Join(w.events(12), "\n"))
		}
	})
}

// TestRebalancingWithoutRoom: on a machine that is full it waits, and says so
// once.
func TestRebalancingWithoutRoom(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.shrink(4)
		w.uneven(5)
		others := w.runs(2)
		w.after(time.Hour)
		w.wantZones("full", map[string]int{"a": 4 - 1, "b": 1}) // with those of RunTask
		if n := w.told("is unable to place a task in b."); n != 1 || w.told(unplaced) > 0 {
			t.Errorf("told %d times:\n%s", n, strings.Join(w.events(8), "\n"))
		}
		for _, task := range others.Tasks {
			w.stopTask(task.TaskArn)
		}
		w.after(time.Minute)
		w.wantZones("with room", map[string]int{"a": 1, "b": 1})
	})
}

// TestSubnetWithoutAddresses: tasks go to the other subnet after the first
// failure, rebalancing doesn't insist, and tries again when it may have some.
func TestSubnetWithoutAddresses(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.define()
		w.net.full("subnet-b", true)
		w.service(8, balanced, breaker(true))
		w.after(sec(30))
		w.wantZones("b is full", map[string]int{"a": 8})
		if s := w.describe(); s.RunningCount != 8 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
			t.Errorf("%d running, %s", s.RunningCount, s.Deployments[0].RolloutState)
		}
		failed := w.told("InsufficientFreeAddressesInSubnet")
		w.after(time.Hour)
		if n := w.told("InsufficientFreeAddressesInSubnet") - failed; n == 0 || n > 32 {
			t.Errorf("%d failures more in an hour", n)
		}
		if w.told("is unable to place a task in b.") == 0 || w.told("stopped AZ Rebalancing.") == 0 {
			t.Errorf("says:\n%s", strings.Join(w.events(10), "\n"))
		}
		w.wantZones("b is still full", map[string]int{"a": 8})
		if w.told("is unable to consistently start tasks") > 0 {
			t.Error("it blames the version")
		}
		w.net.full("subnet-b", false)
		w.after(2 * time.Hour)
		w.wantZones("b has addresses", map[string]int{"a": 4, "b": 4})
	})
}
