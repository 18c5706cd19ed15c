package api

import (
	"slices"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/interfaces"
)

// Rules about IPv6 are kept, shown and taken back, as in a VPC without IPv6.
func TestIPv6Rules(t *testing.T) {
	t.Parallel()
	a := account(t)
	web := createGroup(t, a, "web")
	ranges := types.IpPermission{
		IpProtocol: new("tcp"), FromPort: new(int32(443)), ToPort: new(int32(443)),
		IpRanges:   []types.IpRange{{CidrIp: new("0.0.0.0/0")}},
		Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: new("::/0"), Description: new("the world")}, {CidrIpv6: new("2001:DB8:0::1/32")}},
	}
	ping := types.IpPermission{IpProtocol: new("58"), FromPort: new(int32(-1)), ToPort: new(int32(-1)), Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: new("::/0")}}}
	rules := authorize(t, a, web, ranges, ping)
	if len(rules) != 4 || *rules[1].CidrIpv6 != "::/0" || rules[1].CidrIpv4 != nil || rules[1].ReferencedGroupInfo != nil || rules[0].CidrIpv6 != nil {
		t.Errorf("rules: %+v", rules)
	}
	out, err := a.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{GroupIds: []string{web}})
	if err != nil {
		t.Fatal(err)
	}
	ranges.Ipv6Ranges[1].CidrIpv6 = new("2001:db8::/32")
	ping.IpProtocol = new("icmpv6")
	shown := out.SecurityGroups[0].IpPermissions
	if diff := cmp.Diff([]types.IpPermission{ranges, ping}, shown, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(types.IpPermission{}, types.IpRange{}, types.Ipv6Range{})); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
	_, err = a.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: []types.IpPermission{ping}})
	wantCode(t, "again", err, "InvalidPermission.Duplicate", `"peer: ::/0, ICMPV6, type: -1, code: -1, ALLOW"`)

	// What Terraform sends for each new group: a VPC without IPv6 has no such rule.
	egress := all6("::/0")
	egress.FromPort, egress.ToPort = new(int32(0)), new(int32(0))
	revoke := &sdk.RevokeSecurityGroupEgressInput{GroupId: &web, IpPermissions: []types.IpPermission{egress}}
	_, err = a.RevokeSecurityGroupEgress(t.Context(), revoke)
	wantCode(t, "not there", err, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
	if _, err := a.AuthorizeSecurityGroupEgress(t.Context(), &sdk.AuthorizeSecurityGroupEgressInput{GroupId: &web, IpPermissions: revoke.IpPermissions}); err != nil {
		t.Fatal(err)
	}
	gone, err := a.RevokeSecurityGroupEgress(t.Context(), revoke)
	if err != nil || len(gone.RevokedSecurityGroupRules) != 1 || *gone.RevokedSecurityGroupRules[0].CidrIpv6 != "::/0" {
		t.Errorf("revoked: %+v, %v", gone, err)
	}
	if _, err := a.RevokeSecurityGroupIngress(t.Context(), &sdk.RevokeSecurityGroupIngressInput{GroupId: &web, IpPermissions: shown}); err != nil {
		t.Errorf("revoking what was described: %v", err)
	}
	if got := rulesOf(t, a, web); len(got) != 1 {
		t.Errorf("left: %v, want egress to all", got)
	}
}

func TestModifySecurityGroupRules(t *testing.T) {
	t.Parallel()
	a := account(t)
	web, alb := createGroup(t, a, "web"), createGroup(t, a, "alb")
	rules := authorize(t, a, web, tcp(80, "10.0.0.0/8"), tcp(81, "10.0.0.0/8"))
	id, other := *rules[0].SecurityGroupRuleId, *rules[1].SecurityGroupRuleId
	if _, err := a.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: new("k"), Value: new("v")}}}); err != nil {
		t.Fatal(err)
	}
	modify := func(id string, r *types.SecurityGroupRuleRequest) error {
		_, err := a.ModifySecurityGroupRules(t.Context(), &sdk.ModifySecurityGroupRulesInput{
			GroupId: &web, SecurityGroupRules: []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: &id, SecurityGroupRule: r}},
		})
		return err
	}
	of := func(port int32, change func(*types.SecurityGroupRuleRequest)) *types.SecurityGroupRuleRequest {
		r := &types.SecurityGroupRuleRequest{IpProtocol: new("tcp"), FromPort: &port, ToPort: &port}
		change(r)
		return r
	}
	from := func(r *types.SecurityGroupRuleRequest) { r.CidrIpv4 = new("10.0.0.0/8") }
	if err := modify(id, of(8080, func(r *types.SecurityGroupRuleRequest) {
		r.ReferencedGroupId, r.Description = &alb, new("from the balancer")
	})); err != nil {
		t.Fatal(err)
	}
	out, err := a.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{id}})
	if err != nil || len(out.SecurityGroupRules) != 1 {
		t.Fatal(out, err)
	}
	r := out.SecurityGroupRules[0]
	if *r.FromPort != 8080 || *r.ReferencedGroupInfo.GroupId != alb || *r.Description != "from the balancer" || len(r.Tags) != 1 || r.CidrIpv4 != nil || *r.IsEgress {
		t.Errorf("modified: %+v", r)
	}
	if err := modify(id, of(8080, func(r *types.SecurityGroupRuleRequest) { r.ReferencedGroupId = &alb })); err != nil {
		t.Errorf("the description alone: %v", err)
	}
	if err := modify(other, of(82, func(r *types.SecurityGroupRuleRequest) { from(r); r.CidrIpv6, r.ReferencedGroupId = new(""), new("") })); err != nil {
		t.Errorf("sources that are empty: %v", err)
	}
	if err := modify(other, of(81, from)); err != nil {
		t.Fatal(err)
	}
	before := rulesOf(t, a, web)
	for name, tc := range map[string]struct {
		id            string
		rule          *types.SecurityGroupRuleRequest
		code, message string
	}{
		"not there":      {"sgr-0123456789abcdef0", of(1, from), "InvalidSecurityGroupRuleId.NotFound", "sgr-0123456789abcdef0"},
		"malformed":      {"sgr-x", of(1, from), "InvalidSecurityGroupRuleId.Malformed", "sgr-x"},
		"like another":   {id, of(81, from), "InvalidPermission.Duplicate", "from port: 81"},
		"no contents":    {id, nil, "MissingParameter", "SecurityGroupRule"},
		"no source":      {id, of(1, func(*types.SecurityGroupRuleRequest) {}), "MissingParameter", "exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId"},
		"two sources":    {id, of(1, func(r *types.SecurityGroupRuleRequest) { from(r); r.CidrIpv6 = new("::/0") }), "InvalidParameterCombination", "Only one of cidrIp"},
		"a bad port":     {id, of(65536, from), "InvalidParameterValue", "65536"},
		"no such group":  {id, of(1, func(r *types.SecurityGroupRuleRequest) { r.ReferencedGroupId = new("sg-x") }), "InvalidGroupId.Malformed", "sg-x"},
		"bad describing": {id, of(1, func(r *types.SecurityGroupRuleRequest) { from(r); r.Description = new("<") }), "InvalidParameterValue", "Description"},
	} {
		wantCode(t, name, modify(tc.id, tc.rule), tc.code, tc.message)
	}
	_, err = a.ModifySecurityGroupRules(t.Context(), &sdk.ModifySecurityGroupRulesInput{GroupId: &web, SecurityGroupRules: []types.SecurityGroupRuleUpdate{
		{SecurityGroupRuleId: &other, SecurityGroupRule: of(90, from)}, {SecurityGroupRuleId: &other, SecurityGroupRule: of(91, from)},
	}})
	wantCode(t, "twice", err, "InvalidParameterValue", other)
	if diff := cmp.Diff(before, rulesOf(t, a, web)); diff != "" {
		t.Errorf("a refused request changed the group:\n%s", diff)
	}
	_, err = a.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: &alb})
	wantCode(t, "the group that a modified rule names", err, "DependencyViolation", alb)
}

func TestUpdateRuleDescriptions(t *testing.T) {
	t.Parallel()
	a := account(t)
	web := createGroup(t, a, "web")
	rules := authorize(t, a, web, tcp(80, "10.0.0.0/8", "11.0.0.0/8"))
	described := func() (out []string) {
		for _, g := range records(t, a, ec2.SecurityGroups) {
			for _, r := range g.Rules {
				if g.ID == web {
					out = append(out, r.CIDR.String()+" "+r.Description)
				}
			}
		}
		slices.Sort(out)
		return out
	}
	ingress := func(in sdk.UpdateSecurityGroupRuleDescriptionsIngressInput) error {
		in.GroupId = &web
		_, err := a.UpdateSecurityGroupRuleDescriptionsIngress(t.Context(), &in)
		return err
	}
	perm := tcp(80, "10.0.0.0/8")
	perm.IpRanges[0].Description = new("inside")
	if err := ingress(sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{IpPermissions: []types.IpPermission{perm}}); err != nil {
		t.Fatal(err)
	}
	byID := []types.SecurityGroupRuleDescription{{SecurityGroupRuleId: rules[1].SecurityGroupRuleId, Description: new("outside")}}
	if err := ingress(sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{SecurityGroupRuleDescriptions: byID}); err != nil {
		t.Fatal(err)
	}
	_, err := a.UpdateSecurityGroupRuleDescriptionsEgress(t.Context(), &sdk.UpdateSecurityGroupRuleDescriptionsEgressInput{GroupId: &web, IpPermissions: []types.IpPermission{
		{IpProtocol: new("-1"), IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0"), Description: new("anywhere")}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"0.0.0.0/0 anywhere", "10.0.0.0/8 inside", "11.0.0.0/8 outside"}
	if diff := cmp.Diff(want, described()); diff != "" {
		t.Errorf("descriptions (-want +got):\n%s", diff)
	}
	both := sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{IpPermissions: []types.IpPermission{perm}, SecurityGroupRuleDescriptions: byID}
	wantCode(t, "both", ingress(both), "InvalidParameterCombination", "securityGroupRuleDescriptions")
	wantCode(t, "none", ingress(sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{}), "MissingParameter", "securityGroupRuleDescriptions")
	missing := sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{IpPermissions: []types.IpPermission{tcp(80, "10.0.0.0/8"), tcp(81, "10.0.0.0/8")}}
	wantCode(t, "one that is not there", ingress(missing), "InvalidPermission.NotFound", "does not exist")
	byID[0].Description = new("<b>")
	wantCode(t, "a bad description", ingress(sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{SecurityGroupRuleDescriptions: byID}), "InvalidParameterValue", "Description")
	_, err = a.UpdateSecurityGroupRuleDescriptionsEgress(t.Context(), &sdk.UpdateSecurityGroupRuleDescriptionsEgressInput{
		GroupId: &web, SecurityGroupRuleDescriptions: []types.SecurityGroupRuleDescription{{SecurityGroupRuleId: rules[1].SecurityGroupRuleId}},
	})
	wantCode(t, "of the other direction", err, "InvalidSecurityGroupRuleId.NotFound", *rules[1].SecurityGroupRuleId)
	if diff := cmp.Diff(want, described()); diff != "" {
		t.Errorf("a refused request changed descriptions (-want +got):\n%s", diff)
	}
	byID[0].Description = nil
	if err := ingress(sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{SecurityGroupRuleDescriptions: byID}); err != nil {
		t.Fatal(err)
	}
	if got := described()[2]; got != "11.0.0.0/8 " {
		t.Errorf("without a description: %q", got)
	}
}

func TestVpcAttributes(t *testing.T) {
	t.Parallel()
	a := account(t)
	vpc := records(t, a, ec2.Vpcs)[0].ID
	got := map[types.VpcAttributeName]bool{}
	for _, name := range types.VpcAttributeName("").Values() {
		out, err := a.DescribeVpcAttribute(t.Context(), &sdk.DescribeVpcAttributeInput{VpcId: &vpc, Attribute: name})
		if err != nil || *out.VpcId != vpc {
			t.Fatal(out, err)
		}
		for n, v := range map[types.VpcAttributeName]*types.AttributeBooleanValue{
			types.VpcAttributeNameEnableDnsHostnames: out.EnableDnsHostnames, types.VpcAttributeNameEnableDnsSupport: out.EnableDnsSupport,
			types.VpcAttributeNameEnableNetworkAddressUsageMetrics: out.EnableNetworkAddressUsageMetrics,
		} {
			if (v != nil) != (n == name) {
				t.Errorf("asked for %s, got %s: %v", name, n, v)
			}
			if v != nil {
				got[n] = *v.Value
			}
		}
	}
	want := map[types.VpcAttributeName]bool{"enableDnsHostnames": true, "enableDnsSupport": true, "enableNetworkAddressUsageMetrics": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	_, err := a.DescribeVpcAttribute(t.Context(), &sdk.DescribeVpcAttributeInput{VpcId: new("vpc-0"), Attribute: "enableDnsSupport"})
	wantCode(t, "no VPC", err, "InvalidVpcID.NotFound", "vpc-0")
	on, off := &types.AttributeBooleanValue{Value: new(true)}, &types.AttributeBooleanValue{Value: new(false)}
	for name, tc := range map[string]struct {
		in            sdk.ModifyVpcAttributeInput
		code, message string // none: it is taken
	}{
		"as it is":      {sdk.ModifyVpcAttributeInput{VpcId: &vpc, EnableDnsHostnames: on}, "", ""},
		"metrics off":   {sdk.ModifyVpcAttributeInput{VpcId: &vpc, EnableNetworkAddressUsageMetrics: off}, "", ""},
		"metrics on":    {sdk.ModifyVpcAttributeInput{VpcId: &vpc, EnableNetworkAddressUsageMetrics: on}, "UnsupportedOperation", "enableNetworkAddressUsageMetrics"},
		"two at a time": {sdk.ModifyVpcAttributeInput{VpcId: &vpc, EnableDnsHostnames: on, EnableDnsSupport: on}, "InvalidParameterCombination", "Fields for multiple attribute types specified: enableDnsHostnames, enableDnsSupport"},
		"nothing":       {sdk.ModifyVpcAttributeInput{VpcId: &vpc}, "MissingParameter", "enableDnsSupport"},
		"no VPC":        {sdk.ModifyVpcAttributeInput{VpcId: new("vpc-0"), EnableDnsSupport: off}, "InvalidVpcID.NotFound", "vpc-0"},
	} {
		_, err := a.ModifyVpcAttribute(t.Context(), &tc.in)
		if tc.code != "" {
			wantCode(t, name, err, tc.code, tc.message)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, step := range []struct {
		in   sdk.ModifyVpcAttributeInput
		code string
		want [2]bool // support, names
	}{
		{sdk.ModifyVpcAttributeInput{EnableDnsHostnames: off}, "", [2]bool{true, false}},
		{sdk.ModifyVpcAttributeInput{EnableDnsSupport: off}, "", [2]bool{false, false}},
		{sdk.ModifyVpcAttributeInput{EnableDnsHostnames: on}, "InvalidParameterValue", [2]bool{false, false}},
		{sdk.ModifyVpcAttributeInput{EnableDnsSupport: on}, "", [2]bool{true, false}},
		{sdk.ModifyVpcAttributeInput{EnableDnsHostnames: on}, "", [2]bool{true, true}},
	} {
		step.in.VpcId = &vpc
		_, err := a.ModifyVpcAttribute(t.Context(), &step.in)
		if step.code != "" {
			wantCode(t, "names without an answer", err, step.code, vpc)
		} else if err != nil {
			t.Error(err)
		}
		if v := records(t, a, ec2.Vpcs)[0]; [2]bool{v.DNSSupport, v.DNSHostnames} != step.want {
			t.Errorf("after %+v: support %t, names %t", step.in, v.DNSSupport, v.DNSHostnames)
		}
	}
}

// Every kind of record that EC2 has can be tagged, and is found by its tags.
func TestTagsOfAllKinds(t *testing.T) {
	t.Parallel()
	a := account(t)
	web := createGroup(t, a, "web")
	eni, err := a.CreateInterface(t.Context(), interfaces.Request{SubnetID: firstSubnet(t, a).ID, Owner: "task/1"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		records(t, a, ec2.Vpcs)[0].ID: "vpc", firstSubnet(t, a).ID: "subnet", web: "security-group", eni.ID: "network-interface",
		records(t, a, ec2.RouteTables)[0].ID: "route-table", records(t, a, ec2.InternetGateways)[0].ID: "internet-gateway",
		*authorize(t, a, web, tcp(80, "10.0.0.0/8"))[0].SecurityGroupRuleId: "security-group-rule",
		records(t, a, ec2.NetworkACLs)[0].ID:                                "network-acl", records(t, a, ec2.DHCPOptionSets)[0].ID: "dhcp-options", records(t, a, ec2.PrefixLists)[0].ID: "prefix-list",
	}
	b := build(t, a)
	want[b.nat], want[b.address] = "natgateway", "elastic-ip"
	want[*must(a.CreateVpcEndpoint(t.Context(), &sdk.CreateVpcEndpointInput{VpcId: &b.vpc, ServiceName: new("com.amazonaws.us-west-2.s3")}))(t).VpcEndpoint.VpcEndpointId] = "vpc-endpoint"
	var ids []string
	for id := range want {
		ids = append(ids, id)
	}
	if _, err := a.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: ids, Tags: []types.Tag{{Key: new("k"), Value: new("v")}}}); err != nil {
		t.Fatal(err)
	}
	out, err := a.DescribeTags(t.Context(), &sdk.DescribeTagsInput{Filters: filter("key", "k")})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range out.Tags {
		got[*tag.ResourceId] = string(tag.ResourceType)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if _, err := a.DeleteTags(t.Context(), &sdk.DeleteTagsInput{Resources: ids, Tags: []types.Tag{{Key: new("k")}}}); err != nil {
		t.Fatal(err)
	}
	for _, left := range records(t, a, ec2.TagSets) { // it is remembered that they had some
		if len(left.Tags) != 0 {
			t.Errorf("tags left: %v", left)
		}
	}
	empty := []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup}}
	_, err = a.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{GroupName: new("x"), Description: new("d"), TagSpecifications: empty})
	wantCode(t, "a specification without tags", err, "InvalidParameterValue", "Tag specification must have at least one tag")
}

func TestDescribeRegions(t *testing.T) {
	t.Parallel()
	a := account(t)
	out, err := a.DescribeRegions(t.Context(), &sdk.DescribeRegionsInput{RegionNames: []string{"us-west-2"}, Filters: filter("opt-in-status", "opt-in-not-required", "opted-in")})
	if err != nil || len(out.Regions) != 1 || *out.Regions[0].RegionName != "us-west-2" {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = a.DescribeRegions(t.Context(), &sdk.DescribeRegionsInput{Filters: filter("region-name", "eu-*")})
	if err != nil || len(out.Regions) != 0 {
		t.Errorf("of Europe: %+v, %v", out, err)
	}
	_, err = a.DescribeRegions(t.Context(), &sdk.DescribeRegionsInput{RegionNames: []string{"eu-west-1"}})
	wantCode(t, "another region", err, "InvalidParameterValue", "eu-west-1")
}
