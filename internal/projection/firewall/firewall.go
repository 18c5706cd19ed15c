// Package firewall turns the records of EC2 into the rules of the firewall.
//
// It adds no rules to those of the records: an empty group admits nothing.
package firewall

import (
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/vpc"
)

// Build returns the firewall for groups, for the interfaces in them, and for the
// host's sockets that balancers share. ports holds the ports that balancers listen
// on, by interface. Build changes none of its arguments.
func Build(groups []ec2.SecurityGroup, ifaces []*ec2.Interface, fronts []vpc.Front, ports map[string][]uint16) *vpc.Ruleset {
	rs := &vpc.Ruleset{Fronts: fronts, Members: make([]vpc.Member, 0, len(ifaces))}
	for _, g := range groups {
		rs.Groups = append(rs.Groups, group(g))
	}
	for _, i := range ifaces {
		rs.Members = append(rs.Members, vpc.Member{ID: i.ID, Addr: i.Addr, Groups: i.Groups, Host: i.Type == "load_balancer", Ports: ports[i.ID]})
	}
	return rs
}

func group(g ec2.SecurityGroup) vpc.Group {
	out := vpc.Group{ID: g.ID}
	for _, r := range g.Rules {
		if r.IsIPv6() {
			continue // no member has an IPv6 address, so the rule admits nothing
		}
		rule := vpc.Rule{
			Protocol: ec2.ProtocolNumber(r.Protocol), FromPort: int(r.From), ToPort: int(r.To),
			CIDR: r.CIDR, Group: r.Group,
		}
		if r.Egress {
			out.Egress = append(out.Egress, rule)
			continue
		}
		out.Ingress = append(out.Ingress, rule)
	}
	return out
}

// Admit returns the addresses that may open a connection to a member on a port, as
// the fewest ranges, in order: the ranges that the rules of its groups name, and
// the members of the groups that those rules name. protocol is the number of TCP or
// of UDP.
func Admit(rs *vpc.Ruleset, memberID string, protocol int, port uint16) []netip.Prefix {
	var ranges []netip.Prefix
	sources := map[string]bool{}
	for _, r := range ingress(rs, memberID) {
		if r.Protocol != -1 && (r.Protocol != protocol || int(port) < r.FromPort || int(port) > r.ToPort) {
			continue
		}
		if r.CIDR.IsValid() {
			ranges = append(ranges, r.CIDR)
			continue
		}
		sources[r.Group] = true
	}
	ranges = outermost(ranges)
	for _, m := range rs.Members {
		inSource := slices.ContainsFunc(m.Groups, func(g string) bool { return sources[g] })
		covered := slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Bits() < 32 && p.Contains(m.Addr) })
		if inSource && !covered {
			ranges = append(ranges, netip.PrefixFrom(m.Addr, m.Addr.BitLen()))
		}
	}
	slices.SortFunc(ranges, netip.Prefix.Compare)
	return slices.Compact(ranges)
}

// ingress returns the rules of all groups that the member is in.
func ingress(rs *vpc.Ruleset, memberID string) []vpc.Rule {
	i := slices.IndexFunc(rs.Members, func(m vpc.Member) bool { return m.ID == memberID })
	if i < 0 {
		return nil
	}
	var out []vpc.Rule
	for _, g := range rs.Groups {
		if slices.Contains(rs.Members[i].Groups, g.ID) {
			out = append(out, g.Ingress...)
		}
	}
	return out
}

// outermost drops ranges that lie in others.
func outermost(ranges []netip.Prefix) []netip.Prefix {
	slices.SortFunc(ranges, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	var out []netip.Prefix
	for _, p := range ranges {
		if !slices.ContainsFunc(out, func(o netip.Prefix) bool { return o.Contains(p.Addr()) }) {
			out = append(out, p)
		}
	}
	return out
}
