// Package acls answers EC2's calls about network ACLs.
package acls

import (
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for network ACLs.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// entry is what operations on entries take.
const entry = "CidrBlock DryRun Egress Icmp{*} Ipv6CidrBlock NetworkAclId PortRange{*} Protocol RuleAction RuleNumber"

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateNetworkAcl", a.CreateNetworkAcl).On("vpc: VpcId").Makes("network-acl: *").Takes("ClientToken DryRun VpcId", request.TagMembers).
			Checks(func(in *sdk.CreateNetworkAclInput) []error {
				return request.TagSpecFaults(request.ACL.Type, in.TagSpecifications)
			}),
		wire.Op("CreateNetworkAclEntry", a.CreateNetworkAclEntry).On("network-acl: NetworkAclId").Takes(entry).
			Checks(func(in *sdk.CreateNetworkAclEntryInput) []error { return created(in).faults() }),
		wire.Op("DeleteNetworkAcl", a.DeleteNetworkAcl).On("network-acl: NetworkAclId").Takes("DryRun NetworkAclId"),
		wire.Op("DeleteNetworkAclEntry", a.DeleteNetworkAclEntry).On("network-acl: NetworkAclId").Takes("DryRun Egress NetworkAclId RuleNumber").
			Checks(func(in *sdk.DeleteNetworkAclEntryInput) (f []error) {
				if err := checkNumber(*in.RuleNumber); err != nil {
					f = append(f, err)
				}
				return f
			}),
		wire.Op("DescribeNetworkAcls", a.DescribeNetworkAcls).Takes(list.Members, "NetworkAclId"),
		wire.Op("ReplaceNetworkAclAssociation", a.ReplaceNetworkAclAssociation).On("network-acl: NetworkAclId").OnFound("subnet: AssociationId", a.subnetsOf).Takes("AssociationId DryRun NetworkAclId"),
		wire.Op("ReplaceNetworkAclEntry", a.ReplaceNetworkAclEntry).On("network-acl: NetworkAclId").Takes(entry).
			Checks(func(in *sdk.ReplaceNetworkAclEntryInput) []error { return replaced(in).faults() }),
	}
}
