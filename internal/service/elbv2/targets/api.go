// Package targets answers the API's calls about target groups, their health
// checks and their targets, and registers targets for services that put their
// tasks behind balancers.
package targets

import (
	"context"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Network is where targets are.
type Network interface {
	// CheckVPC fails with a client's error when there is no such VPC.
	CheckVPC(ctx context.Context, vpc string) error
	// Zones returns the subnets of a VPC, as ranges and zones.
	Zones(ctx context.Context, vpc string) (elbv2.Zones, error)
}

// API answers for target groups and targets.
type API struct {
	db  store.DB
	ns  arn.Namespace
	net Network
}

// New returns the API.
func New(db store.DB, ns arn.Namespace, net Network) *API { return &API{db, ns, net} }

// What several operations take.
const healthCheck = "HealthCheckEnabled HealthCheckIntervalSeconds HealthCheckPath HealthCheckPort HealthCheckProtocol " +
	"HealthCheckTimeoutSeconds HealthyThresholdCount UnhealthyThresholdCount Matcher{HttpCode GrpcCode}"

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateTargetGroup", a.CreateTargetGroup).Makes("targetgroup: Name").Takes("Name IpAddressType Port Protocol ProtocolVersion Tags{*} TargetType VpcId", healthCheck).
			Checks(func(in *elb.CreateTargetGroupInput) []error { return newGroupFaults(in) }),
		wire.Op("DeleteTargetGroup", a.DeleteTargetGroup).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn"),
		wire.Op("DeregisterTargets", a.DeregisterTargets).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn Targets{Id Port AvailabilityZone}").
			Checks(func(in *elb.DeregisterTargetsInput) []error { return targetFaults(*in.TargetGroupArn, in.Targets) }),
		wire.Op("DescribeTargetGroupAttributes", a.DescribeTargetGroupAttributes).Takes("TargetGroupArn"),
		wire.Op("DescribeTargetGroups", a.DescribeTargetGroups).Takes("LoadBalancerArn Names TargetGroupArns Marker PageSize"),
		wire.Op("DescribeTargetHealth", a.DescribeTargetHealth).Takes("TargetGroupArn Include Targets{Id Port AvailabilityZone}"),
		wire.Op("ModifyTargetGroup", a.ModifyTargetGroup).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn", healthCheck).
			Checks(func(in *elb.ModifyTargetGroupInput) []error { return modifiedCheck(in).faults() }),
		wire.Op("ModifyTargetGroupAttributes", a.ModifyTargetGroupAttributes).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn Attributes{*}").
			KeepsKeys("Attributes", elbv2.Kept(elbv2.TargetGroupAttributes)),
		wire.Op("RegisterTargets", a.RegisterTargets).On("targetgroup: TargetGroupArn").Takes("TargetGroupArn Targets{Id Port AvailabilityZone}").
			Checks(func(in *elb.RegisterTargetsInput) []error { return targetFaults(*in.TargetGroupArn, in.Targets) }),
	}
}
