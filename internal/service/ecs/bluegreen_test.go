package ecs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

var blueGreen = types.DeploymentConfiguration{Strategy: types.DeploymentStrategyBlueGreen, BakeTimeInMinutes: aws.Int32(1)}

func TestBlueGreen(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, ecstest.Shifted(blueGreen))
		w.After(ecstest.Sec(20))
		w.At("the first deployment goes where nothing serves, at once", "0:100 0:100 tasks 2/2 CLEAN_UP SUCCESSFUL")

		w.Define()
		w.Update(&sdk.UpdateServiceInput{TaskDefinition: aws.String("web")})
		w.After(ecstest.Sec(1))
		w.At("green starts in the other group, blue serves", "0:100 0:100 tasks 2/2 2/2 SCALE_UP IN_PROGRESS")
		w.After(ecstest.Sec(20))
		w.At("both run while it bakes", "100:0 100:0 tasks 2/2 2/2 BAKE_TIME IN_PROGRESS")
		w.After(ecstest.Sec(35))
		w.At("still", "100:0 100:0 tasks 2/2 2/2 BAKE_TIME IN_PROGRESS")
		w.After(ecstest.Sec(30))
		w.At("the end", "100:0 100:0 tasks 0/0 2/2 CLEAN_UP SUCCESSFUL")
		s := w.Describe()
		if len(s.Deployments) != 1 || s.RunningCount != 2 || *s.LoadBalancers[0].TargetGroupArn != "tg-blue" {
			t.Errorf("the end: %+v", s)
		}
		r, err := w.API.DescribeServiceRevisions(t.Context(), &sdk.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{*w.Current().TargetServiceRevision.Arn}})
		if err != nil || r.ServiceRevisions[0].ResolvedConfiguration == nil || *r.ServiceRevisions[0].ResolvedConfiguration.LoadBalancers[0].TargetGroupArn != "tg-blue" {
			t.Errorf("the revision: %+v, %v", r, err)
		}
		if n := w.Balancing.Registered(); n != 2 {
			t.Errorf("%d targets, want 2", n)
		}
	})
}

func TestBlueGreenGoesBack(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, ecstest.Shifted(blueGreen))
		w.After(ecstest.Sec(20))
		w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.After(ecstest.Sec(20))
		w.At("it bakes", "100:0 100:0 tasks 2/2 2/2 BAKE_TIME IN_PROGRESS")
		w.StopDeployment()
		w.After(ecstest.Sec(0))
		if blue, green := w.Balancing.Serves(ecstest.ProductionRule); blue != 0 || green != 100 {
			t.Errorf("right after it was stopped production is %d:%d", blue, green)
		}
		w.After(ecstest.Sec(60))
		w.At("the end", "0:100 0:100 tasks 2/2 0/0 CLEAN_UP ROLLBACK_SUCCESSFUL")
		d := w.Current()
		if d.Rollback == nil || *d.Rollback.ServiceRevisionArn != *d.SourceServiceRevisions[0].Arn || !strings.Contains(*d.StatusReason, "a user stopped it") {
			t.Errorf("the deployment: %+v %v", d.Rollback, *d.StatusReason)
		}
		s := w.Describe()
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
			ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
				w.Define()
				w.Service(1, ecstest.Shifted(tt.config))
				w.After(ecstest.Sec(20))
				w.At("the first", "0:100 0:100 tasks 1/1 CLEAN_UP SUCCESSFUL")
				w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
				w.After(ecstest.Sec(30))
				for i, want := range tt.want {
					w.At(fmt.Sprintf("minute %d", i), want)
					w.Restart()
					w.After(ecstest.Sec(60))
				}
			})
		})
	}
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
			ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
				w.Define()
				w.Service(2, ecstest.Shifted(paused(tt.then, "POST_TEST_TRAFFIC_SHIFT")))
				w.After(ecstest.Sec(20))
				if err := w.Answer(""); err != nil { // CONTINUE, also where there is nothing to go back to
					t.Fatal(err)
				}
				w.After(ecstest.Sec(20))
				w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
				w.After(ecstest.Sec(30))
				w.At("it waits", waits)
				w.Restart()
				w.After(9 * ecstest.Sec(60))
				w.At("it still waits", waits)
				if h := w.Current().LifecycleHookDetails[0]; h.Status != "AWAITING_ACTION" || h.TimeoutAction != tt.then || h.ExpiresAt == nil {
					t.Errorf("the hook: %+v", h)
				}
				if tt.answer != "" {
					if err := w.Answer(tt.answer); err != nil {
						t.Fatal(err)
					}
					if err := w.Answer("CONTINUE"); err == nil {
						t.Error("a hook was answered twice")
					}
				}
				if tt.answer == "" {
					w.After(ecstest.Sec(50))
				}
				w.After(ecstest.Sec(30))
				if h := w.Current().LifecycleHookDetails[0]; h.Status != tt.status {
					t.Errorf("the hook is %s, want %s", h.Status, tt.status)
				}
				if got := aws.ToString(w.Current().StatusReason); got != tt.reason {
					t.Errorf("the reason: %q, want %q", got, tt.reason)
				}
				w.At("the end", tt.want)
			})
		})
	}
}
