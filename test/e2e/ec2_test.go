package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestEC2(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("defaults", s.testDefaults)
	t.Run("filters", s.testFilters)
	t.Run("groups", s.testGroups)
	t.Run("group changes", s.testGroupChanges)
	t.Run("groups refused", s.testGroupsRefused)
	t.Run("interfaces", s.testInterfaces)
}

// The network that is there from the start.
func (s *stage) testDefaults(t *testing.T) {
	t.Parallel()
	run := func(query string, args ...string) string {
		return s.aws(t, append(append([]string{"ec2"}, args...), "--output", "text", "--query", query)...)
	}
	if got, want := run("Vpcs[].[VpcId,CidrBlock,State]", "describe-vpcs", "--filters", "Name=is-default,Values=true"), s.vpcID+"\t"+s.cidr+"\tavailable"; got != want {
		t.Errorf("describe-vpcs: %s, want %s", got, want)
	}
	zones := region + "a\t" + region + "b\t" + region + "c"
	if got := run("AvailabilityZones[].ZoneName", "describe-availability-zones"); got != zones {
		t.Errorf("describe-availability-zones: %s", got)
	}
	if got := run("sort(Subnets[].AvailabilityZone)", "describe-subnets", "--filters", "Name=default-for-az,Values=true", "Name=vpc-id,Values="+s.vpcID); got != zones {
		t.Errorf("zones of the default subnets: %s", got)
	}
	gateway := run("InternetGateways[].InternetGatewayId", "describe-internet-gateways", "--filters", "Name=attachment.vpc-id,Values="+s.vpcID)
	if got := run("RouteTables[0].Routes[?DestinationCidrBlock=='0.0.0.0/0'].GatewayId", "describe-route-tables", "--filters", "Name=association.main,Values=true"); got != gateway || !strings.HasPrefix(got, "igw-") {
		t.Errorf("the default route goes to %s, the gateway is %s", got, gateway)
	}
	if got := run("SecurityGroups[0].[Description,IpPermissions[0].UserIdGroupPairs[0].UserId,IpPermissionsEgress[0].IpRanges[0].CidrIp]", "describe-security-groups", "--filters", "Name=group-name,Values=default"); got != "default VPC security group\t"+s.account+"\t0.0.0.0/0" {
		t.Errorf("describe-security-groups: %s", got)
	}
	if got := run("length(SecurityGroupRules)", "describe-security-group-rules", "--filters", "Name=group-id,Values="+s.open); got != "2" {
		t.Errorf("describe-security-group-rules: %s", got)
	}
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: &name, Values: values}
}

func (s *stage) testFilters(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	all := must(s.ec2.DescribeSubnets(ctx, nil))(t).Subnets
	if len(all) != 3 {
		t.Fatalf("%d subnets", len(all))
	}
	first := all[0]
	for _, f := range []types.Filter{
		filter("subnet-id", *first.SubnetId), filter("cidr-block", *first.CidrBlock), filter("availability-zone", *first.AvailabilityZone), filter("availability-zone-id", *first.AvailabilityZoneId),
		filter("subnet-arn", *first.SubnetArn), filter("availability-zone", "*"+(*first.AvailabilityZone)[4:]),
	} {
		got := must(s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []types.Filter{f}}))(t).Subnets
		if len(got) != 1 || *got[0].SubnetId != *first.SubnetId {
			t.Errorf("%s=%v: %d subnets", *f.Name, f.Values, len(got))
		}
	}
	for _, f := range []types.Filter{filter("vpc-id", "vpc-0"), filter("state", "pending"), filter("tag:Name", "x"), filter("owner-id", "123456789012")} {
		if got := must(s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []types.Filter{f}}))(t).Subnets; len(got) != 0 {
			t.Errorf("%s=%v: %d subnets", *f.Name, f.Values, len(got))
		}
	}
	_, err := s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []types.Filter{filter("colour", "red")}})
	refused(t, err, "InvalidParameterValue", "colour")
	_, err = s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-0123456789abcdef0"}})
	refused(t, err, "InvalidSubnetID.NotFound", "subnet-0123456789abcdef0")
	_, err = s.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-0123456789abcdef0"}})
	refused(t, err, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0")
	_, err = s.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{DryRun: new(true)})
	refused(t, err, "DryRunOperation", "Request would have succeeded")
	page := must(s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{MaxResults: new(int32(5))}))(t)
	if len(page.Subnets) != 3 || page.NextToken != nil {
		t.Errorf("a page of 5 has %d subnets, token %s", len(page.Subnets), aws.ToString(page.NextToken))
	}
}

// A security group's life as people type it.
func (s *stage) testGroups(t *testing.T) {
	t.Parallel()
	run := func(query string, args ...string) string {
		return s.aws(t, append(append([]string{"ec2"}, args...), "--output", "text", "--query", query)...)
	}
	id := run("GroupId", "create-security-group", "--group-name", "typed", "--description", "typed by hand", "--vpc-id", s.vpcID)
	rule := run("SecurityGroupRules[0].[IsEgress,IpProtocol,FromPort,ToPort,CidrIpv4,Description]", "authorize-security-group-ingress", "--group-id", id,
		"--ip-permissions", "IpProtocol=tcp,FromPort=80,ToPort=81,IpRanges=[{CidrIp=10.0.0.0/8,Description=inside}]")
	if rule != "False\ttcp\t80\t81\t10.0.0.0/8\tinside" {
		t.Errorf("authorize-security-group-ingress: %s", rule)
	}
	run("Return", "authorize-security-group-ingress", "--group-id", id, "--protocol", "tcp", "--port", "22", "--source-group", id)
	run("Return", "authorize-security-group-egress", "--group-id", id, "--protocol", "udp", "--port", "53", "--cidr", "10.0.0.2/32")
	s.awsRefused(t, "InvalidPermission.Duplicate", "already exists", "ec2", "authorize-security-group-ingress", "--group-id", id, "--protocol", "tcp", "--port", "22", "--source-group", id)
	got := run("SecurityGroups[0].[GroupName,length(IpPermissions),length(IpPermissionsEgress)]", "describe-security-groups", "--group-ids", id)
	if got != "typed\t2\t2" {
		t.Errorf("describe-security-groups: %s", got)
	}
	rules := run("SecurityGroupRules[?IsEgress==`false`].SecurityGroupRuleId", "describe-security-group-rules", "--filters", "Name=group-id,Values="+id)
	run("Return", append([]string{"revoke-security-group-ingress", "--group-id", id, "--security-group-rule-ids"}, strings.Fields(rules)...)...)
	run("Return", "revoke-security-group-egress", "--group-id", id, "--protocol", "-1", "--cidr", "0.0.0.0/0")
	if got := run("SecurityGroups[0].[length(IpPermissions),length(IpPermissionsEgress)]", "describe-security-groups", "--filters", "Name=group-name,Values=typed"); got != "0\t1" {
		t.Errorf("after the revocations: %s", got)
	}
	run("@", "delete-security-group", "--group-id", id)
	s.awsRefused(t, "InvalidGroup.NotFound", id, "ec2", "describe-security-groups", "--group-ids", id)
}

func (s *stage) testGroupsRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	used, user := s.groupOf(t, "used"), s.groupOf(t, "user")
	authorize := func(group string, p types.IpPermission) error {
		_, err := s.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []types.IpPermission{p}})
		return err
	}
	if err := authorize(user, fromGroup("tcp", 80, used)); err != nil {
		t.Fatal(err)
	}
	refused(t, authorize(user, fromGroup("tcp", 80, used)), "InvalidPermission.Duplicate", "")
	refused(t, authorize("sg-0123456789abcdef0", fromCIDR("tcp", 80, "0.0.0.0/0")), "InvalidGroup.NotFound", "sg-0123456789abcdef0")
	refused(t, authorize(user, fromGroup("tcp", 80, "sg-0123456789abcdef0")), "InvalidGroup.NotFound", "sg-0123456789abcdef0")
	refused(t, authorize(user, fromCIDR("tcp", 80, "10.0.0.0/33")), "InvalidParameterValue", "10.0.0.0/33")
	refused(t, authorize(user, fromCIDR("tcp", 70000, "10.0.0.0/8")), "InvalidParameterValue", "70000")
	refused(t, authorize(user, fromCIDR("carrier-pigeon", 80, "10.0.0.0/8")), "InvalidParameterValue", "carrier-pigeon")
	create := func(edit func(*ec2.CreateSecurityGroupInput)) error {
		in := &ec2.CreateSecurityGroupInput{GroupName: new("another"), Description: new("d"), VpcId: &s.vpcID}
		edit(in)
		_, err := s.ec2.CreateSecurityGroup(ctx, in)
		return err
	}
	refused(t, create(func(in *ec2.CreateSecurityGroupInput) { in.GroupName = new("used") }), "InvalidGroup.Duplicate", "used")
	refused(t, create(func(in *ec2.CreateSecurityGroupInput) { in.GroupName = new("sg-x") }), "InvalidParameterValue", "sg-")
	refused(t, create(func(in *ec2.CreateSecurityGroupInput) { in.VpcId = new("vpc-0123456789abcdef0") }), "InvalidVpcID.NotFound", "vpc-0123456789abcdef0")

	remove := func(group string) error {
		_, err := s.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &group})
		return err
	}
	refused(t, remove(used), "DependencyViolation", used)
	byDefault := *must(s.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{filter("group-name", "default")}}))(t).SecurityGroups[0].GroupId
	refused(t, remove(byDefault), "CannotDelete", "")
	refused(t, remove("sg-0123456789abcdef0"), "InvalidGroup.NotFound", "sg-0123456789abcdef0")
	if err := remove(user); err != nil {
		t.Error(err)
	}
	if err := remove(used); err != nil {
		t.Error(err)
	}
}

// A task's interface is found by its address, and goes with the task.
func (s *stage) testInterfaces(t *testing.T) {
	t.Parallel()
	group := s.groupOf(t, "interfaces")
	arn, addr := s.serving(t, s.defineProbe(t, "interfaces"), group)
	by := func(f types.Filter) []types.NetworkInterface {
		return must(s.ec2.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{f}}))(t).NetworkInterfaces
	}
	is := by(filter("addresses.private-ip-address", addr))
	if len(is) != 1 {
		t.Fatalf("%d interfaces of %s", len(is), addr)
	}
	n := is[0]
	if n.Status != types.NetworkInterfaceStatusInUse || !aws.ToBool(n.RequesterManaged) || *n.Groups[0].GroupId != group || !slices.Contains(s.subnets(t), *n.SubnetId) {
		t.Errorf("interface: %+v", n)
	}
	if got := by(filter("group-id", group)); len(got) != 1 {
		t.Errorf("%d interfaces of the group", len(got))
	}
	if got := s.aws(t, "ec2", "describe-network-interfaces", "--network-interface-ids", *n.NetworkInterfaceId, "--query", "NetworkInterfaces[0].[PrivateIpAddress,VpcId]", "--output", "text"); got != addr+"\t"+s.vpcID {
		t.Errorf("describe-network-interfaces: %s", got)
	}
	_, err := s.ec2.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &group})
	refused(t, err, "DependencyViolation", group)
	s.aws(t, "ecs", "stop-task", "--task", arn)
	s.reaches(t, arn, "STOPPED")
	if got := by(filter("group-id", group)); len(got) != 0 {
		t.Errorf("%d interfaces of the group after the task stopped", len(got))
	}
	if _, err := s.ec2.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &group}); err != nil {
		t.Error(err)
	}
	takes(t, slowest, "the address is not reachable", func() bool { code, _ := s.ask(fmt.Sprintf("http://%s:8080/", addr)); return code == 0 })
}
