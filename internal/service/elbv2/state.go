package elbv2

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// The states of targets, in the API's words.
const (
	StateInitial   = string(types.TargetHealthStateEnumInitial)
	StateHealthy   = string(types.TargetHealthStateEnumHealthy)
	StateUnhealthy = string(types.TargetHealthStateEnumUnhealthy)
	StateDraining  = string(types.TargetHealthStateEnumDraining)
	StateUnused    = string(types.TargetHealthStateEnumUnused)
)

// healthOf returns what is true of a target now: what was registered decides
// over what was last found out about it.
func healthOf(tx store.Tx, group, addr string, port int32) (TargetHealth, error) {
	key := TargetKey(group, addr, port)
	h := TargetHealth{Group: group, Addr: addr, Port: port}
	t, there, err := handler.Find(tx, Targets, key)
	if err != nil {
		return h, err
	}
	if !there {
		return h.as(StateUnused, types.TargetHealthReasonEnumNotRegistered, "Target is not registered to the target group"), nil
	}
	found, _, err := handler.Find(tx, Healths, key)
	if err != nil {
		return h, err
	}
	used, err := GroupBalancers(tx, group)
	if err != nil {
		return h, err
	}
	switch {
	case !t.DeregisteredAt.IsZero():
		return h.as(StateDraining, types.TargetHealthReasonEnumDeregistrationInProgress, "Target deregistration is in progress"), nil
	case len(used) == 0:
		return h.as(StateUnused, types.TargetHealthReasonEnumNotInUse, "Target group is not configured to receive traffic from the load balancer"), nil
	case found.State == StateInitial || found.State == StateHealthy || found.State == StateUnhealthy:
		return found, nil
	default: // not found yet, or from before it was registered again
		return h.as(StateInitial, types.TargetHealthReasonEnumRegistrationInProgress, "Target registration is in progress"), nil
	}
}

func (h TargetHealth) as(state string, reason types.TargetHealthReasonEnum, description string) TargetHealth {
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
		return deregister(tx, TargetKey(group, addr, port), now)
	})
}

// TargetState returns how a target is, as DescribeTargetHealth says it. One
// that is not registered, or drained, is unused, with the reason
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
		if _, err := getTargetGroup(tx, group); err != nil {
			return err
		}
		lbs, err = GroupBalancers(tx, group)
		return err
	})
	return lbs, string(types.TargetTypeEnumIp), err
}
