package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/role"
)

// advanced reads what a load balancer has for strategies that shift traffic: a
// second target group, and the rules whose weights decide which one serves. The
// words of its errors are ECS's.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html
func (a *Services) advanced(ctx context.Context, group string, in *types.AdvancedConfiguration) (ecs.Advanced, error) {
	if in == nil {
		return ecs.Advanced{}, nil
	}
	out := ecs.Advanced{
		AlternateTargetGroup: aws.ToString(in.AlternateTargetGroupArn), ProductionRule: aws.ToString(in.ProductionListenerRule),
		TestRule: aws.ToString(in.TestListenerRule), Role: aws.ToString(in.RoleArn),
	}
	switch {
	case out.AlternateTargetGroup == "":
		return out, ecs.Invalid("alternateTargetGroupArn cannot be blank.")
	case out.ProductionRule == "":
		return out, ecs.Invalid("productionListenerRule cannot be blank.")
	case out.TestRule == out.ProductionRule:
		return out, ecs.Invalid("The following rules cannot be used as both production and test listener rules: %s", out.TestRule)
	case out.Role != "" && !a.ownRole(out.Role):
		return out, ecs.Invalid("roleArn %s is not the ARN of a role of this account.", out.Role)
	}
	if err := role.MayLook(ctx, a.lb, out.Role, "productionListenerRule"); err != nil {
		return out, err
	}
	if err := a.alternate(ctx, out.AlternateTargetGroup); err != nil {
		return out, err
	}
	in1, err := a.forwards(ctx, "productionListenerRule", out.ProductionRule)
	if err != nil {
		return out, err
	}
	both := maps.Clone(in1)
	if out.TestRule != "" {
		in2, err := a.forwards(ctx, "testListenerRule", out.TestRule)
		if err != nil {
			return out, err
		}
		maps.Copy(both, in2)
	}
	has := func(weights map[string]int32) bool {
		_, first := weights[group]
		_, second := weights[out.AlternateTargetGroup]
		return first && second
	}
	switch {
	case out.TestRule == "" && !has(in1):
		return out, ecs.Invalid("For Application LoadBalancer, testListenerRule is required when productionListenerRule is not associated with both targetGroup and alternateTargetGroup")
	case !has(both):
		return out, ecs.Invalid("Both targetGroup and alternateTargetGroup must be associated with the productionListenerRule or testListenerRule.")
	}
	return out, nil
}

// ownRole says whether ref is the ARN of a role of this account.
func (a *Services) ownRole(ref string) bool {
	r, err := arn.Parse(ref)
	return err == nil && r.Service == "iam" && r.Region == "" && r.Account == a.NS.Account && strings.HasPrefix(r.Resource, "role/")
}

func (a *Services) alternate(ctx context.Context, group string) error {
	_, kind, err := a.lb.GroupBalancers(ctx, group)
	if _, ok := errors.AsType[smithy.APIError](err); !ok && err != nil {
		return fmt.Errorf("read target group %s: %w", group, err)
	}
	if err != nil {
		return ecs.Invalid("Unable to assume role and validate the specified alternateTargetGroupArn. The target group %s does not exist.", group)
	}
	if kind != "ip" {
		return ecs.Invalid("The provided target group %s has target type %s, which is incompatible with the awsvpc network mode specified in the task definition.", group, kind)
	}
	return nil
}

// forwards returns the target groups that a rule forwards to. member is where
// the request named it.
func (a *Services) forwards(ctx context.Context, member, rule string) (map[string]int32, error) {
	if r, err := arn.Parse(rule); err != nil || r.Service != "elasticloadbalancing" || !strings.HasPrefix(r.Resource, "listener-rule/app/") {
		return nil, ecs.Invalid("%s has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: %s", member, rule)
	}
	weights, err := a.lb.Weights(ctx, rule)
	if _, ok := errors.AsType[smithy.APIError](err); !ok && err != nil {
		return nil, fmt.Errorf("read rule %s: %w", rule, err)
	}
	if err != nil {
		return nil, ecs.Invalid("Unable to assume role and validate the specified %s. The listener rule %s does not exist.", member, rule)
	}
	if len(weights) == 0 {
		return nil, ecs.Invalid("The listener rule %s of %s does not have a forward action.", rule, member)
	}
	return weights, nil
}

// checkAdvanced checks the load balancers of a service together.
func checkAdvanced(lbs []ecs.LoadBalancer) error {
	with := 0
	groups, rules := map[string]bool{}, map[string]bool{}
	for _, l := range lbs {
		if l.Advanced == (ecs.Advanced{}) {
			continue
		}
		with++
		for _, g := range []string{l.TargetGroup, l.Advanced.AlternateTargetGroup} {
			if groups[g] {
				return ecs.Invalid("Duplicate targetGroupArn found: %s", g)
			}
			groups[g] = true
		}
		for _, r := range slices.DeleteFunc([]string{l.Advanced.ProductionRule, l.Advanced.TestRule}, func(r string) bool { return r == "" }) {
			if rules[r] {
				return ecs.Invalid("The listener rule %s can be used for one of the loadBalancers only.", r)
			}
			rules[r] = true
		}
	}
	if with > 0 && with < len(lbs) {
		return ecs.Invalid("Either all or none of the provided loadBalancers must have advancedConfiguration defined")
	}
	return nil
}

// Balancing is what the API asks of load balancing.
type Balancing interface {
	// GroupBalancers returns the balancers that forward to the target group and
	// the group's target type; an error when there is no such group.
	GroupBalancers(ctx context.Context, group string) (balancers []string, targetType string, err error)
	// Weights returns the target groups that a listener rule forwards to, with
	// their weights; an error when there is no such rule.
	Weights(ctx context.Context, rule string) (map[string]int32, error)
	role.Infrastructure
}

// loadBalancers checks the target groups of a service.
func (a *Services) loadBalancers(ctx context.Context, in []types.LoadBalancer) ([]ecs.LoadBalancer, error) {
	if len(in) > 5 {
		return nil, ecs.Invalid("loadBalancers can have at most 5 items.")
	}
	var out []ecs.LoadBalancer
	for _, l := range in {
		group := aws.ToString(l.TargetGroupArn)
		switch {
		case group == "":
			return nil, ecs.Invalid("targetGroupArn cannot be blank.")
		case aws.ToString(l.ContainerName) == "":
			return nil, ecs.Invalid("containerName cannot be blank.")
		case l.ContainerPort == nil:
			return nil, ecs.Invalid("containerPort cannot be blank.")
		}
		balancers, kind, err := a.lb.GroupBalancers(ctx, group)
		if _, ok := errors.AsType[smithy.APIError](err); !ok && err != nil {
			return nil, fmt.Errorf("read target group %s: %w", group, err)
		}
		if err != nil {
			return nil, ecs.Invalid("Unable to assume role and validate the specified targetGroupArn. The target group %s does not exist.", group)
		}
		if kind != "ip" {
			return nil, ecs.Invalid("The provided target group %s has target type %s, which is incompatible with the awsvpc network mode specified in the task definition.", group, kind)
		}
		if len(balancers) == 0 {
			return nil, ecs.Invalid("The target group with targetGroupArn %s does not have an associated load balancer.", group)
		}
		advanced, err := a.advanced(ctx, group, l.AdvancedConfiguration)
		if err != nil {
			return nil, err
		}
		b := ecs.LoadBalancer{TargetGroup: group, ContainerName: *l.ContainerName, ContainerPort: *l.ContainerPort, Advanced: advanced}
		if slices.Contains(out, b) {
			return nil, ecs.Invalid("loadBalancers has port %d of container %s in target group %s twice.", b.ContainerPort, b.ContainerName, group)
		}
		out = append(out, b)
	}
	return out, checkAdvanced(out)
}

// checkPortsOf says whether the task definition has the containers and ports
// checkPortsOf checks that the definition has the ports of containers that load balancers and registries name.
func checkPortsOf(s ecs.Spec, d types.TaskDefinition) error {
	for _, l := range s.LoadBalancers {
		if err := checkPort(d, l.ContainerName, l.ContainerPort); err != nil {
			return err
		}
	}
	for _, g := range s.Registries {
		if g.ContainerName == "" {
			continue
		}
		if err := checkPort(d, g.ContainerName, g.Port); err != nil {
			return err
		}
	}
	return nil
}

func checkPort(d types.TaskDefinition, container string, port int32) error {
	i := slices.IndexFunc(d.ContainerDefinitions, func(c types.ContainerDefinition) bool { return *c.Name == container })
	if i < 0 {
		return ecs.Invalid("The container %s does not exist in the task definition.", container)
	}
	has := slices.ContainsFunc(d.ContainerDefinitions[i].PortMappings, func(p types.PortMapping) bool {
		return aws.ToInt32(p.ContainerPort) == port && p.Protocol == types.TransportProtocolTcp
	})
	if !has {
		return ecs.Invalid("The container %s did not have a container port %d defined.", container, port)
	}
	return nil
}
