// Package network answers EC2's calls about VPCs, their subnets, and the region
// and the zones that they are in. It makes the default VPC.
package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

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
	db store.DB
	ns arn.Namespace
	Ranges
}

// Ranges are the addresses that VPCs can have, and those that they can't.
type Ranges struct {
	Default netip.Prefix // the range of the default VPC
	// Claim says why a new VPC on this host can't have a range: what else of the host has it. It returns nil when nothing
	// does.
	Claim  func(netip.Prefix) error
	Public []netip.Prefix // are public addresses
}

// New returns the API.
func New(db store.DB, ns arn.Namespace, r Ranges) *API { return &API{db, ns, r} }

// What condition keys are never there, and why.
const (
	poolKeys = "ec2:Ipv4IpamPoolId ec2:Ipv6IpamPoolId"
	noPools  = "there are no pools of addresses to make VPCs and subnets of"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AssociateVpcCidrBlock", a.AssociateVpcCidrBlock).On("vpc: VpcId").Lacks(poolKeys, noPools).Takes("AmazonProvidedIpv6CidrBlock=false CidrBlock VpcId"),
		wire.Op("CreateSubnet", a.CreateSubnet).On("vpc: VpcId").Makes("subnet: *").Lacks(poolKeys, noPools).
			Takes("AvailabilityZone AvailabilityZoneId CidrBlock DryRun Ipv6Native=false VpcId", request.TagMembers).
			Checks(func(in *sdk.CreateSubnetInput) []error { return a.newSubnetFaults(in) }),
		wire.Op("CreateVpc", a.CreateVpc).Makes("vpc: *").Lacks(poolKeys, noPools).
			Takes("AmazonProvidedIpv6CidrBlock=false CidrBlock DryRun InstanceTenancy=default", request.TagMembers).
			Checks(func(in *sdk.CreateVpcInput) []error { return newVpcFaults(in) }),
		wire.Op("DeleteSubnet", a.DeleteSubnet).On("subnet: SubnetId").Takes("DryRun SubnetId"),
		wire.Op("DeleteVpc", a.DeleteVpc).On("vpc: VpcId").Takes("DryRun VpcId"),
		wire.Op("DescribeAvailabilityZones", a.DescribeAvailabilityZones).Takes("AllAvailabilityZones DryRun Filter{*} ZoneId ZoneName"),
		wire.Op("DescribeRegions", a.DescribeRegions).Takes("AllRegions DryRun Filter{*} RegionName"),
		wire.Op("DescribeSubnets", a.DescribeSubnets).Takes(list.Members, "SubnetId"),
		wire.Op("DescribeVpcAttribute", a.DescribeVpcAttribute).On("vpc: VpcId").Takes("Attribute DryRun VpcId"),
		wire.Op("DescribeVpcs", a.DescribeVpcs).Takes(list.Members, "VpcId"),
		wire.Op("DisassociateVpcCidrBlock", a.DisassociateVpcCidrBlock).OnFound("vpc: AssociationId", a.vpcsOf).Takes("AssociationId"),
		wire.Op("ModifySubnetAttribute", a.ModifySubnetAttribute).On("subnet: SubnetId").KeyFound("ec2:Attribute", changedSubnetAttribute).
			Takes("AssignIpv6AddressOnCreation{*} EnableDns64{*} EnableResourceNameDnsAAAARecordOnLaunch{*} EnableResourceNameDnsARecordOnLaunch{*} MapPublicIpOnLaunch{*} PrivateDnsHostnameTypeOnLaunch SubnetId"),
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
