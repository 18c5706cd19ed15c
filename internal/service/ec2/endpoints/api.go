// Package endpoints answers EC2's calls about VPC endpoints, and about the services and prefix lists that they lead to.
//
// Tasks reach every service of ours at an address that no route leads away from, so a gateway endpoint has its routes for
// who reads tables, and carries nothing by itself.
package endpoints

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for VPC endpoints.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// What condition keys are never there, and why.
const (
	regionKeys  = "ec2:VpceMultiRegion ec2:VpceServiceRegion"
	oneRegion   = "services are in the region of the endpoint: there is one"
	privateKeys = "ec2:VpcePrivateDnsPreference ec2:VpcePrivateDnsSpecifiedDomains"
	noResources = "endpoints lead to services, not to resources"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateVpcEndpoint", a.CreateVpcEndpoint).On("vpc: VpcId", "route-table: RouteTableId").Makes("vpc-endpoint: *").
			Keys("ec2:VpceServiceName: ServiceName").KeyFound("ec2:VpceServiceOwner", func(context.Context, *sdk.CreateVpcEndpointInput) []string { return []string{owner} }).
			Lacks(regionKeys, oneRegion).Lacks(privateKeys, noResources).
			Takes("ClientToken DryRun IpAddressType=ipv4 PrivateDnsEnabled=false RouteTableId ServiceName VpcEndpointType VpcId", request.TagMembers).
			Checks(func(in *sdk.CreateVpcEndpointInput) []error { return newEndpointFaults(in) }),
		wire.Op("DeleteVpcEndpoints", a.DeleteVpcEndpoints).On("vpc-endpoint: VpcEndpointId").Lacks(regionKeys, oneRegion).Takes("DryRun VpcEndpointId"),
		wire.Op("DescribePrefixLists", a.DescribePrefixLists).Takes(list.Members, "PrefixListId"),
		wire.Op("DescribeVpcEndpointServices", a.DescribeVpcEndpointServices).Takes(list.Members, "ServiceName"),
		wire.Op("DescribeVpcEndpoints", a.DescribeVpcEndpoints).Takes(list.Members, "VpcEndpointId"),
		wire.Op("ModifyVpcEndpoint", a.ModifyVpcEndpoint).On("vpc-endpoint: VpcEndpointId", "route-table: AddRouteTableId", "route-table: RemoveRouteTableId").
			KeyFound("ec2:Attribute", changedAttributes).Lacks(regionKeys, oneRegion).
			Takes("AddRouteTableId DryRun RemoveRouteTableId ResetPolicy VpcEndpointId"),
	}
}

// owner is who services are of.
const owner = "amazon"

// changedAttributes is the value of ec2:Attribute.
func changedAttributes(_ context.Context, in *sdk.ModifyVpcEndpointInput) (names []string) {
	for _, at := range []struct {
		name  string
		given bool
	}{
		{"AddRouteTableIds", len(in.AddRouteTableIds) > 0}, {"RemoveRouteTableIds", len(in.RemoveRouteTableIds) > 0}, {"ResetPolicy", in.ResetPolicy != nil},
	} {
		if at.given {
			names = append(names, at.name)
		}
	}
	return names
}
