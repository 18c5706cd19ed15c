package program

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/firewall/acl"
	"github.com/skylift/skylift/internal/vpc/firewall/route"
	"github.com/skylift/skylift/internal/vpc/match"
)

// Names of the chains and sets that are about VPCs.
const (
	chainPublic = "leave_by_public"
	chainLeave  = "leave_by_machine"

	setRanges   = "ranges"
	mapWays     = "way_of"
	mapBacks    = "back_of"
	mapACLOut   = "acl_out_of"
	mapACLIn    = "acl_in_of"
	mapNATOut   = "acl_nat_out_of"
	mapNATIn    = "acl_nat_in_of"
	mapLeave    = "leave_of"
	mapPublic   = "public_to"
	mapPublicOf = "public_of"
	mapServices = "services"
)

// inRanges matches addresses of the VPCs.
func (c *compiler) inRanges(e match.End) match.Exprs {
	if len(c.ranges) == 1 {
		return match.In(e, c.ranges[0])
	}
	return match.Join(match.Addr(e), match.Lookup(setRanges))
}

// notInRanges matches addresses of no VPC, in packets of IPv4.
func (c *compiler) notInRanges(e match.End) match.Exprs {
	if len(c.ranges) == 1 {
		return match.NotIn(e, c.ranges[0])
	}
	return match.Join(match.Addr(e), match.Exprs{&expr.Lookup{SourceRegister: match.Reg, SetName: setRanges, Invert: true}})
}

// declareRanges makes the set of the VPCs' ranges, where one comparison won't do.
func (c *compiler) declareRanges(rs *firewall.Ruleset) {
	if c.ranges = rs.Network().Ranges(); len(c.ranges) == 1 {
		return
	}
	s := c.set(setRanges, nftables.TypeIPAddr, false)
	s.Ranges = true
	for _, p := range c.ranges {
		last := p.Addr().As4()
		for bit := p.Bits(); bit < 32; bit++ {
			last[bit/8] |= 1 << (7 - bit%8)
		}
		s.Jumps[string(p.Addr().AsSlice())+string(netip.AddrFrom4(last).Next().AsSlice())] = ""
	}
}

// paths leads from every member's address to the chains of its subnet's routes and ACL. What lets all pass has no
// chain, and a map that leads nowhere is not asked.
func (c *compiler) paths(rs *firewall.Ruleset) {
	for _, name := range []string{mapWays, mapBacks, mapACLOut, mapACLIn, mapNATOut, mapNATIn, mapLeave} {
		c.set(name, nftables.TypeIPAddr, true)
	}
	c.add(chainLeave, match.Join(match.OIFPrefix(expr.CmpOpEq, c.prefix), match.Return()), match.Masquerade())
	for _, m := range rs.Members {
		s, ok := c.x.Net.SubnetOf(m.Addr)
		if !ok {
			continue
		}
		key := m.Addr.AsSlice()
		c.lead(mapLeave, key, c.leave(s, m))
		c.lead(mapACLOut, key, c.acl(s, firewall.Egress))
		c.lead(mapACLIn, key, c.acl(s, firewall.Ingress))
		if !m.Host {
			c.lead(mapNATOut, key, c.through(s, match.Destination))
			c.lead(mapNATIn, key, c.through(s, match.Source))
		}
		if c.plain(s) {
			continue
		}
		c.lead(mapWays, key, c.way(s, c.x.GoesOut(s, m)))
		if !m.Host {
			c.lead(mapBacks, key, c.back(s))
		}
	}
}

// asks is the rules that ask a map, none when it leads nowhere.
func (c *compiler) asks(name string, e match.End, when ...match.Exprs) []match.Exprs {
	if len(c.p.Sets[name].Jumps) == 0 {
		return nil
	}
	return []match.Exprs{match.Join(match.Join(when...), match.Addr(e), match.GoBy(name))}
}

// plain says that a subnet's routes stop nothing: there is no other VPC, and its own leaves by the machine.
func (c *compiler) plain(s route.Subnet) bool {
	v, _ := c.x.Net.VPCOf(s.Range.Addr())
	everywhere := false
	for _, h := range s.Hops {
		if h.Kind != route.Local && h.Kind != route.Internet {
			return false
		}
		everywhere = everywhere || h.Kind == route.Internet && h.To.Bits() == 0
	}
	return everywhere && v.ByMachine && len(v.Ranges) == len(c.ranges)
}

// chainOf adds a chain whose name says its content, and returns the name.
func (c *compiler) chainOf(kind string, s route.Subnet, class string, rules func() []match.Exprs) string {
	asked := strings.Join([]string{kind, s.ID, class}, " ")
	if name, known := c.named[asked]; known {
		return name
	}
	name := kind + "_" + digest([]string{s.VPC, fmt.Sprint(s.Hops), class})
	c.named[asked] = name
	if c.p.Chains[name] == nil {
		c.add(name) // where it is asked for meanwhile
		c.add(name, rules()...)
	}
	return name
}

// way is the chain of a subnet's routes, for who may use an internet gateway and for who may not. It comes back when
// a route leads to the destination.
func (c *compiler) way(s route.Subnet, out bool) string {
	return c.chainOf("way", s, fmt.Sprint(out), func() []match.Exprs {
		rules := []match.Exprs{match.Join(match.In(match.Destination, netip.PrefixFrom(c.x.Router, 32)), match.Return())}
		for _, h := range s.Hops {
			to := match.Join(where(match.Destination, h.To))
			switch h.Kind {
			case route.Internet:
				rules = append(rules, c.notBetween(match.Destination, to))
				if out {
					rules = append(rules, match.Join(to, match.Return()))
				}
			case route.NAT:
				if g, ok := c.x.Net.Gateway(h.ID); ok {
					rules = append(rules, c.notBetween(match.Destination, to), match.Join(to, match.Goto(c.gateway(g))))
				}
			default:
				rules = append(rules, c.within(s, h, match.Destination)...)
			}
			rules = append(rules, match.Join(to, match.Drop()))
		}
		return append(rules, match.Drop())
	})
}

// gateway is the chain of the routes that a NAT gateway's own subnet has.
func (c *compiler) gateway(g route.Gateway) string {
	s, _ := c.x.Net.SubnetOf(g.Addr)
	return c.chainOf("way_nat", s, "", func() []match.Exprs {
		var rules []match.Exprs
		for _, h := range s.Hops {
			then := match.Drop()
			if h.Kind == route.Internet {
				then = match.Return()
			}
			rules = append(rules, match.Join(where(match.Destination, h.To), then))
		}
		return append(rules, match.Drop())
	})
}

// back is the chain of a subnet's routes by which answers go to who opens a flow from elsewhere than this machine.
func (c *compiler) back(s route.Subnet) string {
	v, _ := c.x.Net.VPCOf(s.Range.Addr())
	return c.chainOf("back", s, fmt.Sprint(v.ByMachine), func() []match.Exprs {
		var rules []match.Exprs
		for _, h := range s.Hops {
			from := where(match.Source, h.To)
			if h.Kind == route.Internet {
				rules = append(rules, match.Join(from, match.Redirected(), match.Return()))
				if v.ByMachine {
					rules = append(rules, c.notBetween(match.Source, from), match.Join(from, match.Return()))
				}
			} else {
				rules = append(rules, c.within(s, h, match.Source)...)
			}
			rules = append(rules, match.Join(from, match.Drop()))
		}
		return append(rules, match.Drop())
	})
}

// within is the rules of a hop that leads to a VPC.
func (c *compiler) within(s route.Subnet, h route.Hop, e match.End) (rules []match.Exprs) {
	var ranges []netip.Prefix
	switch h.Kind {
	case route.Local:
		v, _ := c.x.Net.VPCOf(s.Range.Addr())
		ranges = v.Ranges
	case route.Peering:
		v, _ := c.x.Net.Peer(h.ID, s.VPC)
		ranges = v.Ranges
	}
	for _, r := range ranges {
		if !r.Overlaps(h.To) {
			continue
		}
		if h.To.Bits() > r.Bits() {
			r = h.To
		}
		rules = append(rules, match.Join(match.In(e, r), match.Return()))
	}
	return rules
}

// notBetween drops what would go from VPC to VPC by a gateway.
func (c *compiler) notBetween(e match.End, when match.Exprs) match.Exprs {
	return match.Join(when, c.inRanges(e), match.Drop())
}

// where is match.In, shorter where all is in it.
func where(e match.End, p netip.Prefix) match.Exprs {
	if p.Bits() == 0 {
		return match.FamilyOf(p.Addr())
	}
	return match.In(e, p)
}

// acl is the chain of a subnet's ACL for one direction, "" when all passes it.
func (c *compiler) acl(s route.Subnet, side firewall.Side) string {
	a, judged := c.x.Net.ACLOf(s)
	entries, e := a.Ingress, match.Source
	if side == firewall.Egress {
		entries, e = a.Egress, match.Destination
	}
	if !judged || acl.Open(entries) {
		return ""
	}
	name := "acl_" + string(side) + "_" + s.ID
	if c.p.Chains[name] == nil {
		c.add(name, append([]match.Exprs{match.Join(match.In(e, s.Range), match.Return())}, acl.Rules(entries, e)...)...)
	}
	return name
}

// through is the chain of the ACLs that the NAT gateways' own subnets have, for what a subnet's routes send to them, e
// being beyond; "" when all passes them.
func (c *compiler) through(s route.Subnet, e match.End) string {
	judges := func(h route.Hop) (chains []string) {
		g, ok := c.x.Net.Gateway(h.ID)
		at, in := c.x.Net.SubnetOf(g.Addr)
		for _, side := range []firewall.Side{firewall.Ingress, firewall.Egress} {
			if ok && in && h.Kind == route.NAT {
				chains = append(chains, c.acl(at, side))
			}
		}
		return slices.DeleteFunc(chains, func(name string) bool { return name == "" })
	}
	if !slices.ContainsFunc(s.Hops, func(h route.Hop) bool { return len(judges(h)) > 0 }) {
		return ""
	}
	return c.chainOf("acl_nat", s, fmt.Sprint(e), func() []match.Exprs {
		var rules []match.Exprs
		for _, h := range s.Hops {
			for _, name := range judges(h) {
				rules = append(rules, match.Join(where(e, h.To), match.Jump(name)))
			}
			rules = append(rules, match.Join(where(e, h.To), match.Return()))
		}
		return rules
	})
}

// leave is the chain that gives what a member sends beyond the machine its source.
func (c *compiler) leave(s route.Subnet, m firewall.Member) string {
	own := firewall.Beyond(m.Public) && !m.Host
	var gates []string
	for _, h := range s.Hops {
		if g, ok := c.x.Net.Gateway(h.ID); ok && h.Kind == route.NAT && firewall.Beyond(g.Public) {
			gates = append(gates, g.Public.String())
		}
	}
	switch {
	case m.Host || !own && len(gates) == 0:
		return chainLeave
	case len(gates) == 0:
		return chainPublic
	}
	return c.chainOf("leave", s, fmt.Sprint(own)+strings.Join(gates, " "), func() []match.Exprs {
		var rules []match.Exprs
		for _, h := range s.Hops {
			then := match.Goto(chainLeave)
			if g, ok := c.x.Net.Gateway(h.ID); ok && h.Kind == route.NAT && firewall.Beyond(g.Public) {
				then = match.LeaveBy(g.Public)
			} else if h.Kind == route.Internet && own {
				then = match.Goto(chainPublic)
			}
			rules = append(rules, match.Join(where(match.Destination, h.To), then))
		}
		return rules
	})
}

// public makes the maps of public addresses, and returns the rules that send what is for one to who has it.
func (c *compiler) public(rs *firewall.Ruleset) []match.Exprs {
	to, of := c.set(mapPublic, nftables.TypeIPAddr, true), c.set(mapPublicOf, nftables.TypeIPAddr, true)
	to.Data, of.Data = nftables.TypeIPAddr, nftables.TypeIPAddr
	for addr, m := range c.x.Publics {
		to.Jumps[string(addr.AsSlice())] = string(m.Addr.AsSlice())
	}
	for _, m := range rs.Members {
		if firewall.Beyond(m.Public) && !m.Host {
			of.Jumps[string(m.Addr.AsSlice())] = string(m.Public.AsSlice())
		}
	}
	c.add(chainPublic, match.Join(match.Addr(match.Source), match.Translate(mapPublicOf, expr.NATTypeSourceNAT)))
	if len(to.Jumps) == 0 {
		return nil
	}
	return []match.Exprs{match.Join(match.Addr(match.Destination), match.Translate(mapPublic, expr.NATTypeDestNAT))}
}

// turns says that tasks can ask for each other's public addresses.
func (c *compiler) turns() bool {
	for addr := range c.x.Publics {
		if firewall.Beyond(addr) {
			return true
		}
	}
	return false
}

// turnsBack gives what a task sends to its own public address another source: its kernel takes nothing from itself.
func (c *compiler) turnsBack() []match.Exprs {
	if !c.turns() {
		return nil
	}
	both := match.Join(match.IPv4(), match.Exprs{match.Address(match.Source, false, match.Reg), match.Address(match.Destination, false, match.RegAfter4)})
	return []match.Exprs{match.Join(match.OIFPrefix(expr.CmpOpEq, c.prefix), both, match.Lookup(setSelves), match.Goto(chainPublic))}
}

// askedPublic matches what is for a public address, before it is translated.
func askedPublic() match.Exprs {
	return match.Join(match.Addr(match.Destination), match.Exprs{
		&expr.Lookup{SourceRegister: match.Reg, SetName: mapPublic, IsDestRegSet: true, DestRegister: match.Reg},
	})
}

// toPublic judges what the machine itself sends to public addresses. To the kernel it goes still where it went before
// it was translated.
func (c *compiler) toPublic() []match.Exprs {
	if len(c.x.Publics) == 0 {
		return nil
	}
	translated := match.Join(match.Redirected(), c.inRanges(match.Destination))
	return append(c.asks(mapACLIn, match.Destination, match.Redirected()), match.Join(translated, match.Jump(chainIngress)))
}
