package listeners

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/service/elbv2/rules"
	"github.com/skylift/skylift/internal/store"
)

// CreateListener makes a balancer answer HTTP or HTTPS on a port. If one with the
// same settings exists, it is returned.
func (a *API) CreateListener(ctx context.Context, in *elb.CreateListenerInput) (*elb.CreateListenerOutput, error) {
	if err := newListenerFaults(in).First(); err != nil {
		return nil, err
	}
	if err := a.portFault(in.Port); err != nil {
		return nil, err
	}
	action, _ := rules.ReadAction(in.DefaultActions, "DefaultActions")
	tags, err := request.TagRules.Add(nil, request.TagType.From(in.Tags))
	if err != nil {
		return nil, err
	}
	l := elbv2.Listener{ARN: newListenerARN(*in.LoadBalancerArn), LoadBalancer: *in.LoadBalancerArn, Port: *in.Port, TLS: newTLS(in), Tags: tags}
	l.DefaultRule = rules.NewARN(l.ARN)
	rule := elbv2.Rule{ARN: l.DefaultRule, Listener: l.ARN, LoadBalancer: l.LoadBalancer, Action: action}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.CreateListenerOutput, error) {
		if _, err := request.LoadBalancer.Get(tx, l.LoadBalancer); err != nil {
			return nil, err
		}
		there, err := sameListener(tx, l, action)
		if err != nil {
			return nil, err
		}
		if there != nil {
			return &elb.CreateListenerOutput{Listeners: []types.Listener{wireListener(*there, action)}}, nil
		}
		if err := a.certificatesFault(tx, l.Certificates()); err != nil {
			return nil, err
		}
		if err := putListener(tx, l); err != nil {
			return nil, err
		}
		return &elb.CreateListenerOutput{Listeners: []types.Listener{wireListener(l, action)}}, rules.Put(tx, rule)
	})
}

// newListenerARN names a new listener of a balancer: the balancer's path with one more part.
func newListenerARN(lb string) string {
	return strings.Replace(lb, ":loadbalancer/", ":listener/", 1) + "/" + id.Hex(16)
}

// sameListener returns the listener that differs from l only in its ARN, or nil.
func sameListener(tx store.Tx, l elbv2.Listener, action elbv2.Action) (*elbv2.Listener, error) {
	siblings, err := elbv2.Listeners.By(tx, "loadbalancer", l.LoadBalancer)
	if err != nil {
		return nil, fmt.Errorf("list listeners of %s: %w", l.LoadBalancer, err)
	}
	for _, s := range siblings {
		if s.Port != l.Port || !sameTLS(s.TLS, l.TLS) || !maps.Equal(s.Tags, l.Tags) {
			continue
		}
		r, err := elbv2.Rules.Get(tx, s.DefaultRule)
		if err != nil {
			return nil, fmt.Errorf("read default rule of %s: %w", s.ARN, err)
		}
		if reflect.DeepEqual(r.Action, action) {
			return &s, nil
		}
	}
	return nil, nil
}

// newListenerFaults returns the faults of a new listener that show without looking at records.
func newListenerFaults(in *elb.CreateListenerInput) (f awserr.Faults) {
	f.Add(request.LoadBalancer.Check(*in.LoadBalancerArn))
	if in.Protocol == "" || in.Port == nil {
		f.Add(request.Invalid("A protocol and a port must be specified"))
	}
	f.Add(protocolFault(in.Protocol))
	f.Add(tlsFaults(in.SslPolicy, in.Certificates, in.AlpnPolicy)...)
	if in.Protocol == types.ProtocolEnumHttps && len(in.Certificates) == 0 {
		f.Add(noDefault())
	}
	if in.Protocol == types.ProtocolEnumHttp {
		f.Add(plainFault(in.SslPolicy, in.Certificates))
	}
	_, wrong := rules.ReadAction(in.DefaultActions, "DefaultActions")
	f.Add(wrong...)
	f.Add(request.TagRules.Faults(request.TagType.From(in.Tags))...)
	return f
}

// changedListenerFaults returns the faults of a listener's change that show without looking at records.
func changedListenerFaults(in *elb.ModifyListenerInput) (f awserr.Faults) {
	f.Add(protocolFault(in.Protocol))
	f.Add(tlsFaults(in.SslPolicy, in.Certificates, in.AlpnPolicy)...)
	if in.Protocol == types.ProtocolEnumHttp {
		f.Add(plainFault(in.SslPolicy, in.Certificates))
	}
	if len(in.DefaultActions) > 0 {
		_, wrong := rules.ReadAction(in.DefaultActions, "DefaultActions")
		f.Add(wrong...)
	}
	return f
}

func protocolFault(protocol types.ProtocolEnum) error {
	if protocol == "" || protocol == types.ProtocolEnumHttp || protocol == types.ProtocolEnumHttps {
		return nil
	}
	return request.Invalid("Listener protocol '%s' must be one of 'HTTP, HTTPS'", protocol)
}

// portFault says why a listener can't be on a port now; nil when it can.
func (a *API) portFault(port *int32) error {
	if port == nil {
		return nil
	}
	if err := a.checkPort(uint16(*port)); err != nil {
		return request.Misconfigured("The value '%d' of parameter 'Port' cannot be used: %s", *port, err)
	}
	return nil
}

// putListener writes l unless another listener of its balancer has its port.
func putListener(tx store.Tx, l elbv2.Listener) error {
	siblings, err := elbv2.Listeners.By(tx, "loadbalancer", l.LoadBalancer)
	if err != nil {
		return fmt.Errorf("list listeners of %s: %w", l.LoadBalancer, err)
	}
	for _, s := range siblings {
		if s.Port == l.Port && s.ARN != l.ARN {
			return &types.DuplicateListenerException{Message: new("A listener already exists on this port for this load balancer '" + l.LoadBalancer + "'")}
		}
	}
	return elbv2.Listeners.Put(tx, l.ARN, l)
}

// DescribeListeners lists listeners: those of a balancer, or those that are
// named.
func (a *API) DescribeListeners(ctx context.Context, in *elb.DescribeListenersInput) (*elb.DescribeListenersOutput, error) {
	if (in.LoadBalancerArn == nil) == (len(in.ListenerArns) == 0) {
		return nil, request.Invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	page, err := request.Pages.Open(in.PageSize, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeListenersOutput, error) {
		found, err := findListeners(tx, in)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, found, func(l elbv2.Listener) string { return l.ARN })
		out := &elb.DescribeListenersOutput{NextMarker: next}
		for _, l := range part {
			r, err := elbv2.Rules.Get(tx, l.DefaultRule)
			if err != nil {
				return nil, fmt.Errorf("read default rule of %s: %w", l.ARN, err)
			}
			out.Listeners = append(out.Listeners, wireListener(l, r.Action))
		}
		return out, nil
	})
}

func findListeners(tx store.Tx, in *elb.DescribeListenersInput) ([]elbv2.Listener, error) {
	if in.LoadBalancerArn != nil {
		if _, err := request.LoadBalancer.Get(tx, *in.LoadBalancerArn); err != nil {
			return nil, err
		}
		return elbv2.Listeners.By(tx, "loadbalancer", *in.LoadBalancerArn)
	}
	var out []elbv2.Listener
	for _, arn := range in.ListenerArns {
		l, err := request.Listener.Get(tx, arn)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b elbv2.Listener) int { return cmp.Compare(a.ARN, b.ARN) })
	return out, nil
}

// ModifyListener changes a listener's port, protocol, policy or default certificate, or what it does by default.
func (a *API) ModifyListener(ctx context.Context, in *elb.ModifyListenerInput) (*elb.ModifyListenerOutput, error) {
	if err := changedListenerFaults(in).First(); err != nil {
		return nil, err
	}
	if err := a.portFault(in.Port); err != nil {
		return nil, err
	}
	action, _ := rules.ReadAction(in.DefaultActions, "DefaultActions")
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.ModifyListenerOutput, error) {
		l, err := request.Listener.Get(tx, *in.ListenerArn)
		if err != nil {
			return nil, err
		}
		rule, err := elbv2.Rules.Get(tx, l.DefaultRule)
		if err != nil {
			return nil, fmt.Errorf("read default rule of %s: %w", l.ARN, err)
		}
		l.Port = request.Or(in.Port, l.Port)
		if err := a.changeTLS(tx, &l, in); err != nil {
			return nil, err
		}
		if len(in.DefaultActions) > 0 {
			rule.Action = action
		}
		if err := putListener(tx, l); err != nil {
			return nil, err
		}
		return &elb.ModifyListenerOutput{Listeners: []types.Listener{wireListener(l, rule.Action)}}, rules.Put(tx, rule)
	})
}

// DeleteListener removes a listener and its rules.
func (a *API) DeleteListener(ctx context.Context, in *elb.DeleteListenerInput) (*elb.DeleteListenerOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.DeleteListenerOutput, error) {
		l, err := request.Listener.Get(tx, *in.ListenerArn)
		if err != nil {
			return nil, err
		}
		return &elb.DeleteListenerOutput{}, elbv2.RemoveListener(tx, l.ARN)
	})
}

func wireListener(l elbv2.Listener, byDefault elbv2.Action) types.Listener {
	out := types.Listener{
		ListenerArn:     new(l.ARN),
		LoadBalancerArn: new(l.LoadBalancer),
		Port:            new(l.Port),
		Protocol:        l.Protocol(),
		DefaultActions:  rules.WireAction(byDefault),
	}
	if l.TLS != nil {
		out.SslPolicy, out.Certificates = new(l.TLS.Policy), []types.Certificate{{CertificateArn: new(l.TLS.Certificate)}}
		out.MutualAuthentication = &types.MutualAuthenticationAttributes{Mode: new("off")}
	}
	return out
}
