package ecs

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
)

// advanced reads what a load balancer has for strategies that shift traffic: a
// second target group, and the rules whose weights decide which one serves. The
// words of its errors are ECS's.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html
func (a *API) advanced(ctx context.Context, group string, in *types.AdvancedConfiguration) (Advanced, error) {
	if in == nil {
		return Advanced{}, nil
	}
	out := Advanced{
		AlternateTargetGroup: aws.ToString(in.AlternateTargetGroupArn), ProductionRule: aws.ToString(in.ProductionListenerRule),
		TestRule: aws.ToString(in.TestListenerRule), Role: aws.ToString(in.RoleArn),
	}
	switch {
	case out.AlternateTargetGroup == "":
		return out, invalid("alternateTargetGroupArn cannot be blank.")
	case out.ProductionRule == "":
		return out, invalid("productionListenerRule cannot be blank.")
	case out.TestRule == out.ProductionRule:
		return out, invalid("The following rules cannot be used as both production and test listener rules: %s", out.TestRule)
	case out.Role != "" && !a.ownRole(out.Role):
		return out, invalid("roleArn %s is not the ARN of a role of this account.", out.Role)
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
		return out, invalid("For Application LoadBalancer, testListenerRule is required when productionListenerRule is not associated with both targetGroup and alternateTargetGroup")
	case !has(both):
		return out, invalid("Both targetGroup and alternateTargetGroup must be associated with the productionListenerRule or testListenerRule.")
	}
	return out, nil
}

// ownRole says whether ref is the ARN of a role of this account. Whether there
// is such a role, and what it may do, nobody asks: Skylift itself changes rules.
func (a *API) ownRole(ref string) bool {
	r, err := arn.Parse(ref)
	return err == nil && r.Service == "iam" && r.Region == "" && r.Account == a.ns.Account && strings.HasPrefix(r.Resource, "role/")
}

func (a *API) alternate(ctx context.Context, group string) error {
	_, kind, err := a.lb.GroupBalancers(ctx, group)
	if _, ok := errors.AsType[smithy.APIError](err); !ok && err != nil {
		return fmt.Errorf("read target group %s: %w", group, err)
	}
	if err != nil {
		return invalid("Unable to assume role and validate the specified alternateTargetGroupArn. The target group %s does not exist.", group)
	}
	if kind != "ip" {
		return invalid("The provided target group %s has target type %s, which is incompatible with the awsvpc network mode specified in the task definition.", group, kind)
	}
	return nil
}

// forwards returns the target groups that a rule forwards to. member is where
// the request named it.
func (a *API) forwards(ctx context.Context, member, rule string) (map[string]int32, error) {
	if r, err := arn.Parse(rule); err != nil || r.Service != "elasticloadbalancing" || !strings.HasPrefix(r.Resource, "listener-rule/app/") {
		return nil, invalid("%s has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: %s", member, rule)
	}
	weights, err := a.lb.Weights(ctx, rule)
	if _, ok := errors.AsType[smithy.APIError](err); !ok && err != nil {
		return nil, fmt.Errorf("read rule %s: %w", rule, err)
	}
	if err != nil {
		return nil, invalid("Unable to assume role and validate the specified %s. The listener rule %s does not exist.", member, rule)
	}
	if len(weights) == 0 {
		return nil, invalid("The listener rule %s of %s does not have a forward action.", rule, member)
	}
	return weights, nil
}

// checkAdvanced checks the load balancers of a service together.
func checkAdvanced(lbs []LoadBalancer) error {
	with := 0
	groups, rules := map[string]bool{}, map[string]bool{}
	for _, l := range lbs {
		if l.Advanced == (Advanced{}) {
			continue
		}
		with++
		for _, g := range []string{l.TargetGroup, l.Advanced.AlternateTargetGroup} {
			if groups[g] {
				return invalid("Duplicate targetGroupArn found: %s", g)
			}
			groups[g] = true
		}
		for _, r := range slices.DeleteFunc([]string{l.Advanced.ProductionRule, l.Advanced.TestRule}, func(r string) bool { return r == "" }) {
			if rules[r] {
				return invalid("The listener rule %s can be used for one of the loadBalancers only.", r)
			}
			rules[r] = true
		}
	}
	if with > 0 && with < len(lbs) {
		return invalid("Either all or none of the provided loadBalancers must have advancedConfiguration defined")
	}
	return nil
}
