package api

import (
	"slices"
	"strings"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/wire/wiretest"
)

// TestAllFaultsAreToldAtOnce sends calls that are wrong in many places: one message names each, in order.
func TestAllFaultsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	tags := []types.Tag{{Key: new("aws:x")}, {Key: new("k")}, {Key: new("k")}}
	badForward := types.Action{Type: "forward", TargetGroupArn: new("z"), ForwardConfig: &types.ForwardActionConfig{
		TargetGroups:                []types.TargetGroupTuple{{TargetGroupArn: new("x"), Weight: new(int32(1000))}, {TargetGroupArn: new("y")}, {TargetGroupArn: new("y")}},
		TargetGroupStickinessConfig: &types.TargetGroupStickinessConfig{DurationSeconds: new(int32(0))},
	}}
	badFixed := types.Action{Type: "fixed-response", TargetGroupArn: new("g"), FixedResponseConfig: &types.FixedResponseActionConfig{
		StatusCode: new("302"), ContentType: new("image/png"), MessageBody: new(strings.Repeat("a", 1025)),
	}}
	forwardFaults := []string{"604800", "999", "in its forward config", "'x' is not a valid target group ARN", "'y' is not a valid", "'y' is given more than once"}
	fixedFaults := []string{"of 'Actions.1' cannot be", "'302'", "The ContentType must be one of", "'1024' characters"}
	conditions := []types.RuleCondition{
		{Field: new("host-header"), Values: []string{"a", "b/c"}, PathPatternConfig: &types.PathPatternConditionConfig{Values: []string{"/a"}}},
		{Field: new("source-ip")},
		{Values: []string{"/a"}},
		{Field: new("host-header"), Values: []string{"*.*.*.*.test", "*.*.*.test", "e.test", "f.test"}},
	}
	conditionFaults := []string{
		"Only 'HostHeaderConfig' can", "'a' of a 'host-header'", "'b/c' of a 'host-header'", "A condition value must", "must have a field",
		"only have one 'host-header'", "'5' condition values", "'6' condition wildcards",
	}
	check := []string{"enabled must be true", "Health check protocol 'TCP'", "path 'up'", "port 'x'", "interval '10'", "'200-500'"}

	for _, tt := range []struct {
		in    any
		code  string
		words []string
	}{
		{
			&elb.CreateListenerInput{LoadBalancerArn: new("lb"), DefaultActions: []types.Action{{Type: "authenticate-oidc"}, badForward}, Tags: tags, AlpnPolicy: []string{"p"}},
			"ValidationError", slices.Concat(
				[]string{"'lb' is not a valid load balancer ARN", "protocol and a port", "ALPN policies", "'authenticate-oidc' of parameter 'DefaultActions.1.Type'"}, forwardFaults, []string{"'aws:x'", "'k' is given"}),
		},
		{
			&elb.ModifyListenerInput{ListenerArn: new("l"), Protocol: "TCP", SslPolicy: new("p"), DefaultActions: []types.Action{badForward}}, "ValidationError",
			append([]string{"protocol 'TCP'", "SSL policy 'p' not found"}, forwardFaults...),
		},
		{&elb.CreateTargetGroupInput{
			Name: new("a_b"), TargetType: "lambda", Protocol: "TCP", ProtocolVersion: new("HTTP3"), IpAddressType: "ipv6", Tags: tags,
			HealthCheckEnabled: new(false), HealthCheckProtocol: "TCP", HealthCheckPath: new("up"), HealthCheckPort: new("x"),
			HealthCheckIntervalSeconds: new(int32(10)), HealthCheckTimeoutSeconds: new(int32(10)), Matcher: &types.Matcher{HttpCode: new("200-500")},
		}, "ValidationError", slices.Concat([]string{
			"'a_b'", "'TargetType'", "'TCP' of parameter 'Protocol'", "Protocol version", "'IpAddressType'", "A port must", "A VPC ID must", "'aws:x'", "'k' is given",
		}, check)},
		{&elb.ModifyTargetGroupInput{
			TargetGroupArn: new("g"), HealthCheckEnabled: new(false), HealthCheckProtocol: "TCP", HealthCheckPath: new("up"), HealthCheckPort: new("x"),
			HealthCheckIntervalSeconds: new(int32(10)), HealthCheckTimeoutSeconds: new(int32(10)), Matcher: &types.Matcher{HttpCode: new("200-500")},
		}, "ValidationError", check},
		{&elb.CreateLoadBalancerInput{
			Name: new("internal-a_b"), Type: "network", IpAddressType: "dualstack", Tags: tags, Subnets: []string{"a"}, SubnetMappings: []types.SubnetMapping{{SubnetId: new("b")}},
		}, "ValidationError", []string{"'internal-a_b' can only", "cannot begin with 'internal-'", "'Type'", "'IpAddressType'", "'aws:x'", "'k' is given", "not both"}},
		{&elb.CreateLoadBalancerInput{Name: new("a"), Type: "network"}, "InvalidConfigurationRequest", []string{"'Type'", "At least two subnets"}},
		{
			&elb.CreateRuleInput{ListenerArn: new("l"), Priority: new(int32(50000)), Conditions: conditions, Actions: []types.Action{badFixed}, Tags: tags},
			"ValidationError", slices.Concat([]string{"'l' is not a valid listener ARN"}, conditionFaults, fixedFaults, []string{"'aws:x'", "'k' is given"}),
		},
		{
			&elb.ModifyRuleInput{RuleArn: new("r"), Conditions: conditions, Actions: []types.Action{badFixed, badForward}}, "ValidationError",
			slices.Concat(conditionFaults, []string{"exactly one"}, fixedFaults, forwardFaults),
		},
		{&elb.ModifyRuleInput{RuleArn: new("r")}, "ValidationError", []string{"Either conditions or actions"}},
		{
			&elb.RegisterTargetsInput{TargetGroupArn: new("g"), Targets: []types.TargetDescription{{Id: new("x-1")}, {Id: new("10.0.0.1")}, {Id: new("::1")}}},
			"ValidationError",
			[]string{"'g' is not a valid target group ARN", "'x-1'", "'::1'"},
		},
		{
			&elb.DeregisterTargetsInput{TargetGroupArn: new("g"), Targets: []types.TargetDescription{{Id: new("x-1")}, {Id: new("x-2")}}},
			"ValidationError",
			[]string{"'g' is not a valid target group ARN", "'x-1'", "'x-2'"},
		},
		{
			&elb.SetSubnetsInput{LoadBalancerArn: new("g"), IpAddressType: "dualstack", Subnets: []string{"a"}},
			"InvalidConfigurationRequest",
			[]string{"'IpAddressType'", "At least two subnets"},
		},
	} {
		wiretest.Told(t, "elasticloadbalancing", (&API{}).Operations(), tt.in, tt.code, tt.words...)
	}
}

// TestOneNumberOfACheckIsLeftToTheRecord: whether an interval alone is long enough is known of the group.
func TestOneNumberOfACheckIsLeftToTheRecord(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	g := e.group("web")
	must(t, e.ModifyTargetGroup, &elb.ModifyTargetGroupInput{TargetGroupArn: &g, HealthCheckIntervalSeconds: new(int32(300)), HealthCheckTimeoutSeconds: new(int32(100))})
	s, err := wiretest.New("elasticloadbalancing", e.Operations())
	if err != nil {
		t.Fatal(err)
	}
	in := &elb.ModifyTargetGroupInput{TargetGroupArn: &g, HealthCheckTimeoutSeconds: new(int32(110))}
	if _, err := s.Decode(t, in); err != nil {
		t.Error(err)
	}
	must(t, e.ModifyTargetGroup, in)
	refused(t, "ValidationError", "interval '60' must be greater than the timeout '110'", e.ModifyTargetGroup,
		&elb.ModifyTargetGroupInput{TargetGroupArn: &g, HealthCheckIntervalSeconds: new(int32(60))})
}

// TestSayingNothing sends what tools send that have nothing to say.
func TestSayingNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	s, err := wiretest.New("elasticloadbalancing", e.Operations())
	if err != nil {
		t.Fatal(err)
	}
	lb := e.balancer("apps")
	answer := fixed("404")
	answer.TargetGroupArn = new("")
	create := &elb.CreateListenerInput{
		LoadBalancerArn: &lb, Protocol: "HTTP", Port: new(int32(80)), DefaultActions: []types.Action{answer},
		MutualAuthentication: &types.MutualAuthenticationAttributes{Mode: new("off")},
	}
	listener := *must(t, e.CreateListener, create).Listeners[0].ListenerArn
	for _, in := range []any{
		create,
		&elb.ModifyListenerInput{ListenerArn: &listener, MutualAuthentication: &types.MutualAuthenticationAttributes{Mode: new("off")}},
		&elb.CreateLoadBalancerInput{Name: new("a"), Subnets: []string{"a", "b"}, EnablePrefixForIpv6SourceNat: "off"},
		&elb.SetSubnetsInput{LoadBalancerArn: &lb, Subnets: []string{"a", "b"}, EnablePrefixForIpv6SourceNat: "off"},
		&elb.SetSecurityGroupsInput{LoadBalancerArn: &lb, SecurityGroups: []string{"sg-1"}, EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: "off"},
	} {
		if _, err := s.Decode(t, in); err != nil {
			t.Errorf("%T: %v", in, err)
		}
	}
	for _, in := range []any{
		&elb.ModifyListenerInput{ListenerArn: &listener, MutualAuthentication: &types.MutualAuthenticationAttributes{Mode: new("verify")}},
		&elb.SetSubnetsInput{LoadBalancerArn: &lb, Subnets: []string{"a", "b"}, EnablePrefixForIpv6SourceNat: "on"},
		&elb.SetSecurityGroupsInput{LoadBalancerArn: &lb, SecurityGroups: []string{"sg-1"}, EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: "on"},
	} {
		if s.Refusal(t, in) == nil {
			t.Errorf("%T is taken", in)
		}
	}
}
