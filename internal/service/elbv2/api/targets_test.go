package api

import (
	"strings"
	"testing"
	"time"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
)

func TestTargetGroups(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb := e.balancer("apps")
	got := must(t, e.CreateTargetGroup, groupInput("web")).TargetGroups[0]
	want := types.TargetGroup{
		TargetGroupArn: got.TargetGroupArn, TargetGroupName: new("web"), Protocol: "HTTP", ProtocolVersion: new("HTTP1"), Port: new(int32(8080)),
		VpcId: new("vpc-1"), TargetType: "ip", IpAddressType: "ipv4", LoadBalancerArns: []string{}, HealthCheckEnabled: new(true),
		HealthCheckProtocol: "HTTP", HealthCheckPath: new("/"), HealthCheckPort: new("traffic-port"), HealthCheckIntervalSeconds: new(int32(30)),
		HealthCheckTimeoutSeconds: new(int32(5)), HealthyThresholdCount: new(int32(5)), UnhealthyThresholdCount: new(int32(2)), Matcher: &types.Matcher{HttpCode: new("200")},
	}
	if diff := cmp.Diff(want, got, exact); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if again := must(t, e.CreateTargetGroup, groupInput("web")).TargetGroups[0]; *again.TargetGroupArn != *got.TargetGroupArn {
		t.Error("created twice")
	}
	e.listener(lb, 80, forward(*got.TargetGroupArn))
	modified := must(t, e.ModifyTargetGroup, &elb.ModifyTargetGroupInput{TargetGroupArn: got.TargetGroupArn, HealthCheckPath: new("/up"), Matcher: &types.Matcher{HttpCode: new("200-299,301")}})
	want.HealthCheckPath, want.Matcher, want.LoadBalancerArns = new("/up"), &types.Matcher{HttpCode: new("200-299,301")}, []string{lb}
	for _, in := range []*elb.DescribeTargetGroupsInput{{}, {Names: []string{"web"}}, {LoadBalancerArn: &lb}, {TargetGroupArns: []string{*got.TargetGroupArn}}} {
		if diff := cmp.Diff([]types.TargetGroup{want}, must(t, e.DescribeTargetGroups, in).TargetGroups, exact); diff != "" {
			t.Errorf("described by %+v (-want +got):\n%s", in, diff)
		}
	}
	if diff := cmp.Diff(want, modified.TargetGroups[0], exact); diff != "" {
		t.Errorf("modified (-want +got):\n%s", diff)
	}
	empty := groupInput("empty") // as Terraform sends what is not set
	empty.ProtocolVersion, empty.HealthCheckPath, empty.Matcher = new(""), new(""), &types.Matcher{HttpCode: new(""), GrpcCode: new("")}
	if is := must(t, e.CreateTargetGroup, empty).TargetGroups[0]; *is.HealthCheckPath != "/" || *is.ProtocolVersion != "HTTP1" || *is.Matcher.HttpCode != "200" {
		t.Errorf("empty strings are values: %+v", is)
	}
	must(t, e.ModifyTargetGroup, &elb.ModifyTargetGroupInput{TargetGroupArn: got.TargetGroupArn, HealthCheckPath: new(""), HealthCheckPort: new(""), Matcher: &types.Matcher{}})
	if is := must(t, e.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{Names: []string{"web"}}).TargetGroups; !cmp.Equal(is, []types.TargetGroup{want}, exact) {
		t.Errorf("empty strings changed %+v", is)
	}
	encrypted := groupInput("encrypted")
	encrypted.Protocol, encrypted.HealthCheckProtocol = "HTTPS", "HTTPS"
	for range 2 {
		if is := must(t, e.CreateTargetGroup, encrypted).TargetGroups[0]; is.Protocol != "HTTPS" || is.HealthCheckProtocol != "HTTPS" {
			t.Errorf("over HTTPS: %+v", is)
		}
	}
	if is := must(t, e.ModifyTargetGroup, &elb.ModifyTargetGroupInput{TargetGroupArn: got.TargetGroupArn, HealthCheckProtocol: "HTTPS"}).TargetGroups[0]; is.Protocol != "HTTP" || is.HealthCheckProtocol != "HTTPS" {
		t.Errorf("checked over HTTPS: %+v", is)
	}
	calls := groupInput("calls")
	calls.ProtocolVersion = new("GRPC")
	for range 2 {
		if is := must(t, e.CreateTargetGroup, calls).TargetGroups[0]; *is.ProtocolVersion != "GRPC" || *is.HealthCheckPath != "/AWS.ALB/healthcheck" || *is.Matcher.GrpcCode != "12" || is.Matcher.HttpCode != nil {
			t.Errorf("of gRPC: %+v", is)
		}
	}
	grpc := must(t, e.CreateTargetGroup, calls).TargetGroups[0].TargetGroupArn
	if is := must(t, e.ModifyTargetGroup, &elb.ModifyTargetGroupInput{TargetGroupArn: grpc, Matcher: &types.Matcher{GrpcCode: new("0-5,12")}}).TargetGroups[0]; *is.Matcher.GrpcCode != "0-5,12" {
		t.Errorf("of gRPC: %+v", is)
	}
	refused(t, "ValidationError", "GRPC code cannot be empty", e.ModifyTargetGroup, &elb.ModifyTargetGroupInput{TargetGroupArn: grpc, Matcher: &types.Matcher{HttpCode: new("200")}})
	refused(t, "InvalidLoadBalancerAction", "Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'GRPC'",
		e.CreateListener, &elb.CreateListenerInput{LoadBalancerArn: &lb, Protocol: "HTTP", Port: new(int32(81)), DefaultActions: []types.Action{forward(*grpc)}})
	refused(t, "DuplicateTargetGroupName", "'web'", e.CreateTargetGroup, groupInput("web"))
	refused(t, "TargetGroupNotFound", "One or more", e.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{Names: []string{"nope"}})
}

func TestCreateTargetGroupRefuses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, tt := range []struct {
		code, words string
		change      func(*elb.CreateTargetGroupInput)
	}{
		{"InvalidConfigurationRequest", "'lambda' of parameter 'TargetType'", func(in *elb.CreateTargetGroupInput) { in.TargetType = "lambda" }},
		{"InvalidConfigurationRequest", "'alb' of parameter 'TargetType'", func(in *elb.CreateTargetGroupInput) { in.TargetType = "alb" }},
		{"InvalidConfigurationRequest", "'TCP' of parameter 'Protocol'", func(in *elb.CreateTargetGroupInput) { in.Protocol = "TCP" }},
		{"ValidationError", "'HTTP3'", func(in *elb.CreateTargetGroupInput) { in.ProtocolVersion = new("HTTP3") }},
		{"InvalidConfigurationRequest", "'TargetControlPort'", func(in *elb.CreateTargetGroupInput) { in.TargetControlPort = new(int32(1)) }},
		{"ValidationError", "GRPC code '101' must be within '0-99'", func(in *elb.CreateTargetGroupInput) {
			in.ProtocolVersion, in.Matcher = new("GRPC"), &types.Matcher{GrpcCode: new("101")}
		}},
		{"ValidationError", "GRPC code cannot be empty", func(in *elb.CreateTargetGroupInput) {
			in.ProtocolVersion, in.Matcher = new("GRPC"), &types.Matcher{HttpCode: new("200")}
		}},
		{"ValidationError", "HTTP code cannot be empty", func(in *elb.CreateTargetGroupInput) { in.Matcher = &types.Matcher{GrpcCode: new("0")} }},
		{"ValidationError", "port must be specified", func(in *elb.CreateTargetGroupInput) { in.Port = nil }},
		{"ValidationError", "VPC ID must", func(in *elb.CreateTargetGroupInput) { in.VpcId = nil }},
		{"ValidationError", "'vpc-9' is not found", func(in *elb.CreateTargetGroupInput) { in.VpcId = new("vpc-9") }},
		{"ValidationError", "Health check path 'up'", func(in *elb.CreateTargetGroupInput) { in.HealthCheckPath = new("up") }},
		{"ValidationError", "'x'", func(in *elb.CreateTargetGroupInput) { in.HealthCheckPort = new("x") }},
		{"ValidationError", "interval '5'", func(in *elb.CreateTargetGroupInput) { in.HealthCheckIntervalSeconds = new(int32(5)) }},
		{"ValidationError", "'200-500'", func(in *elb.CreateTargetGroupInput) { in.Matcher = &types.Matcher{HttpCode: new("200-500")} }},
		{"ValidationError", "'300-200'", func(in *elb.CreateTargetGroupInput) { in.Matcher = &types.Matcher{HttpCode: new("300-200")} }},
		{"ValidationError", "must be true", func(in *elb.CreateTargetGroupInput) { in.HealthCheckEnabled = new(false) }},
	} {
		in := groupInput("web")
		tt.change(in)
		refused(t, tt.code, tt.words, e.CreateTargetGroup, in)
	}
}

func TestTargetGroupAttributes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	g := e.group("web")
	modify := func(key, value string) *elb.ModifyTargetGroupAttributesInput {
		return &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &g, Attributes: []types.TargetGroupAttribute{{Key: &key, Value: &value}}}
	}
	must(t, e.ModifyTargetGroupAttributes, modify(elbv2.DeregistrationDelay, "5"))
	for key, values := range map[string][]string{
		elbv2.SlowStart: {"30", "900", "0", "!29", "!901", "!"}, elbv2.StickinessType: {"app_cookie", "lb_cookie", "!none"}, elbv2.AppCookieName: {"session", "", "!AWSALBX", "!a;b"},
		elbv2.BalancerCookieTime: {"1", "604800", "!0"}, elbv2.RoutingCount: {"!off", "!0", "!1001"}, elbv2.RoutingPercentage: {"off", "!0", "!101"}, elbv2.FailoverCount: {"2", "1000", "off"},
		elbv2.CrossZone: {"true", "false", "use_load_balancer_configuration", "!maybe"}, elbv2.AnomalyMitigation: {"off", "!true"}, elbv2.Algorithm: {"least_outstanding_requests", "round_robin", "!first"},
	} {
		for _, v := range values {
			if bad, ok := strings.CutPrefix(v, "!"); ok {
				refused(t, "ValidationError", "'"+bad+"'", e.ModifyTargetGroupAttributes, modify(key, bad))
				continue
			}
			must(t, e.ModifyTargetGroupAttributes, modify(key, v))
		}
	}
	refused(t, "ValidationError", "'3601'", e.ModifyTargetGroupAttributes, modify(elbv2.DeregistrationDelay, "3601"))
	got := make(map[string]string)
	for _, a := range must(t, e.DescribeTargetGroupAttributes, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: &g}).Attributes {
		got[*a.Key] = *a.Value
	}
	if len(got) != len(elbv2.TargetGroupAttributes) || got[elbv2.DeregistrationDelay] != "5" || got["load_balancing.algorithm.type"] != "round_robin" {
		t.Errorf("attributes: %v", got)
	}
}

// TestAttributesThatDoNotGoTogether sets several attributes at once.
func TestAttributesThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	for words, pairs := range map[string][]string{
		"application cookie name":                {"stickiness.enabled", "true", "stickiness.type", "app_cookie"},
		"'source_ip' is not supported":           {"stickiness.type", "source_ip"},
		"cross-zone load balancing is off":       {"stickiness.enabled", "true", "load_balancing.cross_zone.enabled", "false"},
		"stickiness on target groups with":       {"stickiness.enabled", "true", "load_balancing.algorithm.type", "weighted_random"},
		"slow start on target groups with":       {"slow_start.duration_seconds", "30", "load_balancing.algorithm.type", "least_outstanding_requests"},
		"anomaly mitigation on target groups":    {"load_balancing.algorithm.anomaly_mitigation", "on"},
		"cannot be lower than those":             {elbv2.RoutingCount, "3", elbv2.FailoverCount, "2"},
		"cannot be lower":                        {elbv2.RoutingPercentage, "50", elbv2.FailoverPercentage, "49"},
		"":                                       {elbv2.RoutingPercentage, "50", elbv2.FailoverPercentage, "off", elbv2.RoutingCount, "2", elbv2.FailoverCount, "off"},
		"with the Availability Zone 'all'":       {"load_balancing.cross_zone.enabled", "false"},
		"must enable group stickiness on a rule": {"stickiness.enabled", "true"},
	} {
		e := newEnv(t)
		g, other := e.group("web"), e.group("other")
		must(t, e.RegisterTargets, &elb.RegisterTargetsInput{TargetGroupArn: &g, Targets: []types.TargetDescription{{Id: new("10.0.0.1"), AvailabilityZone: new("all")}}})
		two := &types.ForwardActionConfig{TargetGroups: []types.TargetGroupTuple{{TargetGroupArn: &g}, {TargetGroupArn: &other}}}
		e.listener(e.balancer("apps"), 80, types.Action{Type: "forward", ForwardConfig: two})
		in := &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &g}
		for i := 0; i < len(pairs); i += 2 {
			in.Attributes = append(in.Attributes, types.TargetGroupAttribute{Key: &pairs[i], Value: &pairs[i+1]})
		}
		if words == "" {
			must(t, e.ModifyTargetGroupAttributes, in)
			continue
		}
		refused(t, "InvalidConfigurationRequest", words, e.ModifyTargetGroupAttributes, in)
	}
}

func TestStickyGroupsNeedAStickyRule(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	g, other := e.group("web"), e.group("other")
	l := e.listener(e.balancer("apps"), 80, forward(g))
	must(t, e.ModifyTargetGroupAttributes, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &g, Attributes: []types.TargetGroupAttribute{
		{Key: new("stickiness.enabled"), Value: new("true")}, {Key: new("load_balancing.cross_zone.enabled"), Value: new("true")},
	}})
	two := types.Action{Type: "forward", ForwardConfig: &types.ForwardActionConfig{TargetGroups: []types.TargetGroupTuple{{TargetGroupArn: &g}, {TargetGroupArn: &other}}}}
	in := &elb.ModifyListenerInput{ListenerArn: &l, DefaultActions: []types.Action{two}}
	refused(t, "InvalidConfigurationRequest", "must enable group stickiness", e.ModifyListener, in)
	two.ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: new(true), DurationSeconds: new(int32(60))}
	must(t, e.ModifyListener, in)
}

func TestInstances(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	in := groupInput("web")
	in.TargetType = ""
	g := must(t, e.CreateTargetGroup, in).TargetGroups[0]
	if g.TargetType != "instance" {
		t.Errorf("got a group of %q", g.TargetType)
	}
	refused(t, "InvalidTarget", "The following targets are not in a running state and cannot be registered: 'i-0123'", e.RegisterTargets,
		&elb.RegisterTargetsInput{TargetGroupArn: g.TargetGroupArn, Targets: []types.TargetDescription{{Id: new("i-0123")}}})
	must(t, e.RegisterTargets, &elb.RegisterTargetsInput{TargetGroupArn: g.TargetGroupArn, Targets: []types.TargetDescription{{Id: new("172.31.0.5")}}})
	if _, kind, err := e.GroupBalancers(t.Context(), *g.TargetGroupArn); kind != "instance" || err != nil {
		t.Errorf("GroupBalancers: %q, %v", kind, err)
	}
	refused(t, "DuplicateTargetGroupName", "'web'", e.CreateTargetGroup, groupInput("web"))
}

func TestAnomalyIsToldWhenAsked(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	g := e.group("web")
	const addr = "172.31.0.5"
	must(t, e.RegisterTargets, &elb.RegisterTargetsInput{TargetGroupArn: &g, Targets: []types.TargetDescription{{Id: new(addr)}}})
	e.listener(e.balancer("apps"), 80, forward(g))
	err := e.db.Update(t.Context(), func(tx store.Tx) error {
		return elbv2.Healths.Put(tx, elbv2.TargetKey(g, addr, 8080), elbv2.TargetHealth{Group: g, Addr: addr, Port: 8080, State: elbv2.StateHealthy, Anomalous: true, Mitigated: true})
	})
	if err != nil {
		t.Fatal(err)
	}
	asked := func(include ...types.DescribeTargetHealthInputIncludeEnum) *types.AnomalyDetection {
		return must(t, e.DescribeTargetHealth, &elb.DescribeTargetHealthInput{TargetGroupArn: &g, Include: include}).TargetHealthDescriptions[0].AnomalyDetection
	}
	if got := asked(); got != nil {
		t.Errorf("without being asked: %+v", got)
	}
	for _, include := range []types.DescribeTargetHealthInputIncludeEnum{"AnomalyDetection", "All"} {
		if got := asked(include); got == nil || got.Result != "anomalous" || got.MitigationInEffect != "yes" {
			t.Errorf("%s: %+v", include, got)
		}
	}
}

func (e env) found(group, addr, state string) {
	e.t.Helper()
	err := e.db.Update(e.t.Context(), func(tx store.Tx) error {
		return elbv2.Healths.Put(tx, elbv2.TargetKey(group, addr, 8080), elbv2.TargetHealth{Group: group, Addr: addr, Port: 8080, State: state, Since: time.Now()})
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

func TestTargetHealth(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	g := e.group("web")
	const addr = "172.31.0.5"
	targets := []types.TargetDescription{{Id: new(addr)}}
	check := func(when, state, reason string) {
		t.Helper()
		s, r, _, err := e.TargetState(t.Context(), g, addr, 8080)
		if err != nil || s != state || r != reason {
			t.Errorf("%s: %s %s, %v, want %s %s", when, s, r, err, state, reason)
		}
		d := must(t, e.DescribeTargetHealth, &elb.DescribeTargetHealthInput{TargetGroupArn: &g, Targets: targets}).TargetHealthDescriptions
		if len(d) != 1 || string(d[0].TargetHealth.State) != state || string(d[0].TargetHealth.Reason) != reason || *d[0].Target.Port != 8080 {
			t.Errorf("%s: described as %+v", when, d)
		}
	}
	check("before", "unused", "Target.NotRegistered")
	must(t, e.RegisterTargets, &elb.RegisterTargetsInput{TargetGroupArn: &g, Targets: targets})
	check("in a group without a balancer", "unused", "Target.NotInUse")
	lb := e.balancer("apps")
	l := e.listener(lb, 80, forward(g))
	check("registered", "initial", "Elb.RegistrationInProgress")
	e.found(g, addr, elbv2.StateHealthy)
	check("healthy", "healthy", "")
	must(t, e.DeregisterTargets, &elb.DeregisterTargetsInput{TargetGroupArn: &g, Targets: targets})
	check("deregistered", "draining", "Target.DeregistrationInProgress")
	e.found(g, addr, elbv2.StateDraining)
	if err := e.Register(t.Context(), g, addr, 8080, "us-west-2a"); err != nil {
		t.Fatal(err)
	}
	check("registered again", "initial", "Elb.RegistrationInProgress")
	if err := e.Deregister(t.Context(), g, addr, 8080); err != nil {
		t.Fatal(err)
	}
	must(t, e.DeleteListener, &elb.DeleteListenerInput{ListenerArn: &l})
	must(t, e.DeleteTargetGroup, &elb.DeleteTargetGroupInput{TargetGroupArn: &g})
	if err := e.Deregister(t.Context(), g, addr, 8080); err != nil {
		t.Errorf("deregistering from a group that is gone: %v", err)
	}
	if s, r, _, err := e.TargetState(t.Context(), g, addr, 8080); s != elbv2.StateUnused || r != "Target.NotRegistered" || err != nil {
		t.Errorf("of a group that is gone: %s %s, %v", s, r, err)
	}
}

func TestRegisterTargetsRefuses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	g := e.group("web")
	for id, words := range map[string]string{
		"127.0.0.1": "'127.0.0.1' must be in", "8.8.8.8": "'8.8.8.8'", "169.254.169.254": "'169.254.169.254'",
		"i-0123": "'i-0123' is not a valid", "fd00::1": "'fd00::1' is not a valid IPv4", "0.0.0.0": "'0.0.0.0'",
	} {
		refused(t, "ValidationError", words, e.RegisterTargets, &elb.RegisterTargetsInput{TargetGroupArn: &g, Targets: []types.TargetDescription{{Id: &id}}})
	}
	refused(t, "TargetGroupNotFound", "Target groups '"+g+"0' not found", e.RegisterTargets, &elb.RegisterTargetsInput{TargetGroupArn: new(g + "0")})
	refused(t, "InvalidConfigurationRequest", "'Targets.1.member.QuicServerId'", e.RegisterTargets, &elb.RegisterTargetsInput{
		TargetGroupArn: &g, Targets: []types.TargetDescription{{Id: new("10.0.0.1"), QuicServerId: new("x")}},
	})
}

// A target's zone is its subnet's; outside the VPC, the request must say that
// it is for all of them.
func TestTargetZones(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ addr, zone, want, words string }{ // words: it is refused
		{"172.31.0.5", "", "us-west-2a", ""},
		{"172.31.16.5", "us-west-2b", "us-west-2b", ""},
		{"198.18.0.5", "", "us-west-2c", ""},
		{"172.31.0.5", "us-west-2b", "", "The IP address '172.31.0.5' is within the VPC, and cannot have its Availability Zone overridden to 'us-west-2b' from 'us-west-2a'"},
		{"172.31.0.5", "all", "", "cannot have its Availability Zone overridden to 'all'"},
		{"172.31.255.5", "", "", "The Availability Zone is required for IP address '172.31.255.5' because it is not in the VPC"},
		{"10.0.0.5", "", "", "The Availability Zone is required for IP address '10.0.0.5'"},
		{"10.0.0.5", "all", "all", ""},
		{"100.64.0.5", "us-west-2b", "us-west-2b", ""},
		{"10.0.0.5", "us-west-2z", "", "select 'all' for all enabled Availability zones, since the IP address '10.0.0.5' is outside the VPC"},
		{"198.18.16.5", "all", "", "must be in a subnet of the VPC or in one of the ranges"},
	} {
		t.Run(tt.addr+" "+tt.zone, func(t *testing.T) {
			e := newEnv(t)
			g := e.group("web")
			d := types.TargetDescription{Id: &tt.addr}
			if tt.zone != "" {
				d.AvailabilityZone = &tt.zone
			}
			in := &elb.RegisterTargetsInput{TargetGroupArn: &g, Targets: []types.TargetDescription{d}}
			if tt.words != "" {
				refused(t, "ValidationError", tt.words, e.RegisterTargets, in)
				return
			}
			must(t, e.RegisterTargets, in)
			got := must(t, e.DescribeTargetHealth, &elb.DescribeTargetHealthInput{TargetGroupArn: &g}).TargetHealthDescriptions
			if len(got) != 1 || *got[0].Target.AvailabilityZone != tt.want {
				t.Errorf("registered: %+v, want zone %s", got, tt.want)
			}
			must(t, e.DeregisterTargets, &elb.DeregisterTargetsInput{TargetGroupArn: &g, Targets: []types.TargetDescription{{Id: &tt.addr}}})
		})
	}
}

func TestGroupBalancers(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	g := e.group("internal-web") // a balancer may not be called so, a target group may
	if lbs, kind, err := e.GroupBalancers(t.Context(), g); len(lbs) != 0 || kind != "ip" || err != nil {
		t.Errorf("unused: %v %s %v", lbs, kind, err)
	}
	lb := e.balancer("apps")
	l := e.listener(lb, 80, forward(g))
	e.rule(l, 1, "a.test", forward(g))
	if lbs, _, err := e.GroupBalancers(t.Context(), g); len(lbs) != 1 || lbs[0] != lb || err != nil {
		t.Errorf("used: %v %v", lbs, err)
	}
}
