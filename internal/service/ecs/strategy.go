package ecs

import (
	"math"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// What ECS takes where a strategy's configuration doesn't say.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
var (
	defaultLinear = ShiftStep{Percent: 10, Minutes: 6}
	defaultCanary = ShiftStep{Percent: 5, Minutes: 10}
)

const (
	mostMinutes    = 1440 // of a bake time
	mostHooks      = 10   // of a service
	defaultTimeout = 1440 // minutes, of a hook
)

// read takes over what in says of the strategy.
func (s Strategy) read(in *types.DeploymentConfiguration) (Strategy, error) {
	if in.Strategy != "" && in.Strategy != s.kind() {
		s = Strategy{Kind: in.Strategy, Linear: defaultLinear, Canary: defaultCanary}
	}
	if in.BakeTimeInMinutes != nil {
		s.BakeMinutes = *in.BakeTimeInMinutes
	}
	var err error
	if c := in.LinearConfiguration; c != nil {
		if s.Linear, err = s.step(types.DeploymentStrategyLinear, s.Linear, c.StepPercent, c.StepBakeTimeInMinutes, 3); err != nil {
			return s, err
		}
	}
	if c := in.CanaryConfiguration; c != nil {
		if s.Canary, err = s.step(types.DeploymentStrategyCanary, s.Canary, c.CanaryPercent, c.CanaryBakeTimeInMinutes, 0.1); err != nil {
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
		return s, invalid("bakeTimeInMinutes must be between 0 and %d.", mostMinutes)
	case !s.Shifts() && s.BakeMinutes > 0:
		return s, invalid("bakeTimeInMinutes is only valid for the BLUE_GREEN, LINEAR and CANARY deployment strategies.")
	case !s.Shifts() && len(s.Hooks) > 0:
		return s, invalid("lifecycleHooks are only valid for the BLUE_GREEN, LINEAR and CANARY deployment strategies.")
	}
	return s, nil
}

// kind is the strategy by its name.
func (s Strategy) kind() types.DeploymentStrategy {
	if s.Kind == "" {
		return types.DeploymentStrategyRolling
	}
	return s.Kind
}

// step reads the configuration of LINEAR or CANARY over what was set before.
func (s Strategy) step(of types.DeploymentStrategy, was ShiftStep, percent *float64, minutes *int32, least float64) (ShiftStep, error) {
	name, configuration := "step", "linearConfiguration"
	if of == types.DeploymentStrategyCanary {
		name, configuration = "canary", "canaryConfiguration"
	}
	if s.Kind != of {
		return was, invalid("%s is only valid when the deployment strategy is %s.", configuration, of)
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
		return was, invalid("%sPercent must be a multiple of 0.1 between %.1f and 100.0.", name, least)
	case was.Minutes < 0 || was.Minutes > mostMinutes:
		return was, invalid("%sBakeTimeInMinutes must be between 0 and %d.", name, mostMinutes)
	}
	return was, nil
}

// readHooks reads lifecycle hooks, which pause: there are no functions to call.
func readHooks(in []types.DeploymentLifecycleHook) ([]Hook, error) {
	if len(in) > mostHooks {
		return nil, invalid("A service can have at most %d PAUSE lifecycle hooks.", mostHooks)
	}
	var out []Hook
	for _, h := range in {
		if h.TargetType != types.DeploymentLifecycleHookTargetTypePause {
			return nil, &types.UnsupportedFeatureException{Message: aws.String("The lifecycle hook target type AWS_LAMBDA is not supported by Skylift; use PAUSE.")}
		}
		switch {
		case h.HookTargetArn != nil:
			return nil, invalid("hookTargetArn is not applicable for PAUSE lifecycle hooks.")
		case h.RoleArn != nil:
			return nil, invalid("roleArn is not applicable for PAUSE lifecycle hooks.")
		case h.HookDetails != nil:
			return nil, invalid("hookDetails are not applicable for PAUSE lifecycle hooks.")
		case len(h.LifecycleStages) == 0:
			return nil, invalid("lifecycleStages cannot be empty.")
		case slices.Contains(h.LifecycleStages, types.DeploymentLifecycleHookStageTestTrafficShift),
			slices.Contains(h.LifecycleStages, types.DeploymentLifecycleHookStageProductionTrafficShift):
			return nil, invalid("PAUSE lifecycle hooks cannot be configured at the TEST_TRAFFIC_SHIFT or PRODUCTION_TRAFFIC_SHIFT lifecycle stages.")
		}
		next := Hook{Stages: h.LifecycleStages, TimeoutMinutes: defaultTimeout, OnTimeout: types.DeploymentLifecycleHookActionRollback}
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

// wire writes the strategy as the API has it.
func (s Strategy) wire(out *types.DeploymentConfiguration) {
	if out.Strategy = s.kind(); !s.Shifts() {
		return
	}
	out.BakeTimeInMinutes = aws.Int32(s.BakeMinutes)
	switch s.Kind {
	case types.DeploymentStrategyLinear:
		out.LinearConfiguration = &types.LinearConfiguration{StepPercent: aws.Float64(s.Linear.Percent), StepBakeTimeInMinutes: aws.Int32(s.Linear.Minutes)}
	case types.DeploymentStrategyCanary:
		out.CanaryConfiguration = &types.CanaryConfiguration{CanaryPercent: aws.Float64(s.Canary.Percent), CanaryBakeTimeInMinutes: aws.Int32(s.Canary.Minutes)}
	}
	for _, h := range s.Hooks {
		out.LifecycleHooks = append(out.LifecycleHooks, types.DeploymentLifecycleHook{
			TargetType: types.DeploymentLifecycleHookTargetTypePause, LifecycleStages: h.Stages,
			TimeoutConfiguration: &types.DeploymentLifecycleHookTimeoutConfiguration{TimeoutInMinutes: aws.Int32(h.TimeoutMinutes), Action: h.OnTimeout},
		})
	}
}

// suits says whether the strategy can do with the load balancers.
func (s Strategy) suits(lbs []LoadBalancer) error {
	switch {
	case !s.Shifts():
		return nil
	case len(lbs) == 0 && s.Kind != types.DeploymentStrategyBlueGreen:
		return invalid("The %s deployment strategy requires loadBalancers: there is no other traffic that it could shift.", s.Kind)
	case slices.ContainsFunc(lbs, func(l LoadBalancer) bool { return l.Advanced == Advanced{} }):
		return invalid("advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy")
	}
	return nil
}

// follows says whether the strategy can take over from current, the service's
// last deployment, and from the tasks of old, with lbs for the next ones.
func (s Strategy) follows(current *ServiceDeployment, old *ServiceRevision, lbs []LoadBalancer) error {
	if current.Open() && s.kind() != current.Config.Method.kind() {
		return invalid("The deployment strategy cannot be changed while a service deployment is in progress.")
	}
	if err := s.suits(lbs); err != nil {
		return err
	}
	for _, was := range old.LoadBalancers {
		idle := slices.DeleteFunc(was.Groups(), func(g string) bool { return slices.Contains(old.groups(), g) })
		for _, l := range lbs {
			if l.Advanced == (Advanced{}) && slices.Contains(idle, l.TargetGroup) {
				return invalid("The target group %s does not serve the production traffic of the service. Specify advancedConfiguration, or the target group that does.", l.TargetGroup)
			}
		}
	}
	return nil
}

// Groups are the target groups that tasks behind the load balancer can be in.
func (l LoadBalancer) Groups() []string {
	if l.Advanced.AlternateTargetGroup == "" {
		return []string{l.TargetGroup}
	}
	return []string{l.TargetGroup, l.Advanced.AlternateTargetGroup}
}

// Choice says whether the revision's tasks can be in one target group or
// another.
func (r *ServiceRevision) Choice() bool {
	return slices.ContainsFunc(r.LoadBalancers, func(l LoadBalancer) bool { return len(l.Groups()) > 1 })
}

// Placed are the load balancers of the revision's tasks, each with the one
// target group that they are in.
func (r *ServiceRevision) Placed() []LoadBalancer {
	out := slices.Clone(r.LoadBalancers)
	for i := range out {
		if out[i].Advanced = (Advanced{}); i < len(r.Groups) {
			out[i].TargetGroup = r.Groups[i]
		}
	}
	return out
}

// groups are the target groups that the revision's tasks are in.
func (r *ServiceRevision) groups() (out []string) {
	for _, l := range r.Placed() {
		out = append(out, l.TargetGroup)
	}
	return out
}

// NewHookID makes the id of a lifecycle hook that a deployment came to.
func NewHookID() string { return "ecs-pause-" + random(43, urlChars) }
