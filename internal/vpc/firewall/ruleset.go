// Package firewall is what may pass between interfaces, and to what is outside: a
// Ruleset decides about flows, and compiles to the nftables program that enforces
// it.
package firewall

import (
	"net/netip"
	"slices"
)

// Ruleset is the whole firewall of an instance: security groups, the
// interfaces that are members of them, and the host sockets that several
// balancers share. It is an immutable snapshot; Apply makes the kernel match.
type Ruleset struct {
	Groups   []Group
	Members  []Member
	Fronts   []Front
	Services []Service // of the process that Apply runs in
	Ways     Ways      // of the process that Apply runs in
	// CIDR is the range in which an address that is no member's is refused.
	// Apply uses the VPC's own where it is not set.
	CIDR netip.Prefix
}

// Equal says whether both admit the same, said in the same order.
func (r *Ruleset) Equal(o *Ruleset) bool {
	return r.CIDR == o.CIDR && slices.EqualFunc(r.Groups, o.Groups, Group.equal) && slices.EqualFunc(r.Members, o.Members, Member.equal) &&
		slices.EqualFunc(r.Fronts, o.Fronts, func(a, b Front) bool { return a.Addr == b.Addr && slices.Equal(a.Members, b.Members) }) &&
		slices.Equal(r.Services, o.Services) && r.Ways.Equal(o.Ways)
}

func (g Group) equal(o Group) bool {
	return g.ID == o.ID && slices.Equal(g.Ingress, o.Ingress) && slices.Equal(g.Egress, o.Egress)
}

func (m Member) equal(o Member) bool {
	return m.ID == o.ID && m.Addr == o.Addr && m.Host == o.Host && slices.Equal(m.Groups, o.Groups) && slices.Equal(m.Ports, o.Ports)
}

// Group is a security group. Its rules admit; what no rule admits is dropped.
type Group struct {
	ID              string // sg-…
	Ingress, Egress []Rule
}

// Rule admits traffic. The peer is CIDR when that is valid, else the members
// of Group.
type Rule struct {
	Protocol         int // IP protocol number (6 tcp, 17 udp, 1 icmp); -1: all
	FromPort, ToPort int // tcp, udp: port range; icmp: type and code, -1 for all
	CIDR             netip.Prefix
	Group            string
}

// Member is an interface and the groups it is in. Traffic to and from it is
// admitted when any of its groups admits it.
type Member struct {
	ID     string // eni-…
	Addr   netip.Addr
	Groups []string
	// Host says that the address is the host's, as AttachHost gives it. Whatever
	// listens on all of the host's addresses would answer there too, so of TCP
	// only Ports are there, and of the rest only ICMP, as its groups say.
	Host  bool
	Ports []uint16
}

// Front is a TCP socket of the host on which the listeners of several balancers answer.
// A packet reaches it when the ingress rules of any of Members admit it; which
// balancer the request is for is decided, and admitted, above. An unspecified
// address (0.0.0.0) stands for every address of the host outside the VPC.
type Front struct {
	Addr    netip.AddrPort
	Members []string // ids of members
}

// Flow is one direction of traffic, by its first packet.
type Flow struct {
	Protocol         int
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16 // icmp: DstPort is type<<8 | code
}
