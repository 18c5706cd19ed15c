package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	smithy "github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy/shift"
	"github.com/skylift/skylift/internal/service/ecs/role"
)

// routing is what is true of the traffic, as far as it is the service's.
type routing struct {
	Deployment string   // the service deployment that it was looked at for
	Revision   string   // its target
	Groups     []string // the target groups that the target's tasks go into, by load balancer; nil where there is no choice
	Shift      ecs.Shift
	Ok         bool   // the rules have the weights that shift asks for
	Misrouted  string // why they can't
}

// misrouted is an error that is the user's: rules that aren't as they must be.
type misrouted struct{ why string }

func (m misrouted) Error() string { return m.why }

const invalidNetworking = "Service deployment rolled back because of invalid networking configuration. "

// blame makes an error of load balancing the user's, where it is.
func blame(err error) error {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return misrouted{e.ErrorMessage()}
	}
	return err
}

// route finds out where the target's tasks belong, and gives the rules the
// weights that the deployment asks for while it is under way.
func (d *Deployer) route(ctx context.Context, current ecs.ServiceDeployment, target, fallback ecs.ServiceRevision) (routing, error) {
	r := routing{Deployment: current.ID, Revision: target.ID, Groups: target.Groups, Shift: current.Progress.Shift}
	var err error
	if r.Groups == nil && !r.Shift.Back && target.Choice() {
		r.Groups, err = d.place(ctx, current, target.LoadBalancers, fallback)
	}
	if err == nil && current.Config.Method.Shifts() && current.Open() {
		r.Ok, err = d.weigh(ctx, target.LoadBalancers, r)
	}
	if m, ok := errors.AsType[misrouted](err); ok {
		r.Misrouted = invalidNetworking + m.why
		r.Ok = r.Shift.Back // nothing can be done about it
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("route the traffic of %s: %w", current.Service, err)
	}
	return r, nil
}

// place chooses the target groups of new tasks: where they are to be shifted to
// the one that doesn't serve, else the one that does.
func (d *Deployer) place(ctx context.Context, current ecs.ServiceDeployment, lbs []ecs.LoadBalancer, fallback ecs.ServiceRevision) (groups []string, err error) {
	shifts := current.Config.Method.Shifts()
	for _, l := range lbs {
		pair := l.Groups()
		if len(pair) < 2 {
			groups = append(groups, l.TargetGroup)
			continue
		}
		weights, err := d.lb.Weights(ctx, l.Advanced.ProductionRule)
		if err := blame(err); err != nil && (shifts || !errors.As(err, new(misrouted))) {
			return nil, err
		}
		serves, err := serving(l, weights, fallback, len(current.Sources) > 1)
		if err != nil && shifts {
			return nil, err
		}
		if shifts {
			pair = slices.DeleteFunc(pair, func(g string) bool { return g == serves })
			serves = pair[0]
		}
		groups = append(groups, serves)
	}
	return groups, nil
}

// serving is the target group of a pair that serves: that of the revision that
// is known to work, else the one that the rule sends requests to. It may send
// them to both only where a deployment in the middle was taken over from.
func serving(l ecs.LoadBalancer, weights map[string]int32, fallback ecs.ServiceRevision, takenOver bool) (string, error) {
	pair := l.Groups()
	if err := strange(l, weights); err != nil {
		return l.TargetGroup, err
	}
	for _, p := range fallback.Placed() {
		if slices.Contains(pair, p.TargetGroup) {
			return p.TargetGroup, nil
		}
	}
	switch {
	case weights[pair[0]] > 0 && weights[pair[1]] > 0 && !takenOver:
		return l.TargetGroup, misrouted{fmt.Sprintf("productionListenerRule %s should have exactly one target group serving traffic but found 2 target groups which are serving traffic", l.Advanced.ProductionRule)}
	case weights[pair[1]] > weights[pair[0]]:
		return pair[1], nil
	}
	return pair[0], nil
}

// strange finds a target group that production traffic goes to and that isn't
// the service's.
func strange(l ecs.LoadBalancer, weights map[string]int32) error {
	for group, w := range weights {
		if w > 0 && !slices.Contains(l.Groups(), group) {
			return misrouted{fmt.Sprintf("Production listener rule is forwarding traffic to unexpected target group %s. Expected traffic to be forwarded to either targetGroupArn: %s or alternateTargetGroupArn: %s", group, l.TargetGroup, l.Advanced.AlternateTargetGroup)}
		}
	}
	return nil
}

// weigh gives the rules their weights; ok says that they have them now.
func (d *Deployer) weigh(ctx context.Context, lbs []ecs.LoadBalancer, r routing) (ok bool, err error) {
	if len(r.Groups) == 0 {
		return true, nil // not by rules, or it never got as far as them
	}
	for i, l := range lbs {
		blue := slices.DeleteFunc(l.Groups(), func(g string) bool { return g == r.Groups[i] })
		for rule, share := range map[string]float64{l.Advanced.ProductionRule: r.Shift.Production, l.Advanced.TestRule: r.Shift.Test} {
			if rule == "" {
				continue
			}
			has, err := d.lb.Weights(ctx, rule)
			if err != nil {
				return false, blame(err)
			}
			if err := strange(l, has); err != nil && !r.Shift.Back && rule == l.Advanced.ProductionRule {
				return false, err
			}
			want := map[string]int32{}
			want[blue[0]], want[r.Groups[i]] = shift.Weights(share)
			if same(has, want) {
				continue
			}
			if !r.Shift.Back { // the way back is open whatever became of the role
				if err := role.MayShift(ctx, d.lb, l.Advanced.Role, rule); err != nil {
					return false, blame(err)
				}
			}
			if err := d.lb.Shift(ctx, rule, want); err != nil {
				return false, blame(err)
			}
		}
	}
	return true, nil
}

// same says whether the rule has the weights that are wanted.
func same(has, want map[string]int32) bool {
	for g, w := range want {
		if n, ok := has[g]; !ok || n != w {
			return false
		}
	}
	return true
}
