package ec2

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/store"
)

// RouteTable says where packets of subnets go. Beside Routes, each range of its Vpc leads to the Vpc itself ("local").
type RouteTable struct {
	ID           string
	VpcID        string
	Routes       []Route
	Associations []RouteAssociation // the Main one is of every subnet of the Vpc that is in no other
	Token        Token
}

// Route leads packets to Destination, or to each entry of PrefixList, to Target.
type Route struct {
	Destination netip.Prefix // invalid where there is a PrefixList
	PrefixList  string       // pl-…
	// Target is the id of an internet gateway, a NAT gateway, an interface, a peering connection or a gateway
	// endpoint: its prefix says which, see TargetKind.
	Target string
	Origin string // CreateRouteTable, CreateRoute
}

// Local is the target of routes into the Vpc itself.
const Local = "local"

// The kinds of a Route's target, which are the prefixes of their ids.
const (
	ToInternet  = "igw"
	ToNat       = "nat"
	ToInterface = "eni"
	ToPeering   = "pcx"
	ToEndpoint  = "vpce"
)

// TargetKind returns the kind of a target, such as ToNat.
func TargetKind(target string) string {
	kind, _, _ := strings.Cut(target, "-")
	return kind
}

// RouteAssociation gives a subnet its RouteTable.
type RouteAssociation struct {
	ID       string // rtbassoc-…
	SubnetID string // "" for the Main one
	Main     bool
}

// IsMain tells whether t is its Vpc's main table.
func (t RouteTable) IsMain() bool {
	return slices.ContainsFunc(t.Associations, func(a RouteAssociation) bool { return a.Main })
}

// Ways are the records that say where packets go, as they are at one moment.
type Ways struct {
	Vpcs     map[string]Vpc
	Tables   []RouteTable
	gateways map[string]string // an internet gateway's Vpc
	nats     map[string]NatGateway
	peerings map[string]Peering
	ends     map[string]string         // an endpoint's Vpc
	ifaces   map[string]Interface      // those that routes name
	lists    map[string][]netip.Prefix // the entries of prefix lists
}

// ReadWays reads Ways.
func ReadWays(tx store.Tx) (w Ways, err error) {
	w = Ways{Vpcs: map[string]Vpc{}, gateways: map[string]string{}, nats: map[string]NatGateway{}, peerings: map[string]Peering{}, ends: map[string]string{}, ifaces: map[string]Interface{}, lists: map[string][]netip.Prefix{}}
	err = errors.Join(
		each(tx, Vpcs, func(v *Vpc) { w.Vpcs[v.ID] = *v }),
		each(tx, InternetGateways, func(g *InternetGateway) { w.gateways[g.ID] = g.VpcID }),
		each(tx, NatGateways, func(g *NatGateway) { w.nats[g.ID] = *g }),
		each(tx, Peerings, func(p *Peering) { w.peerings[p.ID] = *p }),
		each(tx, Endpoints, func(e *Endpoint) { w.ends[e.ID] = e.VpcID }),
		each(tx, PrefixLists, func(l *PrefixList) {
			for _, e := range l.Entries {
				w.lists[l.ID] = append(w.lists[l.ID], e.CIDR)
			}
		}),
	)
	if err != nil {
		return w, err
	}
	if w.Tables, err = RouteTables.List(tx, ""); err != nil {
		return w, err
	}
	for _, t := range w.Tables {
		for _, r := range t.Routes {
			if TargetKind(r.Target) != ToInterface {
				continue
			}
			i, err := Interfaces.Get(tx, r.Target)
			if err == nil {
				w.ifaces[i.ID] = i
			} else if !errors.Is(err, store.ErrNotFound) {
				return w, err
			}
		}
	}
	return w, nil
}

// GatewayOf returns the id of the internet gateway that is attached to a Vpc; "" when none is.
func GatewayOf(tx store.Tx, vpc string) (id string, err error) {
	err = each(tx, InternetGateways, func(g *InternetGateway) {
		if g.VpcID == vpc {
			id = g.ID
		}
	})
	return id, err
}

func each[T any](tx store.Tx, t *store.Table[T], f func(*T)) error {
	for v, err := range t.Peek(tx, "") {
		if err != nil {
			return err
		}
		f(v)
	}
	return nil
}

// TableOf returns the route table of a subnet: the one that it is associated with, else the main one of its Vpc.
func (w Ways) TableOf(s Subnet) RouteTable { return TableOf(w.Tables, s) }

// TableOf returns the route table of a subnet, of all tables: the one that it is associated with, else the main one of
// its Vpc.
func TableOf(tables []RouteTable, s Subnet) (table RouteTable) {
	for _, t := range tables {
		for _, a := range t.Associations {
			if a.SubnetID == s.ID {
				return t
			}
			if a.Main && t.VpcID == s.VpcID {
				table = t
			}
		}
	}
	return table
}

// Hop is where a packet goes next.
type Hop struct {
	Prefix netip.Prefix // of the destinations
	Target string       // Local, or as of a Route
	// List is the prefix list that Prefix comes from; "": a route of its own.
	List string
	// Blackhole says that Target is gone, or of no use any more: the packet is dropped, and no wider route is taken.
	Blackhole bool
}

// Blackhole tells whether what a route of the Vpc leads to is gone, or of no use any more.
func (w Ways) Blackhole(vpc string, r Route) bool {
	switch TargetKind(r.Target) {
	case ToInternet:
		return w.gateways[r.Target] != vpc
	case ToNat:
		g := w.nats[r.Target]
		return g.State != NatAvailable || g.VpcID != vpc
	case ToInterface:
		i := w.ifaces[r.Target]
		return i.VpcID != vpc || i.OwnerKey == "" // nothing has it
	case ToPeering:
		p := w.peerings[r.Target]
		return p.State != PeeringActive || w.Vpcs[p.Other(vpc)].ID == ""
	case ToEndpoint:
		return w.ends[r.Target] != vpc
	}
	return true
}

// Hops returns all hops of a table, of its local routes and of its prefix lists, too: the longest prefixes first, and of
// the same prefix the one that counts first.
func (w Ways) Hops(t RouteTable) (all []Hop) {
	for _, p := range w.Vpcs[t.VpcID].CIDRs() {
		all = append(all, Hop{Prefix: p, Target: Local})
	}
	for _, r := range t.Routes {
		dead := w.Blackhole(t.VpcID, r)
		if r.PrefixList == "" {
			all = append(all, Hop{Prefix: r.Destination, Target: r.Target, Blackhole: dead})
			continue
		}
		for _, p := range w.lists[r.PrefixList] {
			all = append(all, Hop{Prefix: p, Target: r.Target, List: r.PrefixList, Blackhole: dead})
		}
	}
	slices.SortStableFunc(all, func(a, b Hop) int {
		return cmp.Or(b.Prefix.Bits()-a.Prefix.Bits(), strings.Compare(a.List, b.List)) // no list goes before any
	})
	return all
}

// Lookup returns where a packet to addr goes by a table: the longest prefix decides, and a route of its own goes before
// one of a prefix list. ok is false when no route leads there.
func (w Ways) Lookup(t RouteTable, addr netip.Addr) (h Hop, ok bool) {
	all := w.Hops(t)
	i := slices.IndexFunc(all, func(h Hop) bool { return h.Prefix.Contains(addr) })
	if i < 0 {
		return Hop{}, false
	}
	return all[i], true
}
