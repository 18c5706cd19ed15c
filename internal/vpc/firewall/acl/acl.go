// Package acl is network ACLs: which packets may enter and leave a subnet. They know no flows: the packets of both
// directions are judged, each by itself.
package acl

import (
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/vpc/firewall/traffic"
	"github.com/skylift/skylift/internal/vpc/match"
)

// Last is the number of the entry that each ACL ends with: it denies.
const Last = 32767

// ACL is the entries for each direction, the lowest number first. The first that fits a packet decides.
type ACL struct {
	ID              string // acl-…
	Ingress, Egress []Entry
}

// Entry allows or denies packets, by their other end outside the subnet.
type Entry struct {
	Number int
	Allow  bool
	Kind   traffic.Kind
	CIDR   netip.Prefix
}

// Equal tells whether both say the same.
func (a ACL) Equal(b ACL) bool {
	return a.ID == b.ID && slices.Equal(a.Ingress, b.Ingress) && slices.Equal(a.Egress, b.Egress)
}

// Judge returns whether entries let a packet pass whose other end is peer, and the number of the one that says so.
func Judge(entries []Entry, peer netip.Addr, protocol int, port uint16) (number int, allowed bool) {
	for _, e := range entries {
		if e.CIDR.Contains(peer) && e.Kind.Covers(protocol, port) {
			return e.Number, e.Allow
		}
	}
	return Last, false
}

// Open tells whether entries let all of IPv4 pass, so that no packet need ask them.
func Open(entries []Entry) bool {
	for _, e := range entries {
		if !e.CIDR.Addr().Is4() { // no interface has such an address
			continue
		}
		if !e.Allow {
			return false
		}
		if e.Kind.Protocol == traffic.All && e.CIDR.Bits() == 0 {
			return true
		}
	}
	return false
}

// Rules is the chain that judges packets whose other end is e: it comes back when they may pass.
func Rules(entries []Entry, e match.End) (rules []match.Exprs) {
	for _, n := range entries {
		what, ok := n.Kind.Matches()
		if !ok {
			continue
		}
		then := match.Drop()
		if n.Allow {
			then = match.Return()
		}
		where := match.In(e, n.CIDR)
		if n.CIDR.Bits() == 0 {
			where = match.FamilyOf(n.CIDR.Addr())
		}
		rules = append(rules, match.Join(where, what, then))
	}
	return append(rules, match.Drop())
}
