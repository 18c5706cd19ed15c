package elbv2

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

const maxPriority = 50000

// CreateRule adds a rule to a listener.
func (a *API) CreateRule(ctx context.Context, in *elb.CreateRuleInput) (*elb.CreateRuleOutput, error) {
	if err := newRuleFaults(in).First(); err != nil {
		return nil, err
	}
	r := Rule{ARN: ruleARN(*in.ListenerArn), Listener: *in.ListenerArn, Priority: *in.Priority}
	r.Conditions, _ = readConditions(in.Conditions)
	r.Action, _ = readAction(in.Actions, "Actions")
	var err error
	if r.Tags, err = tagRules.Add(nil, tagType.From(in.Tags)); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.CreateRuleOutput, error) {
		l, err := getListener(tx, r.Listener)
		if err != nil {
			return nil, err
		}
		r.LoadBalancer = l.LoadBalancer
		siblings, err := rulesOfListener(tx, r.Listener)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(siblings, func(s Rule) bool { return s.Priority == r.Priority }) {
			return nil, priorityInUse(r.Priority)
		}
		return &elb.CreateRuleOutput{Rules: []types.Rule{r.wire()}}, putRule(tx, r)
	})
}

// newRuleFaults is what is wrong with a new rule, whatever is there.
func newRuleFaults(in *elb.CreateRuleInput) (f awserr.Faults) {
	f.Add(kindListener.check(*in.ListenerArn), checkPriority(*in.Priority))
	_, wrong := readConditions(in.Conditions)
	f.Add(wrong...)
	_, wrong = readAction(in.Actions, "Actions")
	f.Add(wrong...)
	f.Add(tagRules.Faults(tagType.From(in.Tags))...)
	return f
}

func checkPriority(p int32) error {
	if p < 1 || p > maxPriority {
		return invalid("The priority '%d' must be between '1' and '%d', inclusive", p, maxPriority)
	}
	return nil
}

func priorityInUse(p int32) error {
	return &types.PriorityInUseException{Message: new(fmt.Sprintf("Priority '%d' is currently in use", p))}
}

// putRule writes r when its target groups will do.
func putRule(tx store.Tx, r Rule) error {
	if err := checkGroups(tx, r); err != nil {
		return err
	}
	return Rules.Put(tx, r.ARN, r)
}

// rulesOfListener returns a listener's rules in the order they are tried.
func rulesOfListener(tx store.Tx, listener string) ([]Rule, error) {
	rules, err := Rules.By(tx, "listener", listener)
	if err != nil {
		return nil, fmt.Errorf("list rules of %s: %w", listener, err)
	}
	SortRules(rules)
	return rules, nil
}

// SortRules orders the rules of a listener as they are tried: by priority, the
// default rule last.
func SortRules(rules []Rule) {
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(a.ARN, b.ARN))
	})
}

func (r Rule) place() int32 {
	if r.IsDefault() {
		return math.MaxInt32
	}
	return r.Priority
}

// DescribeRules lists rules: those of a listener, or those that are named.
func (a *API) DescribeRules(ctx context.Context, in *elb.DescribeRulesInput) (*elb.DescribeRulesOutput, error) {
	if (in.ListenerArn == nil) == (len(in.RuleArns) == 0) {
		return nil, invalid("You must specify either rule ARNs or a listener ARN")
	}
	page, err := pages.Open(in.PageSize, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeRulesOutput, error) {
		found, err := findRules(tx, in)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, found, func(r Rule) string { return fmt.Sprintf("%010d%s", r.place(), r.ARN) })
		out := &elb.DescribeRulesOutput{NextMarker: next}
		for _, r := range part {
			out.Rules = append(out.Rules, r.wire())
		}
		return out, nil
	})
}

func findRules(tx store.Tx, in *elb.DescribeRulesInput) ([]Rule, error) {
	if in.ListenerArn != nil {
		if _, err := getListener(tx, *in.ListenerArn); err != nil {
			return nil, err
		}
		return rulesOfListener(tx, *in.ListenerArn)
	}
	var out []Rule
	for _, arn := range in.RuleArns {
		r, err := getRule(tx, arn)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	SortRules(out)
	return out, nil
}

// ModifyRule replaces a rule's conditions or actions, or both.
func (a *API) ModifyRule(ctx context.Context, in *elb.ModifyRuleInput) (*elb.ModifyRuleOutput, error) {
	change, wrong := readChange(in)
	if err := wrong.First(); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.ModifyRuleOutput, error) {
		r, err := getRule(tx, *in.RuleArn)
		if err != nil {
			return nil, err
		}
		if r.IsDefault() {
			return nil, notPermitted("Default rule '%s' cannot be modified", r.ARN)
		}
		if len(in.Conditions) > 0 {
			r.Conditions = change.Conditions
		}
		if len(in.Actions) > 0 {
			r.Action = change.Action
		}
		return &elb.ModifyRuleOutput{Rules: []types.Rule{r.wire()}}, putRule(tx, r)
	})
}

// readChange reads what a rule is to become, and what is wrong with that, whatever is there.
func readChange(in *elb.ModifyRuleInput) (r Rule, f awserr.Faults) {
	if len(in.Conditions) == 0 && len(in.Actions) == 0 {
		f.Add(invalid("Either conditions or actions must be specified"))
	}
	var wrong awserr.Faults
	if len(in.Conditions) > 0 {
		r.Conditions, wrong = readConditions(in.Conditions)
		f.Add(wrong...)
	}
	if len(in.Actions) > 0 {
		r.Action, wrong = readAction(in.Actions, "Actions")
		f.Add(wrong...)
	}
	return r, f
}

func changedRuleFaults(in *elb.ModifyRuleInput) []error {
	_, f := readChange(in)
	return f
}

// DeleteRule removes a rule; a listener's default rule stays.
func (a *API) DeleteRule(ctx context.Context, in *elb.DeleteRuleInput) (*elb.DeleteRuleOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.DeleteRuleOutput, error) {
		r, err := getRule(tx, *in.RuleArn)
		if err != nil {
			return nil, err
		}
		if r.IsDefault() {
			return nil, notPermitted("Default rule '%s' cannot be deleted", r.ARN)
		}
		return &elb.DeleteRuleOutput{}, Rules.Delete(tx, r.ARN)
	})
}

// SetRulePriorities gives rules other priorities, all at once.
func (a *API) SetRulePriorities(ctx context.Context, in *elb.SetRulePrioritiesInput) (*elb.SetRulePrioritiesOutput, error) {
	wanted := make(map[string]int32)
	for _, p := range in.RulePriorities {
		arn, n := deref(p.RuleArn), deref(p.Priority)
		if err := checkPriority(n); err != nil {
			return nil, err
		}
		if _, twice := wanted[arn]; twice {
			return nil, invalid("Rule '%s' is given more than once", arn)
		}
		wanted[arn] = n
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.SetRulePrioritiesOutput, error) {
		out := &elb.SetRulePrioritiesOutput{}
		listeners := make(map[string]bool)
		for _, p := range in.RulePriorities {
			r, err := getRule(tx, deref(p.RuleArn))
			if err != nil {
				return nil, err
			}
			if r.IsDefault() {
				return nil, notPermitted("The priority of the default rule '%s' cannot be modified", r.ARN)
			}
			listeners[r.Listener] = true
			r.Priority = wanted[r.ARN]
			if err := Rules.Put(tx, r.ARN, r); err != nil {
				return nil, err
			}
			out.Rules = append(out.Rules, r.wire())
		}
		return out, checkPriorities(tx, listeners)
	})
}

// checkPriorities checks that no two rules of a listener have the same.
func checkPriorities(tx store.Tx, listeners map[string]bool) error {
	for l := range listeners {
		rules, err := rulesOfListener(tx, l)
		if err != nil {
			return err
		}
		for i := range len(rules) - 1 {
			if rules[i].Priority == rules[i+1].Priority {
				return priorityInUse(rules[i].Priority)
			}
		}
	}
	return nil
}

func (r Rule) wire() types.Rule {
	out := types.Rule{
		RuleArn:    new(r.ARN),
		IsDefault:  new(r.IsDefault()),
		Priority:   new("default"),
		Conditions: []types.RuleCondition{},
		Actions:    r.Action.wire(),
	}
	if !r.IsDefault() {
		out.Priority = new(strconv.Itoa(int(r.Priority)))
	}
	for _, c := range r.Conditions {
		out.Conditions = append(out.Conditions, c.wire())
	}
	return out
}
