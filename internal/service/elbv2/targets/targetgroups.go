package targets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/store"
)

// CreateTargetGroup makes a target group for IP addresses, or for instances. If one with the same
// settings exists, it is returned.
func (a *API) CreateTargetGroup(ctx context.Context, in *elb.CreateTargetGroupInput) (*elb.CreateTargetGroupOutput, error) {
	g, err := a.wantedTargetGroup(ctx, in)
	if err != nil {
		return nil, err
	}
	made, err := handler.Update(ctx, a.db, func(tx store.Tx) (types.TargetGroup, error) {
		there, err := elbv2.TargetGroups.By(tx, "name", g.Name)
		if err != nil {
			return types.TargetGroup{}, fmt.Errorf("find target group %s: %w", g.Name, err)
		}
		if len(there) == 0 {
			return wireGroup(g, nil), elbv2.TargetGroups.Put(tx, g.ARN, g)
		}
		if !same(there[0], g) {
			return types.TargetGroup{}, &types.DuplicateTargetGroupNameException{Message: new(fmt.Sprintf("A target group with the same name '%s' exists, but with different settings", g.Name))}
		}
		return describeTargetGroup(tx, there[0])
	})
	if err != nil {
		return nil, err
	}
	return &elb.CreateTargetGroupOutput{TargetGroups: []types.TargetGroup{made}}, nil
}

func (a *API) wantedTargetGroup(ctx context.Context, in *elb.CreateTargetGroupInput) (elbv2.TargetGroup, error) {
	g := elbv2.TargetGroup{
		Name:     aws.ToString(in.Name),
		Protocol: stored(in.Protocol),
		Version:  version(in),
		Port:     aws.ToInt32(in.Port),
		VPC:      aws.ToString(in.VpcId),
		Created:  time.Now().UTC().Truncate(time.Millisecond),
		Check:    newCheck(version(in)),
	}
	g.ARN = request.TargetGroup.NewARN(a.ns, g.Name)
	if in.TargetType != types.TargetTypeEnumIp {
		g.Type = string(types.TargetTypeEnumInstance)
	}
	if err := newGroupFaults(in).First(); err != nil {
		return g, err
	}
	var err error
	if g.Tags, err = request.TagRules.Add(nil, request.TagType.From(in.Tags)); err != nil {
		return g, err
	}
	change(&g.Check, g.Version, createdCheck(in))
	err = a.net.CheckVPC(ctx, g.VPC)
	if _, ok := request.Message(err); ok {
		return g, request.Invalid("The VPC ID '%s' is not found", g.VPC)
	}
	if err != nil {
		return g, fmt.Errorf("look up VPC %s: %w", g.VPC, err)
	}
	return g, nil
}

// newGroupFaults returns the faults of a new target group that show without looking at records.
func newGroupFaults(in *elb.CreateTargetGroupInput) (f awserr.Faults) {
	f.Add(request.CheckName("Target group", aws.ToString(in.Name)))
	if in.TargetType == types.TargetTypeEnumLambda || in.TargetType == types.TargetTypeEnumAlb {
		f.Add(request.Misconfigured("The value '%s' of parameter 'TargetType' is not supported by Skylift: only 'instance' and 'ip' are", in.TargetType))
	}
	switch {
	case in.Protocol == "":
		f.Add(request.Invalid("A protocol must be specified"))
	case in.Protocol != types.ProtocolEnumHttp && in.Protocol != types.ProtocolEnumHttps:
		f.Add(request.Misconfigured("The value '%s' of parameter 'Protocol' is not supported by Skylift: only 'HTTP' and 'HTTPS' are", in.Protocol))
	}
	if v := version(in); v != "" && v != elbv2.VersionHTTP2 && v != elbv2.VersionGRPC {
		f.Add(request.Invalid("Protocol version '%s' must be one of 'GRPC, HTTP1, HTTP2'", v))
	}
	if in.IpAddressType != "" && in.IpAddressType != types.TargetGroupIpAddressTypeEnumIpv4 {
		f.Add(request.Misconfigured("The value '%s' of parameter 'IpAddressType' is not supported by Skylift: only 'ipv4' is", in.IpAddressType))
	}
	if in.Port == nil {
		f.Add(request.Invalid("A port must be specified"))
	}
	if aws.ToString(in.VpcId) == "" {
		f.Add(request.Invalid("A VPC ID must be specified"))
	}
	f.Add(request.TagRules.Faults(request.TagType.From(in.Tags))...)
	check := newCheck(version(in))
	f.Add(change(&check, version(in), createdCheck(in))...)
	return f
}

func same(g, o elbv2.TargetGroup) bool {
	return g.Type == o.Type && g.Protocol == o.Protocol && g.Version == o.Version && g.Port == o.Port && g.VPC == o.VPC && g.Check == o.Check && maps.Equal(g.Tags, o.Tags)
}

// DescribeTargetGroups lists target groups: all, those that are named, or those
// of a balancer.
func (a *API) DescribeTargetGroups(ctx context.Context, in *elb.DescribeTargetGroupsInput) (*elb.DescribeTargetGroupsOutput, error) {
	ways := 0
	for _, given := range []bool{in.LoadBalancerArn != nil, len(in.Names) > 0, len(in.TargetGroupArns) > 0} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return nil, request.Invalid("Only one of load balancer ARN, target group names and target group ARNs can be specified")
	}
	page, err := request.Pages.Open(in.PageSize, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeTargetGroupsOutput, error) {
		found, err := findTargetGroups(tx, in)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, found, func(g elbv2.TargetGroup) string { return g.ARN })
		out := &elb.DescribeTargetGroupsOutput{NextMarker: next}
		for _, g := range part {
			w, err := describeTargetGroup(tx, g)
			if err != nil {
				return nil, err
			}
			out.TargetGroups = append(out.TargetGroups, w)
		}
		return out, nil
	})
}

func findTargetGroups(tx store.Tx, in *elb.DescribeTargetGroupsInput) ([]elbv2.TargetGroup, error) {
	var arns []string
	switch {
	case len(in.TargetGroupArns) > 0:
		arns = in.TargetGroupArns
	case in.LoadBalancerArn != nil:
		rules, err := rulesOf(tx, *in.LoadBalancerArn)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			arns = append(arns, r.Action.Groups()...)
		}
	case len(in.Names) > 0:
		for _, name := range in.Names {
			found, err := elbv2.TargetGroups.By(tx, "name", name)
			if err != nil {
				return nil, fmt.Errorf("find target group %s: %w", name, err)
			}
			if len(found) == 0 {
				return nil, request.TargetGroup.None(name)
			}
			arns = append(arns, found[0].ARN)
		}
	default:
		return elbv2.TargetGroups.List(tx, "")
	}
	var out []elbv2.TargetGroup
	for _, arn := range slices.Compact(slices.Sorted(slices.Values(arns))) {
		g, err := request.TargetGroup.Get(tx, arn)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// rulesOf returns the rules of a balancer, which must be there.
func rulesOf(tx store.Tx, lb string) ([]elbv2.Rule, error) {
	if _, err := request.LoadBalancer.Get(tx, lb); err != nil {
		return nil, err
	}
	rules, err := elbv2.Rules.By(tx, "loadbalancer", lb)
	if err != nil {
		return nil, fmt.Errorf("list rules of %s: %w", lb, err)
	}
	return rules, nil
}

// ModifyTargetGroup changes how a group's targets are checked.
func (a *API) ModifyTargetGroup(ctx context.Context, in *elb.ModifyTargetGroupInput) (*elb.ModifyTargetGroupOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.ModifyTargetGroupOutput, error) {
		g, err := request.TargetGroup.Get(tx, *in.TargetGroupArn)
		if err != nil {
			return nil, err
		}
		if err := change(&g.Check, g.Version, modifiedCheck(in)).First(); err != nil {
			return nil, err
		}
		out, err := describeTargetGroup(tx, g)
		if err != nil {
			return nil, err
		}
		return &elb.ModifyTargetGroupOutput{TargetGroups: []types.TargetGroup{out}}, elbv2.TargetGroups.Put(tx, g.ARN, g)
	})
}

// DeleteTargetGroup removes a group with its targets, unless a rule sends
// requests to it. One that isn't there is removed already.
func (a *API) DeleteTargetGroup(ctx context.Context, in *elb.DeleteTargetGroupInput) (*elb.DeleteTargetGroupOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.DeleteTargetGroupOutput, error) {
		g, err := request.TargetGroup.Get(tx, *in.TargetGroupArn)
		if _, gone := errors.AsType[*types.TargetGroupNotFoundException](err); gone {
			return &elb.DeleteTargetGroupOutput{}, nil
		}
		if err != nil {
			return nil, err
		}
		used, err := elbv2.GroupBalancers(tx, g.ARN)
		if err != nil {
			return nil, err
		}
		if len(used) > 0 {
			return nil, request.InUse("Target group '%s' is currently in use by a listener or a rule", g.ARN)
		}
		targets, err := elbv2.Targets.List(tx, g.ARN+"#")
		if err != nil {
			return nil, fmt.Errorf("list targets of %s: %w", g.ARN, err)
		}
		for _, t := range targets {
			if err := elbv2.RemoveTarget(tx, t); err != nil {
				return nil, err
			}
		}
		return &elb.DeleteTargetGroupOutput{}, elbv2.TargetGroups.Delete(tx, g.ARN)
	})
}

const versionHTTP1 = "HTTP1"

// version is a new group's, as records have it.
func version(in *elb.CreateTargetGroupInput) string {
	if v := aws.ToString(in.ProtocolVersion); v != versionHTTP1 {
		return v
	}
	return ""
}

// stored is a protocol as records have it, and protocol is it as the API has it.
func stored(p types.ProtocolEnum) string {
	if p == types.ProtocolEnumHttp {
		return ""
	}
	return string(p)
}

func protocol(p string) types.ProtocolEnum {
	return cmp.Or(types.ProtocolEnum(p), types.ProtocolEnumHttp)
}

func describeTargetGroup(tx store.Tx, g elbv2.TargetGroup) (types.TargetGroup, error) {
	lbs, err := elbv2.GroupBalancers(tx, g.ARN)
	return wireGroup(g, lbs), err
}

func wireGroup(g elbv2.TargetGroup, lbs []string) types.TargetGroup {
	if lbs == nil {
		lbs = []string{}
	}
	return types.TargetGroup{
		TargetGroupArn:             new(g.ARN),
		TargetGroupName:            new(g.Name),
		Protocol:                   protocol(g.Protocol),
		ProtocolVersion:            new(cmp.Or(g.Version, versionHTTP1)),
		Port:                       new(g.Port),
		VpcId:                      new(g.VPC),
		TargetType:                 g.TargetType(),
		IpAddressType:              types.TargetGroupIpAddressTypeEnumIpv4,
		LoadBalancerArns:           lbs,
		HealthCheckEnabled:         new(true),
		HealthCheckProtocol:        protocol(g.Check.Protocol),
		HealthCheckPath:            new(g.Check.Path),
		HealthCheckPort:            new(g.Check.Port),
		HealthCheckIntervalSeconds: new(g.Check.Interval),
		HealthCheckTimeoutSeconds:  new(g.Check.Timeout),
		HealthyThresholdCount:      new(g.Check.Healthy),
		UnhealthyThresholdCount:    new(g.Check.Unhealthy),
		Matcher:                    matcher(g),
	}
}

func matcher(g elbv2.TargetGroup) *types.Matcher {
	if g.Version == elbv2.VersionGRPC {
		return &types.Matcher{GrpcCode: new(g.Check.Matcher)}
	}
	return &types.Matcher{HttpCode: new(g.Check.Matcher)}
}
