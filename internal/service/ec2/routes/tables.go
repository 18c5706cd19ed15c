package routes

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// DescribeRouteTables lists route tables.
func (a *API) DescribeRouteTables(ctx context.Context, in *sdk.DescribeRouteTablesInput) (*sdk.DescribeRouteTablesOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	q := list.Question{IDs: in.RouteTableIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeRouteTablesOutput, error) {
		ways, err := ec2.ReadWays(tx)
		if err != nil {
			return nil, err
		}
		tags, err := request.AllTags(tx)
		if err != nil {
			return nil, err
		}
		var all []tableView
		for _, t := range ways.Tables {
			all = append(all, tableView{t, shownRoutes(ways, t)})
		}
		chosen, next, err := a.tableListing().Answer(all, q, tags)
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribeRouteTablesOutput{RouteTables: []types.RouteTable{}, NextToken: next}
		for _, t := range chosen {
			out.RouteTables = append(out.RouteTables, a.tableShape(t, request.TagType.To(tags[t.ID].Tags)))
		}
		return out, nil
	})
}

// tableView is a table with its routes as answers have them.
type tableView struct {
	ec2.RouteTable
	shown []types.Route
}

// shownRoutes returns all routes of t as answers have them, the local ones first.
func shownRoutes(w ec2.Ways, t ec2.RouteTable) []types.Route {
	out := []types.Route{}
	for _, p := range w.Vpcs[t.VpcID].CIDRs() {
		out = append(out, types.Route{DestinationCidrBlock: new(p.String()), GatewayId: new(ec2.Local), Origin: types.RouteOriginCreateRouteTable, State: types.RouteStateActive})
	}
	for _, r := range t.Routes {
		s := types.Route{Origin: types.RouteOrigin(r.Origin), State: types.RouteStateActive}
		if w.Blackhole(t.VpcID, r) {
			s.State = types.RouteStateBlackhole
		}
		if r.PrefixList != "" {
			s.DestinationPrefixListId = new(r.PrefixList)
		} else {
			s.DestinationCidrBlock = new(r.Destination.String())
		}
		switch ec2.TargetKind(r.Target) {
		case ec2.ToNat:
			s.NatGatewayId = new(r.Target)
		case ec2.ToInterface:
			s.NetworkInterfaceId = new(r.Target)
		case ec2.ToPeering:
			s.VpcPeeringConnectionId = new(r.Target)
		default:
			s.GatewayId = new(r.Target)
		}
		out = append(out, s)
	}
	return out
}

func (a *API) tableListing() list.Of[tableView] {
	type see = func(tableView) []string
	of := func(field func(types.Route) *string) see {
		return func(t tableView) (out []string) {
			for _, r := range t.shown {
				if s := field(r); s != nil {
					out = append(out, *s)
				}
			}
			return out
		}
	}
	ends := func(field func(ec2.RouteAssociation) string) see {
		return func(t tableView) (out []string) {
			for _, s := range t.Associations {
				if f := field(s); f != "" {
					out = append(out, f)
				}
			}
			return out
		}
	}
	return list.Of[tableView]{Kind: request.RouteTable, ID: func(t tableView) string { return t.ID }, Fields: map[string]see{
		"association.gateway-id":                 nil,
		"association.route-table-association-id": ends(func(s ec2.RouteAssociation) string { return s.ID }),
		"association.route-table-id":             func(t tableView) []string { return list.One(t.ID) },
		"association.subnet-id":                  ends(func(s ec2.RouteAssociation) string { return s.SubnetID }), // not those that have the main table without being associated
		"association.main":                       func(t tableView) []string { return list.Truth(t.IsMain()) },
		"owner-id":                               list.Always[tableView](a.ns.Account),
		"route-table-id":                         func(t tableView) []string { return list.One(t.ID) },
		"route.destination-cidr-block":           of(func(r types.Route) *string { return r.DestinationCidrBlock }),
		"route.destination-ipv6-cidr-block":      nil,
		"route.destination-prefix-list-id":       of(func(r types.Route) *string { return r.DestinationPrefixListId }),
		"route.egress-only-internet-gateway-id":  nil,
		"route.gateway-id":                       of(func(r types.Route) *string { return r.GatewayId }),
		"route.instance-id":                      nil,
		"route.nat-gateway-id":                   of(func(r types.Route) *string { return r.NatGatewayId }),
		"route.transit-gateway-id":               nil,
		"route.origin":                           of(func(r types.Route) *string { return new(string(r.Origin)) }),
		"route.state":                            of(func(r types.Route) *string { return new(string(r.State)) }),
		"route.vpc-peering-connection-id":        of(func(r types.Route) *string { return r.VpcPeeringConnectionId }),
		"vpc-id":                                 func(t tableView) []string { return list.One(t.VpcID) },
	}}
}

func (a *API) tableShape(t tableView, tags []types.Tag) types.RouteTable {
	out := types.RouteTable{
		RouteTableId: &t.ID, VpcId: &t.VpcID, OwnerId: &a.ns.Account, Tags: tags, PropagatingVgws: []types.PropagatingVgw{},
		Associations: []types.RouteTableAssociation{}, Routes: t.shown,
	}
	for _, s := range t.Associations {
		out.Associations = append(out.Associations, types.RouteTableAssociation{
			Main: &s.Main, RouteTableId: &t.ID, RouteTableAssociationId: &s.ID, SubnetId: handler.Optional(s.SubnetID),
			AssociationState: associated(),
		})
	}
	return out
}
