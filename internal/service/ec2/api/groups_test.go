package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/interfaces"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

func createGroup(t *testing.T, a env, name string) string {
	t.Helper()
	out, err := a.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{GroupName: &name, Description: new("for " + name)})
	if err != nil {
		t.Fatal(err)
	}
	return *out.GroupId
}

func tcp(port int32, cidrs ...string) types.IpPermission {
	p := types.IpPermission{IpProtocol: new("tcp"), FromPort: &port, ToPort: &port}
	for _, c := range cidrs {
		p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: &c})
	}
	return p
}

func fromGroup(port int32, id string) types.IpPermission {
	return types.IpPermission{IpProtocol: new("tcp"), FromPort: &port, ToPort: &port, UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &id}}}
}

// all6 is everything from ranges of IPv6.
func all6(cidrs ...string) types.IpPermission {
	p := types.IpPermission{IpProtocol: new("-1")}
	for _, c := range cidrs {
		p.Ipv6Ranges = append(p.Ipv6Ranges, types.Ipv6Range{CidrIpv6: &c})
	}
	return p
}

func authorize(t *testing.T, a env, group string, perms ...types.IpPermission) []types.SecurityGroupRule {
	t.Helper()
	out, err := a.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: perms})
	if err != nil {
		t.Fatal(err)
	}
	return out.SecurityGroupRules
}

// rulesOf lists what a group admits, in EC2's words.
func rulesOf(t *testing.T, a env, group string) (out []string) {
	t.Helper()
	for _, g := range records(t, a, ec2.SecurityGroups) {
		for _, r := range g.Rules {
			if g.ID == group {
				side := "in "
				if r.Egress {
					side = "out "
				}
				out = append(out, side+r.String())
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestCreateSecurityGroup(t *testing.T) {
	t.Parallel()
	a := account(t)
	out, err := a.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{
		GroupName: new("web"), Description: new("the web"),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: []types.Tag{{Key: new("Name"), Value: new("w")}}}},
	})
	if err != nil || !strings.HasPrefix(*out.GroupId, "sg-") || len(*out.GroupId) != 20 || len(out.Tags) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if want := "arn:aws:ec2:us-west-2:123456789012:security-group/" + *out.GroupId; *out.SecurityGroupArn != want {
		t.Errorf("ARN %s, want %s", *out.SecurityGroupArn, want)
	}
	if got := rulesOf(t, a, *out.GroupId); len(got) != 1 || got[0] != "out peer: 0.0.0.0/0, ALL, ALLOW" {
		t.Errorf("rules %v, want all egress", got)
	}
	byTag, err := a.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{Filters: filter("tag-key", "Name")})
	if err != nil || len(byTag.SecurityGroups) != 1 || len(byTag.SecurityGroups[0].Tags) != 1 {
		t.Errorf("by tag: %+v, %v", byTag, err)
	}
	for name, tc := range map[string]struct {
		in            sdk.CreateSecurityGroupInput
		code, message string
	}{
		"duplicate":     {sdk.CreateSecurityGroupInput{GroupName: new("web"), Description: new("d")}, "InvalidGroup.Duplicate", "The security group 'web' already exists for VPC 'vpc-"},
		"another case":  {sdk.CreateSecurityGroupInput{GroupName: new("WEB"), Description: new("d")}, "InvalidGroup.Duplicate", "'WEB'"},
		"blanks":        {sdk.CreateSecurityGroupInput{GroupName: new("web  "), Description: new("d")}, "InvalidGroup.Duplicate", "'web'"},
		"reserved":      {sdk.CreateSecurityGroupInput{GroupName: new("default"), Description: new("d")}, "InvalidGroup.Reserved", "default"},
		"like an id":    {sdk.CreateSecurityGroupInput{GroupName: new("sg-web"), Description: new("d")}, "InvalidParameterValue", "may not be in the format sg-*"},
		"not ASCII":     {sdk.CreateSecurityGroupInput{GroupName: new("wéb"), Description: new("d")}, "InvalidParameterValue", "GroupName"},
		"too long":      {sdk.CreateSecurityGroupInput{GroupName: new(strings.Repeat("w", 256)), Description: new("d")}, "InvalidParameterValue", "255"},
		"description":   {sdk.CreateSecurityGroupInput{GroupName: new("x"), Description: new("<b>")}, "InvalidParameterValue", "GroupDescription"},
		"no name":       {sdk.CreateSecurityGroupInput{Description: new("d")}, "MissingParameter", "GroupName"},
		"another VPC":   {sdk.CreateSecurityGroupInput{GroupName: new("x"), Description: new("d"), VpcId: new("vpc-0")}, "InvalidVpcID.NotFound", "vpc-0"},
		"dry run":       {sdk.CreateSecurityGroupInput{GroupName: new("x"), Description: new("d"), DryRun: new(true)}, "DryRunOperation", "would have succeeded"},
		"tags of a VPC": {sdk.CreateSecurityGroupInput{GroupName: new("x"), Description: new("d"), TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpc}}}, "InvalidParameterValue", "'vpc'"},
	} {
		_, err := a.CreateSecurityGroup(t.Context(), &tc.in)
		wantCode(t, name, err, tc.code, tc.message)
	}
	if n := len(records(t, a, ec2.SecurityGroups)); n != 2 {
		t.Errorf("%d groups, want the default one and web", n)
	}
}

func TestDeleteSecurityGroup(t *testing.T) {
	t.Parallel()
	a := account(t)
	web, db, idle := createGroup(t, a, "web"), createGroup(t, a, "db"), createGroup(t, a, "idle")
	authorize(t, a, db, fromGroup(5432, web))
	authorize(t, a, idle, fromGroup(80, idle))
	subnets, err := a.DefaultSubnets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eni, err := a.CreateInterface(t.Context(), interfaces.Request{SubnetID: subnets[0].ID, Groups: []string{db}, Owner: "task/1"})
	if err != nil {
		t.Fatal(err)
	}
	remove := func(id string) error {
		_, err := a.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: &id})
		return err
	}
	wantCode(t, "referred to", remove(web), "DependencyViolation", "resource "+web+" has a dependent object")
	wantCode(t, "in use", remove(db), "DependencyViolation", db)
	if err := remove(idle); err != nil {
		t.Errorf("one that refers to itself: %v", err)
	}
	if err := a.DeleteInterface(t.Context(), eni.ID); err != nil {
		t.Fatal(err)
	}
	if err := remove(db); err != nil {
		t.Errorf("after its member went: %v", err)
	}
	if _, err := a.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupName: new("web")}); err != nil {
		t.Errorf("by name: %v", err)
	}
	wantCode(t, "twice", remove(web), "InvalidGroup.NotFound", web)
	_, err = a.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupName: new("default")})
	wantCode(t, "the default group", err, "CannotDelete", `name: "default" cannot be deleted by a user`)
	_, err = a.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{})
	wantCode(t, "none", err, "MissingParameter", "")
	if left := records(t, a, ec2.TagSets); len(left) != 0 {
		t.Errorf("tags left: %v", left)
	}
}

func TestAuthorizeForms(t *testing.T) {
	t.Parallel()
	a := account(t)
	web, alb := createGroup(t, a, "web"), createGroup(t, a, "alb")
	for _, in := range []sdk.AuthorizeSecurityGroupIngressInput{
		{GroupName: new("web"), IpProtocol: new("tcp"), FromPort: new(int32(22)), ToPort: new(int32(22)), CidrIp: new("10.0.0.9/8")},
		{GroupId: &web, SourceSecurityGroupName: new("alb")},
		{GroupId: &web, IpPermissions: []types.IpPermission{
			tcp(80, "10.1.0.0/16", "10.2.0.0/16"), fromGroup(80, alb),
			{IpProtocol: new("17"), FromPort: new(int32(53)), ToPort: new(int32(53)), IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0"), Description: new("DNS")}}},
			{IpProtocol: new("ICMP"), FromPort: new(int32(8)), ToPort: new(int32(-1)), IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0")}}},
			{IpProtocol: new("-1"), FromPort: new(int32(1)), ToPort: new(int32(2)), UserIdGroupPairs: []types.UserIdGroupPair{{GroupName: new("web"), UserId: new("123456789012")}}},
			{IpProtocol: new("50"), IpRanges: []types.IpRange{{CidrIp: new("10.0.0.1/32")}}},
		}},
	} {
		if _, err := a.AuthorizeSecurityGroupIngress(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"in peer: 0.0.0.0/0, ICMP, type: 8, code: -1, ALLOW",
		"in peer: 0.0.0.0/0, UDP, from port: 53, to port: 53, ALLOW",
		"in peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW",
		"in peer: 10.0.0.1/32, protocol: 50, ALLOW",
		"in peer: 10.1.0.0/16, TCP, from port: 80, to port: 80, ALLOW",
		"in peer: 10.2.0.0/16, TCP, from port: 80, to port: 80, ALLOW",
		"in peer: ALB, ICMP, type: -1, code: -1, ALLOW",
		"in peer: ALB, TCP, from port: 0, to port: 65535, ALLOW",
		"in peer: ALB, TCP, from port: 80, to port: 80, ALLOW",
		"in peer: ALB, UDP, from port: 0, to port: 65535, ALLOW",
		"in peer: WEB, ALL, ALLOW",
		"out peer: 0.0.0.0/0, ALL, ALLOW",
	}
	got := rulesOf(t, a, web)
	for i := range got {
		got[i] = strings.NewReplacer(alb, "ALB", web, "WEB").Replace(got[i])
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	out, err := a.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{GroupIds: []string{web}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(out.SecurityGroups[0].IpPermissions); n != 9 {
		t.Errorf("%d permissions, want the rules grouped by protocol and ports into 9", n)
	}
}

func TestAuthorizeEgress(t *testing.T) {
	t.Parallel()
	a := account(t)
	web := createGroup(t, a, "web")
	out, err := a.AuthorizeSecurityGroupEgress(t.Context(), &sdk.AuthorizeSecurityGroupEgressInput{
		GroupId: &web, IpPermissions: []types.IpPermission{tcp(443, "10.0.0.0/8")},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroupRule, Tags: []types.Tag{{Key: new("why"), Value: new("api")}}}},
	})
	if err != nil || len(out.SecurityGroupRules) != 1 || !*out.SecurityGroupRules[0].IsEgress || len(out.SecurityGroupRules[0].Tags) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	rules, err := a.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{Filters: filter("tag:why", "api")})
	if err != nil || len(rules.SecurityGroupRules) != 1 || *rules.SecurityGroupRules[0].SecurityGroupRuleId != *out.SecurityGroupRules[0].SecurityGroupRuleId {
		t.Errorf("by tag: %+v, %v", rules, err)
	}
	err = wiretest.Refusal(t, "ec2", a.Operations(), &sdk.AuthorizeSecurityGroupEgressInput{GroupId: &web, CidrIp: new("10.0.0.0/8")})
	wantCode(t, "the flat form", err, "UnsupportedOperation", "CidrIp")
	_, err = a.RevokeSecurityGroupEgress(t.Context(), &sdk.RevokeSecurityGroupEgressInput{GroupId: &web, IpPermissions: []types.IpPermission{
		{IpProtocol: new("-1"), IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0")}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := rulesOf(t, a, web); len(got) != 1 || got[0] != "out peer: 10.0.0.0/8, TCP, from port: 443, to port: 443, ALLOW" {
		t.Errorf("rules left %v", got)
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	t.Parallel()
	a := account(t)
	web := createGroup(t, a, "web")
	authorize(t, a, web, tcp(80, "0.0.0.0/0"))
	before := rulesOf(t, a, web)
	perm := func(protocol string, from, to int32, cidr string) types.IpPermission {
		return types.IpPermission{IpProtocol: &protocol, FromPort: &from, ToPort: &to, IpRanges: []types.IpRange{{CidrIp: &cidr}}}
	}
	for name, tc := range map[string]struct {
		perms         []types.IpPermission
		code, message string
	}{
		"duplicate":       {[]types.IpPermission{tcp(81, "0.0.0.0/0"), tcp(80, "0.0.0.0/0")}, "InvalidPermission.Duplicate", `the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists`},
		"twice":           {[]types.IpPermission{tcp(81, "10.0.0.0/8", "10.0.0.1/8")}, "InvalidParameterValue", "must not appear multiple times"},
		"bad range":       {[]types.IpPermission{perm("tcp", 1, 1, "10.0.0.0/33")}, "InvalidParameterValue", "CIDR block 10.0.0.0/33 is malformed"},
		"bad address":     {[]types.IpPermission{perm("tcp", 1, 1, "10.0.0.0")}, "InvalidParameterValue", "CIDR block 10.0.0.0 is malformed"},
		"IPv6 range":      {[]types.IpPermission{perm("tcp", 1, 1, "::/0")}, "InvalidParameterValue", "malformed"},
		"port":            {[]types.IpPermission{perm("tcp", 1, 65536, "10.0.0.0/8")}, "InvalidParameterValue", "TCP/UDP port (65536) out of range"},
		"negative port":   {[]types.IpPermission{perm("udp", -1, -1, "10.0.0.0/8")}, "InvalidParameterValue", "TCP/UDP port (-1) out of range"},
		"backwards":       {[]types.IpPermission{perm("tcp", 90, 80, "10.0.0.0/8")}, "InvalidParameterValue", "(90, 80)"},
		"no ports":        {[]types.IpPermission{{IpProtocol: new("tcp"), IpRanges: []types.IpRange{{CidrIp: new("10.0.0.0/8")}}}}, "InvalidParameterValue", "Must specify both from and to ports with TCP/UDP."},
		"no icmp type":    {[]types.IpPermission{{IpProtocol: new("icmp"), ToPort: new(int32(-1)), IpRanges: []types.IpRange{{CidrIp: new("10.0.0.0/8")}}}}, "InvalidParameterValue", "Must specify both from and to ports with ICMP."},
		"icmp type":       {[]types.IpPermission{perm("icmp", 256, -1, "10.0.0.0/8")}, "InvalidParameterValue", "ICMP type (256) out of range"},
		"icmp code":       {[]types.IpPermission{perm("icmp", -1, 3, "10.0.0.0/8")}, "InvalidParameterValue", "ICMP code (3) out of range"},
		"protocol":        {[]types.IpPermission{perm("sctpx", 1, 1, "10.0.0.0/8")}, "InvalidParameterValue", "Invalid value 'sctpx' for IP protocol. Unknown protocol."},
		"protocol number": {[]types.IpPermission{perm("256", 1, 1, "10.0.0.0/8")}, "InvalidParameterValue", "'256'"},
		"no protocol":     {[]types.IpPermission{{IpRanges: []types.IpRange{{CidrIp: new("10.0.0.0/8")}}}}, "MissingParameter", "ipProtocol"},
		"malformed group": {[]types.IpPermission{fromGroup(80, "sg-x")}, "InvalidGroupId.Malformed", "sg-x"},
		"icmpv6 code":     {[]types.IpPermission{perm("58", -1, 3, "10.0.0.0/8")}, "InvalidParameterValue", "ICMP code (3) out of range"},
		"IPv4 as IPv6":    {[]types.IpPermission{all6("10.0.0.0/8")}, "InvalidParameterValue", "CIDR block 10.0.0.0/8 is malformed"},
		"mapped IPv4":     {[]types.IpPermission{all6("::ffff:10.0.0.0/104")}, "InvalidParameterValue", "malformed"},
		"bad IPv6 range":  {[]types.IpPermission{all6("fd00::/129")}, "InvalidParameterValue", "CIDR block fd00::/129 is malformed"},
		"prefix list":     {[]types.IpPermission{{IpProtocol: new("-1"), PrefixListIds: []types.PrefixListId{{PrefixListId: new("pl-1")}}}}, "InvalidPrefixListId.Malformed", "pl-1"},
		"no peer":         {[]types.IpPermission{{IpProtocol: new("-1")}}, "MissingParameter", "ipRanges, ipv6Ranges, prefixListIds or groups"},
		"unknown group":   {[]types.IpPermission{fromGroup(80, "sg-0123456789abcdef0")}, "InvalidGroup.NotFound", "sg-0123456789abcdef0"},
		"another account": {[]types.IpPermission{{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &web, UserId: new("210987654321")}}}}, "InvalidGroup.NotFound", "210987654321"},
		"peering":         {[]types.IpPermission{{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &web, VpcPeeringConnectionId: new("pcx-1")}}}}, "UnsupportedOperation", "VpcPeeringConnectionId"},
		"description":     {[]types.IpPermission{{IpProtocol: new("-1"), IpRanges: []types.IpRange{{CidrIp: new("10.0.0.0/8"), Description: new("é")}}}}, "InvalidParameterValue", "Description"},
		"nothing":         {nil, "MissingParameter", "ipPermissions"},
	} {
		in := &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: tc.perms}
		err := wiretest.Refusal(t, "ec2", a.Operations(), in)
		if err == nil {
			_, err = a.AuthorizeSecurityGroupIngress(t.Context(), in)
		}
		wantCode(t, name, err, tc.code, tc.message)
	}
	_, err := a.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: []types.IpPermission{tcp(81, "10.0.0.0/8")}, CidrIp: new("10.0.0.0/8"), IpProtocol: new("-1")})
	wantCode(t, "both forms", err, "InvalidParameterCombination", "ipPermissions")
	if diff := cmp.Diff(before, rulesOf(t, a, web)); diff != "" {
		t.Errorf("a refused request changed the group:\n%s", diff)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	a := account(t)
	web := createGroup(t, a, "web")
	rules := authorize(t, a, web, tcp(80, "10.0.0.0/8", "11.0.0.0/8"), tcp(443, "0.0.0.0/0"))
	revoke := func(in sdk.RevokeSecurityGroupIngressInput) (*sdk.RevokeSecurityGroupIngressOutput, error) {
		in.GroupId = &web
		return a.RevokeSecurityGroupIngress(t.Context(), &in)
	}
	_, err := revoke(sdk.RevokeSecurityGroupIngressInput{IpPermissions: []types.IpPermission{tcp(443, "0.0.0.0/0"), tcp(444, "0.0.0.0/0")}})
	wantCode(t, "one that is not there", err, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
	out, err := revoke(sdk.RevokeSecurityGroupIngressInput{SecurityGroupRuleIds: []string{*rules[0].SecurityGroupRuleId}})
	if err != nil || len(out.RevokedSecurityGroupRules) != 1 || *out.RevokedSecurityGroupRules[0].CidrIpv4 != "10.0.0.0/8" {
		t.Fatalf("by id: %+v, %v", out, err)
	}
	_, err = revoke(sdk.RevokeSecurityGroupIngressInput{SecurityGroupRuleIds: []string{*rules[0].SecurityGroupRuleId}})
	wantCode(t, "twice", err, "InvalidSecurityGroupRuleId.NotFound", *rules[0].SecurityGroupRuleId)
	if _, err := revoke(sdk.RevokeSecurityGroupIngressInput{IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)), CidrIp: new("11.0.0.0/8")}); err != nil {
		t.Errorf("flat: %v", err)
	}
	// A description need not be given, nor need it be the same.
	withDescription := tcp(443, "0.0.0.0/0")
	withDescription.IpRanges[0].Description = new("whatever")
	if _, err := revoke(sdk.RevokeSecurityGroupIngressInput{IpPermissions: []types.IpPermission{withDescription}}); err != nil {
		t.Errorf("with a description: %v", err)
	}
	if got := rulesOf(t, a, web); len(got) != 1 {
		t.Errorf("rules left: %v, want egress alone", got)
	}
	_, err = revoke(sdk.RevokeSecurityGroupIngressInput{})
	wantCode(t, "nothing", err, "MissingParameter", "")
}

func TestGroupFilters(t *testing.T) {
	t.Parallel()
	a := account(t)
	web, db := createGroup(t, a, "web"), createGroup(t, a, "db")
	authorize(t, a, web, tcp(80, "10.0.0.0/8"), all6("fd00::/8"))
	authorize(t, a, db, fromGroup(5432, web))
	for _, tc := range []struct{ name, value, want string }{
		{"group-name", "w*", "web"},
		{"description", "for db", "db"},
		{"group-id", web, "web"},
		{"ip-permission.cidr", "10.0.0.0/8", "web"},
		{"ip-permission.from-port", "5432", "db"},
		{"ip-permission.to-port", "80", "web"},
		{"ip-permission.protocol", "tcp", "db web"},
		{"ip-permission.group-id", web, "db"},
		{"ip-permission.group-name", "web", "db"},
		{"ip-permission.user-id", testNS.Account, "db default"},
		{"egress.ip-permission.cidr", "0.0.0.0/0", "db default web"},
		{"egress.ip-permission.protocol", "tcp", ""},
		{"ip-permission.ipv6-cidr", "fd00::/8", "web"},
		{"egress.ip-permission.ipv6-cidr", "*", ""},
		{"ip-permission.cidr", "*", "web"},
		{"owner-id", testNS.Account, "db default web"},
		{"vpc-id", "vpc-*", "db default web"},
	} {
		out, err := a.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{Filters: filter(tc.name, tc.value)})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		var got []string
		for _, g := range out.SecurityGroups {
			got = append(got, *g.GroupName)
		}
		slices.Sort(got)
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%s=%s: %q, want %q", tc.name, tc.value, s, tc.want)
		}
	}
	rules, err := a.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{Filters: filter("group-id", db)})
	if err != nil || len(rules.SecurityGroupRules) != 2 {
		t.Errorf("rules of db: %+v, %v, want two", rules, err)
	}
}

func TestProtocolNumber(t *testing.T) {
	t.Parallel()
	got := ""
	for _, p := range []string{"tcp", "udp", "icmp", "-1", "50"} {
		got += fmt.Sprint(ec2.ProtocolNumber(p), " ")
	}
	if got != "6 17 1 -1 50 " {
		t.Errorf("got %s", got)
	}
}
