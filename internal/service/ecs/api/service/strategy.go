package service

import (
	"math"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// What ECS takes where a strategy's configuration doesn't say.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
var (
	defaultLinear = ecs.ShiftStep{Percent: 10, Minutes: 6}
	defaultCanary = ecs.ShiftStep{Percent: 5, Minutes: 10}
)

const (
	mostMinutes    = 1440 // of a bake time
	mostHooks      = 10   // of a service
	defaultTimeout = 1440 // minutes, of a hook
)

// readStrategy takes over what in says of the strategy.
func readStrategy(s ecs.Strategy, in *types.DeploymentConfiguration) (ecs.Strategy, error) {
	if in.Strategy != "" && in.Strategy != s.Name() {
		s = ecs.Strategy{Kind: in.Strategy, Linear: defaultLinear, Canary: defaultCanary}
	}
	if in.BakeTimeInMinutes != nil {
		s.BakeMinutes = *in.BakeTimeInMinutes
	}
	var err error
	if c := in.LinearConfiguration; c != nil {
		if s.Linear, err = readStep(s, types.DeploymentStrategyLinear, s.Linear, c.StepPercent, c.StepBakeTimeInMinutes, 3); err != nil {
			return s, err
		}
	}
	if c := in.CanaryConfiguration; c != nil {
		if s.Canary, err = readStep(s, types.DeploymentStrategyCanary, s.Canary, c.CanaryPercent, c.CanaryBakeTimeInMinutes, 0.1); err != nil {
			return s, err
		}
	}
	if in.LifecycleHooks != nil {
		if s.Hooks, err = readHooks(in.LifecycleHooks); err != nil {
			return s, err
		}
	}
	switch {
	case s.BakeMinutes < 0 || s.BakeMinutes > mostMinutes:
		return s, ecs.Invalid("bakeTimeInMinutes must be between 0 and %d.", mostMinutes)
	case !s.Shifts() && s.BakeMinutes > 0:
		return s, ecs.Invalid("bakeTimeInMinutes is only valid for the BLUE_GREEN, LINEAR and CANARY deployment strategies.")
	case !s.Shifts() && len(s.Hooks) > 0:
		return s, ecs.Invalid("lifecycleHooks are only valid for the BLUE_GREEN, LINEAR and CANARY deployment strategies.")
	}
	return s, nil
}

// readStep reads the configuration of LINEAR or CANARY over what was set before.
func readStep(s ecs.Strategy, of types.DeploymentStrategy, was ecs.ShiftStep, percent *float64, minutes *int32, least float64) (ecs.ShiftStep, error) {
	name, configuration := "step", "linearConfiguration"
	if of == types.DeploymentStrategyCanary {
		name, configuration = "canary", "canaryConfiguration"
	}
	if s.Kind != of {
		return was, ecs.Invalid("%s is only valid when the deployment strategy is %s.", configuration, of)
	}
	if percent != nil {
		was.Percent = *percent
	}
	if minutes != nil {
		was.Minutes = *minutes
	}
	tenths := was.Percent * 10
	switch {
	case math.IsNaN(was.Percent) || was.Percent < least || was.Percent > 100 || math.Abs(tenths-math.Round(tenths)) > 1e-6:
		return was, ecs.Invalid("%sPercent must be a multiple of 0.1 between %.1f and 100.0.", name, least)
	case was.Minutes < 0 || was.Minutes > mostMinutes:
		return was, ecs.Invalid("%sBakeTimeInMinutes must be between 0 and %d.", name, mostMinutes)
	}
	return was, nil
}

// readHooks reads lifecycle hooks, which pause: there are no functions to call.
func readHooks(in []types.DeploymentLifecycleHook) ([]ecs.Hook, error) {
	if len(in) > mostHooks {
		return nil, ecs.Invalid("A service can have at most %d PAUSE lifecycle hooks.", mostHooks)
	}
	var out []ecs.Hook
	for _, h := range in {
		if h.TargetType != types.DeploymentLifecycleHookTargetTypePause {
			return nil, &types.UnsupportedFeatureException{Message: aws.String("The lifecycle hook target type AWS_LAMBDA is not supported by Skylift; use PAUSE.")}
		}
		switch {
		case h.HookTargetArn != nil:
			return nil, ecs.Invalid("hookTargetArn is not applicable for PAUSE lifecycle hooks.")
		case h.RoleArn != nil:
			return nil, ecs.Invalid("roleArn is not applicable for PAUSE lifecycle hooks.")
		case h.HookDetails != nil:
			return nil, ecs.Invalid("hookDetails are not applicable for PAUSE lifecycle hooks.")
		case len(h.LifecycleStages) == 0:
			return nil, ecs.Invalid("lifecycleStages cannot be empty.")
		case slices.Contains(h.LifecycleStages, types.DeploymentLifecycleHookStageTestTrafficShift),
			slices.Contains(h.LifecycleStages, types.DeploymentLifecycleHookStageProductionTrafficShift):
			return nil, ecs.Invalid("PAUSE lifecycle hooks cannot be configured at the TEST_TRAFFIC_SHIFT or PRODUCTION_TRAFFIC_SHIFT lifecycle stages.")
		}
		next := ecs.Hook{Stages: h.LifecycleStages, TimeoutMinutes: defaultTimeout, OnTimeout: types.DeploymentLifecycleHookActionRollback}
		if c := h.TimeoutConfiguration; c != nil {
			if c.TimeoutInMinutes != nil {
				next.TimeoutMinutes = *c.TimeoutInMinutes
			}
			if c.Action != "" {
				next.OnTimeout = c.Action
			}
		}
		out = append(out, next)
	}
	return out, nil
}

// suits says whether the strategy can do with the load balancers.
func suits(s ecs.Strategy, lbs []ecs.LoadBalancer) error {
	switch {
	case !s.Shifts():
		return nil
	case len(lbs) == 0 && s.Kind != types.DeploymentStrategyBlueGreen:
		return ecs.Invalid("The %s deployment strategy requires loadBalancers: there is no other traffic that it could shift.", s.Kind)
	case slices.ContainsFunc(lbs, func(l ecs.LoadBalancer) bool { return l.Advanced == ecs.Advanced{} }):
		return ecs.Invalid("advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy")
	}
	return nil
}

// follows says whether the strategy can take over from current, the service's
// last deployment, and from the tasks of old, with lbs for the next ones.
func follows(s ecs.Strategy, current *ecs.ServiceDeployment, old *ecs.ServiceRevision, lbs []ecs.LoadBalancer) error {
	if current.Open() && s.Name() != current.Config.Method.Name() {
		return ecs.Invalid("The deployment strategy cannot be changed while a service deployment is in progress.")
	}
	if err := suits(s, lbs); err != nil {
		return err
	}
	for _, was := range old.LoadBalancers {
		idle := slices.DeleteFunc(was.Groups(), func(g string) bool { return slices.Contains(groupsOf(old), g) })
		for _, l := range lbs {
			if l.Advanced == (ecs.Advanced{}) && slices.Contains(idle, l.TargetGroup) {
				return ecs.Invalid("The target group %s does not serve the production traffic of the service. Specify advancedConfiguration, or the target group that does.", l.TargetGroup)
			}
		}
	}
	return nil
}

// groupsOf are the target groups that the revision's tasks are in.
func groupsOf(r *ecs.ServiceRevision) (out []string) {
	for _, l := range r.Placed() {
		out = append(out, l.TargetGroup)
	}
	return out
}
