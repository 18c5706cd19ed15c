// Package firewall is what may pass between interfaces, and to what is outside: a
// Ruleset decides about flows, and compiles to the nftables program that enforces
// it.
package firewall

import (
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/vpc/firewall/route"
	"github.com/skylift/skylift/internal/vpc/firewall/traffic"
)

// Ruleset is the whole firewall of an instance: VPCs, security groups, the
// interfaces that are members of them, and the host sockets that several
// balancers share. It is an immutable snapshot; Apply makes the kernel match.
type Ruleset struct {
	// Net is the VPCs; an address in none of them is outside. Where it has none, CIDR is the only one.
	Net      route.Network
	Groups   []Group
	Members  []Member
	Fronts   []Front
	Services []Service // of the process that Apply runs in
	Ways     Ways      // of the process that Apply runs in
	// CIDR is the instance's own range, which has the Router. Apply sets it where it is not set.
	CIDR netip.Prefix
	// Pool is where public addresses come from: one that no member and no NAT gateway has leads nowhere.
	Pool []netip.Prefix
}

// Equal says whether both admit the same, said in the same order.
func (r *Ruleset) Equal(o *Ruleset) bool {
	return r.CIDR == o.CIDR && r.Net.Equal(o.Net) && slices.Equal(r.Pool, o.Pool) && slices.EqualFunc(r.Groups, o.Groups, Group.equal) && slices.EqualFunc(r.Members, o.Members, Member.equal) &&
		slices.EqualFunc(r.Fronts, o.Fronts, func(a, b Front) bool { return a.Addr == b.Addr && slices.Equal(a.Members, b.Members) }) &&
		slices.Equal(r.Services, o.Services) && r.Ways.Equal(o.Ways)
}

func (g Group) equal(o Group) bool {
	return g.ID == o.ID && slices.Equal(g.Ingress, o.Ingress) && slices.Equal(g.Egress, o.Egress)
}

func (m Member) equal(o Member) bool {
	return m.ID == o.ID && m.Addr == o.Addr && m.Public == o.Public && m.Host == o.Host && slices.Equal(m.Groups, o.Groups) && slices.Equal(m.Ports, o.Ports)
}

// Group is a security group. Its rules admit; what no rule admits is dropped.
type Group struct {
	ID              string // sg-…
	Ingress, Egress []Rule
}

// Rule admits traffic. The peer is CIDR when that is valid, else the members
// of Group.
type Rule struct {
	Protocol         int // as in traffic.Kind
	FromPort, ToPort int
	CIDR             netip.Prefix
	Group            string
}

// Member is an interface and the groups it is in. Traffic to and from it is
// admitted when any of its groups admits it.
type Member struct {
	ID   string // eni-…
	Addr netip.Addr
	// Public is the address that it has beyond the machine; invalid: none. One on loopback is known to this machine only.
	Public netip.Addr
	Groups []string
	// Host says that the address is the host's, as AttachHost gives it. Whatever
	// listens on all of the host's addresses would answer there too, so of TCP
	// only Ports are there, and of the rest only ICMP, as its groups say.
	Host  bool
	Ports []uint16
}

// Kind is what the rule is about.
func (r Rule) Kind() traffic.Kind {
	return traffic.Kind{Protocol: r.Protocol, From: r.FromPort, To: r.ToPort}
}

// Front is a TCP socket of the host on which the listeners of several balancers answer.
// A packet reaches it when the ingress rules of any of Members admit it; which
// balancer the request is for is decided, and admitted, above. An unspecified
// address (0.0.0.0) stands for every address of the host outside the VPC.
type Front struct {
	Addr    netip.AddrPort
	Members []string // ids of members
}

// Network is Net, or what stands for it.
func (r *Ruleset) Network() route.Network {
	if len(r.Net.VPCs) == 0 && r.CIDR.IsValid() {
		return route.Single(r.CIDR)
	}
	return r.Net
}

// Flow is one direction of traffic, by its first packet.
type Flow struct {
	Protocol         int
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16 // icmp: DstPort is type<<8 | code
}
