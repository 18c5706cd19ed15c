package routes

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
)

// DescribeInternetGateways lists internet gateways.
func (a *API) DescribeInternetGateways(ctx context.Context, in *sdk.DescribeInternetGatewaysInput) (*sdk.DescribeInternetGatewaysOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	q := list.Question{IDs: in.InternetGatewayIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	gateways, next, err := list.Describe(ctx, a.db, ec2.InternetGateways, a.gatewayListing(), q, a.gatewayShape)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeInternetGatewaysOutput{InternetGateways: gateways, NextToken: next}, nil
}

func (a *API) gatewayListing() list.Of[ec2.InternetGateway] {
	return list.Of[ec2.InternetGateway]{Kind: request.InternetGateway, ID: func(g ec2.InternetGateway) string { return g.ID }, Fields: map[string]func(ec2.InternetGateway) []string{
		"attachment.state":    list.Always[ec2.InternetGateway]("available"),
		"attachment.vpc-id":   func(g ec2.InternetGateway) []string { return list.One(g.VpcID) },
		"internet-gateway-id": func(g ec2.InternetGateway) []string { return list.One(g.ID) },
		"owner-id":            list.Always[ec2.InternetGateway](a.ns.Account),
	}}
}

func (a *API) gatewayShape(g ec2.InternetGateway, tags []types.Tag) types.InternetGateway {
	return types.InternetGateway{
		InternetGatewayId: &g.ID, OwnerId: &a.ns.Account, Tags: tags,
		// EC2 says "available" here, which is none of the SDK's constants.
		Attachments: []types.InternetGatewayAttachment{{State: "available", VpcId: &g.VpcID}},
	}
}

// DescribeRouteTables lists route tables.
func (a *API) DescribeRouteTables(ctx context.Context, in *sdk.DescribeRouteTablesInput) (*sdk.DescribeRouteTablesOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	q := list.Question{IDs: in.RouteTableIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	tables, next, err := list.Describe(ctx, a.db, ec2.RouteTables, a.tableListing(), q, a.tableShape)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeRouteTablesOutput{RouteTables: tables, NextToken: next}, nil
}

func (a *API) tableListing() list.Of[ec2.RouteTable] {
	return list.Of[ec2.RouteTable]{Kind: request.RouteTable, ID: func(t ec2.RouteTable) string { return t.ID }, Fields: map[string]func(ec2.RouteTable) []string{
		"association.gateway-id":                 nil,
		"association.route-table-association-id": func(t ec2.RouteTable) []string { return list.One(t.AssociationID) },
		"association.route-table-id":             func(t ec2.RouteTable) []string { return list.One(t.ID) },
		"association.subnet-id":                  nil, // subnets have the main table without being associated
		"association.main":                       list.Always[ec2.RouteTable]("true"),
		"owner-id":                               list.Always[ec2.RouteTable](a.ns.Account),
		"route-table-id":                         func(t ec2.RouteTable) []string { return list.One(t.ID) },
		"route.destination-cidr-block":           func(ec2.RouteTable) []string { return []string{a.cidr.String(), "0.0.0.0/0"} },
		"route.destination-ipv6-cidr-block":      nil,
		"route.destination-prefix-list-id":       nil,
		"route.egress-only-internet-gateway-id":  nil,
		"route.gateway-id":                       func(t ec2.RouteTable) []string { return []string{"local", t.Gateway} },
		"route.instance-id":                      nil,
		"route.nat-gateway-id":                   nil,
		"route.transit-gateway-id":               nil,
		"route.origin":                           func(ec2.RouteTable) []string { return []string{"CreateRouteTable", "CreateRoute"} },
		"route.state":                            list.Always[ec2.RouteTable]("active"),
		"route.vpc-peering-connection-id":        nil,
		"vpc-id":                                 func(t ec2.RouteTable) []string { return list.One(t.VpcID) },
	}}
}

func (a *API) tableShape(t ec2.RouteTable, tags []types.Tag) types.RouteTable {
	return types.RouteTable{
		RouteTableId: &t.ID, VpcId: &t.VpcID, OwnerId: &a.ns.Account, Tags: tags, PropagatingVgws: []types.PropagatingVgw{},
		Associations: []types.RouteTableAssociation{{
			Main: new(true), RouteTableId: &t.ID, RouteTableAssociationId: &t.AssociationID,
			AssociationState: &types.RouteTableAssociationState{State: types.RouteTableAssociationStateCodeAssociated},
		}},
		Routes: []types.Route{
			{DestinationCidrBlock: new(a.cidr.String()), GatewayId: new("local"), Origin: types.RouteOriginCreateRouteTable, State: types.RouteStateActive},
			{DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &t.Gateway, Origin: types.RouteOriginCreateRoute, State: types.RouteStateActive},
		},
	}
}
