package targets

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/store"
)

// healthOf returns the health of a target now. Its registration counts for more
// than what was last found out about it.
func healthOf(tx store.Tx, group, addr string, port int32) (elbv2.TargetHealth, error) {
	key := elbv2.TargetKey(group, addr, port)
	h := elbv2.TargetHealth{Group: group, Addr: addr, Port: port}
	t, there, err := handler.Find(tx, elbv2.Targets, key)
	if err != nil {
		return h, err
	}
	if !there {
		return as(h, elbv2.StateUnused, types.TargetHealthReasonEnumNotRegistered, "Target is not registered to the target group"), nil
	}
	found, _, err := handler.Find(tx, elbv2.Healths, key)
	if err != nil {
		return h, err
	}
	used, err := elbv2.GroupBalancers(tx, group)
	if err != nil {
		return h, err
	}
	switch {
	case !t.DeregisteredAt.IsZero():
		return as(h, elbv2.StateDraining, types.TargetHealthReasonEnumDeregistrationInProgress, "Target deregistration is in progress"), nil
	case len(used) == 0:
		return as(h, elbv2.StateUnused, types.TargetHealthReasonEnumNotInUse, "Target group is not configured to receive traffic from the load balancer"), nil
	case found.State == elbv2.StateInitial || found.State == elbv2.StateHealthy || found.State == elbv2.StateUnhealthy:
		return found, nil
	default: // not found yet, or from before it was registered again
		return as(h, elbv2.StateInitial, types.TargetHealthReasonEnumRegistrationInProgress, "Target registration is in progress"), nil
	}
}

func as(h elbv2.TargetHealth, state string, reason types.TargetHealthReasonEnum, description string) elbv2.TargetHealth {
	h.State, h.Reason, h.Description = state, string(reason), description
	return h
}

// What follows is for services that put their tasks behind balancers.

// Register adds a target to a group.
func (a *API) Register(ctx context.Context, group, addr string, port int32, zone string) error {
	now := time.Now().UTC()
	return a.db.Update(ctx, func(tx store.Tx) error {
		g, err := groupOfTargets(tx, group)
		if err != nil {
			return err
		}
		d := types.TargetDescription{Id: &addr, Port: &port}
		if zone != "" {
			d.AvailabilityZone = &zone
		}
		t, err := readTarget(g, d)
		if err != nil {
			return err
		}
		return register(tx, t, now)
	})
}

// Deregister takes a target out of a group; one that isn't in it, or whose
// group is gone, is out.
func (a *API) Deregister(ctx context.Context, group, addr string, port int32) error {
	now := time.Now().UTC()
	return a.db.Update(ctx, func(tx store.Tx) error {
		return deregister(tx, elbv2.TargetKey(group, addr, port), now)
	})
}

// TargetState returns the state of a target, as DescribeTargetHealth does. A target
// that is not registered, or is drained, is unused, with the reason
// Target.NotRegistered.
func (a *API) TargetState(ctx context.Context, group, addr string, port int32) (state, reason, description string, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		h, err := healthOf(tx, group, addr, port)
		state, reason, description = h.State, h.Reason, h.Description
		return err
	})
	return state, reason, description, err
}

// GroupBalancers returns the balancers that send requests to a target group,
// and the type of its targets.
func (a *API) GroupBalancers(ctx context.Context, group string) (lbs []string, targetType string, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		g, err := request.TargetGroup.Get(tx, group)
		if err != nil {
			return err
		}
		targetType = string(g.TargetType())
		lbs, err = elbv2.GroupBalancers(tx, group)
		return err
	})
	return lbs, targetType, err
}
