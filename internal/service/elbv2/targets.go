package elbv2

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// RegisterTargets adds targets to a group. One that is being deregistered stays.
func (a *API) RegisterTargets(ctx context.Context, in *elb.RegisterTargetsInput) (*elb.RegisterTargetsOutput, error) {
	now := time.Now().UTC()
	zones, err := a.zonesOf(ctx, *in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.RegisterTargetsOutput, error) {
		g, err := groupOfTargets(tx, *in.TargetGroupArn)
		if err != nil {
			return nil, err
		}
		for _, d := range in.Targets {
			t, err := readTarget(g, d)
			if err != nil {
				return nil, err
			}
			if err := zones.settle(&t); err != nil {
				return nil, err
			}
			if err := register(tx, t, now); err != nil {
				return nil, err
			}
		}
		return &elb.RegisterTargetsOutput{}, nil
	})
}

// DeregisterTargets takes targets out of a group: they get no new requests, and
// are gone when those under way have ended.
func (a *API) DeregisterTargets(ctx context.Context, in *elb.DeregisterTargetsInput) (*elb.DeregisterTargetsOutput, error) {
	now := time.Now().UTC()
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.DeregisterTargetsOutput, error) {
		g, err := groupOfTargets(tx, *in.TargetGroupArn)
		if err != nil {
			return nil, err
		}
		for _, d := range in.Targets {
			t, err := readTarget(g, d)
			if err != nil {
				return nil, err
			}
			if err := deregister(tx, TargetKey(t.Group, t.Addr, t.Port), now); err != nil {
				return nil, err
			}
		}
		return &elb.DeregisterTargetsOutput{}, nil
	})
}

// readTarget reads a target of g, with the group's port when it names none.
func readTarget(g TargetGroup, d types.TargetDescription) (Target, error) {
	t := Target{Group: g.ARN, Port: or(d.Port, g.Port), Zone: deref(d.AvailabilityZone)}
	addr, err := readAddr(d)
	if err != nil {
		return t, err
	}
	t.Addr = addr.String()
	return t, nil
}

func readAddr(d types.TargetDescription) (netip.Addr, error) {
	addr, err := netip.ParseAddr(deref(d.Id))
	if err != nil || !addr.Is4() {
		return addr, invalid("The IP address '%s' is not a valid IPv4 address", deref(d.Id))
	}
	return addr, nil
}

// targetFaults is what is wrong with targets of a group, whatever is there.
func targetFaults(group string, targets []types.TargetDescription) (f awserr.Faults) {
	f.Add(kindTargetGroup.check(group))
	for _, d := range targets {
		_, err := readAddr(d)
		f.Add(err)
	}
	return f
}

// zonesOf returns the zones of a target group's VPC.
func (a *API) zonesOf(ctx context.Context, group string) (Zones, error) {
	g, err := handler.View(ctx, a.db, func(tx store.Tx) (TargetGroup, error) { return groupOfTargets(tx, group) })
	if err != nil {
		return nil, err
	}
	zones, err := a.net.Zones(ctx, g.VPC)
	if err != nil {
		return nil, fmt.Errorf("look up the subnets of %s: %w", g.VPC, err)
	}
	return zones, nil
}

// all is the zone of targets that every node of a balancer sends requests to.
const all = "all"

var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

// settle gives t, which is to be registered, its zone: that of its subnet, or,
// outside the VPC, one that the request must name. A target is never the host
// itself, nor somewhere on the internet.
func (z Zones) settle(t *Target) error {
	addr, err := netip.ParseAddr(t.Addr)
	if err != nil {
		return fmt.Errorf("parse the address of a target: %w", err)
	}
	known := map[string]bool{all: true}
	for subnet, zone := range z {
		if subnet.Contains(addr) {
			if t.Zone != "" && t.Zone != zone {
				return invalid("The IP address '%s' is within the VPC, and cannot have its Availability Zone overridden to '%s' from '%s'", addr, t.Zone, zone)
			}
			t.Zone = zone
			return nil
		}
		known[zone] = true
	}
	switch {
	case !addr.IsPrivate() && !sharedRange.Contains(addr):
		return invalid("The IP address '%s' must be in a subnet of the VPC or in one of the ranges 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and 100.64.0.0/10", addr)
	case t.Zone == "":
		return invalid("The Availability Zone is required for IP address '%s' because it is not in the VPC: specify 'all'", addr)
	case !known[t.Zone]:
		return invalid("You must specify a valid Availability Zone or select 'all' for all enabled Availability zones, since the IP address '%s' is outside the VPC", addr)
	}
	return nil
}

func register(tx store.Tx, t Target, now time.Time) error {
	key := TargetKey(t.Group, t.Addr, t.Port)
	old, there, err := handler.Find(tx, Targets, key)
	if err != nil {
		return err
	}
	t.RegisteredAt = now
	if there && old.DeregisteredAt.IsZero() {
		t.RegisteredAt = old.RegisteredAt
	}
	return Targets.Put(tx, key, t)
}

func deregister(tx store.Tx, key string, now time.Time) error {
	t, there, err := handler.Find(tx, Targets, key)
	if err != nil || !there || !t.DeregisteredAt.IsZero() {
		return err
	}
	t.DeregisteredAt = now
	return Targets.Put(tx, key, t)
}

// RemoveTarget removes a target along with its health: it is drained, or its
// group goes.
func RemoveTarget(tx store.Tx, t Target) error {
	key := TargetKey(t.Group, t.Addr, t.Port)
	return errors.Join(Targets.Delete(tx, key), Healths.Delete(tx, key))
}

// DescribeTargetHealth says how the targets of a group are.
func (a *API) DescribeTargetHealth(ctx context.Context, in *elb.DescribeTargetHealthInput) (*elb.DescribeTargetHealthOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeTargetHealthOutput, error) {
		g, err := groupOfTargets(tx, *in.TargetGroupArn)
		if err != nil {
			return nil, err
		}
		targets, err := askedTargets(tx, g, in.Targets)
		if err != nil {
			return nil, err
		}
		out := &elb.DescribeTargetHealthOutput{}
		for _, t := range targets {
			h, err := healthOf(tx, t.Group, t.Addr, t.Port)
			if err != nil {
				return nil, err
			}
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, t.wire(g, h))
		}
		return out, nil
	})
}

// askedTargets returns the targets that are asked for, all of g when none is.
func askedTargets(tx store.Tx, g TargetGroup, asked []types.TargetDescription) ([]Target, error) {
	if len(asked) == 0 {
		return Targets.List(tx, g.ARN+"#")
	}
	var out []Target
	for _, d := range asked {
		t, err := readTarget(g, d)
		if err != nil {
			return nil, err
		}
		registered, there, err := handler.Find(tx, Targets, TargetKey(t.Group, t.Addr, t.Port))
		if err != nil {
			return nil, err
		}
		if there {
			t = registered
		}
		out = append(out, t)
	}
	return out, nil
}

func (t Target) wire(g TargetGroup, h TargetHealth) types.TargetHealthDescription {
	d := types.TargetHealthDescription{
		Target:          &types.TargetDescription{Id: new(t.Addr), Port: new(t.Port)},
		HealthCheckPort: new(g.Check.Port),
		TargetHealth:    &types.TargetHealth{State: types.TargetHealthStateEnum(h.State), Reason: types.TargetHealthReasonEnum(h.Reason)},
	}
	if t.Zone != "" {
		d.Target.AvailabilityZone = new(t.Zone)
	}
	if g.Check.Port == "traffic-port" {
		d.HealthCheckPort = new(fmt.Sprint(t.Port))
	}
	if h.Description != "" {
		d.TargetHealth.Description = new(h.Description)
	}
	return d
}
