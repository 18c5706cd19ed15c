package elbv2

import "strings"

// Attributes of target groups.
const (
	DeregistrationDelay = "deregistration_delay.timeout_seconds"
	Algorithm           = "load_balancing.algorithm.type"
	AnomalyMitigation   = "load_balancing.algorithm.anomaly_mitigation"
	CrossZone           = "load_balancing.cross_zone.enabled"
	SlowStart           = "slow_start.duration_seconds"
	Stickiness          = "stickiness.enabled"
	StickinessType      = "stickiness.type"
	BalancerCookieTime  = "stickiness.lb_cookie.duration_seconds"
	AppCookieTime       = "stickiness.app_cookie.duration_seconds"
	AppCookieName       = "stickiness.app_cookie.cookie_name"
	RoutingCount        = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"
	RoutingPercentage   = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"
	FailoverCount       = "target_group_health.dns_failover.minimum_healthy_targets.count"
	FailoverPercentage  = "target_group_health.dns_failover.minimum_healthy_targets.percentage"
)

const (
	roundRobin     = "round_robin"
	weightedRandom = "weighted_random"
	appCookie      = "app_cookie"
	off            = "off"
	maxTargets     = 1000 // of a target group
	oneName        = "the name of a balancer leads to one address, which is in no zone"
)

// TargetGroupAttributes are those of target groups
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html).
var TargetGroupAttributes = map[string]Attribute{
	DeregistrationDelay: {"300", between(0, 3600), "between '0' and '3600'", ""},

	Algorithm:         {roundRobin, among(roundRobin, "least_outstanding_requests", weightedRandom), "'round_robin', 'least_outstanding_requests' or 'weighted_random'", ""},
	AnomalyMitigation: {off, among("on", off), "'on' or 'off'", ""},
	CrossZone:         {"use_load_balancer_configuration", among("true", "false", "use_load_balancer_configuration"), "'true', 'false' or 'use_load_balancer_configuration'", ""},
	SlowStart:         {"0", or(among("0"), between(30, 900)), "between '30' and '900', or '0'", ""},

	Stickiness:         {"false", isBool, boolean, ""},
	StickinessType:     {"lb_cookie", among("lb_cookie", appCookie), "'lb_cookie' or 'app_cookie'", ""},
	BalancerCookieTime: {"86400", between(1, 604800), "between '1' and '604800'", ""},
	AppCookieTime:      {"86400", between(1, 604800), "between '1' and '604800'", ""},
	AppCookieName:      {"", isCookieName, "the name of a cookie, which cannot begin with 'AWSALB'", ""},

	RoutingCount:       {"1", between(1, maxTargets), "between '1' and '1000'", ""},
	RoutingPercentage:  {off, or(among(off), between(1, 100)), "between '1' and '100', or 'off'", ""},
	FailoverCount:      {"1", or(among(off), between(1, maxTargets)), "between '1' and '1000', or 'off'", oneName},
	FailoverPercentage: {off, or(among(off), between(1, 100)), "between '1' and '100', or 'off'", oneName},
}

func or(a, b func(string) bool) func(string) bool {
	return func(s string) bool { return a(s) || b(s) }
}

// isCookieName tells whether an application can have a cookie with that name: those
// of balancers are theirs.
func isCookieName(s string) bool {
	return len(s) <= 4096 && !strings.HasPrefix(s, "AWSALB") && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// Attribute is the value of one of TargetGroupAttributes.
func (g TargetGroup) Attribute(key string) string {
	return valueOf(g.Attributes, TargetGroupAttributes, key)
}

// Number is the value of an attribute that is a number; 0: it is off.
func (g TargetGroup) Number(key string) int { return number(g.Attribute(key)) }

// DeregistrationDelay is how many seconds requests to a deregistered target
// may go on.
func (g TargetGroup) DeregistrationDelay() int { return g.Number(DeregistrationDelay) }

// Sticky tells whether clients stay with their target, and by which cookie: the
// application's, or the balancer's own.
func (g TargetGroup) Sticky() (sticky, app bool) {
	return g.Attribute(Stickiness) == "true", g.Attribute(StickinessType) == appCookie
}

// AttributesFault says, in words for callers, why the attributes of a group don't go
// together; "" if they do.
func (g TargetGroup) AttributesFault() string {
	sticky, app := g.Sticky()
	algorithm := g.Attribute(Algorithm)
	switch {
	case sticky && app && g.Attribute(AppCookieName) == "":
		return "You must set an application cookie name to enable stickiness of type 'app_cookie'"
	case sticky && g.Attribute(CrossZone) == "false":
		return "You cannot enable stickiness on target groups whose cross-zone load balancing is off"
	case sticky && algorithm == weightedRandom:
		return "You cannot enable stickiness on target groups with the algorithm 'weighted_random'"
	case g.Number(SlowStart) > 0 && algorithm != roundRobin:
		return "You cannot enable slow start on target groups with the algorithm '" + algorithm + "'"
	case g.Attribute(AnomalyMitigation) == "on" && algorithm != weightedRandom:
		return "You cannot enable anomaly mitigation on target groups with the algorithm '" + algorithm + "'"
	case g.lower(FailoverCount, RoutingCount) || g.lower(FailoverPercentage, RoutingPercentage):
		return "The minimum healthy targets for DNS failover cannot be lower than those for unhealthy state routing"
	}
	return ""
}

// lower tells whether one number, if it isn't off, is lower than another.
func (g TargetGroup) lower(one, than string) bool {
	n := g.Number(one)
	return n > 0 && n < g.Number(than)
}
