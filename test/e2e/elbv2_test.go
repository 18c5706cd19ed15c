package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

func TestELBv2(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("by command", s.testBalancerByCommand)
	t.Run("refused", s.testBalancerRefused)
	t.Run("corners", s.testBalancerCorners)
	t.Run("rules", s.testRules)
	t.Run("rules in use", s.testRulesInUse)
	t.Run("health", s.testHealth)
	t.Run("fail open", s.testFailOpen)
	t.Run("forwarding", s.testForwarding)
	t.Run("weights", s.testWeights)
	t.Run("shared port", s.testSharedPort)
	t.Run("errors", s.testGatewayErrors)
	t.Run("records", s.testBalancerRecords)
}

// What people type.
func (s *stage) testBalancerByCommand(t *testing.T) {
	t.Parallel()
	text := []string{"--output", "text"}
	run := func(query string, args ...string) string {
		return s.aws(t, append(append([]string{"elbv2"}, append(args, "--query", query)...), text...)...)
	}
	b := run("LoadBalancers[0].LoadBalancerArn", append([]string{"create-load-balancer", "--name", "typed", "--security-groups", s.open, "--tags", "Key=a,Value=b", "--subnets"}, s.subnets(t)...)...)
	got := run("LoadBalancers[0].[LoadBalancerName,Scheme,Type,State.Code,IpAddressType,VpcId]", "describe-load-balancers", "--names", "typed")
	if want := "typed\tinternet-facing\tapplication\tactive\tipv4\t" + s.vpcID; got != want {
		t.Errorf("describe-load-balancers: %s, want %s", got, want)
	}
	s.aws(t, "elbv2", "wait", "load-balancer-available", "--load-balancer-arns", b)
	tg := run("TargetGroups[0].TargetGroupArn", "create-target-group", "--name", "typed", "--protocol", "HTTP", "--port", "8080", "--vpc-id", s.vpcID, "--target-type", "ip", "--matcher", "HttpCode=200-399")
	if got := run("TargetGroups[0].[Port,HealthCheckPath,HealthCheckIntervalSeconds,Matcher.HttpCode,ProtocolVersion]", "describe-target-groups", "--target-group-arns", tg); got != "8080\t/\t30\t200-399\tHTTP1" {
		t.Errorf("describe-target-groups: %s", got)
	}
	if got := run("TargetGroups[0].[HealthCheckPath,Matcher.HttpCode]", "modify-target-group", "--target-group-arn", tg, "--health-check-path", "/healthz", "--matcher", `{"HttpCode":"200,302"}`); got != "/healthz\t200,302" {
		t.Errorf("modify-target-group: %s", got)
	}
	run("Attributes", "modify-target-group-attributes", "--target-group-arn", tg, "--attributes", "Key=deregistration_delay.timeout_seconds,Value=7")
	if got := run("Attributes[?Key=='deregistration_delay.timeout_seconds'].Value", "describe-target-group-attributes", "--target-group-arn", tg); got != "7" {
		t.Errorf("describe-target-group-attributes: %s", got)
	}
	run("Attributes", "modify-load-balancer-attributes", "--load-balancer-arn", b, "--attributes", "Key=idle_timeout.timeout_seconds,Value=9")
	if got := run("Attributes[?Key=='idle_timeout.timeout_seconds'].Value", "describe-load-balancer-attributes", "--load-balancer-arn", b); got != "9" {
		t.Errorf("describe-load-balancer-attributes: %s", got)
	}
	l := run("Listeners[0].ListenerArn", "create-listener", "--load-balancer-arn", b, "--protocol", "HTTP", "--port", "8101", "--default-actions", "Type=forward,TargetGroupArn="+tg)
	if got := run("Listeners[0].[Port,Protocol,DefaultActions[0].Type]", "describe-listeners", "--load-balancer-arn", b); got != "8101\tHTTP\tforward" {
		t.Errorf("describe-listeners: %s", got)
	}
	run("Listeners", "modify-listener", "--listener-arn", l, "--port", "8102", "--default-actions", "Type=fixed-response,FixedResponseConfig={StatusCode=418,ContentType=text/plain,MessageBody=teapot}")
	host := run("LoadBalancers[0].DNSName", "describe-load-balancers", "--load-balancer-arns", b)
	var out []byte
	takes(t, slowest, "the listener answers on its new port", func() bool {
		out, _ = exec.Command("curl", "-sS", "-m", "5", "-w", " %{http_code}", "--resolve", host+":8102:"+s.lb, "http://"+host+":8102/").CombinedOutput()
		return string(out) == "teapot 418"
	})
	if code, body := s.ask("http://" + host + ":8101/"); code != 0 || !strings.Contains(body, "refused") {
		t.Errorf("the old port answers %d %s", code, body)
	}
	r := run("Rules[0].RuleArn", "create-rule", "--listener-arn", l, "--priority", "5", "--conditions", "Field=path-pattern,Values=/x/*", "--actions", "Type=forward,TargetGroupArn="+tg)
	s.awsRefused(t, "PriorityInUse", "Priority '5' is currently in use", "elbv2", "create-rule", "--listener-arn", l, "--priority", "5", "--conditions", "Field=path-pattern,Values=/y", "--actions", "Type=forward,TargetGroupArn="+tg)
	run("Rules", "modify-rule", "--rule-arn", r, "--conditions", "Field=host-header,HostHeaderConfig={Values=[a.test]}")
	run("Rules", "set-rule-priorities", "--rule-priorities", "RuleArn="+r+",Priority=9")
	if got := run("Rules[].[Priority,IsDefault,Conditions[0].Values[0],Conditions[0].HostHeaderConfig.Values[0]]", "describe-rules", "--listener-arn", l); got != "9\tFalse\ta.test\ta.test\ndefault\tTrue\tNone\tNone" {
		t.Errorf("describe-rules: %s", got)
	}
	run("@", "register-targets", "--target-group-arn", tg, "--targets", "Id="+s.inVPC(200))
	if got := run("TargetHealthDescriptions[0].[Target.Port,TargetHealth.State]", "describe-target-health", "--target-group-arn", tg); got != "8080\tinitial" {
		t.Errorf("describe-target-health: %s", got)
	}
	run("@", "deregister-targets", "--target-group-arn", tg, "--targets", "Id="+s.inVPC(200))
	s.awsRefused(t, "ResourceInUse", "", "elbv2", "delete-target-group", "--target-group-arn", tg)
	run("@", "delete-rule", "--rule-arn", r)
	run("@", "delete-listener", "--listener-arn", l)
	run("@", "delete-load-balancer", "--load-balancer-arn", b)
	run("@", "delete-target-group", "--target-group-arn", tg)
	s.awsRefused(t, "LoadBalancerNotFound", "", "elbv2", "describe-load-balancers", "--names", "typed")
}

// inVPC is the nth address of the VPC's first subnet.
func (s *stage) inVPC(n int) string {
	return strings.TrimSuffix(s.cidr, "0.0/16") + fmt.Sprintf("0.%d", n)
}

func (s *stage) testBalancerRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := s.front(t, "refused", 8111, fixed("200", "ok"))
	pool := s.pool(t, "refused")
	balancer := func(edit func(*elb.CreateLoadBalancerInput)) error {
		in := &elb.CreateLoadBalancerInput{Name: new("another"), Subnets: s.subnets(t), SecurityGroups: []string{s.open}}
		edit(in)
		_, err := s.elb.CreateLoadBalancer(ctx, in)
		return err
	}
	listener := func(edit func(*elb.CreateListenerInput)) error {
		in := &elb.CreateListenerInput{LoadBalancerArn: &f.balancer, Protocol: types.ProtocolEnumHttp, Port: new(int32(8112)), DefaultActions: []types.Action{fixed("200", "x")}}
		edit(in)
		_, err := s.elb.CreateListener(ctx, in)
		return err
	}
	rule := func(edit func(*elb.CreateRuleInput)) error {
		in := &elb.CreateRuleInput{ListenerArn: &f.listener, Priority: new(int32(1)), Actions: []types.Action{forward(pool)}, Conditions: []types.RuleCondition{{Field: new("path-pattern"), Values: []string{"/"}}}}
		edit(in)
		_, err := s.elb.CreateRule(ctx, in)
		return err
	}
	refused(t, balancer(func(in *elb.CreateLoadBalancerInput) { in.Name = new("refused"); in.Subnets = in.Subnets[:2] }), "DuplicateLoadBalancerName", "")
	refused(t, balancer(func(in *elb.CreateLoadBalancerInput) { in.Name = new("-x-") }), "ValidationError", "-x-")
	refused(t, balancer(func(in *elb.CreateLoadBalancerInput) {
		in.Subnets = append(in.Subnets[:1:1], "subnet-0123456789abcdef0")
	}), "SubnetNotFound", "subnet-0123456789abcdef0")
	refused(t, balancer(func(in *elb.CreateLoadBalancerInput) { in.SecurityGroups = []string{"sg-0123456789abcdef0"} }), "InvalidSecurityGroup", "")
	refused(t, balancer(func(in *elb.CreateLoadBalancerInput) { in.Type = types.LoadBalancerTypeEnumNetwork }), "InvalidConfigurationRequest", "network")
	refused(t, listener(func(in *elb.CreateListenerInput) { in.Port = new(int32(8111)) }), "DuplicateListener", "A listener already exists on this port for this load balancer")
	refused(t, listener(func(in *elb.CreateListenerInput) { in.Protocol = types.ProtocolEnumHttps }), "ValidationError", "certificate")
	refused(t, listener(func(in *elb.CreateListenerInput) { in.DefaultActions = []types.Action{fixed("302", "x")} }), "ValidationError", "302")
	refused(t, listener(func(in *elb.CreateListenerInput) { in.LoadBalancerArn = new(f.balancer + "0") }), "LoadBalancerNotFound", "")
	refused(t, listener(func(in *elb.CreateListenerInput) {
		in.DefaultActions = []types.Action{{Type: types.ActionTypeEnumRedirect, RedirectConfig: &types.RedirectActionConfig{StatusCode: "HTTP_301"}}}
	}), "InvalidLoadBalancerAction", "creates a loop")
	refused(t, rule(func(in *elb.CreateRuleInput) { in.Priority = new(int32(50001)) }), "ValidationError", "50001")
	refused(t, rule(func(in *elb.CreateRuleInput) { in.Conditions[0].Field = new("http-header") }), "ValidationError", "http-header")
	refused(t, rule(func(in *elb.CreateRuleInput) { in.Conditions = []types.RuleCondition{} }), "ValidationError", "ondition")
	refused(t, rule(func(in *elb.CreateRuleInput) { in.Actions = []types.Action{forward(pool + "0")} }), "TargetGroupNotFound", "")
	refused(t, rule(func(in *elb.CreateRuleInput) { in.ListenerArn = new("nonsense") }), "ValidationError", "nonsense")

	rules := must(s.elb.DescribeRules(ctx, &elb.DescribeRulesInput{ListenerArn: &f.listener}))(t).Rules
	if len(rules) != 1 || !*rules[0].IsDefault {
		t.Fatalf("rules of a new listener: %v", rules)
	}
	_, err := s.elb.DeleteRule(ctx, &elb.DeleteRuleInput{RuleArn: rules[0].RuleArn})
	refused(t, err, "OperationNotPermitted", "Default rule")

	group := func(edit func(*elb.CreateTargetGroupInput)) error {
		in := &elb.CreateTargetGroupInput{Name: new("another"), Protocol: types.ProtocolEnumHttp, Port: new(int32(80)), VpcId: &s.vpcID, TargetType: types.TargetTypeEnumIp}
		edit(in)
		_, err := s.elb.CreateTargetGroup(ctx, in)
		return err
	}
	refused(t, group(func(in *elb.CreateTargetGroupInput) { in.Name = new("refused") }), "DuplicateTargetGroupName", "")
	refused(t, group(func(in *elb.CreateTargetGroupInput) { in.TargetType = types.TargetTypeEnumLambda }), "InvalidConfigurationRequest", "lambda")
	refused(t, group(func(in *elb.CreateTargetGroupInput) { in.VpcId = new("vpc-0123456789abcdef0") }), "ValidationError", "vpc-0123456789abcdef0")
	refused(t, group(func(in *elb.CreateTargetGroupInput) { in.Matcher = &types.Matcher{HttpCode: new("600")} }), "ValidationError", "600")
	refused(t, group(func(in *elb.CreateTargetGroupInput) { in.HealthCheckTimeoutSeconds = new(int32(60)) }), "ValidationError", "imeout")
	_, err = s.elb.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &pool, Targets: []types.TargetDescription{{Id: new("8.8.8.8")}}})
	refused(t, err, "ValidationError", "8.8.8.8")

	other, err := net.Listen("tcp", s.lb+":8113")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	refused(t, listener(func(in *elb.CreateListenerInput) { in.Port = new(int32(8113)) }), "InvalidConfigurationRequest", "in use by another program")
}

// rule adds a rule to a listener.
func (s *stage) rule(t *testing.T, listener string, priority int32, action types.Action, conditions ...types.RuleCondition) string {
	t.Helper()
	return *must(s.elb.CreateRule(t.Context(), &elb.CreateRuleInput{ListenerArn: &listener, Priority: &priority, Actions: []types.Action{action}, Conditions: conditions}))(t).Rules[0].RuleArn
}

func path(values ...string) types.RuleCondition {
	return types.RuleCondition{Field: new("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{Values: values}}
}

func host(values ...string) types.RuleCondition {
	return types.RuleCondition{Field: new("host-header"), Values: values}
}

// Rules are tried by priority, with wildcards, hosts without regard to case.
func (s *stage) testRules(t *testing.T) {
	t.Parallel()
	f := s.front(t, "rules", 8121, fixed("404", "default"))
	first := s.rule(t, f.listener, 10, fixed("200", "first"), path("/a*"))
	second := s.rule(t, f.listener, 20, fixed("200", "second"), path("/ab", "/?x"))
	s.rule(t, f.listener, 30, fixed("200", "host"), host("*.rules.test", "rules?.test"))
	s.rule(t, f.listener, 40, fixed("201", "both"), host("both.test"), path("/both/*"))
	check := func(want map[string]string) {
		t.Helper()
		for url, want := range want {
			var code int
			var body string
			takes(t, slowest, url, func() bool {
				code, body = s.ask(url)
				return fmt.Sprint(code, " ", body) == want
			})
		}
	}
	at := func(host, path string) string { return fmt.Sprintf("http://%s:8121%s", host, path) }
	check(map[string]string{
		f.url("/ab"): "200 first", f.url("/abc?q=1"): "200 first", f.url("/zx"): "200 second", f.url("/A"): "404 default", f.url("/zzx"): "404 default",
		at("www.rules.test", "/"): "200 host", at("WWW.Rules.test", "/q"): "200 host", at("rules1.test", "/"): "200 host", at("rules.test", "/"): "404 default",
		at("both.test", "/both/1"): "201 both", at("both.test", "/neither"): "404 default",
	})
	must(s.elb.SetRulePriorities(t.Context(), &elb.SetRulePrioritiesInput{RulePriorities: []types.RulePriorityPair{{RuleArn: &first, Priority: new(int32(20))}, {RuleArn: &second, Priority: new(int32(10))}}}))(t)
	check(map[string]string{f.url("/ab"): "200 second", f.url("/abc"): "200 first"})
	_, err := s.elb.SetRulePriorities(t.Context(), &elb.SetRulePrioritiesInput{RulePriorities: []types.RulePriorityPair{{RuleArn: &first, Priority: new(int32(30))}}})
	refused(t, err, "PriorityInUse", "Priority '30' is currently in use")
	must(s.elb.ModifyListener(t.Context(), &elb.ModifyListenerInput{ListenerArn: &f.listener, DefaultActions: []types.Action{fixed("503", "later")}}))(t)
	check(map[string]string{f.url("/"): "503 later"})
	must(s.elb.DeleteRule(t.Context(), &elb.DeleteRuleInput{RuleArn: &second}))(t)
	check(map[string]string{f.url("/ab"): "200 first"})
}

// A change of the rules cuts no connection.
func (s *stage) testRulesInUse(t *testing.T) {
	t.Parallel()
	_, addr := s.serving(t, s.defineProbe(t, "rules-in-use"))
	pool := s.pool(t, "rules-in-use")
	f := s.front(t, "rules-in-use", 8131, forward(pool))
	s.target(t, pool, addr)
	done := make(chan string)
	go func() {
		code, body := s.ask(f.url("/slow?ms=1500"))
		done <- fmt.Sprint(code, " ", body)
	}()
	for i := range int32(10) {
		s.rule(t, f.listener, i+1, fixed("200", "x"), path(fmt.Sprintf("/%d", i)))
	}
	if got := <-done; !strings.HasPrefix(got, "200 slow") {
		t.Errorf("a request that was under way: %s", got)
	}
}

// target registers an address and waits until it is healthy.
func (s *stage) target(t *testing.T, pool, addr string) {
	t.Helper()
	must(s.elb.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{TargetGroupArn: &pool, Targets: []types.TargetDescription{{Id: &addr}}}))(t)
	takes(t, 30*time.Second, addr+" is healthy", func() bool { return s.health(t, pool, addr).State == types.TargetHealthStateEnumHealthy })
}

func (s *stage) health(t *testing.T, pool, addr string) types.TargetHealth {
	t.Helper()
	for _, h := range must(s.elb.DescribeTargetHealth(t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &pool}))(t).TargetHealthDescriptions {
		if *h.Target.Id == addr {
			return *h.TargetHealth
		}
	}
	return types.TargetHealth{}
}

// Why a target isn't healthy is said in AWS's words.
func (s *stage) testHealth(t *testing.T) {
	t.Parallel()
	_, addr := s.serving(t, s.defineProbe(t, "health", environment("HEALTH=302")))
	unused := s.pool(t, "health-unused")
	must(s.elb.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{TargetGroupArn: &unused, Targets: []types.TargetDescription{{Id: &addr}}}))(t)
	if h := s.health(t, unused, addr); h.State != "unused" || h.Reason != "Target.NotInUse" || *h.Description != "Target group is not configured to receive traffic from the load balancer" {
		t.Errorf("target that no balancer uses: %s %s %s", h.State, h.Reason, aws.ToString(h.Description))
	}
	pool := s.pool(t, "health")
	s.front(t, "health", 8141, forward(pool))
	gone, closed := s.inVPC(250), int32(9)
	must(s.elb.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{TargetGroupArn: &pool, Targets: []types.TargetDescription{{Id: &addr}, {Id: &gone}}}))(t)
	if h := s.health(t, pool, addr); h.State != "initial" || h.Reason != "Elb.RegistrationInProgress" && h.Reason != "Elb.InitialHealthChecking" {
		t.Errorf("new target: %s %s %s", h.State, h.Reason, aws.ToString(h.Description))
	}
	unhealthy := func(pool, addr string, reason types.TargetHealthReasonEnum, description string) {
		t.Helper()
		takes(t, 40*time.Second, addr+" is unhealthy", func() bool { return s.health(t, pool, addr).State == types.TargetHealthStateEnumUnhealthy })
		if h := s.health(t, pool, addr); h.Reason != reason || aws.ToString(h.Description) != description {
			t.Errorf("%s: %s, %q; want %s, %q", addr, h.Reason, aws.ToString(h.Description), reason, description)
		}
	}
	unhealthy(pool, addr, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [302]")
	unhealthy(pool, gone, "Target.Timeout", "Request timed out")
	for _, codes := range []string{"200,302", "200-399"} {
		must(s.elb.ModifyTargetGroup(t.Context(), &elb.ModifyTargetGroupInput{TargetGroupArn: &pool, Matcher: &types.Matcher{HttpCode: &codes}}))(t)
		takes(t, 30*time.Second, "healthy with "+codes, func() bool { return s.health(t, pool, addr).State == types.TargetHealthStateEnumHealthy })
		if codes == "200-399" {
			break
		}
		must(s.elb.ModifyTargetGroup(t.Context(), &elb.ModifyTargetGroupInput{TargetGroupArn: &pool, Matcher: &types.Matcher{HttpCode: new("200")}}))(t)
		takes(t, 30*time.Second, "unhealthy with 200", func() bool { return s.health(t, pool, addr).State == types.TargetHealthStateEnumUnhealthy })
	}
	must(s.elb.ModifyTargetGroup(t.Context(), &elb.ModifyTargetGroupInput{TargetGroupArn: &pool, HealthCheckPort: new(fmt.Sprint(closed))}))(t)
	unhealthy(pool, addr, "Target.FailedHealthChecks", "Health checks failed")
	must(s.elb.DeregisterTargets(t.Context(), &elb.DeregisterTargetsInput{TargetGroupArn: &pool, Targets: []types.TargetDescription{{Id: &addr}}}))(t)
	takes(t, slowest, "the target is deregistered", func() bool { return s.health(t, pool, addr).State == "" })
}

// Where no target is healthy, all get requests.
func (s *stage) testFailOpen(t *testing.T) {
	t.Parallel()
	_, addr := s.serving(t, s.defineProbe(t, "fail-open", environment("HEALTH=500")))
	pool := s.pool(t, "fail-open")
	f := s.front(t, "fail-open", 8151, forward(pool))
	takes(t, slowest, "a balancer without targets answers 503", func() bool { code, _ := s.ask(f.url("/")); return code == 503 })
	must(s.elb.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{TargetGroupArn: &pool, Targets: []types.TargetDescription{{Id: &addr}}}))(t)
	takes(t, 30*time.Second, "the target is unhealthy", func() bool { return s.health(t, pool, addr).State == types.TargetHealthStateEnumUnhealthy })
	if code, body := s.ask(f.url("/")); code != 200 || !strings.HasPrefix(body, "site=none") {
		t.Errorf("with no healthy target the balancer answers %d %s", code, body)
	}
}

// What the balancer passes on, both ways.
func (s *stage) testForwarding(t *testing.T) {
	t.Parallel()
	_, addr := s.serving(t, s.defineProbe(t, "forwarding"))
	pool := s.pool(t, "forwarding")
	f := s.front(t, "forwarding", 8161, forward(pool))
	s.target(t, pool, addr)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url("/headers"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	r.Header.Set("X-Mine", "kept")
	res := must(s.browser().Do(r))(t)
	defer res.Body.Close()
	body := string(must(io.ReadAll(res.Body))(t))
	for _, want := range []string{"Host: " + f.host, "X-Forwarded-For: 203.0.113.9, 127.0.0.1", "X-Forwarded-Proto: http\r\n", "X-Forwarded-Port: 8161\r\n", "X-Amzn-Trace-Id: Root=1-", "X-Mine: kept"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in:\n%s", want, body)
		}
	}
	s.streams(t, f)
	s.upgrades(t, f)
	if code, body := s.ask(f.url("/a%2Fb/c;d?x=%20y&z")); code != 200 || !strings.Contains(body, "path=/a%2Fb/c;d?x=%20y&z\n") {
		t.Errorf("an odd path: %d %s", code, body)
	}
}

// streams checks that what is sent arrives before the rest is sent.
func (s *stage) streams(t *testing.T, f front) {
	t.Helper()
	in, out := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url("/echo"), in)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(out, "one\n") }()
	res := must(s.browser().Do(r))(t)
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		if got := must(lines.ReadString('\n'))(t); got != line {
			t.Errorf("streamed %q, want %q", got, line)
		}
		if line == "three\n" {
			break
		}
		next := map[string]string{"one\n": "two\n", "two\n": "three\n"}[line]
		go func() { _, _ = io.WriteString(out, next) }()
	}
	_ = out.Close()
}

// upgrades checks that a connection that leaves HTTP is passed through.
func (s *stage) upgrades(t *testing.T, f front) {
	t.Helper()
	c := must(net.Dial("tcp", net.JoinHostPort(s.lb, fmt.Sprint(f.port))))(t)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET /upgrade HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", f.host)
	in := bufio.NewReader(c)
	res := must(http.ReadResponse(in, nil))(t)
	if res.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(res.Header.Get("Upgrade"), "websocket") {
		t.Fatalf("upgrade: %s %v", res.Status, res.Header)
	}
	for _, line := range []string{"ping\n", "pong\n"} {
		_, _ = io.WriteString(c, line)
		if got := must(in.ReadString('\n'))(t); got != line {
			t.Errorf("upgraded connection sent back %q, want %q", got, line)
		}
	}
}

// Requests go to groups by their weights, and to a group's targets in turn.
func (s *stage) testWeights(t *testing.T) {
	t.Parallel()
	blue, green := s.pool(t, "weights-blue"), s.pool(t, "weights-green")
	weighted := func(b, g int32) types.Action {
		return types.Action{Type: types.ActionTypeEnumForward, ForwardConfig: &types.ForwardActionConfig{TargetGroups: []types.TargetGroupTuple{
			{TargetGroupArn: &blue, Weight: &b}, {TargetGroupArn: &green, Weight: &g},
		}}}
	}
	f := s.front(t, "weights", 8171, weighted(3, 1))
	_, b1 := s.serving(t, s.defineProbe(t, "weights-blue", environment("SITE=blue")))
	_, b2 := s.serving(t, s.defineProbe(t, "weights-blue", environment("SITE=blue")))
	_, g := s.serving(t, s.defineProbe(t, "weights-green", environment("SITE=green")))
	s.target(t, blue, b1)
	s.target(t, blue, b2)
	s.target(t, green, g)
	count := func(n int) map[string]int {
		seen := map[string]int{}
		for range n {
			code, body := s.ask(f.url("/"))
			if code != 200 {
				t.Fatalf("%d %s", code, body)
			}
			fields := strings.Fields(body)
			seen[fields[0]]++
			seen[fields[2]]++
		}
		return seen
	}
	seen := count(200)
	if seen["site=green"] < 25 || seen["site=green"] > 80 {
		t.Errorf("3:1 gave %v", seen)
	}
	var hosts []int
	for k, n := range seen {
		if strings.HasPrefix(k, "host=") && n != seen["site=green"] {
			hosts = append(hosts, n)
		}
	}
	if slices.Sort(hosts); len(hosts) == 2 && hosts[1]-hosts[0] > 2 {
		t.Errorf("two targets of a group got %v requests, not in turn", hosts)
	}
	must(s.elb.ModifyListener(t.Context(), &elb.ModifyListenerInput{ListenerArn: &f.listener, DefaultActions: []types.Action{weighted(0, 1)}}))(t)
	takes(t, slowest, "all goes to green", func() bool { return count(10)["site=green"] == 10 })
}

// Balancers that share a port are told apart by the host: a balancer's own
// name, or one of its rules'.
func (s *stage) testSharedPort(t *testing.T) {
	t.Parallel()
	a := s.front(t, "shared-a", 8181, fixed("200", "a"))
	b := s.front(t, "shared-b", 8181, fixed("200", "b"))
	s.rule(t, b.listener, 1, fixed("200", "rule of b"), host("b.shared.test"))
	for url, want := range map[string]string{a.url("/"): "a", b.url("/"): "b", "http://b.shared.test:8181/": "rule of b"} {
		takes(t, slowest, url+" is answered by "+want, func() bool { _, body := s.ask(url); return body == want })
	}
	must(s.elb.DeleteLoadBalancer(t.Context(), &elb.DeleteLoadBalancerInput{LoadBalancerArn: &a.balancer}))(t)
	takes(t, slowest, "b has the port alone", func() bool { _, body := s.ask(b.url("/")); return body == "b" })
	if code, body := s.ask("http://b.shared.test:8181/"); code != 200 || body != "rule of b" {
		t.Errorf("rule of the balancer that is left: %d %s", code, body)
	}
}

// What the balancer answers for targets that don't.
func (s *stage) testGatewayErrors(t *testing.T) {
	t.Parallel()
	_, addr := s.serving(t, s.defineProbe(t, "errors"))
	pool := s.pool(t, "errors")
	f := s.front(t, "errors", 8191, forward(pool))
	must(s.elb.ModifyLoadBalancerAttributes(t.Context(), &elb.ModifyLoadBalancerAttributesInput{LoadBalancerArn: &f.balancer, Attributes: []types.LoadBalancerAttribute{
		{Key: new("idle_timeout.timeout_seconds"), Value: new("2")},
	}}))(t)
	s.target(t, pool, addr)
	if code, _ := s.ask(f.url("/cut")); code != 502 {
		t.Errorf("a target that cuts the connection: %d, want 502", code)
	}
	if code, _ := s.ask(f.url("/slow?ms=5000")); code != 504 {
		t.Errorf("a target that is slower than the idle timeout: %d, want 504", code)
	}
	if code, body := s.ask(f.url("/")); code != 200 {
		t.Errorf("the target afterwards: %d %s", code, body)
	}
}
