// Package route says where packets of VPCs' subnets go: the hop with the longest prefix decides.
package route

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/vpc/firewall/acl"
)

// Kind is what a hop leads to.
type Kind uint8

// The kinds.
const (
	Local    Kind = iota + 1 // the VPC itself
	Internet                 // an internet gateway: for who has a public address
	NAT                      // a NAT gateway: for those who open flows
	Peering                  // another VPC
	Nowhere                  // what it led to is gone: the packet is dropped, and takes no wider route
)

// Hop is where packets to a range go next.
type Hop struct {
	To   netip.Prefix
	Kind Kind
	ID   string // igw-…, nat-…, pcx-…
}

// VPC is a virtual network. No two of them overlap.
type VPC struct {
	ID     string
	Ranges []netip.Prefix // the primary one first: its third address is the resolver's
	NoDNS  bool           // its resolver doesn't answer
	// ByMachine says that who has no public address leaves by the machine's own, where a route leads to an internet
	// gateway, and is reached from beyond by its private one.
	ByMachine bool
}

// Subnet is a range of a VPC.
type Subnet struct {
	ID, VPC string
	Range   netip.Prefix
	Hops    []Hop
	ACL     string // acl-…; "": it lets all pass
}

// Gateway is a NAT gateway.
type Gateway struct {
	ID     string // nat-…
	Addr   netip.Addr
	Public netip.Addr // what others see
}

// Pair is two VPCs that are peered.
type Pair struct {
	ID   string // pcx-…
	A, B string
}

// Network is all VPCs of an instance.
type Network struct {
	VPCs     []VPC
	Subnets  []Subnet
	Gateways []Gateway
	Pairs    []Pair
	ACLs     []acl.ACL
}

// Single is a network of one VPC that nothing leaves but by the machine's address.
func Single(cidr netip.Prefix) Network {
	return Network{
		VPCs:    []VPC{{ID: "vpc", Ranges: []netip.Prefix{cidr}, ByMachine: true}},
		Subnets: []Subnet{{ID: "subnet", VPC: "vpc", Range: cidr, Hops: []Hop{{To: cidr, Kind: Local}, {To: everywhere, Kind: Internet}}}},
	}
}

var everywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// Equal tells whether both are the same, said in the same order.
func (n Network) Equal(o Network) bool {
	return slices.EqualFunc(n.VPCs, o.VPCs, func(a, b VPC) bool {
		return a.ID == b.ID && a.NoDNS == b.NoDNS && a.ByMachine == b.ByMachine && slices.Equal(a.Ranges, b.Ranges)
	}) && slices.EqualFunc(n.Subnets, o.Subnets, func(a, b Subnet) bool {
		return a.ID == b.ID && a.VPC == b.VPC && a.Range == b.Range && a.ACL == b.ACL && slices.Equal(a.Hops, b.Hops)
	}) && slices.Equal(n.Gateways, o.Gateways) && slices.Equal(n.Pairs, o.Pairs) && slices.EqualFunc(n.ACLs, o.ACLs, acl.ACL.Equal)
}

// Ranges are those of all VPCs, sorted.
func (n Network) Ranges() (all []netip.Prefix) {
	for _, v := range n.VPCs {
		all = append(all, v.Ranges...)
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return all
}

// Index is a network prepared for many questions.
type Index struct {
	vpcs    map[string]VPC
	subnets []Subnet
	ranges  []vpcRange
	gates   map[string]Gateway
	pairs   map[string]Pair
	acls    map[string]acl.ACL
}

type vpcRange struct {
	prefix netip.Prefix
	vpc    string
}

// Index returns n's.
func (n Network) Index() *Index {
	x := &Index{vpcs: map[string]VPC{}, gates: map[string]Gateway{}, pairs: map[string]Pair{}, acls: map[string]acl.ACL{}}
	for _, v := range n.VPCs {
		x.vpcs[v.ID] = v
		for _, r := range v.Ranges {
			x.ranges = append(x.ranges, vpcRange{r, v.ID})
		}
	}
	for _, s := range n.Subnets {
		s.Hops = slices.Clone(s.Hops)
		slices.SortStableFunc(s.Hops, func(a, b Hop) int { return cmp.Compare(b.To.Bits(), a.To.Bits()) })
		x.subnets = append(x.subnets, s)
	}
	slices.SortFunc(x.subnets, func(a, b Subnet) int { return a.Range.Compare(b.Range) })
	for _, g := range n.Gateways {
		x.gates[g.ID] = g
	}
	for _, p := range n.Pairs {
		x.pairs[p.ID] = p
	}
	for _, a := range n.ACLs {
		x.acls[a.ID] = a
	}
	return x
}

// VPCOf returns the VPC that an address is in; not ok when it is in none.
func (x *Index) VPCOf(addr netip.Addr) (VPC, bool) {
	for _, r := range x.ranges {
		if r.prefix.Contains(addr) {
			return x.vpcs[r.vpc], true
		}
	}
	return VPC{}, false
}

// SubnetOf returns the subnet that an address is in, its hops the longest prefix first; not ok when it is in none.
func (x *Index) SubnetOf(addr netip.Addr) (Subnet, bool) {
	i, found := slices.BinarySearchFunc(x.subnets, addr, func(s Subnet, a netip.Addr) int { return s.Range.Addr().Compare(a) })
	if !found {
		i--
	}
	if i < 0 || !x.subnets[i].Range.Contains(addr) {
		return Subnet{}, false
	}
	return x.subnets[i], true
}

// ACLOf returns the ACL of a subnet; not ok when all passes it.
func (x *Index) ACLOf(s Subnet) (acl.ACL, bool) {
	if s.ACL == "" {
		return acl.ACL{}, false
	}
	return x.acls[s.ACL], true // one that isn't there denies
}

// Gateway returns a NAT gateway; not ok when there is none that carries anything.
func (x *Index) Gateway(id string) (Gateway, bool) {
	g, ok := x.gates[id]
	return g, ok && g.Public.IsValid()
}

// Peer returns the VPC at the other end of a pair; not ok when vpc is at neither.
func (x *Index) Peer(pair, vpc string) (VPC, bool) {
	p := x.pairs[pair]
	other := p.B
	if vpc == p.B {
		other = p.A
	} else if vpc != p.A {
		return VPC{}, false
	}
	v, ok := x.vpcs[other]
	return v, ok
}

// Hop returns where packets from a subnet to addr go next; not ok when no route leads there.
func (s Subnet) Hop(addr netip.Addr) (Hop, bool) {
	i := slices.IndexFunc(s.Hops, func(h Hop) bool { return h.To.Contains(addr) })
	if i < 0 {
		return Hop{}, false
	}
	return s.Hops[i], true
}

// Leads tells whether packets from a subnet get to addr by hop: to another VPC by what joins both, beyond all VPCs by
// a gateway. Whether who sends them has a public address, where it needs one, is not asked.
func (x *Index) Leads(s Subnet, h Hop, addr netip.Addr) bool {
	there, inside := x.VPCOf(addr)
	switch h.Kind {
	case Local:
		return inside && there.ID == s.VPC
	case Peering:
		peer, ok := x.Peer(h.ID, s.VPC)
		return ok && inside && peer.ID == there.ID
	case Internet:
		return !inside
	case NAT:
		g, ok := x.Gateway(h.ID)
		if !ok || inside {
			return false
		}
		at, ok := x.SubnetOf(g.Addr)
		next, routed := at.Hop(addr)
		return ok && routed && next.Kind == Internet
	}
	return false
}
