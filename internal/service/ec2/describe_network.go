package ec2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
)

// DescribeAvailabilityZones lists the region's zones.
func (a *API) DescribeAvailabilityZones(_ context.Context, in *ec2.DescribeAvailabilityZonesInput) (*ec2.DescribeAvailabilityZonesOutput, error) {
	// AllAvailabilityZones asks for those that one has not opted in to as well:
	// there are none.
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	zones := a.zones()
	if err := known("zone name", in.ZoneNames, zones, func(z zone) string { return z.name }); err != nil {
		return nil, err
	}
	if err := known("zone ID", in.ZoneIds, zones, func(z zone) string { return z.id }); err != nil {
		return nil, err
	}
	zones = slices.DeleteFunc(zones, func(z zone) bool {
		return len(in.ZoneNames)+len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneNames, z.name) && !slices.Contains(in.ZoneIds, z.id)
	})
	zones, err := a.zoneListing().filter(zones, in.Filters, nil)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeAvailabilityZonesOutput{AvailabilityZones: []types.AvailabilityZone{}}
	for _, z := range zones {
		out.AvailabilityZones = append(out.AvailabilityZones, types.AvailabilityZone{
			ZoneName: new(z.name), ZoneId: new(z.id), ZoneType: new("availability-zone"), RegionName: &a.ns.Region,
			GroupName: new(a.ns.Region + "-zg-1"), Messages: []types.AvailabilityZoneMessage{}, NetworkBorderGroup: &a.ns.Region,
			OptInStatus: types.AvailabilityZoneOptInStatusOptInNotRequired, State: types.AvailabilityZoneStateAvailable,
		})
	}
	return out, nil
}

// known refuses names that no zone has.
func known(what string, names []string, zones []zone, name func(zone) string) error {
	for _, n := range names {
		if !slices.ContainsFunc(zones, func(z zone) bool { return name(z) == n }) {
			return awserr.New("InvalidParameterValue", "Invalid availability %s: [%s]", what, n)
		}
	}
	return nil
}

func (a *API) zoneListing() listing[zone] {
	return listing[zone]{kind{}, func(z zone) string { return z.id }, map[string]func(zone) []string{
		"group-long-name":  nil,
		"group-name":       always[zone](a.ns.Region + "-zg-1"),
		"message":          nil,
		"opt-in-status":    always[zone]("opt-in-not-required"),
		"parent-zone-id":   nil,
		"parent-zone-name": nil,
		"region-name":      always[zone](a.ns.Region),
		"state":            always[zone]("available"),
		"zone-id":          func(z zone) []string { return one(z.id) },
		"zone-name":        func(z zone) []string { return one(z.name) },
		"zone-type":        always[zone]("availability-zone"),
	}}
}

// DescribeInternetGateways lists internet gateways.
func (a *API) DescribeInternetGateways(ctx context.Context, in *ec2.DescribeInternetGatewaysInput) (*ec2.DescribeInternetGatewaysOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	q := question{in.InternetGatewayIds, in.Filters, in.MaxResults, in.NextToken}
	gateways, next, err := describe(ctx, a.db, InternetGateways, a.gatewayListing(), q, a.gatewayShape)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeInternetGatewaysOutput{InternetGateways: gateways, NextToken: next}, nil
}

func (a *API) gatewayListing() listing[InternetGateway] {
	return listing[InternetGateway]{kindGateway, func(g InternetGateway) string { return g.ID }, map[string]func(InternetGateway) []string{
		"attachment.state":    always[InternetGateway]("available"),
		"attachment.vpc-id":   func(g InternetGateway) []string { return one(g.VpcID) },
		"internet-gateway-id": func(g InternetGateway) []string { return one(g.ID) },
		"owner-id":            always[InternetGateway](a.ns.Account),
	}}
}

func (a *API) gatewayShape(g InternetGateway, tags []types.Tag) types.InternetGateway {
	return types.InternetGateway{
		InternetGatewayId: &g.ID, OwnerId: &a.ns.Account, Tags: tags,
		// "available" is what EC2 says here; it is none of the SDK's constants.
		Attachments: []types.InternetGatewayAttachment{{State: "available", VpcId: &g.VpcID}},
	}
}

// DescribeRouteTables lists route tables.
func (a *API) DescribeRouteTables(ctx context.Context, in *ec2.DescribeRouteTablesInput) (*ec2.DescribeRouteTablesOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	q := question{in.RouteTableIds, in.Filters, in.MaxResults, in.NextToken}
	tables, next, err := describe(ctx, a.db, RouteTables, a.tableListing(), q, a.tableShape)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeRouteTablesOutput{RouteTables: tables, NextToken: next}, nil
}

func (a *API) tableListing() listing[RouteTable] {
	return listing[RouteTable]{kindTable, func(t RouteTable) string { return t.ID }, map[string]func(RouteTable) []string{
		"association.gateway-id":                 nil,
		"association.route-table-association-id": func(t RouteTable) []string { return one(t.AssociationID) },
		"association.route-table-id":             func(t RouteTable) []string { return one(t.ID) },
		"association.subnet-id":                  nil, // subnets have the main table without being associated
		"association.main":                       always[RouteTable]("true"),
		"owner-id":                               always[RouteTable](a.ns.Account),
		"route-table-id":                         func(t RouteTable) []string { return one(t.ID) },
		"route.destination-cidr-block":           func(RouteTable) []string { return []string{a.cidr.String(), "0.0.0.0/0"} },
		"route.destination-ipv6-cidr-block":      nil,
		"route.destination-prefix-list-id":       nil,
		"route.egress-only-internet-gateway-id":  nil,
		"route.gateway-id":                       func(t RouteTable) []string { return []string{"local", t.Gateway} },
		"route.instance-id":                      nil,
		"route.nat-gateway-id":                   nil,
		"route.transit-gateway-id":               nil,
		"route.origin":                           func(RouteTable) []string { return []string{"CreateRouteTable", "CreateRoute"} },
		"route.state":                            always[RouteTable]("active"),
		"route.vpc-peering-connection-id":        nil,
		"vpc-id":                                 func(t RouteTable) []string { return one(t.VpcID) },
	}}
}

func (a *API) tableShape(t RouteTable, tags []types.Tag) types.RouteTable {
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
