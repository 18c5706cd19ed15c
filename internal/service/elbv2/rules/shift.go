package rules

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/store"
)

// What follows is for services that move traffic from one target group to
// another by the weights of a rule.

// Weights returns the target groups that a rule forwards to, with their
// weights. A rule that doesn't forward has none.
func (a *API) Weights(ctx context.Context, rule string) (map[string]int32, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (map[string]int32, error) {
		r, err := request.Rule.Get(tx, rule)
		return weights(r.Action), err
	})
}

// Shift gives target groups their weights in a rule, which must forward. Those
// that the rule doesn't have yet are added; groups of it that weights doesn't
// name stay as they are, and so does all else of the rule.
func (a *API) Shift(ctx context.Context, rule string, weights map[string]int32) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		r, err := request.Rule.Get(tx, rule)
		if err != nil {
			return err
		}
		if r.Action.Forward == nil {
			return &types.InvalidLoadBalancerActionException{Message: new("Rule '" + rule + "' does not have a forward action")}
		}
		next := reweighted(*r.Action.Forward, weights)
		if slices.Equal(next.Groups, r.Action.Forward.Groups) {
			return nil
		}
		if len(next.Groups) > maxGroups {
			return &types.TooManyUniqueTargetGroupsPerLoadBalancerException{Message: new("A forward action can have at most '5' target groups")}
		}
		r.Action.Forward = &next
		return Put(tx, r)
	})
}

// reweighted returns f with the weights, new groups last and in order.
func reweighted(f elbv2.Forward, weights map[string]int32) elbv2.Forward {
	f.Groups = slices.Clone(f.Groups)
	var added []elbv2.WeightedGroup
	for arn, w := range weights {
		if i := slices.IndexFunc(f.Groups, func(g elbv2.WeightedGroup) bool { return g.ARN == arn }); i >= 0 {
			f.Groups[i].Weight = w
			continue
		}
		added = append(added, elbv2.WeightedGroup{ARN: arn, Weight: w})
	}
	slices.SortFunc(added, func(a, b elbv2.WeightedGroup) int { return strings.Compare(a.ARN, b.ARN) })
	f.Groups = append(f.Groups, added...)
	return f
}

// weights are the target groups of a forward action.
func weights(a elbv2.Action) map[string]int32 {
	out := map[string]int32{}
	if a.Forward != nil {
		for _, g := range a.Forward.Groups {
			out[g.ARN] = g.Weight
		}
	}
	return out
}
