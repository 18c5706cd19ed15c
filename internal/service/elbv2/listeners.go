package elbv2

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// CreateListener makes a balancer answer HTTP on a port. A listener that is
// there with the same settings is returned.
func (a *API) CreateListener(ctx context.Context, in *elb.CreateListenerInput) (*elb.CreateListenerOutput, error) {
	if err := newListenerFaults(in).First(); err != nil {
		return nil, err
	}
	if err := a.portFault(in.Port); err != nil {
		return nil, err
	}
	action, _ := readAction(in.DefaultActions, "DefaultActions")
	tags, err := tagRules.Add(nil, tagType.From(in.Tags))
	if err != nil {
		return nil, err
	}
	l := Listener{ARN: listenerARN(*in.LoadBalancerArn), LoadBalancer: *in.LoadBalancerArn, Port: *in.Port, Tags: tags}
	l.DefaultRule = ruleARN(l.ARN)
	rule := Rule{ARN: l.DefaultRule, Listener: l.ARN, LoadBalancer: l.LoadBalancer, Action: action}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.CreateListenerOutput, error) {
		if _, err := getLoadBalancer(tx, l.LoadBalancer); err != nil {
			return nil, err
		}
		there, err := sameListener(tx, l, action)
		if err != nil {
			return nil, err
		}
		if there != nil {
			return &elb.CreateListenerOutput{Listeners: []types.Listener{there.wire(action)}}, nil
		}
		if err := putListener(tx, l); err != nil {
			return nil, err
		}
		return &elb.CreateListenerOutput{Listeners: []types.Listener{l.wire(action)}}, putRule(tx, rule)
	})
}

// sameListener returns the listener that differs from l in its ARN only.
func sameListener(tx store.Tx, l Listener, action Action) (*Listener, error) {
	siblings, err := Listeners.By(tx, "loadbalancer", l.LoadBalancer)
	if err != nil {
		return nil, fmt.Errorf("list listeners of %s: %w", l.LoadBalancer, err)
	}
	for _, s := range siblings {
		if s.Port != l.Port || !maps.Equal(s.Tags, l.Tags) {
			continue
		}
		r, err := Rules.Get(tx, s.DefaultRule)
		if err != nil {
			return nil, fmt.Errorf("read default rule of %s: %w", s.ARN, err)
		}
		if reflect.DeepEqual(r.Action, action) {
			return &s, nil
		}
	}
	return nil, nil
}

// newListenerFaults is what is wrong with a new listener, whatever is there.
func newListenerFaults(in *elb.CreateListenerInput) (f awserr.Faults) {
	f.Add(kindLoadBalancer.check(*in.LoadBalancerArn))
	if in.Protocol == "" || in.Port == nil {
		f.Add(invalid("A protocol and a port must be specified"))
	}
	f.Add(protocolFault(in.Protocol))
	_, wrong := readAction(in.DefaultActions, "DefaultActions")
	f.Add(wrong...)
	f.Add(tagRules.Faults(tagType.From(in.Tags))...)
	return f
}

// changedListenerFaults is what is wrong with a listener's change, whatever is there.
func changedListenerFaults(in *elb.ModifyListenerInput) (f awserr.Faults) {
	f.Add(protocolFault(in.Protocol))
	if len(in.DefaultActions) > 0 {
		_, wrong := readAction(in.DefaultActions, "DefaultActions")
		f.Add(wrong...)
	}
	return f
}

func protocolFault(protocol types.ProtocolEnum) error {
	if protocol == "" || protocol == types.ProtocolEnumHttp {
		return nil
	}
	return misconfigured("The value '%s' of parameter 'Protocol' is not supported by Skylift: only 'HTTP' is", protocol)
}

// portFault says why a listener can't be on a port now, if so.
func (a *API) portFault(port *int32) error {
	if port == nil {
		return nil
	}
	if err := a.checkPort(uint16(*port)); err != nil {
		return misconfigured("The value '%d' of parameter 'Port' cannot be used: %s", *port, err)
	}
	return nil
}

// putListener writes l when no other of its balancer has its port.
func putListener(tx store.Tx, l Listener) error {
	siblings, err := Listeners.By(tx, "loadbalancer", l.LoadBalancer)
	if err != nil {
		return fmt.Errorf("list listeners of %s: %w", l.LoadBalancer, err)
	}
	for _, s := range siblings {
		if s.Port == l.Port && s.ARN != l.ARN {
			return &types.DuplicateListenerException{Message: new("A listener already exists on this port for this load balancer '" + l.LoadBalancer + "'")}
		}
	}
	return Listeners.Put(tx, l.ARN, l)
}

// DescribeListeners lists listeners: those of a balancer, or those that are
// named.
func (a *API) DescribeListeners(ctx context.Context, in *elb.DescribeListenersInput) (*elb.DescribeListenersOutput, error) {
	if (in.LoadBalancerArn == nil) == (len(in.ListenerArns) == 0) {
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	page, err := pages.Open(in.PageSize, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeListenersOutput, error) {
		found, err := findListeners(tx, in)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, found, func(l Listener) string { return l.ARN })
		out := &elb.DescribeListenersOutput{NextMarker: next}
		for _, l := range part {
			r, err := Rules.Get(tx, l.DefaultRule)
			if err != nil {
				return nil, fmt.Errorf("read default rule of %s: %w", l.ARN, err)
			}
			out.Listeners = append(out.Listeners, l.wire(r.Action))
		}
		return out, nil
	})
}

func findListeners(tx store.Tx, in *elb.DescribeListenersInput) ([]Listener, error) {
	if in.LoadBalancerArn != nil {
		if _, err := getLoadBalancer(tx, *in.LoadBalancerArn); err != nil {
			return nil, err
		}
		return Listeners.By(tx, "loadbalancer", *in.LoadBalancerArn)
	}
	var out []Listener
	for _, arn := range in.ListenerArns {
		l, err := getListener(tx, arn)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Listener) int { return cmp.Compare(a.ARN, b.ARN) })
	return out, nil
}

// ModifyListener changes a listener's port, or what it does by default.
func (a *API) ModifyListener(ctx context.Context, in *elb.ModifyListenerInput) (*elb.ModifyListenerOutput, error) {
	if err := changedListenerFaults(in).First(); err != nil {
		return nil, err
	}
	if err := a.portFault(in.Port); err != nil {
		return nil, err
	}
	action, _ := readAction(in.DefaultActions, "DefaultActions")
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.ModifyListenerOutput, error) {
		l, err := getListener(tx, *in.ListenerArn)
		if err != nil {
			return nil, err
		}
		rule, err := Rules.Get(tx, l.DefaultRule)
		if err != nil {
			return nil, fmt.Errorf("read default rule of %s: %w", l.ARN, err)
		}
		l.Port = or(in.Port, l.Port)
		if len(in.DefaultActions) > 0 {
			rule.Action = action
		}
		if err := putListener(tx, l); err != nil {
			return nil, err
		}
		return &elb.ModifyListenerOutput{Listeners: []types.Listener{l.wire(rule.Action)}}, putRule(tx, rule)
	})
}

// DeleteListener removes a listener and its rules.
func (a *API) DeleteListener(ctx context.Context, in *elb.DeleteListenerInput) (*elb.DeleteListenerOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.DeleteListenerOutput, error) {
		l, err := getListener(tx, *in.ListenerArn)
		if err != nil {
			return nil, err
		}
		return &elb.DeleteListenerOutput{}, deleteListener(tx, l.ARN)
	})
}

func deleteListener(tx store.Tx, arn string) error {
	rules, err := Rules.By(tx, "listener", arn)
	if err != nil {
		return fmt.Errorf("list rules of %s: %w", arn, err)
	}
	for _, r := range rules {
		if err := Rules.Delete(tx, r.ARN); err != nil {
			return err
		}
	}
	return Listeners.Delete(tx, arn)
}

// DescribeListenerAttributes lists the attributes of an HTTP listener, which
// are what AWS gives a new one.
func (a *API) DescribeListenerAttributes(ctx context.Context, in *elb.DescribeListenerAttributesInput) (*elb.DescribeListenerAttributesOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeListenerAttributesOutput, error) {
		_, err := getListener(tx, *in.ListenerArn)
		return &elb.DescribeListenerAttributesOutput{Attributes: []types.ListenerAttribute{
			{Key: new("routing.http.response.server.enabled"), Value: new("true")},
		}}, err
	})
}

func (l Listener) wire(byDefault Action) types.Listener {
	return types.Listener{
		ListenerArn:     new(l.ARN),
		LoadBalancerArn: new(l.LoadBalancer),
		Port:            new(l.Port),
		Protocol:        types.ProtocolEnumHttp,
		DefaultActions:  byDefault.wire(),
	}
}
