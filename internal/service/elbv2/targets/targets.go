package targets

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
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
			if err := settle(&t, zones); err != nil {
				return nil, err
			}
			if t.Zone == all && g.Attribute(elbv2.CrossZone) == "false" {
				return nil, request.Invalid("The IP address '%s' cannot be registered with the Availability Zone 'all': cross-zone load balancing is off", t.Addr)
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
			if err := deregister(tx, elbv2.TargetKey(t.Group, t.Addr, t.Port), now); err != nil {
				return nil, err
			}
		}
		return &elb.DeregisterTargetsOutput{}, nil
	})
}

// groupOfTargets reads the group of an operation on targets. The error for one that isn't there names it:
// https://github.com/kubernetes-sigs/aws-load-balancer-controller logs "TargetGroupNotFound: Target groups 'arn:…' not found".
func groupOfTargets(tx store.Tx, arn string) (elbv2.TargetGroup, error) {
	kind := request.TargetGroup
	kind.None = func(arn string) error {
		return &types.TargetGroupNotFoundException{Message: new(fmt.Sprintf("Target groups '%s' not found", arn))}
	}
	return kind.Get(tx, arn)
}

// readTarget reads a target of g, with the group's port when it names none.
func readTarget(g elbv2.TargetGroup, d types.TargetDescription) (elbv2.Target, error) {
	t := elbv2.Target{Group: g.ARN, Port: request.Or(d.Port, g.Port), Zone: aws.ToString(d.AvailabilityZone)}
	addr, err := readAddr(d)
	if err != nil && g.Type != "" {
		return t, &types.InvalidTargetException{Message: new(fmt.Sprintf("The following targets are not in a running state and cannot be registered: '%s'", aws.ToString(d.Id)))}
	}
	if err != nil {
		return t, err
	}
	t.Addr = addr.String()
	return t, nil
}

func readAddr(d types.TargetDescription) (netip.Addr, error) {
	addr, err := netip.ParseAddr(aws.ToString(d.Id))
	if err != nil || !addr.Is4() {
		return addr, request.Invalid("The IP address '%s' is not a valid IPv4 address", aws.ToString(d.Id))
	}
	return addr, nil
}

// targetFaults returns the faults of targets in a call that show without looking at records.
func targetFaults(group string, targets []types.TargetDescription) (f awserr.Faults) {
	f.Add(request.TargetGroup.Check(group))
	for _, d := range targets {
		if strings.HasPrefix(aws.ToString(d.Id), "i-") {
			continue // the group's type decides
		}
		_, err := readAddr(d)
		f.Add(err)
	}
	return f
}

// zonesOf returns the zones of a target group's VPC.
func (a *API) zonesOf(ctx context.Context, group string) (elbv2.Zones, error) {
	g, err := handler.View(ctx, a.db, func(tx store.Tx) (elbv2.TargetGroup, error) { return groupOfTargets(tx, group) })
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
func settle(t *elbv2.Target, z elbv2.Zones) error {
	addr, err := netip.ParseAddr(t.Addr)
	if err != nil {
		return fmt.Errorf("parse the address of a target: %w", err)
	}
	known := map[string]bool{all: true}
	for subnet, zone := range z {
		if subnet.Contains(addr) {
			if t.Zone != "" && t.Zone != zone {
				return request.Invalid("The IP address '%s' is within the VPC, and cannot have its Availability Zone overridden to '%s' from '%s'", addr, t.Zone, zone)
			}
			t.Zone = zone
			return nil
		}
		known[zone] = true
	}
	switch {
	case !addr.IsPrivate() && !sharedRange.Contains(addr):
		return request.Invalid("The IP address '%s' must be in a subnet of the VPC or in one of the ranges 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and 100.64.0.0/10", addr)
	case t.Zone == "":
		return request.Invalid("The Availability Zone is required for IP address '%s' because it is not in the VPC: specify 'all'", addr)
	case !known[t.Zone]:
		return request.Invalid("You must specify a valid Availability Zone or select 'all' for all enabled Availability zones, since the IP address '%s' is outside the VPC", addr)
	}
	return nil
}

func register(tx store.Tx, t elbv2.Target, now time.Time) error {
	key := elbv2.TargetKey(t.Group, t.Addr, t.Port)
	old, there, err := handler.Find(tx, elbv2.Targets, key)
	if err != nil {
		return err
	}
	t.RegisteredAt = now
	if there && old.DeregisteredAt.IsZero() {
		t.RegisteredAt = old.RegisteredAt
	}
	return elbv2.Targets.Put(tx, key, t)
}

func deregister(tx store.Tx, key string, now time.Time) error {
	t, there, err := handler.Find(tx, elbv2.Targets, key)
	if err != nil || !there || !t.DeregisteredAt.IsZero() {
		return err
	}
	t.DeregisteredAt = now
	return elbv2.Targets.Put(tx, key, t)
}

// DescribeTargetHealth returns the health of the targets of a group.
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
		out, anomalies := &elb.DescribeTargetHealthOutput{}, slices.ContainsFunc(in.Include, func(i types.DescribeTargetHealthInputIncludeEnum) bool {
			return i == types.DescribeTargetHealthInputIncludeEnumAnomaly || i == types.DescribeTargetHealthInputIncludeEnumAll
		})
		for _, t := range targets {
			h, err := healthOf(tx, t.Group, t.Addr, t.Port)
			if err != nil {
				return nil, err
			}
			d := wireTarget(t, g, h)
			if anomalies {
				d.AnomalyDetection = wireAnomaly(h)
			}
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, d)
		}
		return out, nil
	})
}

// askedTargets returns the targets that are asked for, all of g when none is.
func askedTargets(tx store.Tx, g elbv2.TargetGroup, asked []types.TargetDescription) ([]elbv2.Target, error) {
	if len(asked) == 0 {
		return elbv2.Targets.List(tx, g.ARN+"#")
	}
	var out []elbv2.Target
	for _, d := range asked {
		t, err := readTarget(g, d)
		if err != nil {
			return nil, err
		}
		registered, there, err := handler.Find(tx, elbv2.Targets, elbv2.TargetKey(t.Group, t.Addr, t.Port))
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

// wireAnomaly says whether a target fails more often than the others.
func wireAnomaly(h elbv2.TargetHealth) *types.AnomalyDetection {
	out := &types.AnomalyDetection{Result: types.AnomalyResultEnumNormal, MitigationInEffect: types.MitigationInEffectEnumNo}
	if h.Anomalous {
		out.Result = types.AnomalyResultEnumAnomalous
	}
	if h.Mitigated {
		out.MitigationInEffect = types.MitigationInEffectEnumYes
	}
	return out
}

func wireTarget(t elbv2.Target, g elbv2.TargetGroup, h elbv2.TargetHealth) types.TargetHealthDescription {
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
