// Package shape writes parts of records as the API has them.
package shape

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/place"
)

// Time returns t as the API has it: nil when it hasn't happened.
func Time(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Failure is an entry of the failures of a batch operation.
func Failure(arn, reason string) types.Failure {
	return types.Failure{Arn: &arn, Reason: &reason}
}

// TagType reads and makes ECS's tags.
var TagType = handler.TagType[types.Tag]{
	Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
	Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
}

// Tags returns the tags when include asks for them.
func Tags[T ~string](include []T, want T, tags handler.Tags) []types.Tag {
	if !slices.Contains(include, want) {
		return nil
	}
	return TagType.To(tags)
}

// CapacityStrategy returns a strategy as the API has it.
func CapacityStrategy(s []place.StrategyItem) []types.CapacityProviderStrategyItem {
	out := []types.CapacityProviderStrategyItem{}
	for _, i := range s {
		out = append(out, types.CapacityProviderStrategyItem{CapacityProvider: aws.String(i.Provider), Base: i.Base, Weight: i.Weight})
	}
	return out
}

// LaunchType is the launch type that the API shows of what a strategy places:
// none.
func LaunchType(l types.LaunchType, s []place.StrategyItem) types.LaunchType {
	if len(s) > 0 {
		return ""
	}
	return l
}

// Network returns the placement as the API has it.
func Network(n ecs.Network) *types.NetworkConfiguration {
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
		Subnets:        n.Subnets,
		SecurityGroups: append([]string{}, n.SecurityGroups...),
		AssignPublicIp: types.AssignPublicIp(n.AssignPublicIP),
	}}
}

// LoadBalancer returns a load balancer of a service as the API has it.
func LoadBalancer(l ecs.LoadBalancer) types.LoadBalancer {
	out := types.LoadBalancer{TargetGroupArn: aws.String(l.TargetGroup), ContainerName: aws.String(l.ContainerName), ContainerPort: aws.Int32(l.ContainerPort)}
	if l.Advanced != (ecs.Advanced{}) {
		out.AdvancedConfiguration = &types.AdvancedConfiguration{
			AlternateTargetGroupArn: aws.String(l.Advanced.AlternateTargetGroup), ProductionListenerRule: aws.String(l.Advanced.ProductionRule),
			TestListenerRule: handler.Optional(l.Advanced.TestRule), RoleArn: handler.Optional(l.Advanced.Role),
		}
	}
	return out
}

// Registries returns service registries as the API has them.
func Registries(all []ecs.Registry) []types.ServiceRegistry {
	out := []types.ServiceRegistry{}
	for _, r := range all {
		is := types.ServiceRegistry{RegistryArn: aws.String(r.ARN), ContainerName: handler.Optional(r.ContainerName)}
		switch {
		case r.ContainerName != "":
			is.ContainerPort = aws.Int32(r.Port)
		case r.Port != 0:
			is.Port = aws.Int32(r.Port)
		}
		out = append(out, is)
	}
	return out
}

// DeploymentConfiguration returns the configuration as the API has it.
func DeploymentConfiguration(c ecs.DeploymentConfig) *types.DeploymentConfiguration {
	out := &types.DeploymentConfiguration{
		MinimumHealthyPercent: &c.MinimumHealthyPercent, MaximumPercent: &c.MaximumPercent,
		DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: c.Breaker.Enable, Rollback: c.Breaker.Rollback},
	}
	strategy(c.Method, out)
	return out
}

// RevisionARN is the ARN of a revision of the service at key.
func RevisionARN(ns arn.Namespace, service, revision string) string {
	return ns.ARN("ecs", "service-revision/"+service+"/"+revision)
}

// ServiceDeploymentARN is the ARN of the service deployment.
func ServiceDeploymentARN(d *ecs.ServiceDeployment, ns arn.Namespace) string {
	return ns.ARN("ecs", "service-deployment/"+d.Key())
}

// strategy writes the strategy as the API has it.
func strategy(s ecs.Strategy, out *types.DeploymentConfiguration) {
	if out.Strategy = s.Name(); !s.Shifts() {
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
