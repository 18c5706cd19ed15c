package firewall

import (
	"net/netip"
	"slices"
)

// Service is where what tasks send to a socket address really goes.
type Service struct {
	Protocol int            // TCP or UDP
	Addr     netip.AddrPort // as the tasks know it
	To       netip.AddrPort // where this process listens
}

// LinkLocalResolver is where the resolver of every VPC answers, besides the third address of its first range
// (https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html).
var LinkLocalResolver = netip.AddrFrom4([4]byte{169, 254, 169, 253})

// Resolver is the third address of a range, where a VPC's resolver answers tasks.
func Resolver(cidr netip.Prefix) netip.Addr { return Router(cidr).Next() }

// Resolves says that s is the resolver's, at the address that each VPC has its own of.
func (r *Ruleset) Resolves(s Service) bool { return s.Addr.Addr() == Resolver(r.CIDR) }

// serves says that f is a task's flow to a service, which no rules judge.
func (r *Ruleset) serves(f Flow, asked netip.AddrPort) bool {
	for _, s := range r.Services {
		if f.Protocol != s.Protocol || s.To != netip.AddrPortFrom(f.Dst, f.DstPort) {
			continue
		}
		for _, v := range r.Network().VPCs {
			if slices.ContainsFunc(v.Ranges, func(p netip.Prefix) bool { return p.Contains(f.Src) }) {
				at := asked.Addr() == s.Addr.Addr()
				if r.Resolves(s) {
					at = asked.Addr() == Resolver(v.Ranges[0])
				}
				return at && !(v.NoDNS && (r.Resolves(s) || s.Addr.Addr() == LinkLocalResolver))
			}
		}
	}
	return false
}
