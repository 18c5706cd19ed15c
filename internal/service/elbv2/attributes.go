package elbv2

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

const (
	deletionProtection  = "deletion_protection.enabled"
	idleTimeout         = "idle_timeout.timeout_seconds"
	deregistrationDelay = "deregistration_delay.timeout_seconds"
)

// attribute is an attribute's default, and a check of other values; without
// one, the default is all that Skylift does. One that is kept is checked,
// stored and shown, and changes nothing.
type attribute struct {
	value string
	check func(string) bool
	want  string // what check wants
	kept  string // why another value than the default has no effect; "" when it has its effect
}

func between(from, to int) func(string) bool {
	return func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && n >= from && n <= to
	}
}

func among(values ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(values, s) }
}

// What several attributes want, and why several have no effect.
const (
	boolean      = "'true' or 'false'"
	evenly       = "targets get requests in turn"
	noStickiness = "stickiness cannot be enabled yet"
)

func isBool(s string) bool { return s == "true" || s == "false" }

var loadBalancerAttributes = map[string]attribute{
	deletionProtection: {"false", isBool, boolean, ""},
	idleTimeout:        {"60", between(1, 4000), "between '1' and '4000'", ""},

	"access_logs.s3.enabled":                                   {value: "false"},
	"access_logs.s3.bucket":                                    {value: ""},
	"access_logs.s3.prefix":                                    {value: ""},
	"client_keep_alive.seconds":                                {value: "3600"},
	"connection_logs.s3.enabled":                               {value: "false"},
	"connection_logs.s3.bucket":                                {value: ""},
	"connection_logs.s3.prefix":                                {value: ""},
	"health_check_logs.s3.enabled":                             {value: "false"},
	"health_check_logs.s3.bucket":                              {value: ""},
	"health_check_logs.s3.prefix":                              {value: ""},
	"load_balancing.cross_zone.enabled":                        {value: "true"},
	"routing.http.desync_mitigation_mode":                      {value: "defensive"},
	"routing.http.drop_invalid_header_fields.enabled":          {value: "false"},
	"routing.http.preserve_host_header.enabled":                {value: "false"},
	"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": {"false", isBool, boolean, "there is no TLS to tell targets of"},
	"routing.http.xff_client_port.enabled":                     {value: "false"},
	"routing.http.xff_header_processing.mode":                  {value: "append"},
	"routing.http2.enabled":                                    {"true", isBool, boolean, "HTTP/2 needs HTTPS, which listeners have not"},
	"waf.fail_open.enabled":                                    {"false", isBool, boolean, "there is no WAF"},
	"zonal_shift.config.enabled":                               {"false", isBool, boolean, "zones are all on this machine"},
}

var targetGroupAttributes = map[string]attribute{
	deregistrationDelay: {"300", between(0, 3600), "between '0' and '3600'", ""},

	"load_balancing.algorithm.anomaly_mitigation":                                    {"off", among("on", "off"), "'on' or 'off'", evenly},
	"load_balancing.algorithm.type":                                                  {"round_robin", among("round_robin", "least_outstanding_requests", "weighted_random"), "'round_robin', 'least_outstanding_requests' or 'weighted_random'", evenly},
	"load_balancing.cross_zone.enabled":                                              {"use_load_balancer_configuration", among("true", "false", "use_load_balancer_configuration"), "'true', 'false' or 'use_load_balancer_configuration'", "a balancer's targets are all on this machine"},
	"slow_start.duration_seconds":                                                    {value: "0"},
	"stickiness.app_cookie.cookie_name":                                              {"", func(string) bool { return true }, "", noStickiness},
	"stickiness.app_cookie.duration_seconds":                                         {"86400", between(1, 604800), "between '1' and '604800'", noStickiness},
	"stickiness.enabled":                                                             {value: "false"},
	"stickiness.lb_cookie.duration_seconds":                                          {"86400", between(1, 604800), "between '1' and '604800'", noStickiness},
	"stickiness.type":                                                                {"lb_cookie", among("lb_cookie", "app_cookie"), "'lb_cookie' or 'app_cookie'", noStickiness},
	"target_group_health.dns_failover.minimum_healthy_targets.count":                 {value: "1"},
	"target_group_health.dns_failover.minimum_healthy_targets.percentage":            {value: "off"},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      {value: "1"},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": {value: "off"},
}

// checkAttribute says whether key may have value, and notes what is kept without effect.
func checkAttribute(ctx context.Context, what string, known map[string]attribute, key, value string) error {
	a, ok := known[key]
	switch {
	case !ok:
		return invalid("%s attribute key '%s' is not recognized", what, key)
	case value == a.value:
		return nil
	case a.check == nil:
		return misconfigured("The value '%s' of attribute '%s' is not supported by Skylift: only '%s' is", value, key, a.value)
	case !a.check(value):
		return invalid("%s attribute '%s' must be %s, not '%s'", what, key, a.want, value)
	case a.kept != "":
		wire.Keep(ctx, "Attributes."+key)
	}
	return nil
}

// Wishes lists what balancers and target groups keep without effect.
func Wishes(tx store.Tx) (out []wire.Wish, err error) {
	for l, err := range LoadBalancers.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list load balancers: %w", err)
		}
		out = append(out, wishes(loadBalancerAttributes, l.Attributes, l.Name)...)
	}
	for g, err := range TargetGroups.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list target groups: %w", err)
		}
		out = append(out, wishes(targetGroupAttributes, g.Attributes, g.Name)...)
	}
	return out, nil
}

// wishes lists those of the attributes set on a resource that have another value than the default, and no
// effect by that.
func wishes(known map[string]attribute, set map[string]string, resource string) (out []wire.Wish) {
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if a := known[key]; a.kept != "" && set[key] != a.value {
			out = append(out, wire.Wish{What: key, Why: a.kept, Resource: resource})
		}
	}
	return out
}

// kept lists the attributes of those that have no effect, each with the reason.
func kept(attributes map[string]attribute) map[string]string {
	out := map[string]string{}
	for key, a := range attributes {
		if a.kept != "" {
			out[key] = a.kept
		}
	}
	return out
}

func (l LoadBalancer) attribute(key string) string {
	if v, ok := l.Attributes[key]; ok {
		return v
	}
	return loadBalancerAttributes[key].value
}

// IdleTimeout is after how many seconds without data a connection is closed.
func (l LoadBalancer) IdleTimeout() int { return number(l.attribute(idleTimeout)) }

func (g TargetGroup) attribute(key string) string {
	if v, ok := g.Attributes[key]; ok {
		return v
	}
	return targetGroupAttributes[key].value
}

// DeregistrationDelay is how many seconds requests to a deregistered target
// may go on.
func (g TargetGroup) DeregistrationDelay() int { return number(g.attribute(deregistrationDelay)) }

// number reads a value that checkAttribute has checked.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// DescribeLoadBalancerAttributes lists a balancer's attributes.
func (a *API) DescribeLoadBalancerAttributes(ctx context.Context, in *elb.DescribeLoadBalancerAttributesInput) (*elb.DescribeLoadBalancerAttributesOutput, error) {
	lb, err := a.loadBalancer(ctx, *in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	return &elb.DescribeLoadBalancerAttributesOutput{Attributes: lb.wireAttributes()}, nil
}

// ModifyLoadBalancerAttributes sets some of a balancer's attributes.
func (a *API) ModifyLoadBalancerAttributes(ctx context.Context, in *elb.ModifyLoadBalancerAttributesInput) (*elb.ModifyLoadBalancerAttributesOutput, error) {
	for _, at := range in.Attributes {
		if err := checkAttribute(ctx, "Load balancer", loadBalancerAttributes, deref(at.Key), deref(at.Value)); err != nil {
			return nil, err
		}
	}
	lb, err := a.changeLoadBalancer(ctx, *in.LoadBalancerArn, func(lb *LoadBalancer) error {
		if lb.Attributes == nil {
			lb.Attributes = make(map[string]string)
		}
		for _, at := range in.Attributes {
			lb.Attributes[*at.Key] = deref(at.Value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &elb.ModifyLoadBalancerAttributesOutput{Attributes: lb.wireAttributes()}, nil
}

func (l LoadBalancer) wireAttributes() []types.LoadBalancerAttribute {
	var out []types.LoadBalancerAttribute
	for _, k := range slices.Sorted(maps.Keys(loadBalancerAttributes)) {
		out = append(out, types.LoadBalancerAttribute{Key: new(k), Value: new(l.attribute(k))})
	}
	return out
}

// DescribeTargetGroupAttributes lists a target group's attributes.
func (a *API) DescribeTargetGroupAttributes(ctx context.Context, in *elb.DescribeTargetGroupAttributesInput) (*elb.DescribeTargetGroupAttributesOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeTargetGroupAttributesOutput, error) {
		g, err := getTargetGroup(tx, *in.TargetGroupArn)
		return &elb.DescribeTargetGroupAttributesOutput{Attributes: g.wireAttributes()}, err
	})
}

// ModifyTargetGroupAttributes sets some of a target group's attributes.
func (a *API) ModifyTargetGroupAttributes(ctx context.Context, in *elb.ModifyTargetGroupAttributesInput) (*elb.ModifyTargetGroupAttributesOutput, error) {
	for _, at := range in.Attributes {
		if err := checkAttribute(ctx, "Target group", targetGroupAttributes, deref(at.Key), deref(at.Value)); err != nil {
			return nil, err
		}
	}
	g, err := changed(ctx, a.db, TargetGroups, kindTargetGroup, *in.TargetGroupArn, func(g *TargetGroup) error {
		if g.Attributes == nil {
			g.Attributes = make(map[string]string)
		}
		for _, at := range in.Attributes {
			g.Attributes[*at.Key] = deref(at.Value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &elb.ModifyTargetGroupAttributesOutput{Attributes: g.wireAttributes()}, nil
}

func (g TargetGroup) wireAttributes() []types.TargetGroupAttribute {
	var out []types.TargetGroupAttribute
	for _, k := range slices.Sorted(maps.Keys(targetGroupAttributes)) {
		out = append(out, types.TargetGroupAttribute{Key: new(k), Value: new(g.attribute(k))})
	}
	return out
}
