package elbv2

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/id"
)

// kind is a kind of resource, by how its ARNs start and what it is called.
type kind struct {
	prefix string
	parts  int // of the resource
	name   string
	none   func(arn string) error // for an ARN that no resource has
}

var (
	kindLoadBalancer = kind{"loadbalancer/app/", 4, "load balancer", noLoadBalancer}
	kindTargetGroup  = kind{"targetgroup/", 3, "target group", noTargetGroup}
	kindListener     = kind{"listener/app/", 5, "listener", noListener}
	kindRule         = kind{"listener-rule/app/", 6, "rule", noRule}
)

func (k kind) is(s string) bool {
	a, err := arn.Parse(s)
	return err == nil && a.Service == "elasticloadbalancing" &&
		strings.HasPrefix(a.Resource, k.prefix) && strings.Count(a.Resource, "/") == k.parts-1
}

func (k kind) check(s string) error {
	if !k.is(s) {
		return invalid("'%s' is not a valid %s ARN", s, k.name)
	}
	return nil
}

func (a *API) loadBalancerARN(name string) string {
	return a.ns.ARN("elasticloadbalancing", kindLoadBalancer.prefix+name+"/"+id.Hex(16))
}

func (a *API) targetGroupARN(name string) string {
	return a.ns.ARN("elasticloadbalancing", kindTargetGroup.prefix+name+"/"+id.Hex(16))
}

// listenerARN names a new listener of a balancer, ruleARN a new rule of a
// listener: the parent's path with one more part.
func listenerARN(lb string) string {
	return strings.Replace(lb, ":loadbalancer/", ":listener/", 1) + "/" + id.Hex(16)
}

func ruleARN(listener string) string {
	return strings.Replace(listener, ":listener/", ":listener-rule/", 1) + "/" + id.Hex(16)
}

// dnsName makes the name that a balancer is reached by.
func (a *API) dnsName(name, scheme string) string {
	s := fmt.Sprintf("%s-%d.%s.elb.localhost", name, 1e8+rand.N[int64](9e9), a.ns.Region)
	if scheme == "internal" {
		s = "internal-" + s
	}
	return strings.ToLower(s)
}
