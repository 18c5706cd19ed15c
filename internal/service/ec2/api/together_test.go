package api

import (
	"slices"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/wire/wiretest"
)

// TestAllFaultsAreToldAtOnce sends calls that are wrong in many places: one message names each, in order.
func TestAllFaultsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	ops := account(t).Operations()
	tags := []types.TagSpecification{{ResourceType: types.ResourceTypeVpc, Tags: []types.Tag{{Key: new("aws:x")}}}}
	perms := []types.IpPermission{
		tcp(65536, "10.0.0.0/33", "10.0.0.0/34"),
		{IpProtocol: new("x")},
		all6("::/129"),
		{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: new("sg-1"), Description: new("<")}}},
	}
	wrong := []string{"(65536)", "10.0.0.0/33", "10.0.0.0/34", "'x' for IP protocol", "must contain ipRanges", "::/129", "Description"}
	for _, tt := range []struct {
		in    any
		code  string
		words []string
	}{
		{
			&sdk.CreateSecurityGroupInput{GroupName: new("sg-wéb"), Description: new("<b>"), TagSpecifications: tags}, "InvalidParameterValue",
			[]string{"in the format sg-*", "GroupName is invalid. Valid", "GroupDescription", "'vpc'", "'aws:x'"},
		},
		{&sdk.CreateSecurityGroupInput{GroupName: new(" "), Description: new("<b>")}, "MissingParameter", []string{"GroupName", "GroupDescription"}},
		{
			&sdk.AuthorizeSecurityGroupEgressInput{GroupId: new("sg-x"), IpPermissions: perms, TagSpecifications: tags}, "InvalidParameterValue",
			slices.Concat([]string{"'vpc'", "'aws:x'", `"sg-x"`}, wrong),
		},
		{
			&sdk.AuthorizeSecurityGroupIngressInput{IpPermissions: perms, CidrIp: new("10.0.0.0/8")}, "MissingParameter",
			slices.Concat([]string{"groupName or groupId", "ipPermissions cannot be used with cidrIp"}, wrong),
		},
		{&sdk.AuthorizeSecurityGroupIngressInput{GroupId: new("sg-x"), GroupName: new("web")}, "InvalidParameterCombination", []string{"used together", "parameter ipPermissions"}},
		{
			&sdk.RevokeSecurityGroupEgressInput{GroupId: new("sg-x"), IpPermissions: perms, SecurityGroupRuleIds: []string{"a", "b"}}, "InvalidGroupId.Malformed",
			slices.Concat([]string{`"sg-x"`}, wrong, []string{"securityGroupRuleIds cannot be used", `"a"`, `"b"`}),
		},
		{&sdk.RevokeSecurityGroupIngressInput{GroupId: new("sg-x"), GroupName: new("web")}, "InvalidParameterCombination", []string{"used together", "ipPermissions or securityGroupRuleIds"}},
	} {
		wiretest.Told(t, "ec2", ops, tt.in, tt.code, tt.words...)
	}
}

// TestEmptyPeers sends permissions as tools do that have nothing to say of a group's name and VPC.
func TestEmptyPeers(t *testing.T) {
	t.Parallel()
	a := account(t)
	web, alb := createGroup(t, a, "web"), createGroup(t, a, "alb")
	perm := fromGroup(80, alb)
	perm.UserIdGroupPairs[0].VpcId, perm.UserIdGroupPairs[0].GroupName = new(""), new("")
	authorize(t, a, web, perm)
	byName := fromGroup(81, "")
	byName.UserIdGroupPairs[0].GroupName = new("alb")
	authorize(t, a, web, byName)
	want := []string{
		"in peer: " + alb + ", TCP, from port: 80, to port: 80, ALLOW", "in peer: " + alb + ", TCP, from port: 81, to port: 81, ALLOW",
		"out peer: 0.0.0.0/0, ALL, ALLOW",
	}
	if got := rulesOf(t, a, web); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
