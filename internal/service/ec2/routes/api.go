// Package routes answers EC2's calls about route tables and about the gateways
// that they lead to.
package routes

import (
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for route tables and gateways.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// What operations on routes take.
const (
	destination = "DestinationCidrBlock DestinationPrefixListId RouteTableId"
	target      = "GatewayId NatGatewayId VpcPeeringConnectionId"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AssociateRouteTable", a.AssociateRouteTable).On("route-table: RouteTableId", "subnet: SubnetId", "internet-gateway: GatewayId").Takes("DryRun RouteTableId SubnetId"),
		wire.Op("AttachInternetGateway", a.AttachInternetGateway).On("internet-gateway: InternetGatewayId", "vpc: VpcId").Takes("DryRun InternetGatewayId VpcId"),
		wire.Op("CreateInternetGateway", a.CreateInternetGateway).Makes("internet-gateway: *").Takes("DryRun", request.TagMembers).
			Checks(func(in *sdk.CreateInternetGatewayInput) []error {
				return request.TagSpecFaults(request.InternetGateway.Type, in.TagSpecifications)
			}),
		wire.Op("CreateRoute", a.CreateRoute).On("route-table: RouteTableId").Takes("DryRun", destination, target).
			Checks(func(in *sdk.CreateRouteInput) []error { return created(in).faults() }),
		wire.Op("CreateRouteTable", a.CreateRouteTable).On("vpc: VpcId").Makes("route-table: *").Takes("ClientToken DryRun VpcId", request.TagMembers).
			Checks(func(in *sdk.CreateRouteTableInput) []error {
				return request.TagSpecFaults(request.RouteTable.Type, in.TagSpecifications)
			}),
		wire.Op("DeleteInternetGateway", a.DeleteInternetGateway).On("internet-gateway: InternetGatewayId").Takes("DryRun InternetGatewayId"),
		wire.Op("DeleteRoute", a.DeleteRoute).On("route-table: RouteTableId").Takes("DryRun", destination).
			Checks(func(in *sdk.DeleteRouteInput) []error { return removed(in).destinationFaults() }),
		wire.Op("DeleteRouteTable", a.DeleteRouteTable).On("route-table: RouteTableId").Takes("DryRun RouteTableId"),
		wire.Op("DescribeInternetGateways", a.DescribeInternetGateways).Takes(list.Members, "InternetGatewayId"),
		wire.Op("DescribeRouteTables", a.DescribeRouteTables).Takes(list.Members, "RouteTableId"),
		wire.Op("DetachInternetGateway", a.DetachInternetGateway).On("internet-gateway: InternetGatewayId", "vpc: VpcId").Takes("DryRun InternetGatewayId VpcId"),
		wire.Op("DisassociateRouteTable", a.DisassociateRouteTable).OnFound("route-table: AssociationId", a.tablesOf).OnFound("subnet: AssociationId", a.subnetsOf).Takes("AssociationId DryRun"),
		wire.Op("ReplaceRoute", a.ReplaceRoute).On("route-table: RouteTableId").Takes("DryRun", destination, target).
			Checks(func(in *sdk.ReplaceRouteInput) []error { return replaced(in).faults() }),
		wire.Op("ReplaceRouteTableAssociation", a.ReplaceRouteTableAssociation).On("route-table: RouteTableId").OnFound("subnet: AssociationId", a.subnetsOf).Takes("AssociationId DryRun RouteTableId"),
	}
}
