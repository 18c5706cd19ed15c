// Package ec2 is the part of Amazon EC2 that networks are made of: a VPC with
// its subnets, security groups and network interfaces.
//
// An address belongs to one interface at a time and an owner has one
// interface, however often it asks. A group that an interface is in, or that
// another group refers to, cannot be deleted.
package ec2

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API is the service. It is safe for concurrent use.
type API struct {
	db   store.DB
	ns   arn.Namespace
	cidr netip.Prefix

	// allocating keeps this process' own allocations from making each other
	// retry; what makes them right is the transaction.
	allocating sync.Mutex
}

// New returns the service; cidr is the range of the default VPC, the zero
// Prefix for AWS's 172.31.0.0/16.
func New(db store.DB, ns arn.Namespace, cidr netip.Prefix) *API {
	if !cidr.IsValid() {
		cidr = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31, 0, 0}), 16)
	}
	return &API{db: db, ns: ns, cidr: cidr}
}

// What several operations take.
const (
	listed         = "DryRun Filter{*} MaxResults NextToken"
	tagged         = "TagSpecification{*}"
	permissions    = "IpPermissions{IpProtocol FromPort ToPort IpRanges{*} Ipv6Ranges{*} Groups{Description GroupId GroupName UserId VpcId}}"
	rule           = "IpProtocol FromPort ToPort CidrIpv4 CidrIpv6 Description ReferencedGroupId"
	descriptions   = "SecurityGroupRuleDescription{*}"
	flatPermission = "IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName SourceSecurityGroupOwnerId"
)

// Operations lists what is implemented.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AuthorizeSecurityGroupEgress", a.AuthorizeSecurityGroupEgress).On("security-group: GroupId").Takes("DryRun GroupId", permissions, tagged).
			Checks(func(in *ec2.AuthorizeSecurityGroupEgressInput) []error {
				return egressOf(in.GroupId, in.IpPermissions).authorizeFaults(in.TagSpecifications)
			}),
		wire.Op("AuthorizeSecurityGroupIngress", a.AuthorizeSecurityGroupIngress).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Takes("DryRun GroupId GroupName", permissions, flatPermission, tagged).
			Checks(func(in *ec2.AuthorizeSecurityGroupIngressInput) []error {
				return openedIngress(in).authorizeFaults(in.TagSpecifications)
			}),
		wire.Op("CreateSecurityGroup", a.CreateSecurityGroup).On("security-group: *", "vpc: VpcId").Takes("DryRun GroupDescription GroupName VpcId", tagged).
			Checks(func(in *ec2.CreateSecurityGroupInput) []error { return newGroupFaults(in) }),
		wire.Op("CreateTags", a.CreateTags).OnFound("*: ResourceId", a.arnsOf).Takes("DryRun ResourceId Tag{*}"),
		wire.Op("DeleteSecurityGroup", a.DeleteSecurityGroup).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Takes("DryRun GroupId GroupName"),
		wire.Op("DeleteTags", a.DeleteTags).OnFound("*: ResourceId", a.arnsOf).Takes("DryRun ResourceId Tag{*}"),
		wire.Op("DescribeAvailabilityZones", a.DescribeAvailabilityZones).Takes("AllAvailabilityZones DryRun Filter{*} ZoneId ZoneName"),
		wire.Op("DescribeInternetGateways", a.DescribeInternetGateways).Takes(listed, "InternetGatewayId"),
		wire.Op("DescribeNetworkInterfaces", a.DescribeNetworkInterfaces).Takes(listed, "IncludeManagedResources NetworkInterfaceId"),
		wire.Op("DescribeRegions", a.DescribeRegions).Takes("AllRegions DryRun Filter{*} RegionName"),
		wire.Op("DescribeRouteTables", a.DescribeRouteTables).Takes(listed, "RouteTableId"),
		wire.Op("DescribeSecurityGroupRules", a.DescribeSecurityGroupRules).Takes(listed, "SecurityGroupRuleId"),
		wire.Op("DescribeSecurityGroups", a.DescribeSecurityGroups).Takes(listed, "GroupId GroupName"),
		wire.Op("DescribeSubnets", a.DescribeSubnets).Takes(listed, "SubnetId"),
		wire.Op("DescribeTags", a.DescribeTags).Takes(listed),
		wire.Op("DescribeVpcAttribute", a.DescribeVpcAttribute).On("vpc: VpcId").Takes("Attribute DryRun VpcId"),
		wire.Op("DescribeVpcs", a.DescribeVpcs).Takes(listed, "VpcId"),
		wire.Op("ModifySecurityGroupRules", a.ModifySecurityGroupRules).On("security-group: GroupId", "security-group-rule: SecurityGroupRule.SecurityGroupRuleId").Takes("DryRun GroupId SecurityGroupRule{SecurityGroupRuleId SecurityGroupRule{" + rule + "}}"),
		wire.Op("ModifyVpcAttribute", a.ModifyVpcAttribute).On("vpc: VpcId").Takes("EnableDnsHostnames{*} EnableDnsSupport{*} EnableNetworkAddressUsageMetrics{*} VpcId"),
		wire.Op("RevokeSecurityGroupEgress", a.RevokeSecurityGroupEgress).On("security-group: GroupId").Takes("DryRun GroupId SecurityGroupRuleId", permissions).
			Checks(func(in *ec2.RevokeSecurityGroupEgressInput) []error {
				return egressOf(in.GroupId, in.IpPermissions).revokeFaults(in.SecurityGroupRuleIds)
			}),
		wire.Op("RevokeSecurityGroupIngress", a.RevokeSecurityGroupIngress).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Takes("DryRun GroupId GroupName SecurityGroupRuleId", permissions, flatPermission).
			Checks(func(in *ec2.RevokeSecurityGroupIngressInput) []error {
				return closedIngress(in).revokeFaults(in.SecurityGroupRuleIds)
			}),
		wire.Op("UpdateSecurityGroupRuleDescriptionsEgress", a.UpdateSecurityGroupRuleDescriptionsEgress).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Takes("DryRun GroupId GroupName", permissions, descriptions),
		wire.Op("UpdateSecurityGroupRuleDescriptionsIngress", a.UpdateSecurityGroupRuleDescriptionsIngress).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Takes("DryRun GroupId GroupName", permissions, descriptions),
	}
}

// DefaultSubnets returns the default subnet of each zone, in the zones' order.
func (a *API) DefaultSubnets(ctx context.Context) ([]Subnet, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) ([]Subnet, error) {
		all, err := Subnets.List(tx, "")
		if err != nil {
			return nil, fmt.Errorf("list subnets: %w", err)
		}
		return defaultsOf(all), nil
	})
}

// SubnetsOf returns the subnets of a VPC.
func (a *API) SubnetsOf(ctx context.Context, vpcID string) ([]Subnet, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) ([]Subnet, error) {
		all, err := Subnets.List(tx, "")
		if err != nil {
			return nil, fmt.Errorf("list subnets: %w", err)
		}
		return slices.DeleteFunc(all, func(s Subnet) bool { return s.VpcID != vpcID }), nil
	})
}

// SubnetByID returns a subnet, or InvalidSubnetID.NotFound.
func (a *API) SubnetByID(ctx context.Context, id string) (Subnet, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (Subnet, error) { return subnetByID(tx, id) })
}

// CheckVPC returns InvalidVpcID.NotFound when there is no such VPC.
func (a *API) CheckVPC(ctx context.Context, vpcID string) error {
	return a.db.View(ctx, func(tx store.Tx) error {
		_, err := vpcByID(tx, vpcID)
		return err
	})
}

// DefaultGroup returns the id of a VPC's default security group.
func (a *API) DefaultGroup(ctx context.Context, vpcID string) (string, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (string, error) { return defaultGroup(tx, vpcID) })
}

// CheckGroups returns an error that names the first of ids that is not a
// security group of the VPC.
func (a *API) CheckGroups(ctx context.Context, vpcID string, ids []string) error {
	return a.db.View(ctx, func(tx store.Tx) error { return checkGroups(tx, vpcID, ids) })
}
