package api

import (
	"strings"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/elbv2"
)

func TestListeners(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb, group := e.balancer("apps"), e.group("web")
	l := e.listener(lb, 80, forward(group))
	other := e.listener(lb, 81, fixed("503"))
	create := func(port int32, a types.Action) *elb.CreateListenerInput {
		return &elb.CreateListenerInput{LoadBalancerArn: &lb, Protocol: "HTTP", Port: &port, DefaultActions: []types.Action{a}}
	}
	if again := e.listener(lb, 80, forward(group)); again != l {
		t.Error("the same listener was created twice")
	}
	refused(t, "DuplicateListener", lb, e.CreateListener, create(80, fixed("404")))
	refused(t, "DuplicateListener", lb, e.ModifyListener, &elb.ModifyListenerInput{ListenerArn: &other, Port: new(int32(80))})
	refused(t, "InvalidConfigurationRequest", "'Port' cannot be used: Skylift itself", e.CreateListener, create(4566, fixed("404")))
	refused(t, "TargetGroupNotFound", "One or more target groups not found", e.CreateListener, create(82, forward(group+"0")))
	refused(t, "InvalidLoadBalancerAction", "creates a loop", e.CreateListener, create(82, types.Action{Type: "redirect", RedirectConfig: &types.RedirectActionConfig{StatusCode: "HTTP_301"}}))
	lb2 := e.balancer("other")
	refused(t, "TargetGroupAssociationLimit", group, e.CreateListener, &elb.CreateListenerInput{
		LoadBalancerArn: &lb2, Protocol: "HTTP", Port: new(int32(80)), DefaultActions: []types.Action{forward(group)},
	})

	got := must(t, e.ModifyListener, &elb.ModifyListenerInput{ListenerArn: &l, Port: new(int32(8000)), DefaultActions: []types.Action{fixed("404")}}).Listeners[0]
	want := types.Listener{ListenerArn: &l, LoadBalancerArn: &lb, Port: new(int32(8000)), Protocol: "HTTP", DefaultActions: []types.Action{fixed("404")}}
	if diff := cmp.Diff(want, got, exact); diff != "" {
		t.Errorf("modified (-want +got):\n%s", diff)
	}
	listed := must(t, e.DescribeListeners, &elb.DescribeListenersInput{LoadBalancerArn: &lb}).Listeners
	named := must(t, e.DescribeListeners, &elb.DescribeListenersInput{ListenerArns: []string{l}}).Listeners
	if len(listed) != 2 || len(named) != 1 || *named[0].Port != 8000 {
		t.Errorf("listed %v, named %v", listed, named)
	}
	must(t, e.DeleteListener, &elb.DeleteListenerInput{ListenerArn: &l})
	refused(t, "ListenerNotFound", "One or more listeners", e.DeleteListener, &elb.DeleteListenerInput{ListenerArn: &l})
}

// TestNoDowngrade: a listener over HTTPS doesn't redirect to HTTP, and one that does can't change to HTTPS.
func TestNoDowngrade(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	l := e.listener(e.balancer("apps"), 80, fixed("404"))
	down := types.Action{Type: types.ActionTypeEnumRedirect, RedirectConfig: &types.RedirectActionConfig{StatusCode: "HTTP_301", Protocol: new("HTTP"), Host: new("b.test")}}
	r := e.rule(l, 20, "b.test", down)
	secure := &elb.ModifyListenerInput{ListenerArn: &l, Protocol: "HTTPS", Certificates: []types.Certificate{{CertificateArn: new("arn:aws:acm:us-west-2:111122223333:certificate/a")}}}
	refused(t, "InvalidLoadBalancerAction", "cannot redirect HTTPS to HTTP", e.ModifyListener, secure)
	must(t, e.DeleteRule, &elb.DeleteRuleInput{RuleArn: &r})
	must(t, e.ModifyListener, secure)
	refused(t, "InvalidLoadBalancerAction", "cannot redirect HTTPS to HTTP", e.ModifyListener, &elb.ModifyListenerInput{ListenerArn: &l, DefaultActions: []types.Action{down}})
	refused(t, "InvalidLoadBalancerAction", "cannot redirect HTTPS to HTTP", e.CreateRule, &elb.CreateRuleInput{
		ListenerArn: &l, Priority: new(int32(10)), Actions: []types.Action{down},
		Conditions: []types.RuleCondition{{Field: new("path-pattern"), Values: []string{"/x"}}},
	})
}

func TestListenerAttributes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	l := e.listener(e.balancer("apps"), 80, fixed("404"))
	const options, policy = "routing.http.response.x_content_type_options.header_value", "routing.http.response.content_security_policy.header_value"
	modify := func(pairs ...string) *elb.ModifyListenerAttributesInput {
		in := &elb.ModifyListenerAttributesInput{ListenerArn: &l}
		for i := 0; i < len(pairs); i += 2 {
			in.Attributes = append(in.Attributes, types.ListenerAttribute{Key: &pairs[i], Value: &pairs[i+1]})
		}
		return in
	}
	must(t, e.ModifyListenerAttributes, modify(options, "nosniff", "routing.http.response.server.enabled", "false"))
	must(t, e.ModifyListenerAttributes, modify(policy, "default-src 'self' https://a.test; frame-src *", options, ""))
	refused(t, "ValidationError", "'sniff'", e.ModifyListenerAttributes, modify(options, "sniff"))
	refused(t, "ValidationError", "1,024", e.ModifyListenerAttributes, modify(policy, "a\r\nX: y"))
	refused(t, "ValidationError", "1,024", e.ModifyListenerAttributes, modify(policy, strings.Repeat("a", 1025)))
	refused(t, "ValidationError", "Listener attribute key 'x' is not recognized", e.ModifyListenerAttributes, modify("x", "1"))
	got := make(map[string]string)
	for _, a := range must(t, e.DescribeListenerAttributes, &elb.DescribeListenerAttributesInput{ListenerArn: &l}).Attributes {
		got[*a.Key] = *a.Value
	}
	if len(got) != 11 || got[options] != "" || got[policy] != "default-src 'self' https://a.test; frame-src *" || got["routing.http.response.server.enabled"] != "false" {
		t.Errorf("attributes: %v", got)
	}
	refused(t, "InvalidConfigurationRequest", "with protocol 'HTTP'", e.ModifyListenerAttributes, modify(elbv2.TLSVersionName, "X-Version"))
}

// TestRequestHeaderNames: an HTTPS listener can change the names of what it tells targets of TLS.
func TestRequestHeaderNames(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	l := *must(t, e.CreateListener, &elb.CreateListenerInput{
		LoadBalancerArn: new(e.balancer("apps")), Protocol: "HTTPS", Port: new(int32(443)), Certificates: certificate("cert/a"), DefaultActions: []types.Action{fixed("404")},
	}).Listeners[0].ListenerArn
	set := func(value string) *elb.ModifyListenerAttributesInput {
		return &elb.ModifyListenerAttributesInput{ListenerArn: &l, Attributes: []types.ListenerAttribute{{Key: new(elbv2.TLSVersionName), Value: &value}}}
	}
	names := func() map[string]string {
		got := map[string]string{}
		for _, a := range must(t, e.DescribeListenerAttributes, &elb.DescribeListenerAttributesInput{ListenerArn: &l}).Attributes {
			got[*a.Key] = *a.Value
		}
		return got
	}
	if got := names(); len(got) != 19 || got[elbv2.TLSVersionName] != "X-Amzn-Tls-Version" || got["routing.http.request.x_amzn_mtls_clientcert.header_name"] != "X-Amzn-Mtls-Clientcert" {
		t.Errorf("got %v", got)
	}
	must(t, e.ModifyListenerAttributes, set("X-My_Version"))
	if got := names()[elbv2.TLSVersionName]; got != "X-My_Version" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"a b", "a:b", "Content-Length", "host", "X-Forwarded-For", strings.Repeat("a", 41)} {
		refused(t, "ValidationError", "'"+bad+"'", e.ModifyListenerAttributes, set(bad))
	}
	must(t, e.ModifyListenerAttributes, set(""))
	if got := names()[elbv2.TLSVersionName]; got != "X-Amzn-Tls-Version" {
		t.Errorf("got %q", got)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb, group := e.balancer("apps"), e.group("web")
	l := e.listener(lb, 80, fixed("404"))
	b := e.rule(l, 20, "b.test", forward(group))
	a := e.rule(l, 10, "a.test", forward(group))
	create := &elb.CreateRuleInput{
		ListenerArn: &l, Priority: new(int32(10)), Actions: []types.Action{fixed("200")},
		Conditions: []types.RuleCondition{{Field: new("path-pattern"), Values: []string{"/x"}}},
	}
	last := *create
	last.Priority = new(int32(50000))
	made := must(t, e.CreateRule, &last).Rules[0].RuleArn
	refused(t, "PriorityInUse", "has it, '1' is free", e.CreateRule, &last)
	must(t, e.DeleteRule, &elb.DeleteRuleInput{RuleArn: made})
	refused(t, "PriorityInUse", "Priority '10' is currently in use: rule '"+a+"' has it, '11' is free", e.CreateRule, create)
	create.Priority = new(int32(50001))
	refused(t, "ValidationError", "'50001'", e.CreateRule, create)

	rules := func() (arns, priorities []string) {
		for _, r := range must(t, e.DescribeRules, &elb.DescribeRulesInput{ListenerArn: &l}).Rules {
			arns, priorities = append(arns, *r.RuleArn), append(priorities, *r.Priority)
		}
		return arns, priorities
	}
	arns, priorities := rules()
	if diff := cmp.Diff([]string{"10", "20", "default"}, priorities); diff != "" {
		t.Errorf("priorities (-want +got):\n%s", diff)
	}
	byDefault := arns[2]
	refused(t, "OperationNotPermitted", "Default rule '"+byDefault+"' cannot be deleted", e.DeleteRule, &elb.DeleteRuleInput{RuleArn: &byDefault})
	refused(t, "OperationNotPermitted", "Default rule", e.ModifyRule, &elb.ModifyRuleInput{RuleArn: &byDefault, Actions: []types.Action{fixed("200")}})

	swap := func(pa, pb int32) *elb.SetRulePrioritiesInput {
		return &elb.SetRulePrioritiesInput{RulePriorities: []types.RulePriorityPair{{RuleArn: &a, Priority: &pa}, {RuleArn: &b, Priority: &pb}}}
	}
	must(t, e.SetRulePriorities, swap(20, 10))
	if got, _ := rules(); got[0] != b || got[1] != a {
		t.Errorf("after the swap: %v, want %s first", got, b)
	}
	refused(t, "ValidationError", "Priority '5' was provided multiple times", e.SetRulePriorities, swap(5, 5))
	refused(t, "PriorityInUse", "'20'", e.SetRulePriorities, &elb.SetRulePrioritiesInput{RulePriorities: []types.RulePriorityPair{{RuleArn: &b, Priority: new(int32(20))}}})

	page := must(t, e.DescribeRules, &elb.DescribeRulesInput{ListenerArn: &l, PageSize: new(int32(2))})
	rest := must(t, e.DescribeRules, &elb.DescribeRulesInput{ListenerArn: &l, PageSize: new(int32(2)), Marker: page.NextMarker})
	if len(page.Rules) != 2 || len(rest.Rules) != 1 || !*rest.Rules[0].IsDefault {
		t.Errorf("pages of %d and %d rules", len(page.Rules), len(rest.Rules))
	}
	must(t, e.DeleteRule, &elb.DeleteRuleInput{RuleArn: &a})
	refused(t, "RuleNotFound", "One or more rules", e.DescribeRules, &elb.DescribeRulesInput{RuleArns: []string{a}})
}

func TestConditions(t *testing.T) {
	t.Parallel()
	host := func(v ...string) types.RuleCondition {
		return types.RuleCondition{Field: new("host-header"), Values: v}
	}
	tests := []struct {
		name string
		in   []types.RuleCondition
		want []types.RuleCondition // nil: refused
		code string                // and words of the message
	}{
		{"host, the old form", []types.RuleCondition{host("*.a.test")}, []types.RuleCondition{
			{Field: new("host-header"), Values: []string{"*.a.test"}, HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{"*.a.test"}}},
		}, ""},
		{"host, the new form", []types.RuleCondition{{Field: new("host-header"), HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{"a.test", "b.test"}}}}, []types.RuleCondition{
			{Field: new("host-header"), Values: []string{"a.test", "b.test"}, HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{"a.test", "b.test"}}},
		}, ""},
		{"path, the new form", []types.RuleCondition{{Field: new("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{Values: []string{"/a/*"}}}}, []types.RuleCondition{
			{Field: new("path-pattern"), Values: []string{"/a/*"}, PathPatternConfig: &types.PathPatternConditionConfig{Values: []string{"/a/*"}}},
		}, ""},
		{"as many wildcards as there may be", []types.RuleCondition{host("*.?.*.test", "*.*.*.test")}, []types.RuleCondition{
			{Field: new("host-header"), Values: []string{"*.?.*.test", "*.*.*.test"}, HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{"*.?.*.test", "*.*.*.test"}}},
		}, ""},
		{"none", nil, nil, "ValidationError"},
		{"a path in both forms", []types.RuleCondition{{Field: new("path-pattern"), Values: []string{"/a"}, PathPatternConfig: &types.PathPatternConditionConfig{Values: []string{"/a"}}}}, nil, "ValidationError: You cannot provide both Values and 'PathPatternConfig' for a condition of type 'path-pattern'"},
		{"a host in both forms", []types.RuleCondition{{Field: new("host-header"), Values: []string{"a.test"}, HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{"a.test"}}}}, nil, "ValidationError: You cannot provide both Values and 'HostHeaderConfig' for a condition of type 'host-header'"},
		{"too many wildcards", []types.RuleCondition{host("*.*.*.*.test"), {Field: new("path-pattern"), Values: []string{"/*/?/*"}}}, nil, "ValidationError: '6' condition wildcards"},
		{"a host without a dot", []types.RuleCondition{host("intranet")}, nil, "ValidationError: 'intranet' of a 'host-header' condition must be a valid hostname"},
		{"an address as a host", []types.RuleCondition{host("10.0.0.1")}, nil, "ValidationError: valid hostname"},
		{"any host", []types.RuleCondition{host("*")}, nil, "ValidationError: valid hostname"},
		{"no field", []types.RuleCondition{{Values: []string{"/a"}}}, nil, "ValidationError"},
		{"no values", []types.RuleCondition{{Field: new("path-pattern")}}, nil, "ValidationError"},
		{"another field's config", []types.RuleCondition{{Field: new("path-pattern"), HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{"a.test"}}}}, nil, "ValidationError"},
		{"values beside", []types.RuleCondition{{Field: new("source-ip"), Values: []string{"10.0.0.0/8"}}}, nil, "ValidationError: Values of 'Conditions' cannot be specified when Field is 'source-ip'"},
		{"an unknown field", []types.RuleCondition{{Field: new("cookie"), Values: []string{"a"}}}, nil, "ValidationError: Condition field 'cookie' must be one of '[path-pattern,host-header,"},
		{"one field twice", []types.RuleCondition{host("a.test"), host("b.test")}, nil, "ValidationError: only have one"},
		{"too many values", []types.RuleCondition{host("a.test", "b.test", "c.test", "d.test", "e.test", "f.test")}, nil, "ValidationError: '5' condition values"},
		{"a host with a slash", []types.RuleCondition{host("a/b.test")}, nil, "ValidationError: 'a/b.test'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			l := e.listener(e.balancer("apps"), 80, fixed("404"))
			in := &elb.CreateRuleInput{ListenerArn: &l, Priority: new(int32(1)), Actions: []types.Action{fixed("200")}, Conditions: tt.in}
			if tt.want == nil {
				code, words, _ := strings.Cut(tt.code, ": ")
				refused(t, code, words, e.CreateRule, in)
				return
			}
			created := must(t, e.CreateRule, in).Rules[0]
			described := must(t, e.DescribeRules, &elb.DescribeRulesInput{ListenerArn: &l}).Rules[0]
			for _, got := range []types.Rule{created, described} {
				if diff := cmp.Diff(tt.want, got.Conditions, exact); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestConditionFields(t *testing.T) {
	t.Parallel()
	regexes := []string{`^a[0-9]+\.test$`}
	header := func(name string, v ...string) types.RuleCondition {
		return types.RuleCondition{Field: new("http-header"), HttpHeaderConfig: &types.HttpHeaderConditionConfig{HttpHeaderName: &name, Values: v}}
	}
	method := func(v ...string) types.RuleCondition {
		return types.RuleCondition{Field: new("http-request-method"), HttpRequestMethodConfig: &types.HttpRequestMethodConditionConfig{Values: v}}
	}
	query := func(v ...types.QueryStringKeyValuePair) types.RuleCondition {
		return types.RuleCondition{Field: new("query-string"), QueryStringConfig: &types.QueryStringConditionConfig{Values: v}}
	}
	source := func(v ...string) types.RuleCondition {
		return types.RuleCondition{Field: new("source-ip"), SourceIpConfig: &types.SourceIpConditionConfig{Values: v}}
	}
	pathRegex := func(v ...string) types.RuleCondition {
		return types.RuleCondition{Field: new("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{RegexValues: v}}
	}
	as := func(in ...types.RuleCondition) []types.RuleCondition { return in }
	long := strings.Repeat("a", 129)
	for _, tt := range []struct {
		name string
		in   []types.RuleCondition
		want []types.RuleCondition // nil: as it was given
		code string                // and words of the message; "": it is taken
	}{
		{name: "headers", in: as(header("X-Kind", "a*", "b c"), header("x-kind", "?"))},
		{
			name: "a header by regular expressions", in: as(types.RuleCondition{Field: new("http-header"), RegexValues: regexes, HttpHeaderConfig: &types.HttpHeaderConditionConfig{HttpHeaderName: new("a")}}),
			want: as(types.RuleCondition{Field: new("http-header"), HttpHeaderConfig: &types.HttpHeaderConditionConfig{HttpHeaderName: new("a"), RegexValues: regexes}}),
		},
		{name: "methods", in: as(method("GET", "X-MY_WAY"))},
		{name: "queries", in: as(query(types.QueryStringKeyValuePair{Key: new("v"), Value: new("1*")}, types.QueryStringKeyValuePair{Value: new(`\*\*\*\*\*\*\*`)}), query(types.QueryStringKeyValuePair{Value: new("x")}))},
		{name: "sources", in: as(source("10.0.0.1/8", "2001:db8::/32"))},
		{
			name: "a host by a regular expression", in: as(types.RuleCondition{Field: new("host-header"), HostHeaderConfig: &types.HostHeaderConditionConfig{RegexValues: regexes}}),
			want: as(types.RuleCondition{Field: new("host-header"), RegexValues: regexes, HostHeaderConfig: &types.HostHeaderConditionConfig{RegexValues: regexes}}),
		},
		{name: "Host as a header", in: as(header("HOST", "a")), code: "ValidationError: use a 'host-header' condition"},
		{name: "a header without a name", in: as(header("", "a")), code: "ValidationError: 'HttpHeaderName' must be specified"},
		{name: "a long name", in: as(header(long[:41], "a")), code: "ValidationError: The 'HttpHeaderName' value is too long; the limit is '40'"},
		{name: "a name with a space", in: as(header("a b", "a")), code: "ValidationError: 'a b' is invalid"},
		{name: "a long value", in: as(header("a", long)), code: "ValidationError: The 'http-header' value is too long; the limit is '128'"},
		{name: "no value", in: as(header("a")), code: "ValidationError: A condition value must be specified"},
		{name: "a small method", in: as(method("get")), code: "ValidationError: The 'http-request-method' value is invalid"},
		{name: "methods twice", in: as(method("GET"), method("PUT")), code: "ValidationError: can only have one 'http-request-method' condition"},
		{name: "a pair without a value", in: as(query(types.QueryStringKeyValuePair{Key: new("v")})), code: "ValidationError: A 'Value' must be specified in 'QueryStringKeyValuePair'"},
		{name: "an address", in: as(source("10.0.0.1")), code: "ValidationError: must be a CIDR block"},
		{name: "the last address", in: as(source("255.255.255.255/32")), code: "ValidationError: cannot be used"},
		{name: "look-around", in: as(pathRegex("(?=a)")), code: "ValidationError: The regular expression '(?=a)' of a 'path-pattern' condition is not valid"},
		{name: "a class by name", in: as(pathRegex(`\pL`)), code: "ValidationError: is not valid"},
		{name: "an enormous expression", in: as(pathRegex("((a{100}){100}){100}")), code: "ValidationError: is not valid"},
		{name: "regular expressions of a method", in: as(types.RuleCondition{Field: new("http-request-method"), RegexValues: regexes}), code: "ValidationError: RegexValues of 'Conditions' cannot be specified"},
		{name: "too many values", in: as(method("GET", "PUT"), source("10.0.0.0/8", "11.0.0.0/8"), query(types.QueryStringKeyValuePair{Value: new("a")}, types.QueryStringKeyValuePair{Value: new("b")})), code: "ValidationError: '5' condition values"},
		{name: "too many wildcards", in: as(header("a", "*****"), query(types.QueryStringKeyValuePair{Key: new("?"), Value: new("?")})), code: "ValidationError: '6' condition wildcards"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			l := e.listener(e.balancer("apps"), 80, fixed("404"))
			in := &elb.CreateRuleInput{ListenerArn: &l, Priority: new(int32(1)), Actions: []types.Action{fixed("200")}, Conditions: tt.in}
			if tt.code != "" {
				code, words, _ := strings.Cut(tt.code, ": ")
				refused(t, code, words, e.CreateRule, in)
				return
			}
			want := tt.want
			if want == nil {
				want = tt.in
			}
			must(t, e.CreateRule, in)
			if diff := cmp.Diff(want, must(t, e.DescribeRules, &elb.DescribeRulesInput{ListenerArn: &l}).Rules[0].Conditions, exact); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTransforms(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	l := e.listener(e.balancer("apps"), 80, fixed("404"))
	r := e.rule(l, 1, "a.test", fixed("200"))
	rewrite := func(regex, replace string) []types.RewriteConfig {
		return []types.RewriteConfig{{Regex: &regex, Replace: &replace}}
	}
	host := types.RuleTransform{Type: "host-header-rewrite", HostHeaderRewriteConfig: &types.HostHeaderRewriteConfig{Rewrites: rewrite(`^(.+)\.test$`, "$1.local")}}
	url := func(regex, replace string) types.RuleTransform {
		return types.RuleTransform{Type: "url-rewrite", UrlRewriteConfig: &types.UrlRewriteConfig{Rewrites: rewrite(regex, replace)}}
	}
	both := []types.RuleTransform{host, url("^/api", "/$")}
	modified := must(t, e.ModifyRule, &elb.ModifyRuleInput{RuleArn: &r, Transforms: both}).Rules[0]
	if diff := cmp.Diff(both, modified.Transforms, exact); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for words, in := range map[string][]types.RuleTransform{
		"only have one 'url-rewrite'":          {url("a", "b"), url("c", "d")},
		"exactly one rewrite":                  {{Type: "url-rewrite"}},
		"Only 'UrlRewriteConfig' can":          {{Type: "url-rewrite", UrlRewriteConfig: url("a", "b").UrlRewriteConfig, HostHeaderRewriteConfig: host.HostHeaderRewriteConfig}},
		"has '$2', but its regular expression": {url("(a)", "$2")},
		"is not valid":                         {url("(", "")},
		"longer than '1024'":                   {url("a", strings.Repeat("a", 1025))},
		"'Regex' must be specified":            {url("", "a")},
	} {
		refused(t, "ValidationError", words, e.ModifyRule, &elb.ModifyRuleInput{RuleArn: &r, Transforms: in})
	}
	refused(t, "ValidationError", "cannot be specified when ResetTransforms", e.ModifyRule, &elb.ModifyRuleInput{RuleArn: &r, Transforms: both, ResetTransforms: new(true)})
	must(t, e.ModifyRule, &elb.ModifyRuleInput{RuleArn: &r, Actions: []types.Action{fixed("404")}})
	if got := must(t, e.DescribeRules, &elb.DescribeRulesInput{RuleArns: []string{r}}).Rules[0].Transforms; len(got) != 2 {
		t.Errorf("another change left %d transforms, want 2", len(got))
	}
	if got := must(t, e.ModifyRule, &elb.ModifyRuleInput{RuleArn: &r, ResetTransforms: new(true)}).Rules[0].Transforms; len(got) != 0 {
		t.Errorf("a reset left %v", got)
	}
}

func TestTooManyRules(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb := e.balancer("apps")
	l, other := e.listener(lb, 80, fixed("404")), e.listener(lb, 81, fixed("404"))
	for p := range int32(100) {
		e.rule(l, p+1, "a.test", fixed("200"))
	}
	refused(t, "TooManyRules", lb, e.CreateRule, &elb.CreateRuleInput{
		ListenerArn: &other, Priority: new(int32(1)), Actions: []types.Action{fixed("200")},
		Conditions: []types.RuleCondition{{Field: new("path-pattern"), Values: []string{"/x"}}},
	})
}

func TestActions(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	g1, g2 := e.group("one"), e.group("two")
	l := e.listener(e.balancer("apps"), 80, fixed("404"))
	r := e.rule(l, 1, "a.test", fixed("200"))
	weighted := func(ws ...int32) types.Action {
		c := &types.ForwardActionConfig{}
		for i, w := range ws {
			c.TargetGroups = append(c.TargetGroups, types.TargetGroupTuple{TargetGroupArn: []*string{&g1, &g2}[i%2], Weight: &w})
		}
		return types.Action{Type: "forward", ForwardConfig: c}
	}
	off := &types.TargetGroupStickinessConfig{Enabled: new(false)}
	simple := types.Action{Type: "forward", TargetGroupArn: &g1, ForwardConfig: &types.ForwardActionConfig{
		TargetGroups: []types.TargetGroupTuple{{TargetGroupArn: &g1, Weight: new(int32(1))}}, TargetGroupStickinessConfig: off,
	}}
	canary := weighted(90, 10)
	canary.ForwardConfig.TargetGroupStickinessConfig = off
	forever := weighted(1)
	forever.ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: new(false), DurationSeconds: new(int32(604801))}
	sticky := weighted(1)
	sticky.ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: new(true), DurationSeconds: new(int32(60))}
	stuck := sticky
	stuck.TargetGroupArn = &g1
	endless := weighted(1)
	endless.ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: new(true)}
	oidc := forward(g1)
	oidc.AuthenticateOidcConfig = &types.AuthenticateOidcActionConfig{Issuer: new("https://id.test")}
	page := types.Action{Type: "fixed-response", Order: new(int32(1)), FixedResponseConfig: &types.FixedResponseActionConfig{
		StatusCode: new("503"), ContentType: new("text/html"), MessageBody: new("<p>soon</p>"),
	}}
	badType := types.Action{Type: "fixed-response", FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: new("200"), ContentType: new("image/png")}}

	for _, tt := range []struct {
		name        string
		in          []types.Action
		want        types.Action
		code, words string
	}{
		{name: "a target group", in: []types.Action{forward(g1)}, want: simple},
		{name: "what Describe returned", in: []types.Action{simple}, want: simple},
		{name: "weights", in: []types.Action{weighted(90, 10)}, want: canary},
		{name: "an answer", in: []types.Action{page}, want: page},
		{name: "stickiness", in: []types.Action{sticky}, want: stuck},
		{name: "stickiness without a duration", in: []types.Action{endless}, code: "InvalidLoadBalancerAction", words: "duration"},
		{
			name: "a redirect", in: []types.Action{redirect(types.RedirectActionConfig{Protocol: new("HTTPS"), Host: new(""), Port: new("443")})},
			want: redirect(types.RedirectActionConfig{Protocol: new("HTTPS"), Host: new("#{host}"), Port: new("443"), Path: new("/#{path}"), Query: new("#{query}")}),
		},
		{name: "a redirect without a config", in: []types.Action{{Type: "redirect"}}, code: "InvalidLoadBalancerAction", words: "For actions of type 'redirect', you must specify the following fields: 'RedirectConfig'"},
		{name: "a loop", in: []types.Action{redirect(types.RedirectActionConfig{Query: new("x")})}, code: "InvalidLoadBalancerAction", words: "creates a loop"},
		{name: "a redirect's port", in: []types.Action{redirect(types.RedirectActionConfig{Port: new("65536")})}, code: "ValidationError", words: "'65536'"},
		{name: "a redirect's protocol", in: []types.Action{redirect(types.RedirectActionConfig{Protocol: new("https")})}, code: "ValidationError", words: "'https'"},
		{name: "a redirect's path", in: []types.Action{redirect(types.RedirectActionConfig{Path: new("x")})}, code: "ValidationError", words: "must begin with a '/'"},
		{name: "a keyword", in: []types.Action{redirect(types.RedirectActionConfig{Path: new("/#{query}")})}, code: "ValidationError", words: "can only have the keywords"},
		{name: "a line break", in: []types.Action{redirect(types.RedirectActionConfig{Path: new("/\r\nX: y")})}, code: "ValidationError", words: "invalid characters"},
		{name: "a long query", in: []types.Action{redirect(types.RedirectActionConfig{Path: new("/x"), Query: new(strings.Repeat("q", 129))})}, code: "ValidationError", words: "'128'"},
		{name: "another action's config", in: []types.Action{{Type: "forward", TargetGroupArn: &g1, FixedResponseConfig: page.FixedResponseConfig}}, code: "ValidationError", words: "FixedResponseConfig of 'Actions.1'"},
		{name: "authentication", in: []types.Action{{Type: "authenticate-cognito"}, forward(g1)}, code: "InvalidConfigurationRequest", words: "The value 'authenticate-cognito' of parameter 'Actions.1.Type' is not supported"},
		{name: "a duration too long", in: []types.Action{forever}, code: "ValidationError", words: "between 1 and 604800"},
		{name: "a weight too many", in: []types.Action{weighted(1000)}, code: "ValidationError", words: "between 0 and 999"},
		{name: "a group twice", in: []types.Action{weighted(1, 1, 1)}, code: "ValidationError", words: "more than once"},
		{name: "no group", in: []types.Action{{Type: "forward"}}, code: "InvalidLoadBalancerAction", words: "target group"},
		{name: "another type's config", in: []types.Action{oidc}, code: "InvalidConfigurationRequest", words: "'Actions.1.member.AuthenticateOidcConfig'"},
		{name: "two actions", in: []types.Action{forward(g1), fixed("200")}, code: "InvalidLoadBalancerAction", words: "exactly one"},
		{name: "not a group", in: []types.Action{forward("x")}, code: "ValidationError", words: "'x' is not a valid target group ARN"},
		{name: "a content type", in: []types.Action{badType}, code: "InvalidLoadBalancerAction", words: "The ContentType must be one of:'text/html'"},
		{name: "a status", in: []types.Action{fixed("302")}, code: "ValidationError", words: "'302'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &elb.ModifyRuleInput{RuleArn: &r, Actions: tt.in}
			if tt.code != "" {
				refused(t, tt.code, tt.words, e.ModifyRule, in)
				return
			}
			if diff := cmp.Diff([]types.Action{tt.want}, must(t, e.ModifyRule, in).Rules[0].Actions, exact); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	refused(t, "ResourceInUse", g1, e.DeleteTargetGroup, deleteGroupAfter(t, e, r, g1))
}

func redirect(c types.RedirectActionConfig) types.Action {
	c.StatusCode = "HTTP_301"
	return types.Action{Type: "redirect", RedirectConfig: &c}
}

// deleteGroupAfter makes rule r forward to group.
func deleteGroupAfter(t *testing.T, e env, r, group string) *elb.DeleteTargetGroupInput {
	must(t, e.ModifyRule, &elb.ModifyRuleInput{RuleArn: &r, Actions: []types.Action{forward(group)}})
	return &elb.DeleteTargetGroupInput{TargetGroupArn: &group}
}
