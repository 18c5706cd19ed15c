package ecs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine/fake"
)

// traffic tells the weights of the production and the test rule, the tasks of
// each revision, the oldest first, and the stage.
func (w *world) traffic() string {
	w.t.Helper()
	pb, pg := w.lb.serves(prod)
	tb, tg := w.lb.serves(test)
	d := w.current()
	tasks := ""
	for _, r := range d.SourceServiceRevisions {
		tasks += fmt.Sprintf("%d/%d ", r.RunningTaskCount, r.RequestedTaskCount)
	}
	return fmt.Sprintf("%d:%d %d:%d tasks %s%d/%d %s %s", pb, pg, tb, tg, tasks,
		d.TargetServiceRevision.RunningTaskCount, d.TargetServiceRevision.RequestedTaskCount, d.LifecycleStage, d.Status)
}

func (w *world) at(when, traffic string) {
	w.t.Helper()
	if got := w.traffic(); got != traffic {
		w.t.Errorf("%s: %s\nwant %s", when, got, traffic)
		for _, e := range w.describe().Events {
			w.t.Log(e.CreatedAt.Format("15:04:05.000"), *e.Message)
		}
		w.t.FailNow()
	}
}

func (w *world) stopDeployment() {
	w.t.Helper()
	if _, err := w.api.StopServiceDeployment(w.t.Context(), &sdk.StopServiceDeploymentInput{
		ServiceDeploymentArn: w.current().ServiceDeploymentArn, StopType: types.StopServiceDeploymentStopTypeRollback,
	}); err != nil {
		w.t.Fatal(err)
	}
}

var blueGreen = types.DeploymentConfiguration{Strategy: types.DeploymentStrategyBlueGreen, BakeTimeInMinutes: aws.Int32(1)}

func TestBlueGreen(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.define()
		w.service(2, shifted(blueGreen))
		w.after(sec(20))
		w.at("the first deployment goes where nothing serves, at once", "0:100 0:100 tasks 2/2 CLEAN_UP SUCCESSFUL")

		w.define()
		w.update(&sdk.UpdateServiceInput{TaskDefinition: aws.String("web")})
		w.after(sec(1))
		w.at("green starts in the other group, blue serves", "0:100 0:100 tasks 2/2 2/2 SCALE_UP IN_PROGRESS")
		w.after(sec(20))
		w.at("both run while it bakes", "100:0 100:0 tasks 2/2 2/2 BAKE_TIME IN_PROGRESS")
		w.after(sec(35))
		w.at("still", "100:0 100:0 tasks 2/2 2/2 BAKE_TIME IN_PROGRESS")
		w.after(sec(30))
		w.at("the end", "100:0 100:0 tasks 0/0 2/2 CLEAN_UP SUCCESSFUL")
		s := w.describe()
		if len(s.Deployments) != 1 || s.RunningCount != 2 || *s.LoadBalancers[0].TargetGroupArn != "tg-blue" {
			t.Errorf("the end: %+v", s)
		}
		r, err := w.api.DescribeServiceRevisions(t.Context(), &sdk.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{*w.current().TargetServiceRevision.Arn}})
		if err != nil || r.ServiceRevisions[0].ResolvedConfiguration == nil || *r.ServiceRevisions[0].ResolvedConfiguration.LoadBalancers[0].TargetGroupArn != "tg-blue" {
			t.Errorf("the revision: %+v, %v", r, err)
		}
		if n := w.lb.registered(); n != 2 {
			t.Errorf("%d targets, want 2", n)
		}
	})
}

func TestBlueGreenGoesBack(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.define()
		w.service(2, shifted(blueGreen))
		w.after(sec(20))
		w.update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.after(sec(20))
		w.at("it bakes", "100:0 100:0 tasks 2/2 2/2 BAKE_TIME IN_PROGRESS")
		w.stopDeployment()
		w.after(sec(0))
		if blue, green := w.lb.serves(prod); blue != 0 || green != 100 {
			t.Errorf("right after it was stopped production is %d:%d", blue, green)
		}
		w.after(sec(60))
		w.at("the end", "0:100 0:100 tasks 2/2 0/0 CLEAN_UP ROLLBACK_SUCCESSFUL")
		d := w.current()
		if d.Rollback == nil || *d.Rollback.ServiceRevisionArn != *d.SourceServiceRevisions[0].Arn || !strings.Contains(*d.StatusReason, "a user stopped it") {
			t.Errorf("the deployment: %+v %v", d.Rollback, *d.StatusReason)
		}
		s := w.describe()
		if len(s.Deployments) != 1 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted || s.RunningCount != 2 {
			t.Errorf("the service: %+v", s.Deployments)
		}
	})
}

func TestLinearAndCanary(t *testing.T) {
	strategies := map[string]struct {
		config types.DeploymentConfiguration
		want   []string // each minute
	}{
		"linear": {types.DeploymentConfiguration{
			Strategy: types.DeploymentStrategyLinear, BakeTimeInMinutes: aws.Int32(2),
			LinearConfiguration: &types.LinearConfiguration{StepPercent: aws.Float64(33.3), StepBakeTimeInMinutes: aws.Int32(1)},
		}, []string{
			"333:667 100:0 tasks 1/1 1/1 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS", "666:334 100:0 tasks 1/1 1/1 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS",
			"999:1 100:0 tasks 1/1 1/1 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS", "100:0 100:0 tasks 1/1 1/1 BAKE_TIME IN_PROGRESS",
			"100:0 100:0 tasks 1/1 1/1 BAKE_TIME IN_PROGRESS", "100:0 100:0 tasks 0/0 1/1 CLEAN_UP SUCCESSFUL",
		}},
		"canary": {types.DeploymentConfiguration{
			Strategy:            types.DeploymentStrategyCanary,
			CanaryConfiguration: &types.CanaryConfiguration{CanaryPercent: aws.Float64(10), CanaryBakeTimeInMinutes: aws.Int32(2)},
		}, []string{
			"10:90 100:0 tasks 1/1 1/1 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS", "10:90 100:0 tasks 1/1 1/1 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS",
			"100:0 100:0 tasks 0/0 1/1 CLEAN_UP SUCCESSFUL",
		}},
	}
	for name, tt := range strategies {
		t.Run(name, func(t *testing.T) {
			play(t, fake.Config{}, func(w *world) {
				w.define()
				w.service(1, shifted(tt.config))
				w.after(sec(20))
				w.at("the first", "0:100 0:100 tasks 1/1 CLEAN_UP SUCCESSFUL")
				w.update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
				w.after(sec(30))
				for i, want := range tt.want {
					w.at(fmt.Sprintf("minute %d", i), want)
					w.restart()
					w.after(sec(60))
				}
			})
		})
	}
}

// restart ends the process and starts it anew.
func (w *world) restart() {
	w.halt()
	w.start()
}

// paused is a blue/green strategy with a hook.
func paused(then types.DeploymentLifecycleHookAction, stages ...types.DeploymentLifecycleHookStage) types.DeploymentConfiguration {
	c := blueGreen
	c.LifecycleHooks = []types.DeploymentLifecycleHook{{
		TargetType: types.DeploymentLifecycleHookTargetTypePause, LifecycleStages: stages,
		TimeoutConfiguration: &types.DeploymentLifecycleHookTimeoutConfiguration{TimeoutInMinutes: aws.Int32(10), Action: then},
	}}
	return c
}

func (w *world) answer(action types.DeploymentLifecycleHookAction) error {
	w.t.Helper()
	d := w.current()
	if len(d.LifecycleHookDetails) == 0 {
		w.t.Fatalf("no hook in %s", *d.ServiceDeploymentArn)
	}
	_, err := w.api.ContinueServiceDeployment(w.t.Context(), &sdk.ContinueServiceDeploymentInput{
		ServiceDeploymentArn: d.ServiceDeploymentArn, HookId: d.LifecycleHookDetails[0].HookId, Action: action,
	})
	return err
}

func TestPause(t *testing.T) {
	const waits = "0:100 100:0 tasks 2/2 2/2 POST_TEST_TRAFFIC_SHIFT IN_PROGRESS"
	const goes = "100:0 100:0 tasks 2/2 2/2 BAKE_TIME IN_PROGRESS"
	const back = "0:100 0:100 tasks 2/2 0/0 CLEAN_UP ROLLBACK_SUCCESSFUL"
	tests := []struct {
		name   string
		then   types.DeploymentLifecycleHookAction
		answer types.DeploymentLifecycleHookAction // "" none
		want   string
		status types.DeploymentLifecycleHookStatus
		reason string
	}{
		{"continued", "ROLLBACK", "CONTINUE", goes, "SUCCEEDED", ""},
		{"refused", "CONTINUE", "ROLLBACK", back, "FAILED", "Service deployment rolled back because POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) failed."},
		{"forgotten", "ROLLBACK", "", back, "TIMED_OUT", "Service deployment rolled back because POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) timed out."},
		{"not needed", "CONTINUE", "", goes, "TIMED_OUT", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, fake.Config{}, func(w *world) {
				w.define()
				w.service(2, shifted(paused(tt.then, "POST_TEST_TRAFFIC_SHIFT")))
				w.after(sec(20))
				if err := w.answer(""); err != nil { // CONTINUE, also where there is nothing to go back to
					t.Fatal(err)
				}
				w.after(sec(20))
				w.update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
				w.after(sec(30))
				w.at("it waits", waits)
				w.restart()
				w.after(9 * sec(60))
				w.at("it still waits", waits)
				if h := w.current().LifecycleHookDetails[0]; h.Status != "AWAITING_ACTION" || h.TimeoutAction != tt.then || h.ExpiresAt == nil {
					t.Errorf("the hook: %+v", h)
				}
				if tt.answer != "" {
					if err := w.answer(tt.answer); err != nil {
						t.Fatal(err)
					}
					if err := w.answer("CONTINUE"); err == nil {
						t.Error("a hook was answered twice")
					}
				}
				if tt.answer == "" {
					w.after(sec(50))
				}
				w.after(sec(30))
				if h := w.current().LifecycleHookDetails[0]; h.Status != tt.status {
					t.Errorf("the hook is %s, want %s", h.Status, tt.status)
				}
				if got := aws.ToString(w.current().StatusReason); got != tt.reason {
					t.Errorf("the reason: %q, want %q", got, tt.reason)
				}
				w.at("the end", tt.want)
			})
		})
	}
}
