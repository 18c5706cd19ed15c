// Package groups answers EC2's calls about security groups and their rules.
package groups

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for security groups.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// What several operations take.
const (
	permissions    = "IpPermissions{IpProtocol FromPort ToPort IpRanges{*} Ipv6Ranges{*} Groups{Description GroupId GroupName UserId VpcId} PrefixListIds{*}}"
	rule           = "IpProtocol FromPort ToPort CidrIpv4 CidrIpv6 Description PrefixListId ReferencedGroupId"
	descriptions   = "SecurityGroupRuleDescription{*}"
	flatPermission = "IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName SourceSecurityGroupOwnerId"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AuthorizeSecurityGroupEgress", a.AuthorizeSecurityGroupEgress).On("security-group: GroupId").Makes("security-group-rule: *").Takes("DryRun GroupId", permissions, request.TagMembers).
			Checks(func(in *sdk.AuthorizeSecurityGroupEgressInput) []error {
				return egressOf(in.GroupId, in.IpPermissions).authorizeFaults(in.TagSpecifications)
			}),
		wire.Op("AuthorizeSecurityGroupIngress", a.AuthorizeSecurityGroupIngress).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Makes("security-group-rule: *").Takes("DryRun GroupId GroupName", permissions, flatPermission, request.TagMembers).
			Checks(func(in *sdk.AuthorizeSecurityGroupIngressInput) []error {
				return openedIngress(in).authorizeFaults(in.TagSpecifications)
			}),
		wire.Op("CreateSecurityGroup", a.CreateSecurityGroup).On("vpc: VpcId").Makes("security-group: *").Takes("DryRun GroupDescription GroupName VpcId", request.TagMembers).
			Checks(func(in *sdk.CreateSecurityGroupInput) []error { return newGroupFaults(in) }),
		wire.Op("DeleteSecurityGroup", a.DeleteSecurityGroup).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Takes("DryRun GroupId GroupName"),
		wire.Op("DescribeSecurityGroupReferences", a.DescribeSecurityGroupReferences).On("security-group: GroupId").Takes("DryRun GroupId"),
		wire.Op("DescribeSecurityGroupRules", a.DescribeSecurityGroupRules).Takes(list.Members, "SecurityGroupRuleId"),
		wire.Op("DescribeSecurityGroups", a.DescribeSecurityGroups).Takes(list.Members, "GroupId GroupName"),
		wire.Op("DescribeStaleSecurityGroups", a.DescribeStaleSecurityGroups).Takes("DryRun MaxResults NextToken VpcId"),
		wire.Op("GetSecurityGroupsForVpc", a.GetSecurityGroupsForVpc).On("vpc: VpcId").Takes(list.Members, "VpcId"),
		wire.Op("ModifySecurityGroupRules", a.ModifySecurityGroupRules).On("security-group: GroupId", "security-group-rule: SecurityGroupRule.SecurityGroupRuleId").Takes("DryRun GroupId SecurityGroupRule{SecurityGroupRuleId SecurityGroupRule{" + rule + "}}"),
		wire.Op("RevokeSecurityGroupEgress", a.RevokeSecurityGroupEgress).On("security-group: GroupId").Takes("DryRun GroupId SecurityGroupRuleId", permissions).
			Checks(func(in *sdk.RevokeSecurityGroupEgressInput) []error {
				return egressOf(in.GroupId, in.IpPermissions).revokeFaults(in.SecurityGroupRuleIds)
			}),
		wire.Op("RevokeSecurityGroupIngress", a.RevokeSecurityGroupIngress).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Takes("DryRun GroupId GroupName SecurityGroupRuleId", permissions, flatPermission).
			Checks(func(in *sdk.RevokeSecurityGroupIngressInput) []error {
				return closedIngress(in).revokeFaults(in.SecurityGroupRuleIds)
			}),
		wire.Op("UpdateSecurityGroupRuleDescriptionsEgress", a.UpdateSecurityGroupRuleDescriptionsEgress).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Takes("DryRun GroupId GroupName", permissions, descriptions),
		wire.Op("UpdateSecurityGroupRuleDescriptionsIngress", a.UpdateSecurityGroupRuleDescriptionsIngress).On("security-group: GroupId").OnFound("security-group: GroupName", a.groupsNamed).Takes("DryRun GroupId GroupName", permissions, descriptions),
	}
}

// DefaultGroup returns the id of a VPC's default security group.
func (a *API) DefaultGroup(ctx context.Context, vpcID string) (string, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (string, error) { return Default(tx, vpcID) })
}

// CheckGroups returns an error that names the first of ids that is not a
// security group of the VPC.
func (a *API) CheckGroups(ctx context.Context, vpcID string, ids []string) error {
	return a.db.View(ctx, func(tx store.Tx) error { return Check(tx, vpcID, ids) })
}
