// Package elbv2 is the Elastic Load Balancing v2 API: application load
// balancers, target groups, listeners and rules as records.
//
// A handler checks, writes what is wanted in one transaction and answers. What
// is comes from loops: elbv2/attach gives balancers their network interfaces,
// elbv2/health writes what the data plane finds out about targets, and the
// projection lb makes the table that the data plane runs on.
package elbv2

import (
	"context"
	"net/netip"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Subnet is what load balancing needs to know of a subnet.
type Subnet struct{ ID, VPC, AZ string }

// Zones is where in a VPC addresses are: the zone of each range.
type Zones map[netip.Prefix]string

// network is what balancers and target groups refer to.
type network interface {
	// Subnet, CheckGroups and CheckVPC fail with a client's error when there is
	// no such thing.
	Subnet(ctx context.Context, id string) (Subnet, error)
	DefaultGroup(ctx context.Context, vpc string) (string, error)
	CheckGroups(ctx context.Context, vpc string, ids []string) error
	CheckVPC(ctx context.Context, vpc string) error
	// Zones returns the subnets of a VPC, as ranges and zones.
	Zones(ctx context.Context, vpc string) (Zones, error)
}

// API answers for Elastic Load Balancing v2.
type API struct {
	db        store.DB
	ns        arn.Namespace
	net       network
	checkPort func(port uint16) error
}

// New returns the API. checkPort says whether listeners can be on a port of
// this host; when nil, they can be on any.
func New(db store.DB, ns arn.Namespace, net network, checkPort func(port uint16) error) *API {
	if checkPort == nil {
		checkPort = func(uint16) error { return nil }
	}
	return &API{db: db, ns: ns, net: net, checkPort: checkPort}
}

// What several operations take. What of an action or a condition belongs to another type or field than
// its own is refused when it is read.
const (
	action = "Type Order TargetGroupArn ForwardConfig{TargetGroups{*} TargetGroupStickinessConfig{DurationSeconds}} " +
		"FixedResponseConfig{*}"
	condition   = "Field Values HostHeaderConfig{Values} PathPatternConfig{Values}"
	healthCheck = "HealthCheckEnabled HealthCheckIntervalSeconds HealthCheckPath HealthCheckPort HealthCheckProtocol " +
		"HealthCheckTimeoutSeconds HealthyThresholdCount UnhealthyThresholdCount Matcher{HttpCode}"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AddTags", a.AddTags).On("*: ResourceArns").Takes("ResourceArns Tags{*}"),
		wire.Op("CreateListener", a.CreateListener).On("loadbalancer/*: LoadBalancerArn").Takes("LoadBalancerArn Port Protocol Tags{*} DefaultActions{"+action+"}", "MutualAuthentication{Mode=off}").
			Checks(func(in *elb.CreateListenerInput) []error { return newListenerFaults(in) }),
		wire.Op("CreateLoadBalancer", a.CreateLoadBalancer).On("loadbalancer/app/: Name").Takes("Name IpAddressType Scheme SecurityGroups SubnetMappings{SubnetId} Subnets Tags{*} Type EnablePrefixForIpv6SourceNat=off").
			Checks(func(in *elb.CreateLoadBalancerInput) []error { return newBalancerFaults(in) }),
		wire.Op("CreateRule", a.CreateRule).On("listener/*: ListenerArn").Takes("ListenerArn Priority Tags{*} Conditions{" + condition + "} Actions{" + action + "}").
			Checks(func(in *elb.CreateRuleInput) []error { return newRuleFaults(in) }),
		wire.Op("CreateTargetGroup", a.CreateTargetGroup).On("targetgroup: Name").Takes("Name IpAddressType Port Protocol ProtocolVersion Tags{*} TargetType VpcId", healthCheck).
			Checks(func(in *elb.CreateTargetGroupInput) []error { return newGroupFaults(in) }),
		wire.Op("DeleteListener", a.DeleteListener).On("listener/*: ListenerArn").Takes("ListenerArn"),
		wire.Op("DeleteLoadBalancer", a.DeleteLoadBalancer).On("loadbalancer/*: LoadBalancerArn").Takes("LoadBalancerArn"),
		wire.Op("DeleteRule", a.DeleteRule).On("listener-rule/*: RuleArn").Takes("RuleArn"),
		wire.Op("DeleteTargetGroup", a.DeleteTargetGroup).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn"),
		wire.Op("DeregisterTargets", a.DeregisterTargets).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn Targets{Id Port AvailabilityZone}").
			Checks(func(in *elb.DeregisterTargetsInput) []error { return targetFaults(*in.TargetGroupArn, in.Targets) }),
		wire.Op("DescribeListenerAttributes", a.DescribeListenerAttributes).Takes("ListenerArn"),
		wire.Op("DescribeListeners", a.DescribeListeners).Takes("ListenerArns LoadBalancerArn Marker PageSize"),
		wire.Op("DescribeLoadBalancerAttributes", a.DescribeLoadBalancerAttributes).Takes("LoadBalancerArn"),
		wire.Op("DescribeLoadBalancers", a.DescribeLoadBalancers).Takes("LoadBalancerArns Names Marker PageSize"),
		wire.Op("DescribeRules", a.DescribeRules).Takes("ListenerArn RuleArns Marker PageSize"),
		wire.Op("DescribeTags", a.DescribeTags).Takes("ResourceArns"),
		wire.Op("DescribeTargetGroupAttributes", a.DescribeTargetGroupAttributes).Takes("TargetGroupArn"),
		wire.Op("DescribeTargetGroups", a.DescribeTargetGroups).Takes("LoadBalancerArn Names TargetGroupArns Marker PageSize"),
		wire.Op("DescribeTargetHealth", a.DescribeTargetHealth).Takes("TargetGroupArn Targets{Id Port AvailabilityZone}"),
		wire.Op("ModifyListener", a.ModifyListener).On("listener/*: ListenerArn").Takes("ListenerArn Port Protocol DefaultActions{"+action+"}", "MutualAuthentication{Mode=off}").
			Checks(func(in *elb.ModifyListenerInput) []error { return changedListenerFaults(in) }),
		wire.Op("ModifyLoadBalancerAttributes", a.ModifyLoadBalancerAttributes).On("loadbalancer/*: LoadBalancerArn").Takes("LoadBalancerArn Attributes{*}").
			KeepsKeys("Attributes", kept(loadBalancerAttributes)),
		wire.Op("ModifyRule", a.ModifyRule).On("listener-rule/*: RuleArn").Takes("RuleArn Conditions{" + condition + "} Actions{" + action + "}").
			Checks(changedRuleFaults),
		wire.Op("ModifyTargetGroup", a.ModifyTargetGroup).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn", healthCheck).
			Checks(func(in *elb.ModifyTargetGroupInput) []error { return modifiedCheck(in).faults() }),
		wire.Op("ModifyTargetGroupAttributes", a.ModifyTargetGroupAttributes).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn Attributes{*}").
			KeepsKeys("Attributes", kept(targetGroupAttributes)),
		wire.Op("RegisterTargets", a.RegisterTargets).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn Targets{Id Port AvailabilityZone}").
			Checks(func(in *elb.RegisterTargetsInput) []error { return targetFaults(*in.TargetGroupArn, in.Targets) }),
		wire.Op("RemoveTags", a.RemoveTags).On("*: ResourceArns").Takes("ResourceArns TagKeys"),
		wire.Op("SetRulePriorities", a.SetRulePriorities).On("listener-rule/*: RulePriorities.RuleArn").Takes("RulePriorities{*}"),
		wire.Op("SetSecurityGroups", a.SetSecurityGroups).On("loadbalancer/*: LoadBalancerArn").
			Takes("LoadBalancerArn SecurityGroups EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic=off"),
		wire.Op("SetSubnets", a.SetSubnets).On("loadbalancer/*: LoadBalancerArn").Takes("LoadBalancerArn IpAddressType SubnetMappings{SubnetId} Subnets EnablePrefixForIpv6SourceNat=off").
			Checks(func(in *elb.SetSubnetsInput) []error { return setSubnetsFaults(in) }),
	}
}
