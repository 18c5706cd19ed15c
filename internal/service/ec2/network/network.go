// Package network answers EC2's calls about VPCs, their subnets, and the region
// and the zones that they are in. It makes the default VPC.
package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for VPCs, subnets, zones and regions.
type API struct {
	db   store.DB
	ns   arn.Namespace
	cidr netip.Prefix // of the default VPC
}

// New returns the API; cidr is the range of the default VPC.
func New(db store.DB, ns arn.Namespace, cidr netip.Prefix) *API { return &API{db, ns, cidr} }

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("DescribeAvailabilityZones", a.DescribeAvailabilityZones).Takes("AllAvailabilityZones DryRun Filter{*} ZoneId ZoneName"),
		wire.Op("DescribeRegions", a.DescribeRegions).Takes("AllRegions DryRun Filter{*} RegionName"),
		wire.Op("DescribeSubnets", a.DescribeSubnets).Takes(list.Members, "SubnetId"),
		wire.Op("DescribeVpcAttribute", a.DescribeVpcAttribute).On("vpc: VpcId").Takes("Attribute DryRun VpcId"),
		wire.Op("DescribeVpcs", a.DescribeVpcs).Takes(list.Members, "VpcId"),
		wire.Op("ModifyVpcAttribute", a.ModifyVpcAttribute).On("vpc: VpcId").KeyFound("ec2:Attribute", changedAttribute).Takes("EnableDnsHostnames{*} EnableDnsSupport{*} EnableNetworkAddressUsageMetrics{*} VpcId"),
	}
}

// DefaultSubnets returns the default subnet of each zone, in the zones' order.
func (a *API) DefaultSubnets(ctx context.Context) ([]ec2.Subnet, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) ([]ec2.Subnet, error) {
		all, err := ec2.Subnets.List(tx, "")
		if err != nil {
			return nil, fmt.Errorf("list subnets: %w", err)
		}
		return defaultsOf(all), nil
	})
}

// SubnetsOf returns the subnets of a VPC.
func (a *API) SubnetsOf(ctx context.Context, vpcID string) ([]ec2.Subnet, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) ([]ec2.Subnet, error) {
		all, err := ec2.Subnets.List(tx, "")
		if err != nil {
			return nil, fmt.Errorf("list subnets: %w", err)
		}
		return slices.DeleteFunc(all, func(s ec2.Subnet) bool { return s.VpcID != vpcID }), nil
	})
}

// SubnetByID returns a subnet, or InvalidSubnetID.NotFound.
func (a *API) SubnetByID(ctx context.Context, id string) (ec2.Subnet, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (ec2.Subnet, error) { return request.Get(tx, ec2.Subnets, request.Subnet, id) })
}

// CheckVPC returns InvalidVpcID.NotFound when there is no such VPC.
func (a *API) CheckVPC(ctx context.Context, vpcID string) error {
	return a.db.View(ctx, func(tx store.Tx) error {
		_, err := request.Get(tx, ec2.Vpcs, request.Vpc, vpcID)
		return err
	})
}
