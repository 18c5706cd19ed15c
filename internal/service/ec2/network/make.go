package network

import (
	"fmt"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/store"
)

// putVpc writes a new VPC with all that each has: a main route table, which has routes, a default security group and a
// default network ACL.
func putVpc(tx store.Tx, vpc ec2.Vpc, routes ...ec2.Route) error {
	table := ec2.RouteTable{ID: ec2.NewID("rtb"), VpcID: vpc.ID, Routes: routes, Associations: []ec2.RouteAssociation{{ID: ec2.NewID("rtbassoc"), Main: true}}}
	group := ec2.SecurityGroup{ID: ec2.NewID("sg"), VpcID: vpc.ID, Name: ec2.DefaultGroupName, Description: "default VPC security group"}
	group.Rules = []ec2.Rule{
		{ID: ec2.NewID("sgr"), Protocol: "-1", From: -1, To: -1, Group: group.ID},
		ec2.EgressToAll(),
	}
	if err := ec2.Vpcs.Put(tx, vpc.ID, vpc); err != nil {
		return err
	}
	if err := ec2.RouteTables.Put(tx, table.ID, table); err != nil {
		return err
	}
	if err := ec2.SecurityGroups.Put(tx, group.ID, group); err != nil {
		return err
	}
	return aclFor(tx, vpc.ID, nil)
}

// putSubnet writes a new subnet, which has the default network ACL of its VPC.
func putSubnet(tx store.Tx, s ec2.Subnet) error {
	if err := ec2.Subnets.Put(tx, s.ID, s); err != nil {
		return err
	}
	return aclFor(tx, s.VpcID, []ec2.Subnet{s})
}

// aclFor makes the default network ACL of a VPC where there is none, and gives it to those of subnets that are of that
// VPC and have none.
func aclFor(tx store.Tx, vpcID string, subnets []ec2.Subnet) error {
	all, err := ec2.NetworkACLs.List(tx, "")
	if err != nil {
		return fmt.Errorf("list network ACLs: %w", err)
	}
	acl := ec2.NetworkACL{ID: ec2.NewID("acl"), VpcID: vpcID, Default: true, Entries: ec2.AllowAll()}
	made := true
	for _, o := range all {
		if o.Default && o.VpcID == vpcID {
			acl, made = o, false
		}
	}
	for _, s := range subnets {
		if s.VpcID == vpcID && ec2.ACLOf(all, s.ID).ID == "" {
			acl.Associations = append(acl.Associations, ec2.ACLAssociation{ID: ec2.NewID("aclassoc"), SubnetID: s.ID})
			made = true
		}
	}
	if !made {
		return nil
	}
	return ec2.NetworkACLs.Put(tx, acl.ID, acl)
}
