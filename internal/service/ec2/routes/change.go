package routes

import (
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// maxRoutes is how many routes a table may have, with those that its prefix lists count for
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html: 50, up to 1,000 when asked).
const maxRoutes = 1000

// change is a request about one route.
type change struct {
	cidr, list *string
	targets    map[string]*string // by parameter
}

func created(in *sdk.CreateRouteInput) change {
	return change{in.DestinationCidrBlock, in.DestinationPrefixListId, map[string]*string{
		"gatewayId": in.GatewayId, "natGatewayId": in.NatGatewayId, "vpcPeeringConnectionId": in.VpcPeeringConnectionId,
	}}
}

func replaced(in *sdk.ReplaceRouteInput) change {
	return change{in.DestinationCidrBlock, in.DestinationPrefixListId, map[string]*string{
		"gatewayId": in.GatewayId, "natGatewayId": in.NatGatewayId, "vpcPeeringConnectionId": in.VpcPeeringConnectionId,
	}}
}

func removed(in *sdk.DeleteRouteInput) change {
	return change{cidr: in.DestinationCidrBlock, list: in.DestinationPrefixListId}
}

// destinationFaults returns the faults of c's destination that show without looking at records.
func (c change) destinationFaults() (f awserr.Faults) {
	cidr, list := request.Given(c.cidr), request.Given(c.list)
	switch {
	case cidr == nil && list == nil:
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter destinationCidrBlock, destinationIpv6CidrBlock or destinationPrefixListId"))
	case cidr != nil && list != nil:
		f.Add(awserr.New("InvalidParameterCombination", "The parameters destinationCidrBlock and destinationPrefixListId cannot be used together"))
	case cidr != nil:
		_, err := request.CIDR("destinationCidrBlock", *cidr)
		f.Add(err)
	default:
		f.Add(request.PrefixList.Check(*list))
	}
	return f
}

// faults returns the faults of c that show without looking at records.
func (c change) faults() (f awserr.Faults) {
	f.Add(c.destinationFaults()...)
	if n := len(c.named()); n == 0 {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter gatewayId, natGatewayId or vpcPeeringConnectionId"))
	} else if n > 1 {
		f.Add(awserr.New("InvalidParameterCombination", "The request must contain only one target of the route"))
	}
	return f
}

// named returns the parameters that name a target.
func (c change) named() (names []string) {
	for name, id := range c.targets {
		if request.Given(id) != nil {
			names = append(names, name)
		}
	}
	return names
}

// about returns a route with c's destination alone.
func (c change) about() (ec2.Route, error) {
	if err := c.destinationFaults().First(); err != nil {
		return ec2.Route{}, err
	}
	if list := aws.ToString(c.list); list != "" {
		return ec2.Route{PrefixList: list}, nil
	}
	p, err := request.CIDR("destinationCidrBlock", *c.cidr)
	return ec2.Route{Destination: p}, err
}

// shown is a destination as it is in answers.
func shown(r ec2.Route) string {
	if r.PrefixList != "" {
		return r.PrefixList
	}
	return r.Destination.String()
}

// route reads the whole of what c asks for, of the table t.
func (c change) route(tx store.Tx, t ec2.RouteTable) (ec2.Route, error) {
	if err := c.faults().First(); err != nil {
		return ec2.Route{}, err
	}
	r, err := c.about()
	if err != nil {
		return r, err
	}
	if err := checkDestination(tx, t, r, c.named()[0]); err != nil {
		return r, err
	}
	name := c.named()[0]
	r.Target, r.Origin = *c.targets[name], "CreateRoute"
	return r, checkTarget(tx, t, name, r)
}

// reserved can't be a route's destination
// (https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html#route-table-quotas).
var reserved = netip.MustParsePrefix("169.254.168.0/22")

// checkDestination refuses what a route of t can't lead to. parameter is the one that names its target.
func checkDestination(tx store.Tx, t ec2.RouteTable, r ec2.Route, parameter string) error {
	if r.PrefixList != "" {
		_, err := request.Get(tx, ec2.PrefixLists, request.PrefixList, r.PrefixList)
		return err
	}
	if reserved.Overlaps(r.Destination) && r.Destination.Bits() >= reserved.Bits() {
		return awserr.New("InvalidParameterValue", "The destination CIDR block %s is reserved and cannot be used in a route.", r.Destination)
	}
	vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, t.VpcID)
	if err != nil {
		return err
	}
	for _, p := range vpc.CIDRs() {
		switch {
		case p == r.Destination:
			return awserr.New("RouteAlreadyExists", "The route identified by %s already exists", p)
		case p.Bits() < r.Destination.Bits() && p.Contains(r.Destination.Addr()):
			return awserr.New("InvalidParameterValue", "The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. Skylift has no routes between the subnets of a VPC but the local one.", r.Destination)
		}
	}
	return nil
}

// checkTarget refuses a target of r that is not there, of another VPC, or of no use to routes.
func checkTarget(tx store.Tx, t ec2.RouteTable, parameter string, r ec2.Route) error {
	switch parameter {
	case "gatewayId":
		g, err := request.Get(tx, ec2.InternetGateways, request.InternetGateway, r.Target)
		if err == nil && g.VpcID != t.VpcID {
			err = awserr.New("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", t.ID, g.ID)
		}
		return err
	case "natGatewayId":
		g, err := request.Get(tx, ec2.NatGateways, request.NatGateway, r.Target)
		if err == nil && g.State != ec2.NatAvailable {
			err = awserr.New("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", g.ID)
		}
		if err == nil && g.VpcID != t.VpcID {
			err = different(t.ID, g.ID)
		}
		return err
	case "vpcPeeringConnectionId":
		p, err := request.Get(tx, ec2.Peerings, request.Peering, r.Target)
		if err == nil && p.Other(t.VpcID) == "" {
			err = different(t.ID, p.ID)
		}
		if err == nil && p.State != ec2.PeeringActive {
			err = awserr.New("InvalidStateTransition", "VpcPeeringConnectionID %s is not in the active state", p.ID)
		}
		return err
	}
	e, err := request.Get(tx, ec2.Endpoints, request.Endpoint, r.Target)
	if err != nil {
		return err
	}
	return awserr.New("RouteNotSupported", "Route table contains unsupported route target: %s. VPC Endpoints of this type cannot be used as route targets.", e.ID)
}

func different(table, target string) error {
	return awserr.New("InvalidParameterValue", "route table %s and %s belong to different networks", table, target)
}

// same tells whether two routes have the same destination.
func same(a, b ec2.Route) bool { return a.PrefixList == b.PrefixList && a.Destination == b.Destination }

// CreateRoute adds a route to a table.
func (a *API) CreateRoute(ctx context.Context, in *sdk.CreateRouteInput) (*sdk.CreateRouteOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return &sdk.CreateRouteOutput{Return: new(true)}, a.alter(ctx, in.RouteTableId, func(tx store.Tx, t *ec2.RouteTable) error {
		r, err := created(in).route(tx, *t)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(t.Routes, func(o ec2.Route) bool { return same(o, r) }) {
			return awserr.New("RouteAlreadyExists", "The route identified by %s already exists", shown(r))
		}
		t.Routes = append(t.Routes, r)
		return enough(tx, *t)
	})
}

// enough refuses a table with more routes than one may have. A prefix list counts as its most entries.
func enough(tx store.Tx, t ec2.RouteTable) error {
	n := 0
	for _, r := range t.Routes {
		n++
		if r.PrefixList == "" {
			continue
		}
		l, err := ec2.PrefixLists.Get(tx, r.PrefixList)
		if err != nil {
			return err
		}
		n += int(l.MaxEntries) - 1
	}
	if n > maxRoutes {
		return awserr.New("RouteLimitExceeded", "The maximum number of routes has been reached.")
	}
	return nil
}

// ReplaceRoute lets a route lead elsewhere.
func (a *API) ReplaceRoute(ctx context.Context, in *sdk.ReplaceRouteInput) (*sdk.ReplaceRouteOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return &sdk.ReplaceRouteOutput{}, a.alter(ctx, in.RouteTableId, func(tx store.Tx, t *ec2.RouteTable) error {
		c := replaced(in)
		r, err := c.route(tx, *t)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(t.Routes, func(o ec2.Route) bool { return same(o, r) })
		if i < 0 {
			return awserr.New("InvalidParameterValue", "There is no route defined for '%s' in the route table. Use CreateRoute instead.", shown(r))
		}
		if ec2.TargetKind(t.Routes[i].Target) == ec2.ToEndpoint {
			return endpoints(t.Routes[i])
		}
		t.Routes[i] = r
		return nil
	})
}

// DeleteRoute takes a route from a table.
func (a *API) DeleteRoute(ctx context.Context, in *sdk.DeleteRouteInput) (*sdk.DeleteRouteOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return &sdk.DeleteRouteOutput{}, a.alter(ctx, in.RouteTableId, func(tx store.Tx, t *ec2.RouteTable) error {
		r, err := removed(in).about()
		if err != nil {
			return err
		}
		vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, t.VpcID)
		if err != nil {
			return err
		}
		if slices.Contains(vpc.CIDRs(), r.Destination) {
			return awserr.New("InvalidParameterValue", "cannot remove local route %s in route table %s", r.Destination, t.ID)
		}
		i := slices.IndexFunc(t.Routes, func(o ec2.Route) bool { return same(o, r) })
		if i < 0 {
			return awserr.New("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", shown(r), t.ID)
		}
		if ec2.TargetKind(t.Routes[i].Target) == ec2.ToEndpoint {
			return endpoints(t.Routes[i])
		}
		t.Routes = slices.Delete(t.Routes, i, i+1)
		return nil
	})
}

// endpoints refuses to change a route that an endpoint made.
func endpoints(r ec2.Route) error {
	return awserr.New("InvalidParameterValue", "The route to %s belongs to %s: modify the endpoint instead.", r.PrefixList, r.Target)
}

// alter changes a table.
func (a *API) alter(ctx context.Context, id *string, f func(store.Tx, *ec2.RouteTable) error) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		t, err := request.Get(tx, ec2.RouteTables, request.RouteTable, aws.ToString(id))
		if err != nil {
			return err
		}
		if err := f(tx, &t); err != nil {
			return err
		}
		return ec2.RouteTables.Put(tx, t.ID, t)
	})
}
