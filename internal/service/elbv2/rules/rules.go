package rules

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/store"
)

// Quotas of rules
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html).
const (
	maxPriority = 50000
	maxRules    = 100 // of a balancer, without the default ones
)

// CreateRule adds a rule to a listener.
func (a *API) CreateRule(ctx context.Context, in *elb.CreateRuleInput) (*elb.CreateRuleOutput, error) {
	if err := newRuleFaults(in).First(); err != nil {
		return nil, err
	}
	r := elbv2.Rule{ARN: NewARN(*in.ListenerArn), Listener: *in.ListenerArn, Priority: *in.Priority}
	r.Conditions, _ = readConditions(in.Conditions)
	r.Action, _ = ReadAction(in.Actions, "Actions")
	r.Transforms, _ = readTransforms(in.Transforms)
	var err error
	if r.Tags, err = request.TagRules.Add(nil, request.TagType.From(in.Tags)); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.CreateRuleOutput, error) {
		l, err := request.Listener.Get(tx, r.Listener)
		if err != nil {
			return nil, err
		}
		r.LoadBalancer = l.LoadBalancer
		siblings, err := rulesOfListener(tx, r.Listener)
		if err != nil {
			return nil, err
		}
		if err := priorityFault(siblings, r.Priority); err != nil {
			return nil, err
		}
		if err := countFault(tx, r.LoadBalancer); err != nil {
			return nil, err
		}
		return &elb.CreateRuleOutput{Rules: []types.Rule{wireRule(r)}}, Put(tx, r)
	})
}

// NewARN names a new rule of a listener: the listener's path with one more part.
func NewARN(listener string) string {
	return strings.Replace(listener, ":listener/", ":listener-rule/", 1) + "/" + id.Hex(16)
}

// newRuleFaults returns the faults of a new rule that show without looking at records.
func newRuleFaults(in *elb.CreateRuleInput) (f awserr.Faults) {
	f.Add(request.Listener.Check(*in.ListenerArn), checkPriority(*in.Priority))
	_, wrong := readConditions(in.Conditions)
	f.Add(wrong...)
	_, wrong = ReadAction(in.Actions, "Actions")
	f.Add(wrong...)
	_, wrong = readTransforms(in.Transforms)
	f.Add(wrong...)
	f.Add(request.TagRules.Faults(request.TagType.From(in.Tags))...)
	return f
}

func checkPriority(p int32) error {
	if p < 1 || p > maxPriority {
		return request.Invalid("The priority '%d' must be between '1' and '%d', inclusive", p, maxPriority)
	}
	return nil
}

// priorityFault refuses a priority that one of the rules has. It says which has
// it, and which priority nobody has.
func priorityFault(rules []elbv2.Rule, p int32) error {
	i := slices.IndexFunc(rules, func(r elbv2.Rule) bool { return r.Priority == p })
	if i < 0 {
		return nil
	}
	free := p
	for slices.ContainsFunc(rules, func(r elbv2.Rule) bool { return r.Priority == free }) {
		free = free%maxPriority + 1 // a listener has fewer rules than there are priorities
	}
	return &types.PriorityInUseException{Message: new(fmt.Sprintf("Priority '%d' is currently in use: rule '%s' has it, '%d' is free", p, rules[i].ARN, free))}
}

// countFault refuses a rule more than a balancer can have.
func countFault(tx store.Tx, lb string) error {
	rules, err := elbv2.Rules.By(tx, "loadbalancer", lb)
	if err != nil {
		return fmt.Errorf("list rules of %s: %w", lb, err)
	}
	count := 0
	for _, r := range rules {
		if !r.IsDefault() {
			count++
		}
	}
	if count < maxRules {
		return nil
	}
	return &types.TooManyRulesException{Message: new(fmt.Sprintf("The maximum number of rules on load balancer '%s' has been reached: '%d'", lb, maxRules))}
}

// Put writes r after checking its target groups, and what its listener's protocol forbids.
func Put(tx store.Tx, r elbv2.Rule) error {
	if err := checkGroups(tx, r); err != nil {
		return err
	}
	if err := downgradeFault(tx, r); err != nil {
		return err
	}
	return elbv2.Rules.Put(tx, r.ARN, r)
}

// downgradeFault refuses redirects from HTTPS to HTTP. With a default rule, which is
// written when its listener changes, it looks at the listener's other rules, too
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RedirectActionConfig.html).
func downgradeFault(tx store.Tx, r elbv2.Rule) error {
	l, err := request.Listener.Get(tx, r.Listener)
	if err != nil || l.TLS == nil {
		return err
	}
	all := []elbv2.Rule{r}
	if r.IsDefault() {
		others, err := rulesOfListener(tx, r.Listener)
		if err != nil {
			return err
		}
		all = append(all, slices.DeleteFunc(others, elbv2.Rule.IsDefault)...)
	}
	if slices.ContainsFunc(all, func(r elbv2.Rule) bool { return r.Action.Redirect != nil && r.Action.Redirect.Protocol == "HTTP" }) {
		return badAction("You cannot redirect HTTPS to HTTP")
	}
	return nil
}

// rulesOfListener returns a listener's rules in the order they are tried.
func rulesOfListener(tx store.Tx, listener string) ([]elbv2.Rule, error) {
	rules, err := elbv2.Rules.By(tx, "listener", listener)
	if err != nil {
		return nil, fmt.Errorf("list rules of %s: %w", listener, err)
	}
	elbv2.SortRules(rules)
	return rules, nil
}

// DescribeRules lists rules: those of a listener, or those that are named.
func (a *API) DescribeRules(ctx context.Context, in *elb.DescribeRulesInput) (*elb.DescribeRulesOutput, error) {
	switch {
	case in.ListenerArn == nil && len(in.RuleArns) == 0:
		return nil, request.Invalid("You must specify either listener rule ARNs or a listener ARN")
	case in.ListenerArn != nil && len(in.RuleArns) > 0:
		return nil, request.Invalid("Listener rule ARNs and a listener ARN cannot be specified at the same time")
	}
	page, err := request.Pages.Open(in.PageSize, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeRulesOutput, error) {
		found, err := findRules(tx, in)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, found, func(r elbv2.Rule) string { return fmt.Sprintf("%010d%s", r.Place(), r.ARN) })
		out := &elb.DescribeRulesOutput{NextMarker: next}
		for _, r := range part {
			out.Rules = append(out.Rules, wireRule(r))
		}
		return out, nil
	})
}

func findRules(tx store.Tx, in *elb.DescribeRulesInput) ([]elbv2.Rule, error) {
	if in.ListenerArn != nil {
		if _, err := request.Listener.Get(tx, *in.ListenerArn); err != nil {
			return nil, err
		}
		return rulesOfListener(tx, *in.ListenerArn)
	}
	var out []elbv2.Rule
	for _, arn := range in.RuleArns {
		r, err := request.Rule.Get(tx, arn)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	elbv2.SortRules(out)
	return out, nil
}

// ModifyRule replaces a rule's conditions, actions or transforms.
func (a *API) ModifyRule(ctx context.Context, in *elb.ModifyRuleInput) (*elb.ModifyRuleOutput, error) {
	change, wrong := readChange(in)
	if err := wrong.First(); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.ModifyRuleOutput, error) {
		r, err := request.Rule.Get(tx, *in.RuleArn)
		if err != nil {
			return nil, err
		}
		if r.IsDefault() {
			return nil, request.NotPermitted("Default rule '%s' cannot be modified", r.ARN)
		}
		if len(in.Conditions) > 0 {
			r.Conditions = change.Conditions
		}
		if len(in.Actions) > 0 {
			r.Action = change.Action
		}
		if len(in.Transforms) > 0 || aws.ToBool(in.ResetTransforms) {
			r.Transforms = change.Transforms
		}
		return &elb.ModifyRuleOutput{Rules: []types.Rule{wireRule(r)}}, Put(tx, r)
	})
}

// readChange reads the change of a rule, and the faults that show without looking at records.
func readChange(in *elb.ModifyRuleInput) (r elbv2.Rule, f awserr.Faults) {
	reset := aws.ToBool(in.ResetTransforms)
	if len(in.Conditions) == 0 && len(in.Actions) == 0 && len(in.Transforms) == 0 && !reset {
		f.Add(request.Invalid("Either conditions or actions must be specified"))
	}
	if len(in.Transforms) > 0 && reset {
		f.Add(request.Invalid("Transforms cannot be specified when ResetTransforms is 'true'"))
	}
	var wrong awserr.Faults
	r.Transforms, wrong = readTransforms(in.Transforms)
	f.Add(wrong...)
	if len(in.Conditions) > 0 {
		r.Conditions, wrong = readConditions(in.Conditions)
		f.Add(wrong...)
	}
	if len(in.Actions) > 0 {
		r.Action, wrong = ReadAction(in.Actions, "Actions")
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
		r, err := request.Rule.Get(tx, *in.RuleArn)
		if err != nil {
			return nil, err
		}
		if r.IsDefault() {
			return nil, request.NotPermitted("Default rule '%s' cannot be deleted", r.ARN)
		}
		return &elb.DeleteRuleOutput{}, elbv2.Rules.Delete(tx, r.ARN)
	})
}

// SetRulePriorities gives rules other priorities, all at once.
func (a *API) SetRulePriorities(ctx context.Context, in *elb.SetRulePrioritiesInput) (*elb.SetRulePrioritiesOutput, error) {
	wanted, taken := make(map[string]int32), make(map[int32]bool)
	for _, p := range in.RulePriorities {
		arn, n := aws.ToString(p.RuleArn), aws.ToInt32(p.Priority)
		if err := checkPriority(n); err != nil {
			return nil, err
		}
		if _, twice := wanted[arn]; twice {
			return nil, request.Invalid("Rule '%s' is given more than once", arn)
		}
		if taken[n] {
			return nil, request.Invalid("Priority '%d' was provided multiple times", n)
		}
		wanted[arn], taken[n] = n, true
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.SetRulePrioritiesOutput, error) {
		out := &elb.SetRulePrioritiesOutput{}
		listeners := make(map[string]bool)
		for _, p := range in.RulePriorities {
			r, err := request.Rule.Get(tx, aws.ToString(p.RuleArn))
			if err != nil {
				return nil, err
			}
			if r.IsDefault() {
				return nil, request.NotPermitted("The priority of the default rule '%s' cannot be modified", r.ARN)
			}
			listeners[r.Listener] = true
			r.Priority = wanted[r.ARN]
			if err := elbv2.Rules.Put(tx, r.ARN, r); err != nil {
				return nil, err
			}
			out.Rules = append(out.Rules, wireRule(r))
		}
		return out, checkPriorities(tx, listeners)
	})
}

// checkPriorities checks that no two rules of a listener have the same priority.
func checkPriorities(tx store.Tx, listeners map[string]bool) error {
	for l := range listeners {
		rules, err := rulesOfListener(tx, l)
		if err != nil {
			return err
		}
		for i := range len(rules) - 1 {
			if rules[i].Priority == rules[i+1].Priority {
				return priorityFault(rules, rules[i].Priority)
			}
		}
	}
	return nil
}

func wireRule(r elbv2.Rule) types.Rule {
	out := types.Rule{
		RuleArn:    new(r.ARN),
		IsDefault:  new(r.IsDefault()),
		Priority:   new("default"),
		Conditions: []types.RuleCondition{},
		Actions:    WireAction(r.Action),
	}
	if !r.IsDefault() {
		out.Priority = new(strconv.Itoa(int(r.Priority)))
	}
	for _, c := range r.Conditions {
		out.Conditions = append(out.Conditions, wireCondition(c))
	}
	for _, t := range r.Transforms {
		out.Transforms = append(out.Transforms, wireTransform(t))
	}
	return out
}
