package api

import (
	"errors"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

func TestShift(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb, blue, green, third := e.balancer("apps"), e.group("blue"), e.group("green"), e.group("third")
	l := e.listener(lb, 80, forward(blue))
	rule := e.rule(l, 20, "b.test", forward(third))
	standard := must(t, e.DescribeRules, &elb.DescribeRulesInput{ListenerArn: &l}).Rules[1]

	shift := func(rule string, want map[string]int32, weights map[string]int32) {
		t.Helper()
		before := must(t, e.DescribeRules, &elb.DescribeRulesInput{RuleArns: []string{rule}}).Rules[0]
		if err := e.Shift(t.Context(), rule, weights); err != nil {
			t.Fatal(err)
		}
		got, err := e.Weights(t.Context(), rule)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s, %v: weights (-want +got):\n%s", rule, err, diff)
		}
		after := must(t, e.DescribeRules, &elb.DescribeRulesInput{RuleArns: []string{rule}}).Rules[0]
		before.Actions, after.Actions = nil, nil
		if diff := cmp.Diff(before, after, exact); diff != "" {
			t.Errorf("the rest of the rule changed (-before +after):\n%s", diff)
		}
	}
	shift(*standard.RuleArn, map[string]int32{blue: 100, green: 0}, map[string]int32{blue: 100, green: 0})
	shift(*standard.RuleArn, map[string]int32{blue: 999, green: 1}, map[string]int32{blue: 999, green: 1})
	shift(rule, map[string]int32{third: 1, blue: 0, green: 100}, map[string]int32{blue: 0, green: 100})
	if used, _, err := e.GroupBalancers(t.Context(), green); err != nil || len(used) != 1 || used[0] != lb {
		t.Errorf("a group with a weight of 0 is used by %v, %v; its targets must be checked", used, err)
	}

	answer := e.rule(l, 30, "c.test", fixed("200"))
	other := e.listener(e.balancer("other"), 80, fixed("404"))
	foreign := e.rule(other, 10, "d.test", forward(e.group("foreign")))
	for name, tt := range map[string]struct{ rule, code string }{
		"no such rule":       {rule + "0", "RuleNotFound"},
		"it doesn't":         {answer, "InvalidLoadBalancerAction"},
		"another balancer's": {foreign, "TargetGroupAssociationLimit"},
	} {
		err := e.Shift(t.Context(), tt.rule, map[string]int32{blue: 100})
		if se, ok := errors.AsType[smithy.APIError](err); !ok || se.ErrorCode() != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
	if w, err := e.Weights(t.Context(), answer); err != nil || len(w) != 0 {
		t.Errorf("a rule that answers itself: %v, %v", w, err)
	}
}
