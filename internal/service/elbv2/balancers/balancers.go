// Package balancers answers the API's calls about load balancers.
package balancers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Network is what balancers are in. Subnet and CheckGroups fail with a client's error when there is
// no such thing.
type Network interface {
	Subnet(ctx context.Context, id string) (elbv2.Subnet, error)
	DefaultGroup(ctx context.Context, vpc string) (string, error)
	CheckGroups(ctx context.Context, vpc string, ids []string) error
}

// Logs is what delivers balancers' logs. Test writes a file where those of a kind would go, and fails with a client's error
// when it may not.
type Logs interface {
	Test(ctx context.Context, balancer, kind, bucket, prefix string) error
}

// API answers for load balancers.
type API struct {
	db   store.DB
	ns   arn.Namespace
	net  Network
	logs Logs
}

// New returns the API.
func New(db store.DB, ns arn.Namespace, net Network, logs Logs) *API { return &API{db, ns, net, logs} }

// The condition keys of several operations
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html).
const (
	groupKey  = "elasticloadbalancing:SecurityGroup: SecurityGroups"
	subnetKey = "elasticloadbalancing:Subnet: Subnets|SubnetMappings.SubnetId"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateLoadBalancer", a.CreateLoadBalancer).Makes("loadbalancer/app/: Name").Keys(groupKey, subnetKey, "elasticloadbalancing:Scheme: Scheme=internet-facing").
			Lacks("elasticloadbalancing:ListenerProtocol", "it is for Classic Load Balancers, which are made with their listeners").Takes("Name IpAddressType Scheme SecurityGroups SubnetMappings{SubnetId} Subnets Tags{*} Type EnablePrefixForIpv6SourceNat=off").
			Checks(func(in *elb.CreateLoadBalancerInput) []error { return newBalancerFaults(in) }),
		wire.Op("DeleteLoadBalancer", a.DeleteLoadBalancer).On("loadbalancer/*: LoadBalancerArn").Takes("LoadBalancerArn"),
		wire.Op("DescribeLoadBalancerAttributes", a.DescribeLoadBalancerAttributes).Takes("LoadBalancerArn"),
		wire.Op("DescribeLoadBalancers", a.DescribeLoadBalancers).Takes("LoadBalancerArns Names Marker PageSize"),
		wire.Op("ModifyLoadBalancerAttributes", a.ModifyLoadBalancerAttributes).On("loadbalancer/*: LoadBalancerArn").Takes("LoadBalancerArn Attributes{*}").
			KeepsKeys("Attributes", elbv2.Kept(elbv2.LoadBalancerAttributes)),
		wire.Op("SetSecurityGroups", a.SetSecurityGroups).On("loadbalancer/*: LoadBalancerArn").Keys(groupKey).
			Takes("LoadBalancerArn SecurityGroups EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic=off"),
		wire.Op("SetSubnets", a.SetSubnets).On("loadbalancer/*: LoadBalancerArn").Keys(subnetKey).Takes("LoadBalancerArn IpAddressType SubnetMappings{SubnetId} Subnets EnablePrefixForIpv6SourceNat=off").
			Checks(func(in *elb.SetSubnetsInput) []error { return setSubnetsFaults(in) }),
	}
}

// HostedZone is the zone of the balancers' names, as aliases of Route 53 name it.
func (a *API) HostedZone() string { return hostedZone }

// Named says whether a balancer has that DNS name.
func (a *API) Named(tx store.Tx, name string) (bool, error) {
	for lb, err := range elbv2.LoadBalancers.Peek(tx, "") {
		switch {
		case err != nil:
			return false, err
		case strings.EqualFold(lb.DNSName, name):
			return true, nil
		}
	}
	return false, nil
}

// dnsName makes the name that clients reach a balancer by.
func (a *API) dnsName(name, scheme string) string {
	s := fmt.Sprintf("%s-%d.%s.elb.localhost", name, 1e8+rand.N[int64](9e9), a.ns.Region)
	if scheme == "internal" {
		s = "internal-" + s
	}
	return strings.ToLower(s)
}
