package program

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/match"
	"github.com/skylift/skylift/internal/vpc/nft"
)

// services sends what tasks address to a service to where it is, and to a public address to who has it, before anybody
// else on the host does.
func (c *compiler) services(rs *firewall.Ruleset) {
	var rules []match.Exprs
	if len(rs.Services) > 0 {
		s := c.set(mapServices, nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService), true)
		for _, one := range rs.Services {
			c.service(rs, s, one)
		}
		rules = append(rules, match.Join(match.IIFPrefix(expr.CmpOpEq, c.prefix), match.Addr(match.Destination),
			match.Exprs{match.L4Proto(match.RegAfter4), match.Port(match.Destination, match.RegAfter8)}, match.GoBy(mapServices)))
	}
	public := c.public(rs)
	if rules = append(rules, public...); len(rules) > 0 {
		c.base("prerouting_services", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, *nftables.ChainPriorityNATDest-1, rules...)
	}
	if len(public) > 0 {
		c.base("output_services", nftables.ChainTypeNAT, nftables.ChainHookOutput, *nftables.ChainPriorityNATDest-1, public...)
	}
}

// service makes the chains of one service. Each VPC's tasks find the resolver at their own VPC's address, unless it has none.
func (c *compiler) service(rs *firewall.Ruleset, m *nft.Set, s firewall.Service) {
	name := fmt.Sprintf("service_%d_%s_%d", s.Protocol, s.Addr.Addr(), s.Addr.Port())
	if !rs.Resolves(s) {
		var rules []match.Exprs
		for _, v := range rs.Network().VPCs {
			for _, p := range v.Ranges {
				if v.NoDNS && s.Addr.Addr() == firewall.LinkLocalResolver {
					rules = append(rules, match.Join(match.In(match.Source, p), match.Return()))
				}
			}
		}
		c.add(name, append(rules, match.Redirect(s.To))...)
		c.lead(m.Name, serviceKey(s.Protocol, s.Addr), name)
		return
	}
	for _, v := range rs.Network().VPCs {
		if v.NoDNS {
			continue
		}
		at := netip.AddrPortFrom(firewall.Resolver(v.Ranges[0]), s.Addr.Port())
		name := fmt.Sprintf("service_%d_%s_%d", s.Protocol, at.Addr(), at.Port())
		var rules []match.Exprs
		for _, p := range v.Ranges {
			rules = append(rules, match.Join(match.In(match.Source, p), match.Redirect(s.To)))
		}
		c.add(name, rules...)
		c.lead(m.Name, serviceKey(s.Protocol, at), name)
	}
}

func serviceKey(protocol int, a netip.AddrPort) []byte {
	port := binary.BigEndian.AppendUint16(nil, a.Port())
	return slices.Concat(a.Addr().AsSlice(), []byte{byte(protocol), 0, 0, 0}, port, []byte{0, 0})
}

// served admits what has been sent to a service.
func (c *compiler) served(rs *firewall.Ruleset) (rules []match.Exprs) {
	for _, s := range rs.Services {
		rules = append(rules, match.Join(match.IIFPrefix(expr.CmpOpEq, c.prefix), match.ToSocket(s.Protocol, s.To), match.Redirected(), match.Accept()))
	}
	return rules
}
