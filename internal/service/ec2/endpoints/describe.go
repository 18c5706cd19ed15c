package endpoints

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// allowAll is the policy of an endpoint that was made without one.
const allowAll = `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`

// DescribeVpcEndpoints lists endpoints.
func (a *API) DescribeVpcEndpoints(ctx context.Context, in *sdk.DescribeVpcEndpointsInput) (*sdk.DescribeVpcEndpointsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	q := list.Question{IDs: in.VpcEndpointIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	all, next, err := list.Describe(ctx, a.db, ec2.Endpoints, a.listing(), q, a.shape)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeVpcEndpointsOutput{VpcEndpoints: all, NextToken: next}, nil
}

func (a *API) listing() list.Of[ec2.Endpoint] {
	return list.Of[ec2.Endpoint]{Kind: request.Endpoint, ID: func(e ec2.Endpoint) string { return e.ID }, Fields: map[string]func(ec2.Endpoint) []string{
		"ip-address-type":    list.Always[ec2.Endpoint]("ipv4"),
		"service-name":       func(e ec2.Endpoint) []string { return list.One(e.Service) },
		"service-region":     list.Always[ec2.Endpoint](a.ns.Region),
		"vpc-endpoint-id":    func(e ec2.Endpoint) []string { return list.One(e.ID) },
		"vpc-endpoint-state": list.Always[ec2.Endpoint]("available"),
		"vpc-endpoint-type":  func(e ec2.Endpoint) []string { return list.One(e.Type) },
		"vpc-id":             func(e ec2.Endpoint) []string { return list.One(e.VpcID) },
	}}
}

func (a *API) shape(e ec2.Endpoint, tags []types.Tag) types.VpcEndpoint {
	return types.VpcEndpoint{
		VpcEndpointId: &e.ID, VpcId: &e.VpcID, OwnerId: &a.ns.Account, ServiceName: &e.Service, VpcEndpointType: types.VpcEndpointType(e.Type),
		State: "available", // which is none of the SDK's constants
		// Lists are empty, not missing: clients read them without a check.
		RouteTableIds: append([]string{}, e.RouteTables...), SubnetIds: []string{}, NetworkInterfaceIds: []string{}, Groups: []types.SecurityGroupIdentifier{}, DnsEntries: []types.DnsEntry{},
		PolicyDocument: new(allowAll), PrivateDnsEnabled: &e.PrivateDNS, RequesterManaged: new(false), CreationTimestamp: &e.Created, Tags: tags,
		ServiceRegion: &a.ns.Region,
	}
}

// DescribePrefixLists lists the prefix lists of services.
func (a *API) DescribePrefixLists(ctx context.Context, in *sdk.DescribePrefixListsInput) (*sdk.DescribePrefixListsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	q := list.Question{IDs: in.PrefixListIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	l := list.Of[ec2.PrefixList]{Kind: request.PrefixList, ID: func(l ec2.PrefixList) string { return l.ID }, Fields: map[string]func(ec2.PrefixList) []string{
		"prefix-list-id":   func(l ec2.PrefixList) []string { return list.One(l.ID) },
		"prefix-list-name": func(l ec2.PrefixList) []string { return list.One(l.Name) },
	}}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribePrefixListsOutput, error) {
		all, err := serviceLists(tx)
		if err != nil {
			return nil, err
		}
		chosen, next, err := l.Answer(all, q, nil)
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribePrefixListsOutput{PrefixLists: []types.PrefixList{}, NextToken: next}
		for _, l := range chosen {
			shape := types.PrefixList{PrefixListId: &l.ID, PrefixListName: &l.Name, Cidrs: []string{}}
			for _, e := range l.Entries {
				shape.Cidrs = append(shape.Cidrs, e.CIDR.String())
			}
			out.PrefixLists = append(out.PrefixLists, shape)
		}
		return out, nil
	})
}

func serviceLists(tx store.Tx) ([]ec2.PrefixList, error) {
	all, err := ec2.PrefixLists.List(tx, "")
	return slices.DeleteFunc(all, func(l ec2.PrefixList) bool { return !l.AWS }), err
}

// DescribeVpcEndpointServices lists the services that endpoints can lead to.
func (a *API) DescribeVpcEndpointServices(ctx context.Context, in *sdk.DescribeVpcEndpointServicesInput) (*sdk.DescribeVpcEndpointServicesOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	lists, err := handler.View(ctx, a.db, serviceLists)
	if err != nil {
		return nil, err
	}
	for _, name := range in.ServiceNames {
		if !slices.ContainsFunc(lists, func(l ec2.PrefixList) bool { return l.Name == name }) {
			return nil, awserr.New("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", name)
		}
	}
	lists = slices.DeleteFunc(lists, func(l ec2.PrefixList) bool {
		return len(in.ServiceNames) > 0 && !slices.Contains(in.ServiceNames, l.Name)
	})
	l := list.Of[ec2.PrefixList]{Kind: request.PrefixList, ID: func(l ec2.PrefixList) string { return l.Name }, Fields: map[string]func(ec2.PrefixList) []string{
		"owner":                      list.Always[ec2.PrefixList](owner),
		"service-name":               func(l ec2.PrefixList) []string { return list.One(l.Name) },
		"service-region":             list.Always[ec2.PrefixList](a.ns.Region),
		"service-type":               list.Always[ec2.PrefixList](ec2.GatewayEndpoint),
		"supported-ip-address-types": list.Always[ec2.PrefixList]("ipv4"),
	}}
	chosen, next, err := l.Answer(lists, list.Question{Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}, nil)
	if err != nil {
		return nil, err
	}
	out := &sdk.DescribeVpcEndpointServicesOutput{ServiceNames: []string{}, ServiceDetails: []types.ServiceDetail{}, NextToken: next}
	for _, s := range chosen {
		out.ServiceNames = append(out.ServiceNames, s.Name)
		out.ServiceDetails = append(out.ServiceDetails, types.ServiceDetail{
			ServiceName: &s.Name, ServiceId: new("vpce-svc-" + s.ID[len("pl-"):]), ServiceRegion: &a.ns.Region, Owner: aws.String(owner),
			ServiceType:       []types.ServiceTypeDetail{{ServiceType: types.ServiceTypeGateway}},
			AvailabilityZones: []string{a.ns.Region + "a", a.ns.Region + "b", a.ns.Region + "c"}, AcceptanceRequired: new(false), ManagesVpcEndpoints: new(false),
			VpcEndpointPolicySupported: new(false), BaseEndpointDnsNames: []string{}, SupportedIpAddressTypes: []types.ServiceConnectivityType{types.ServiceConnectivityTypeIpv4}, Tags: []types.Tag{},
		})
	}
	return out, nil
}
