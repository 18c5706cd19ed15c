package ecs_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

func TestStrategyRefused(t *testing.T) {
	config := func(c types.DeploymentConfiguration) func(in *sdk.CreateServiceInput) {
		return func(in *sdk.CreateServiceInput) { in.DeploymentConfiguration = &c }
	}
	advanced := func(f func(a *types.AdvancedConfiguration)) func(in *sdk.CreateServiceInput) {
		return func(in *sdk.CreateServiceInput) { f(in.LoadBalancers[0].AdvancedConfiguration) }
	}
	linear := func(percent float64, minutes int32) func(in *sdk.CreateServiceInput) {
		return config(types.DeploymentConfiguration{Strategy: "LINEAR", LinearConfiguration: &types.LinearConfiguration{StepPercent: &percent, StepBakeTimeInMinutes: &minutes}})
	}
	hook := func(h types.DeploymentLifecycleHook) func(in *sdk.CreateServiceInput) {
		if h.TargetType == "" {
			h.TargetType = types.DeploymentLifecycleHookTargetTypePause
		}
		return config(types.DeploymentConfiguration{Strategy: "BLUE_GREEN", LifecycleHooks: []types.DeploymentLifecycleHook{h}})
	}
	postScaleUp := []types.DeploymentLifecycleHookStage{"POST_SCALE_UP"}
	tests := []struct {
		name   string
		change func(in *sdk.CreateServiceInput)
		want   string
	}{
		{"bake time", config(types.DeploymentConfiguration{Strategy: "BLUE_GREEN", BakeTimeInMinutes: aws.Int32(1441)}), "bakeTimeInMinutes must be between 0 and 1440."},
		{"bake time of ROLLING", config(types.DeploymentConfiguration{BakeTimeInMinutes: aws.Int32(1)}), "bakeTimeInMinutes is only valid for"},
		{"steps too small", linear(2.9, 1), "stepPercent must be a multiple of 0.1 between 3.0 and 100.0."},
		{"steps too fine", linear(3.15, 1), "stepPercent must be a multiple of 0.1"},
		{"steps too slow", linear(10, 1441), "stepBakeTimeInMinutes must be between 0 and 1440."},
		{"canary", config(types.DeploymentConfiguration{Strategy: "CANARY", CanaryConfiguration: &types.CanaryConfiguration{CanaryPercent: aws.Float64(0)}}), "canaryPercent must be a multiple of 0.1 between 0.1 and 100.0."},
		{"another's configuration", config(types.DeploymentConfiguration{Strategy: "CANARY", LinearConfiguration: &types.LinearConfiguration{}}), "linearConfiguration is only valid when the deployment strategy is LINEAR."},
		{"alarms", config(types.DeploymentConfiguration{Alarms: &types.DeploymentAlarms{AlarmNames: []string{"a"}}}), "'deploymentConfiguration.alarms'"},
		{"Lambda", hook(types.DeploymentLifecycleHook{TargetType: "AWS_LAMBDA", HookTargetArn: aws.String("f"), LifecycleStages: postScaleUp}), "target type AWS_LAMBDA is not supported by Skylift"},
		{"a hook's target", hook(types.DeploymentLifecycleHook{HookTargetArn: aws.String("f"), LifecycleStages: postScaleUp}), "hookTargetArn is not applicable"},
		{"a hook's role", hook(types.DeploymentLifecycleHook{RoleArn: aws.String("r"), LifecycleStages: postScaleUp}), "roleArn is not applicable"},
		{"a hook without stages", hook(types.DeploymentLifecycleHook{}), "lifecycleStages cannot be empty."},
		{"a stage that can't pause", hook(types.DeploymentLifecycleHook{LifecycleStages: []types.DeploymentLifecycleHookStage{"TEST_TRAFFIC_SHIFT"}}), "cannot be configured at the TEST_TRAFFIC_SHIFT"},
		{"hooks of ROLLING", func(in *sdk.CreateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{LifecycleHooks: []types.DeploymentLifecycleHook{{TargetType: "PAUSE", LifecycleStages: postScaleUp}}}
		}, "lifecycleHooks are only valid for"},

		{"no advanced configuration", func(in *sdk.CreateServiceInput) { in.LoadBalancers[0].AdvancedConfiguration = nil }, "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy"},
		{"LINEAR without balancer", func(in *sdk.CreateServiceInput) {
			in.LoadBalancers, in.DeploymentConfiguration.Strategy = nil, "LINEAR"
		}, "The LINEAR deployment strategy requires loadBalancers"},
		{"no alternate", advanced(func(a *types.AdvancedConfiguration) { a.AlternateTargetGroupArn = nil }), "alternateTargetGroupArn cannot be blank."},
		{"alternate that isn't there", advanced(func(a *types.AdvancedConfiguration) { a.AlternateTargetGroupArn = aws.String("gone") }), "The target group gone does not exist."},
		{"the same twice", advanced(func(a *types.AdvancedConfiguration) { a.AlternateTargetGroupArn = aws.String("tg-blue") }), "Duplicate targetGroupArn found: tg-blue"},
		{"no production rule", advanced(func(a *types.AdvancedConfiguration) { a.ProductionListenerRule = nil }), "productionListenerRule cannot be blank."},
		{"a listener", advanced(func(a *types.AdvancedConfiguration) {
			a.ProductionListenerRule = aws.String("arn:aws:elasticloadbalancing:us-west-2:111122223333:listener/app/lb/1/2")
		}), "productionListenerRule has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: arn:aws:elasticloadbalancing:us-west-2:111122223333:listener/app/lb/1/2"},
		{"a rule that isn't there", advanced(func(a *types.AdvancedConfiguration) { a.TestListenerRule = aws.String(ecstest.TestRule + "0") }), "The listener rule " + ecstest.TestRule + "0 does not exist."},
		{"one rule for both", advanced(func(a *types.AdvancedConfiguration) { a.TestListenerRule = aws.String(ecstest.ProductionRule) }), "The following rules cannot be used as both production and test listener rules: " + ecstest.ProductionRule},
		{"no test rule", advanced(func(a *types.AdvancedConfiguration) { a.TestListenerRule = nil }), "testListenerRule is required when productionListenerRule is not associated with both targetGroup and alternateTargetGroup"},
		{"alternate in no rule", advanced(func(a *types.AdvancedConfiguration) { a.AlternateTargetGroupArn = aws.String("tg") }), "Both targetGroup and alternateTargetGroup must be associated"},
		{"another account's role", advanced(func(a *types.AdvancedConfiguration) { a.RoleArn = aws.String("arn:aws:iam::999900001111:role/ecs") }), "is not the ARN of a role of this account."},
		{"a role that can't be assumed", advanced(func(a *types.AdvancedConfiguration) { a.RoleArn = aws.String(ecstest.Role + "2") }), "Unable to assume role and validate the specified productionListenerRule."},
		{"one with, one without", func(in *sdk.CreateServiceInput) {
			in.LoadBalancers = append(in.LoadBalancers, types.LoadBalancer{TargetGroupArn: aws.String("tg"), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)})
		}, "Either all or none of the provided loadBalancers must have advancedConfiguration defined"},
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		for _, tt := range tests {
			in := &sdk.CreateServiceInput{ServiceName: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(1), NetworkConfiguration: ecstest.Placed}
			ecstest.Shifted(types.DeploymentConfiguration{Strategy: "BLUE_GREEN"})(in)
			tt.change(in)
			err := ecstest.Unsupported(w, in)
			if err == nil {
				_, err = w.API.CreateService(t.Context(), in)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v\nwant …%s…", tt.name, err, tt.want)
			}
		}
	})
}

// What was asked for comes back, with ECS's defaults where nothing was said.
func TestStrategyComesBack(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(0, ecstest.Shifted(types.DeploymentConfiguration{
			Strategy: "LINEAR", BakeTimeInMinutes: aws.Int32(3), LinearConfiguration: &types.LinearConfiguration{StepPercent: aws.Float64(12.5)},
			LifecycleHooks: []types.DeploymentLifecycleHook{{TargetType: "PAUSE", LifecycleStages: []types.DeploymentLifecycleHookStage{"PRE_SCALE_UP"}}},
		}))
		s := w.Describe()
		exact := cmpopts.IgnoreUnexported(types.DeploymentConfiguration{}, types.LinearConfiguration{}, types.DeploymentLifecycleHook{},
			types.DeploymentLifecycleHookTimeoutConfiguration{}, types.DeploymentCircuitBreaker{}, types.AdvancedConfiguration{}, types.CanaryConfiguration{})
		want := &types.DeploymentConfiguration{
			MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(200), DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{},
			Strategy: "LINEAR", BakeTimeInMinutes: aws.Int32(3), LinearConfiguration: &types.LinearConfiguration{StepPercent: aws.Float64(12.5), StepBakeTimeInMinutes: aws.Int32(6)},
			LifecycleHooks: []types.DeploymentLifecycleHook{{
				TargetType: "PAUSE", LifecycleStages: []types.DeploymentLifecycleHookStage{"PRE_SCALE_UP"},
				TimeoutConfiguration: &types.DeploymentLifecycleHookTimeoutConfiguration{TimeoutInMinutes: aws.Int32(1440), Action: "ROLLBACK"},
			}},
		}
		if diff := cmp.Diff(want, s.DeploymentConfiguration, exact); diff != "" {
			t.Errorf("the configuration (-want +got):\n%s", diff)
		}
		wantAdvanced := &types.AdvancedConfiguration{
			AlternateTargetGroupArn: aws.String("tg-green"), ProductionListenerRule: aws.String(ecstest.ProductionRule), TestListenerRule: aws.String(ecstest.TestRule), RoleArn: aws.String(ecstest.Role),
		}
		if diff := cmp.Diff(wantAdvanced, s.LoadBalancers[0].AdvancedConfiguration, exact); diff != "" {
			t.Errorf("the advanced configuration (-want +got):\n%s", diff)
		}
		w.After(ecstest.Sec(1))
		w.StopDeployment() // it pauses, and nothing is there to go back to
		w.After(ecstest.Sec(1))
		got := w.Update(&sdk.UpdateServiceInput{DeploymentConfiguration: &types.DeploymentConfiguration{Strategy: "CANARY"}}).DeploymentConfiguration
		want.Strategy, want.BakeTimeInMinutes, want.LinearConfiguration, want.LifecycleHooks = "CANARY", aws.Int32(0), nil, nil
		want.CanaryConfiguration = &types.CanaryConfiguration{CanaryPercent: aws.Float64(5), CanaryBakeTimeInMinutes: aws.Int32(10)}
		if diff := cmp.Diff(want, got, exact); diff != "" {
			t.Errorf("another strategy (-want +got):\n%s", diff)
		}
	})
}
