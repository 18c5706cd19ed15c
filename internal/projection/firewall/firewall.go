// Package firewall turns the records of EC2 into the rules of the firewall.
//
// It adds no rules to those of the records: an empty group admits nothing.
package firewall

import (
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/vpc"
)

// Records are what the firewall is made from.
type Records struct {
	Groups      []ec2.SecurityGroup
	Interfaces  []*ec2.Interface // the store's own
	Subnets     []ec2.Subnet
	ACLs        []ec2.NetworkACL
	Elastic     []ec2.ElasticAddress
	Gateways    []ec2.NatGateway
	Peerings    []ec2.Peering
	PrefixLists []ec2.PrefixList
	Ways        ec2.Ways
	// Fronts are the host's sockets that balancers share. Ports holds the ports that balancers listen on, by interface.
	Fronts []vpc.Front
	Ports  map[string][]uint16
	// PublicOnly says that whoever has no public address leaves no VPC through an internet gateway. Otherwise the
	// default VPC lets everybody leave by the machine's address.
	PublicOnly bool
}

// Read reads the records of EC2 into r.
func (r *Records) Read(tx store.Tx) (err error) {
	read := func(to func() error) {
		if err == nil {
			err = to()
		}
	}
	read(func() error { r.Groups, err = ec2.SecurityGroups.List(tx, ""); return err })
	read(func() error { r.Interfaces, err = store.Collect(ec2.Interfaces.Peek(tx, "")); return err })
	read(func() error { r.Subnets, err = ec2.Subnets.List(tx, ""); return err })
	read(func() error { r.ACLs, err = ec2.NetworkACLs.List(tx, ""); return err })
	read(func() error { r.Elastic, err = ec2.ElasticAddresses.List(tx, ""); return err })
	read(func() error { r.Gateways, err = ec2.NatGateways.List(tx, ""); return err })
	read(func() error { r.Peerings, err = ec2.Peerings.List(tx, ""); return err })
	read(func() error { r.PrefixLists, err = ec2.PrefixLists.List(tx, ""); return err })
	read(func() error { r.Ways, err = ec2.ReadWays(tx); return err })
	return err
}

// Build returns the firewall that the records make. It changes none of them.
func Build(r Records) *vpc.Ruleset {
	rs := &vpc.Ruleset{Net: network(r), Fronts: r.Fronts, Members: make([]vpc.Member, 0, len(r.Interfaces))}
	lists := map[string][]netip.Prefix{}
	for _, l := range r.PrefixLists {
		for _, e := range l.Entries {
			lists[l.ID] = append(lists[l.ID], e.CIDR)
		}
	}
	for _, g := range r.Groups {
		rs.Groups = append(rs.Groups, group(g, lists))
	}
	elastic := map[netip.Addr]netip.Addr{} // by the private address
	for _, e := range r.Elastic {
		if e.Interface != "" {
			elastic[e.PrivateAddr] = e.Addr
		}
	}
	for _, i := range r.Interfaces {
		if i.Type == "nat_gateway" || i.Type == "vpc_endpoint" {
			continue // nothing sends from there, and nothing is there
		}
		m := vpc.Member{ID: i.ID, Addr: i.Addr, Public: i.PublicAddr, Groups: i.Groups, Host: i.Type == "load_balancer", Ports: r.Ports[i.ID]}
		if a, ok := elastic[i.Addr]; ok {
			m.Public = a
		}
		rs.Members = append(rs.Members, m)
	}
	return rs
}

func group(g ec2.SecurityGroup, lists map[string][]netip.Prefix) vpc.Group {
	out := vpc.Group{ID: g.ID}
	for _, r := range g.Rules {
		if r.IsIPv6() {
			continue // no member has an IPv6 address, so the rule admits nothing
		}
		rule := vpc.Rule{
			Protocol: ec2.ProtocolNumber(r.Protocol), FromPort: int(r.From), ToPort: int(r.To),
			CIDR: r.CIDR, Group: r.Group,
		}
		to := &out.Ingress
		if r.Egress {
			to = &out.Egress
		}
		if r.PrefixList == "" {
			*to = append(*to, rule)
			continue
		}
		for _, rule.CIDR = range lists[r.PrefixList] {
			if rule.CIDR.Addr().Is4() {
				*to = append(*to, rule)
			}
		}
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
