package e2e

import (
	"strings"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// What tools change of groups and ask of the VPC, by the commands for it.
func (s *stage) testGroupChanges(t *testing.T) {
	t.Parallel()
	run := func(query string, args ...string) string {
		return s.aws(t, append(append([]string{"ec2"}, args...), "--output", "text", "--query", query)...)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	id := run("GroupId", "create-security-group", "--group-name", "changed", "--description", "changed by tools", "--vpc-id", s.vpcID,
		"--tag-specifications", "ResourceType=security-group,Tags=[{Key=team,Value=changes}]")

	// A VPC without IPv6 keeps rules about it, which admit nobody.
	s.awsRefused(t, "InvalidPermission.NotFound", "does not exist in this security group", "ec2", "revoke-security-group-egress", "--group-id", id,
		"--ip-permissions", "IpProtocol=-1,FromPort=0,ToPort=0,Ipv6Ranges=[{CidrIpv6=::/0}]")
	rule := run("SecurityGroupRules[0].SecurityGroupRuleId", "authorize-security-group-ingress", "--group-id", id,
		"--ip-permissions", "IpProtocol=tcp,FromPort=80,ToPort=80,Ipv6Ranges=[{CidrIpv6=::/0,Description=world}]")
	want("ipv6-cidr", run("SecurityGroups[].[GroupId,IpPermissions[0].Ipv6Ranges[0].CidrIpv6]", "describe-security-groups", "--filters", "Name=ip-permission.ipv6-cidr,Values=::/0", "Name=tag:team,Values=changes"), id+"\t::/0")

	run("Return", "modify-security-group-rules", "--group-id", id,
		"--security-group-rules", "SecurityGroupRuleId="+rule+",SecurityGroupRule={IpProtocol=tcp,FromPort=81,ToPort=82,CidrIpv4=10.0.0.0/8,Description=inside}")
	shown := func() string {
		return run("SecurityGroupRules[0].[FromPort,ToPort,CidrIpv4,CidrIpv6,Description]", "describe-security-group-rules", "--security-group-rule-ids", rule)
	}
	want("modified", shown(), "81\t82\t10.0.0.0/8\tNone\tinside")
	run("Return", "update-security-group-rule-descriptions-ingress", "--group-id", id, "--security-group-rule-descriptions", "SecurityGroupRuleId="+rule+",Description=again")
	want("described", shown(), "81\t82\t10.0.0.0/8\tNone\tagain")
	run("Return", "update-security-group-rule-descriptions-egress", "--group-id", id, "--ip-permissions", "IpProtocol=-1,IpRanges=[{CidrIp=0.0.0.0/0,Description=out}]")
	want("described by contents", run("SecurityGroups[0].IpPermissionsEgress[0].IpRanges[0].Description", "describe-security-groups", "--group-ids", id), "out")

	run("@", "create-tags", "--resources", rule, id, "--tags", "Key=step,Value=2")
	want("tags", run("sort(Tags[].ResourceType)", "describe-tags", "--filters", "Name=key,Values=step", "Name=resource-id,Values="+rule+","+id), "security-group\tsecurity-group-rule")
	run("@", "delete-tags", "--resources", rule, id, "--tags", "Key=step")
	want("tags left", run("Tags[].Key", "describe-tags", "--filters", "Name=resource-id,Values="+rule+","+id), "team")

	for attribute, is := range map[string]string{"enableDnsSupport": "True", "enableDnsHostnames": "True", "enableNetworkAddressUsageMetrics": "False"} {
		field := strings.ToUpper(attribute[:1]) + attribute[1:]
		want(attribute, run(field+".Value", "describe-vpc-attribute", "--vpc-id", s.vpcID, "--attribute", attribute), is)
	}
	run("@", "modify-vpc-attribute", "--vpc-id", s.vpcID, "--enable-dns-hostnames", "Value=true")
	s.awsRefused(t, "InvalidGroupId.Malformed", "sg-x", "ec2", "delete-security-group", "--group-id", "sg-x")
	run("@", "delete-security-group", "--group-id", id)
	want("tags of a group that is gone", run("Tags[].Key", "describe-tags", "--filters", "Name=resource-id,Values="+rule+","+id), "")
}

// Requests that AWS refuses, though one could guess what they mean.
func (s *stage) testBalancerCorners(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := s.front(t, "corners", 8115, fixed("200", "ok"))
	pool := s.pool(t, "corners")
	_, err := s.elb.SetSecurityGroups(ctx, &elb.SetSecurityGroupsInput{LoadBalancerArn: &f.balancer, SecurityGroups: []string{}})
	refused(t, err, "ValidationError", "")
	is := must(s.elb.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{f.balancer}}))(t).LoadBalancers[0]
	if len(is.SecurityGroups) != 1 || is.SecurityGroups[0] != s.open {
		t.Errorf("groups of the balancer: %v, want %s as before", is.SecurityGroups, s.open)
	}
	_, err = s.elb.CreateRule(ctx, &elb.CreateRuleInput{
		ListenerArn: &f.listener, Priority: new(int32(1)), Actions: []types.Action{fixed("200", "x")},
		Conditions: []types.RuleCondition{{Field: new("host-header"), Values: []string{"a.test"}, HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{"a.test"}}}},
	})
	refused(t, err, "ValidationError", "You cannot provide both Values and 'HostHeaderConfig' for a condition of type 'host-header'")
	s.awsRefused(t, "ValidationError", "The Availability Zone is required for IP address '100.64.0.9'", "elbv2", "register-targets", "--target-group-arn", pool, "--targets", "Id=100.64.0.9")
	s.aws(t, "elbv2", "register-targets", "--target-group-arn", pool, "--targets", "Id=100.64.0.9,AvailabilityZone=all", "Id="+s.inVPC(201))
	zones := s.aws(t, "elbv2", "describe-target-health", "--target-group-arn", pool, "--output", "text", "--query", "sort(TargetHealthDescriptions[].Target.AvailabilityZone)")
	if want := "all\t" + region + "a"; zones != want {
		t.Errorf("zones of the targets: %q, want %q", zones, want)
	}
}
