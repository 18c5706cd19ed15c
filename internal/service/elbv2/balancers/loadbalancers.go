package balancers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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

// hostedZone stands for the Route 53 zone of the balancers' names. It is the zone
// of application load balancers in us-west-2.
const hostedZone = "Z1H1FL5HABSF5"

// CreateLoadBalancer makes an application load balancer. If one with the same settings exists,
// it is returned.
func (a *API) CreateLoadBalancer(ctx context.Context, in *elb.CreateLoadBalancerInput) (*elb.CreateLoadBalancerOutput, error) {
	lb, err := a.wantedLoadBalancer(ctx, in)
	if err != nil {
		return nil, err
	}
	made, err := handler.Update(ctx, a.db, func(tx store.Tx) (types.LoadBalancer, error) {
		there, err := elbv2.LoadBalancers.By(tx, "name", lb.Name)
		if err != nil {
			return types.LoadBalancer{}, fmt.Errorf("find load balancer %s: %w", lb.Name, err)
		}
		if len(there) == 0 {
			return wireBalancer(lb, nil), elbv2.LoadBalancers.Put(tx, lb.ARN, lb)
		}
		if !same(there[0], lb) {
			return types.LoadBalancer{}, &types.DuplicateLoadBalancerNameException{Message: new(fmt.Sprintf("A load balancer with the same name '%s' exists, but with different settings", lb.Name))}
		}
		return describe(tx, there[0])
	})
	if err != nil {
		return nil, err
	}
	return &elb.CreateLoadBalancerOutput{LoadBalancers: []types.LoadBalancer{made}}, nil
}

func (a *API) wantedLoadBalancer(ctx context.Context, in *elb.CreateLoadBalancerInput) (elbv2.LoadBalancer, error) {
	var none elbv2.LoadBalancer
	if err := newBalancerFaults(in).First(); err != nil {
		return none, err
	}
	scheme := string(cmp.Or(in.Scheme, types.LoadBalancerSchemeEnumInternetFacing))
	lb := elbv2.LoadBalancer{
		ARN:     request.LoadBalancer.NewARN(a.ns, *in.Name),
		Name:    *in.Name,
		DNSName: a.dnsName(*in.Name, scheme),
		Scheme:  scheme,
		Created: time.Now().UTC().Truncate(time.Millisecond),
	}
	var err error
	if lb.Tags, err = request.TagRules.Add(nil, request.TagType.From(in.Tags)); err != nil {
		return none, err
	}
	if lb.Subnets, err = a.subnets(ctx, in.Subnets, in.SubnetMappings); err != nil {
		return none, err
	}
	lb.VPC = lb.Subnets[0].VPC
	lb.Groups, err = a.groups(ctx, lb.VPC, in.SecurityGroups)
	return lb, err
}

// newBalancerFaults returns the faults of a new balancer that show without looking at records.
func newBalancerFaults(in *elb.CreateLoadBalancerInput) (f awserr.Faults) {
	f.Add(request.CheckName("Load balancer", aws.ToString(in.Name)))
	if strings.HasPrefix(aws.ToString(in.Name), "internal-") {
		f.Add(request.Invalid("Load balancer name '%s' cannot begin with 'internal-'", *in.Name))
	}
	if in.Type != "" && in.Type != types.LoadBalancerTypeEnumApplication {
		f.Add(request.Misconfigured("The value '%s' of parameter 'Type' is not supported by Skylift: only 'application' is", in.Type))
	}
	f.Add(addressTypeFault(in.IpAddressType))
	f.Add(request.TagRules.Faults(request.TagType.From(in.Tags))...)
	f.Add(subnetFaults(in.Subnets, in.SubnetMappings)...)
	return f
}

func addressTypeFault(t types.IpAddressType) error {
	if t == "" || t == types.IpAddressTypeIpv4 {
		return nil
	}
	return request.Misconfigured("The value '%s' of parameter 'IpAddressType' is not supported by Skylift: only 'ipv4' is", t)
}

// subnetFaults returns the faults in how a call names subnets, whichever there are.
func subnetFaults(ids []string, mappings []types.SubnetMapping) (f awserr.Faults) {
	if len(ids) > 0 && len(mappings) > 0 {
		f.Add(request.Invalid("You must specify either subnets or subnet mappings, but not both"))
	}
	if len(ids)+len(mappings) < 2 {
		f.Add(fewSubnets())
	}
	return f
}

func fewSubnets() error {
	return request.Invalid("At least two subnets in two different Availability Zones must be specified")
}

// subnets returns the subnets that are asked for in either way, in the order of
// their zones.
func (a *API) subnets(ctx context.Context, ids []string, mappings []types.SubnetMapping) ([]elbv2.Subnet, error) {
	if err := subnetFaults(ids, mappings).First(); err != nil {
		return nil, err
	}
	for _, m := range mappings {
		ids = append(ids, aws.ToString(m.SubnetId))
	}
	var out []elbv2.Subnet
	for _, id := range ids {
		s, err := a.net.Subnet(ctx, id)
		if _, ok := request.Message(err); ok {
			return nil, &types.SubnetNotFoundException{Message: new(fmt.Sprintf("The subnet ID '%s' does not exist", id))}
		}
		if err != nil {
			return nil, fmt.Errorf("look up subnet %s: %w", id, err)
		}
		switch i := slices.IndexFunc(out, func(o elbv2.Subnet) bool { return o.AZ == s.AZ }); {
		case i >= 0:
			return nil, request.Misconfigured("A load balancer cannot be attached to multiple subnets in the same Availability Zone")
		case len(out) > 0 && out[0].VPC != s.VPC:
			return nil, request.Misconfigured("The subnets must be in the same VPC: '%s' and '%s' are not", out[0].ID, s.ID)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b elbv2.Subnet) int { return cmp.Compare(a.AZ, b.AZ) })
	return out, nil
}

// groups returns the security groups that are asked for, the VPC's default one
// when there are none.
func (a *API) groups(ctx context.Context, vpc string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		id, err := a.net.DefaultGroup(ctx, vpc)
		if err != nil {
			return nil, fmt.Errorf("look up the default security group of %s: %w", vpc, err)
		}
		return []string{id}, nil
	}
	err := a.net.CheckGroups(ctx, vpc, ids)
	if why, ok := request.Message(err); ok {
		return nil, &types.InvalidSecurityGroupException{Message: new(why)}
	}
	if err != nil {
		return nil, fmt.Errorf("look up security groups %v: %w", ids, err)
	}
	return slices.Compact(slices.Sorted(slices.Values(ids))), nil
}

func same(l, o elbv2.LoadBalancer) bool {
	return l.Scheme == o.Scheme && slices.Equal(l.Subnets, o.Subnets) && slices.Equal(l.Groups, o.Groups) && maps.Equal(l.Tags, o.Tags)
}

// DescribeLoadBalancers lists balancers: all, or those that are named.
func (a *API) DescribeLoadBalancers(ctx context.Context, in *elb.DescribeLoadBalancersInput) (*elb.DescribeLoadBalancersOutput, error) {
	if len(in.LoadBalancerArns) > 0 && len(in.Names) > 0 {
		return nil, request.Invalid("Load balancer names and load balancer ARNs cannot be specified at the same time")
	}
	if len(in.LoadBalancerArns) > request.MaxDescribed || len(in.Names) > request.MaxDescribed {
		return nil, request.Invalid("Cannot have more than %d load balancers described", request.MaxDescribed)
	}
	page, err := request.Pages.Open(in.PageSize, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeLoadBalancersOutput, error) {
		found, err := findLoadBalancers(tx, in.LoadBalancerArns, in.Names)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, found, func(l elbv2.LoadBalancer) string { return l.ARN })
		out := &elb.DescribeLoadBalancersOutput{NextMarker: next}
		for _, lb := range part {
			w, err := describe(tx, lb)
			if err != nil {
				return nil, err
			}
			out.LoadBalancers = append(out.LoadBalancers, w)
		}
		return out, nil
	})
}

func findLoadBalancers(tx store.Tx, arns, names []string) ([]elbv2.LoadBalancer, error) {
	var out []elbv2.LoadBalancer
	for _, arn := range arns {
		lb, err := request.LoadBalancer.Get(tx, arn)
		if err != nil {
			return nil, err
		}
		out = append(out, lb)
	}
	for _, name := range names {
		found, err := elbv2.LoadBalancers.By(tx, "name", name)
		if err != nil {
			return nil, fmt.Errorf("find load balancer %s: %w", name, err)
		}
		if len(found) == 0 {
			return nil, &types.LoadBalancerNotFoundException{Message: new(fmt.Sprintf("Load balancers '[%s]' not found", name))}
		}
		out = append(out, found...)
	}
	if len(arns)+len(names) > 0 {
		slices.SortFunc(out, func(a, b elbv2.LoadBalancer) int { return cmp.Compare(a.ARN, b.ARN) })
		return slices.CompactFunc(out, func(a, b elbv2.LoadBalancer) bool { return a.ARN == b.ARN }), nil
	}
	return elbv2.LoadBalancers.List(tx, "")
}

// DeleteLoadBalancer removes a balancer with its listeners and rules. One that
// isn't there is removed already.
func (a *API) DeleteLoadBalancer(ctx context.Context, in *elb.DeleteLoadBalancerInput) (*elb.DeleteLoadBalancerOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.DeleteLoadBalancerOutput, error) {
		lb, err := request.LoadBalancer.Get(tx, *in.LoadBalancerArn)
		if _, gone := errors.AsType[*types.LoadBalancerNotFoundException](err); gone {
			return &elb.DeleteLoadBalancerOutput{}, nil
		}
		if err != nil {
			return nil, err
		}
		if lb.Attribute(elbv2.DeletionProtection) == "true" {
			return nil, request.NotPermitted("Load balancer '%s' cannot be deleted because deletion protection is enabled", lb.ARN)
		}
		listeners, err := elbv2.Listeners.By(tx, "loadbalancer", lb.ARN)
		if err != nil {
			return nil, fmt.Errorf("list listeners of %s: %w", lb.ARN, err)
		}
		for _, l := range listeners {
			if err := elbv2.RemoveListener(tx, l.ARN); err != nil {
				return nil, err
			}
		}
		return &elb.DeleteLoadBalancerOutput{}, elbv2.LoadBalancers.Delete(tx, lb.ARN)
	})
}

// SetSecurityGroups puts a balancer into other security groups.
func (a *API) SetSecurityGroups(ctx context.Context, in *elb.SetSecurityGroupsInput) (*elb.SetSecurityGroupsOutput, error) {
	// Only a new balancer is put into the VPC's default group where none is named:
	// one that serves would be shut by it.
	if len(in.SecurityGroups) == 0 {
		return nil, request.Invalid("At least one security group must be specified")
	}
	lb, err := a.loadBalancer(ctx, *in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	groups, err := a.groups(ctx, lb.VPC, in.SecurityGroups)
	if err != nil {
		return nil, err
	}
	if _, err := a.changeLoadBalancer(ctx, lb.ARN, func(lb *elbv2.LoadBalancer) error { lb.Groups = groups; return nil }); err != nil {
		return nil, err
	}
	return &elb.SetSecurityGroupsOutput{SecurityGroupIds: groups}, nil
}

// SetSubnets puts a balancer into other subnets.
func (a *API) SetSubnets(ctx context.Context, in *elb.SetSubnetsInput) (*elb.SetSubnetsOutput, error) {
	if err := setSubnetsFaults(in).First(); err != nil {
		return nil, err
	}
	subnets, err := a.subnets(ctx, in.Subnets, in.SubnetMappings)
	if err != nil {
		return nil, err
	}
	_, err = a.changeLoadBalancer(ctx, *in.LoadBalancerArn, func(lb *elbv2.LoadBalancer) error {
		if subnets[0].VPC != lb.VPC {
			return request.Misconfigured("The subnet '%s' is not in the load balancer's VPC '%s'", subnets[0].ID, lb.VPC)
		}
		lb.Subnets = subnets
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &elb.SetSubnetsOutput{AvailabilityZones: wireZones(subnets), IpAddressType: types.IpAddressTypeIpv4}, nil
}

func setSubnetsFaults(in *elb.SetSubnetsInput) (f awserr.Faults) {
	f.Add(addressTypeFault(in.IpAddressType))
	f.Add(subnetFaults(in.Subnets, in.SubnetMappings)...)
	return f
}

func (a *API) loadBalancer(ctx context.Context, arn string) (elbv2.LoadBalancer, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (elbv2.LoadBalancer, error) { return request.LoadBalancer.Get(tx, arn) })
}

func (a *API) changeLoadBalancer(ctx context.Context, arn string, change func(*elbv2.LoadBalancer) error) (elbv2.LoadBalancer, error) {
	return request.LoadBalancer.Change(ctx, a.db, arn, change)
}

// describe returns lb as it is.
func describe(tx store.Tx, lb elbv2.LoadBalancer) (types.LoadBalancer, error) {
	have, err := elbv2.Interfaces.List(tx, elbv2.InterfaceKey(lb.ARN, ""))
	if err != nil {
		return types.LoadBalancer{}, fmt.Errorf("list interfaces of %s: %w", lb.ARN, err)
	}
	return wireBalancer(lb, have), nil
}

// wireBalancer is l in the API's form: it is provisioned when it has an interface in
// each of its subnets.
func wireBalancer(l elbv2.LoadBalancer, have []elbv2.Interface) types.LoadBalancer {
	state := types.LoadBalancerStateEnumActive
	for _, s := range l.Subnets {
		if !slices.ContainsFunc(have, func(i elbv2.Interface) bool { return i.Subnet == s.ID && i.ID != "" }) {
			state = types.LoadBalancerStateEnumProvisioning
		}
	}
	return types.LoadBalancer{
		LoadBalancerArn:       new(l.ARN),
		LoadBalancerName:      new(l.Name),
		DNSName:               new(l.DNSName),
		CanonicalHostedZoneId: new(hostedZone),
		CreatedTime:           new(l.Created),
		Scheme:                types.LoadBalancerSchemeEnum(l.Scheme),
		VpcId:                 new(l.VPC),
		State:                 &types.LoadBalancerState{Code: state},
		Type:                  types.LoadBalancerTypeEnumApplication,
		AvailabilityZones:     wireZones(l.Subnets),
		SecurityGroups:        l.Groups,
		IpAddressType:         types.IpAddressTypeIpv4,
	}
}

func wireZones(subnets []elbv2.Subnet) []types.AvailabilityZone {
	out := make([]types.AvailabilityZone, len(subnets))
	for i, s := range subnets {
		out[i] = types.AvailabilityZone{ZoneName: new(s.AZ), SubnetId: new(s.ID), LoadBalancerAddresses: []types.LoadBalancerAddress{}}
	}
	return out
}
