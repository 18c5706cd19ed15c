package ec2

import (
	"net/netip"
	"slices"
)

// NetworkACL decides which packets may enter and leave subnets. It knows no connections: both directions of one are
// judged.
type NetworkACL struct {
	ID           string
	VpcID        string
	Default      bool
	Entries      []ACLEntry // sorted by direction, ingress first, and number
	Associations []ACLAssociation
	Token        Token
}

// ACLAssociation gives a subnet its NetworkACL. Each subnet is in exactly one.
type ACLAssociation struct {
	ID       string // aclassoc-…
	SubnetID string
}

// LastACLRule is the number of the entry that each NetworkACL ends with, which denies all. It is no part of Entries.
const LastACLRule = 32767

// ACLEntry allows or denies packets. The lowest Number that fits a packet decides, and none denies it.
type ACLEntry struct {
	Number   int32 // 1 to 32766
	Egress   bool  // the packet leaves the subnet
	Allow    bool
	Protocol int32        // its IP number; -1: all
	CIDR     netip.Prefix // of the other end, IPv4 or IPv6
	From, To int32        // tcp, udp: ports of the destination; icmp, icmpv6: type and code, -1 for all; else 0
}

// Compare orders entries as NetworkACL.Entries is.
func (e ACLEntry) Compare(o ACLEntry) int {
	switch {
	case e.Egress == o.Egress:
		return int(e.Number - o.Number)
	case e.Egress:
		return 1
	}
	return -1
}

// AllowAll returns the entries of a new default NetworkACL: number 100 lets everything pass both ways.
func AllowAll() []ACLEntry {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	return []ACLEntry{
		{Number: 100, Allow: true, Protocol: -1, CIDR: all},
		{Number: 100, Egress: true, Allow: true, Protocol: -1, CIDR: all},
	}
}

// Packet is what a NetworkACL sees of a packet.
type Packet struct {
	Egress   bool       // it leaves the subnet
	Peer     netip.Addr // its other end, outside the subnet
	Protocol int32
	// Port is the destination's port of tcp and udp. Type and Code are those of ICMP.
	Port, Type, Code int32
}

// Admits tells whether p passes a.
func (a NetworkACL) Admits(p Packet) bool {
	i := slices.IndexFunc(a.Entries, func(e ACLEntry) bool { return e.fits(p) })
	return i >= 0 && a.Entries[i].Allow
}

func (e ACLEntry) fits(p Packet) bool {
	if e.Egress != p.Egress || !e.CIDR.Contains(p.Peer) || e.Protocol != -1 && e.Protocol != p.Protocol {
		return false
	}
	switch e.Protocol {
	case 6, 17:
		return e.From <= p.Port && p.Port <= e.To
	case 1, 58:
		return (e.From == -1 || e.From == p.Type) && (e.To == -1 || e.To == p.Code)
	}
	return true
}

// ACLOf returns the NetworkACL that a subnet has, of acls; the zero one when it has none, which admits nothing.
func ACLOf(acls []NetworkACL, subnet string) NetworkACL {
	for _, a := range acls {
		if slices.ContainsFunc(a.Associations, func(s ACLAssociation) bool { return s.SubnetID == subnet }) {
			return a
		}
	}
	return NetworkACL{}
}
