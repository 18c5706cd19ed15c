package elbv2

import (
	"strings"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"
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
	https := create(443, fixed("404"))
	https.Protocol = "HTTPS"
	refused(t, "InvalidConfigurationRequest", "'HTTPS' of parameter 'Protocol'", e.CreateListener, https)
	redirect := types.Action{Type: "redirect", RedirectConfig: &types.RedirectActionConfig{StatusCode: "HTTP_301"}}
	refused(t, "InvalidConfigurationRequest", "'DefaultActions.1.member.RedirectConfig'", e.CreateListener, create(82, redirect))
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
	must(t, e.DescribeListenerAttributes, &elb.DescribeListenerAttributesInput{ListenerArn: &l})
	must(t, e.DeleteListener, &elb.DeleteListenerInput{ListenerArn: &l})
	refused(t, "ListenerNotFound", "One or more listeners", e.DeleteListener, &elb.DeleteListenerInput{ListenerArn: &l})
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
	refused(t, "PriorityInUse", "'10'", e.CreateRule, create)
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
	refused(t, "PriorityInUse", "'5'", e.SetRulePriorities, swap(5, 5))
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
		{"a field that isn't supported", []types.RuleCondition{{Field: new("source-ip"), Values: []string{"10.0.0.0/8"}}}, nil, "InvalidConfigurationRequest"},
		{"a regex", []types.RuleCondition{{Field: new("host-header"), HostHeaderConfig: &types.HostHeaderConditionConfig{RegexValues: []string{"a"}}}}, nil, "InvalidConfigurationRequest"},
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
		{name: "stickiness", in: []types.Action{sticky}, code: "InvalidConfigurationRequest", words: "TargetGroupStickinessConfig.Enabled"},
		{name: "a duration too long", in: []types.Action{forever}, code: "ValidationError", words: "between 1 and 604800"},
		{name: "a weight too many", in: []types.Action{weighted(1000)}, code: "ValidationError", words: "between 0 and 999"},
		{name: "a group twice", in: []types.Action{weighted(1, 1, 1)}, code: "ValidationError", words: "more than once"},
		{name: "no group", in: []types.Action{{Type: "forward"}}, code: "InvalidLoadBalancerAction", words: "target group"},
		{name: "another type's config", in: []types.Action{oidc}, code: "InvalidConfigurationRequest", words: "'Actions.1.member.AuthenticateOidcConfig'"},
		{name: "two actions", in: []types.Action{forward(g1), fixed("200")}, code: "InvalidLoadBalancerAction", words: "exactly one"},
		{name: "not a group", in: []types.Action{forward("x")}, code: "ValidationError", words: "'x' is not a valid target group ARN"},
		{name: "a content type", in: []types.Action{badType}, code: "ValidationError", words: "content type"},
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

// deleteGroupAfter makes rule r forward to group.
func deleteGroupAfter(t *testing.T, e env, r, group string) *elb.DeleteTargetGroupInput {
	must(t, e.ModifyRule, &elb.ModifyRuleInput{RuleArn: &r, Actions: []types.Action{forward(group)}})
	return &elb.DeleteTargetGroupInput{TargetGroupArn: &group}
}
