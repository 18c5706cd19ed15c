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

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AddTags", a.AddTags),
		wire.Op("CreateListener", a.CreateListener),
		wire.Op("CreateLoadBalancer", a.CreateLoadBalancer),
		wire.Op("CreateRule", a.CreateRule),
		wire.Op("CreateTargetGroup", a.CreateTargetGroup),
		wire.Op("DeleteListener", a.DeleteListener),
		wire.Op("DeleteLoadBalancer", a.DeleteLoadBalancer),
		wire.Op("DeleteRule", a.DeleteRule),
		wire.Op("DeleteTargetGroup", a.DeleteTargetGroup),
		wire.Op("DeregisterTargets", a.DeregisterTargets),
		wire.Op("DescribeListenerAttributes", a.DescribeListenerAttributes),
		wire.Op("DescribeListeners", a.DescribeListeners),
		wire.Op("DescribeLoadBalancerAttributes", a.DescribeLoadBalancerAttributes),
		wire.Op("DescribeLoadBalancers", a.DescribeLoadBalancers),
		wire.Op("DescribeRules", a.DescribeRules),
		wire.Op("DescribeTags", a.DescribeTags),
		wire.Op("DescribeTargetGroupAttributes", a.DescribeTargetGroupAttributes),
		wire.Op("DescribeTargetGroups", a.DescribeTargetGroups),
		wire.Op("DescribeTargetHealth", a.DescribeTargetHealth),
		wire.Op("ModifyListener", a.ModifyListener),
		wire.Op("ModifyLoadBalancerAttributes", a.ModifyLoadBalancerAttributes),
		wire.Op("ModifyRule", a.ModifyRule),
		wire.Op("ModifyTargetGroup", a.ModifyTargetGroup),
		wire.Op("ModifyTargetGroupAttributes", a.ModifyTargetGroupAttributes),
		wire.Op("RegisterTargets", a.RegisterTargets),
		wire.Op("RemoveTags", a.RemoveTags),
		wire.Op("SetRulePriorities", a.SetRulePriorities),
		wire.Op("SetSecurityGroups", a.SetSecurityGroups),
		wire.Op("SetSubnets", a.SetSubnets),
	}
}
