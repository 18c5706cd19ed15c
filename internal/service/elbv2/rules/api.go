// Package rules answers the API's calls about the rules of listeners, and moves
// traffic between the target groups of a rule.
package rules

import (
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for rules.
type API struct{ db store.DB }

// New returns the API.
func New(db store.DB) *API { return &API{db} }

// Action names the members that an action of a rule or of a listener takes. Those of an action or a condition that belong
// to another type or field than its own are refused when it is read.
const Action = "Type Order TargetGroupArn ForwardConfig{TargetGroups{*} TargetGroupStickinessConfig{*}} RedirectConfig{*} FixedResponseConfig{*}"

const (
	condition = "Field Values RegexValues HostHeaderConfig{*} PathPatternConfig{*} HttpHeaderConfig{*} HttpRequestMethodConfig{*} " +
		"QueryStringConfig{Values{*}} SourceIpConfig{Values}"
	transform = "Type HostHeaderRewriteConfig{Rewrites{*}} UrlRewriteConfig{Rewrites{*}}"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateRule", a.CreateRule).On("listener/*: ListenerArn").Makes("listener-rule/app: ListenerArn").Takes("ListenerArn Priority Tags{*} Conditions{" + condition + "} Actions{" + Action + "} Transforms{" + transform + "}").
			Checks(func(in *elb.CreateRuleInput) []error { return newRuleFaults(in) }),
		wire.Op("DeleteRule", a.DeleteRule).On("listener-rule/*: RuleArn").Takes("RuleArn"),
		wire.Op("DescribeRules", a.DescribeRules).Takes("ListenerArn RuleArns Marker PageSize"),
		wire.Op("ModifyRule", a.ModifyRule).On("listener-rule/*: RuleArn").Takes("RuleArn Conditions{" + condition + "} Actions{" + Action + "} Transforms{" + transform + "} ResetTransforms").
			Checks(changedRuleFaults),
		wire.Op("SetRulePriorities", a.SetRulePriorities).On("listener-rule/*: RulePriorities.RuleArn").Takes("RulePriorities{*}"),
	}
}
