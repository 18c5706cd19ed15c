package api

import (
	"slices"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/interfaces"
)

func TestUsersInterfaces(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	web := *must(a.CreateSecurityGroup(c, &sdk.CreateSecurityGroupInput{GroupName: new("web"), Description: new("web"), VpcId: &b.vpc}))(t).GroupId
	in := sdk.CreateNetworkInterfaceInput{SubnetId: &b.private, PrivateIpAddress: new("10.20.1.50"), Description: new("spare"), Groups: []string{web}, ClientToken: new("once")}
	made := must(a.CreateNetworkInterface(c, &in))(t).NetworkInterface
	if again := must(a.CreateNetworkInterface(c, &in))(t).NetworkInterface; *again.NetworkInterfaceId != *made.NetworkInterfaceId || again.Status != types.NetworkInterfaceStatusAvailable || made.Status != "pending" {
		t.Errorf("the same token made %+v and %+v", made, again)
	}
	id := made.NetworkInterfaceId
	i := must(a.DescribeNetworkInterfaces(c, &sdk.DescribeNetworkInterfacesInput{Filters: filter("status", "available")}))(t).NetworkInterfaces
	if len(i) != 1 || *i[0].PrivateIpAddress != "10.20.1.50" || i[0].Attachment != nil || *i[0].RequesterManaged || *i[0].Groups[0].GroupId != web || !*i[0].SourceDestCheck {
		t.Errorf("interfaces %+v", i)
	}
	_, err := a.DeleteSecurityGroup(c, &sdk.DeleteSecurityGroupInput{GroupId: &web})
	wantCode(t, "its group", err, "DependencyViolation", web)
	must(a.ModifyNetworkInterfaceAttribute(c, &sdk.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Description: &types.AttributeValue{Value: new("mine")}}))(t)
	def := *must(a.DescribeSecurityGroups(c, &sdk.DescribeSecurityGroupsInput{Filters: append(filter("group-name", "default"), filter("vpc-id", b.vpc)...)}))(t).SecurityGroups[0].GroupId
	must(a.ModifyNetworkInterfaceAttribute(c, &sdk.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Groups: []string{def}}))(t)
	if d := must(a.DescribeNetworkInterfaceAttribute(c, &sdk.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Attribute: types.NetworkInterfaceAttributeDescription}))(t); *d.Description.Value != "mine" {
		t.Errorf("described as %s", *d.Description.Value)
	}
	if g := must(a.DescribeNetworkInterfaceAttribute(c, &sdk.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Attribute: types.NetworkInterfaceAttributeGroupSet}))(t).Groups; len(g) != 1 || *g[0].GroupId != def {
		t.Errorf("groups %+v", g)
	}
	task := must(a.CreateInterface(c, interfaces.Request{SubnetID: b.private, Owner: "task/1", Type: ec2.PlainInterface, RequesterManaged: true}))(t)
	must(a.ModifyNetworkInterfaceAttribute(c, &sdk.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &task.ID, Groups: []string{web}}))(t)
	off := &types.AttributeBooleanValue{Value: new(false)}
	for name, tc := range map[string]struct {
		in          sdk.ModifyNetworkInterfaceAttributeInput
		code, words string
	}{
		"a task's description": {sdk.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &task.ID, Description: &types.AttributeValue{Value: new("x")}}, "AuthFailure", task.ID},
		"others' addresses":    {sdk.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, SourceDestCheck: off}, "UnsupportedOperation", "sourceDestCheck"},
		"two at a time":        {sdk.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Groups: []string{web}, Description: &types.AttributeValue{}}, "InvalidParameterCombination", "multiple"},
		"nothing":              {sdk.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id}, "MissingParameter", "description"},
		"another VPC's group":  {sdk.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Groups: []string{createGroup(t, a, "far")}}, "InvalidGroup.NotFound", b.vpc},
	} {
		_, err := a.ModifyNetworkInterfaceAttribute(c, &tc.in)
		wantCode(t, name, err, tc.code, tc.words)
	}
	_, err = a.DeleteNetworkInterface(c, &sdk.DeleteNetworkInterfaceInput{NetworkInterfaceId: &task.ID})
	wantCode(t, "a task's", err, "InvalidParameterValue", "currently in use")
	for addr, code := range map[string]string{"10.20.1.50": "InvalidIPAddress.InUse", "10.20.1.3": "InvalidParameterValue", "10.20.2.9": "InvalidParameterValue", "x": "InvalidParameterValue"} {
		_, err := a.CreateNetworkInterface(c, &sdk.CreateNetworkInterfaceInput{SubnetId: &b.private, PrivateIpAddress: &addr})
		wantCode(t, addr, err, code, addr)
	}
	must(a.DeleteNetworkInterface(c, &sdk.DeleteNetworkInterfaceInput{NetworkInterfaceId: id}))(t)
	if n := len(records(t, a, ec2.Interfaces)); n != 2 { // the NAT gateway's and the task's
		t.Errorf("%d interfaces left", n)
	}
}

// TestGroupsOverPeering: groups of peered VPCs may name each other, and go stale when that ends.
func TestGroupsOverPeering(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	def := firstSubnet(t, a).VpcID
	far := *must(a.CreateSecurityGroup(c, &sdk.CreateSecurityGroupInput{GroupName: new("far"), Description: new("far"), VpcId: &b.vpc}))(t).GroupId
	near := createGroup(t, a, "near")
	rule := &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &near, IpPermissions: []types.IpPermission{fromGroup(80, far)}}
	_, err := a.AuthorizeSecurityGroupIngress(c, rule)
	wantCode(t, "before they are peered", err, "InvalidGroup.NotFound", "different networks")
	pcx := must(a.CreateVpcPeeringConnection(c, &sdk.CreateVpcPeeringConnectionInput{VpcId: &b.vpc, PeerVpcId: &def}))(t).VpcPeeringConnection.VpcPeeringConnectionId
	must(a.AcceptVpcPeeringConnection(c, &sdk.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: pcx}))(t)
	must(a.AuthorizeSecurityGroupIngress(c, rule))(t)
	refs := must(a.DescribeSecurityGroupReferences(c, &sdk.DescribeSecurityGroupReferencesInput{GroupId: []string{far, near}}))(t).SecurityGroupReferenceSet
	if len(refs) != 1 || *refs[0].GroupId != far || *refs[0].ReferencingVpcId != def || *refs[0].VpcPeeringConnectionId != *pcx {
		t.Errorf("references %+v", refs)
	}
	stale := func() []types.StaleSecurityGroup {
		t.Helper()
		return must(a.DescribeStaleSecurityGroups(c, &sdk.DescribeStaleSecurityGroupsInput{VpcId: &def}))(t).StaleSecurityGroupSet
	}
	if s := stale(); len(s) != 0 {
		t.Errorf("stale while they are peered: %+v", s)
	}
	must(a.DeleteSecurityGroup(c, &sdk.DeleteSecurityGroupInput{GroupId: &far}))(t) // over a peering, that is no dependency
	if s := stale(); len(s) != 1 || *s[0].GroupId != near || *s[0].StaleIpPermissions[0].UserIdGroupPairs[0].GroupId != far || *s[0].StaleIpPermissions[0].FromPort != 80 {
		t.Errorf("stale after the group went: %+v", s)
	}
	for _, g := range must(a.DescribeSecurityGroupRules(c, &sdk.DescribeSecurityGroupRulesInput{Filters: filter("group-id", near)}))(t).SecurityGroupRules {
		if !*g.IsEgress {
			must(a.RevokeSecurityGroupIngress(c, &sdk.RevokeSecurityGroupIngressInput{GroupId: &near, SecurityGroupRuleIds: []string{*g.SecurityGroupRuleId}}))(t)
		}
	}
	if s := stale(); len(s) != 0 {
		t.Errorf("stale without the rule: %+v", s)
	}
	var names []string
	for _, g := range must(a.GetSecurityGroupsForVpc(c, &sdk.GetSecurityGroupsForVpcInput{VpcId: &def}))(t).SecurityGroupForVpcs {
		names = append(names, *g.GroupName)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"default", "near"}) {
		t.Errorf("groups of the VPC: %v", names)
	}
}
