package firewall

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Service is where what tasks send to a socket address really goes.
type Service struct {
	Protocol int            // TCP or UDP
	Addr     netip.AddrPort // as the tasks know it
	To       netip.AddrPort // where this process listens
}

// serves says that f is a task's flow to a service, which no rules judge.
func (r *Ruleset) serves(f Flow) bool {
	for _, s := range r.Services {
		if f.Protocol == s.Protocol && s.To == netip.AddrPortFrom(f.Dst, f.DstPort) && r.CIDR.Contains(f.Src) {
			return true
		}
	}
	return false
}

// services sends what tasks address to a service to where it is, before anybody
// else on the host does.
func (c *compiler) services(rs *Ruleset) {
	if len(rs.Services) == 0 {
		return
	}
	var rules []exprs
	for _, s := range rs.Services {
		rules = append(rules, rule(iifPrefix(expr.CmpOpEq, c.prefix), toSocket(s.Protocol, s.Addr), redirect(s.To)))
	}
	c.base("prerouting_services", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, *nftables.ChainPriorityNATDest-1, rules...)
}

// served admits what has been sent to a service.
func (c *compiler) served(rs *Ruleset) (rules []exprs) {
	for _, s := range rs.Services {
		rules = append(rules, rule(iifPrefix(expr.CmpOpEq, c.prefix), toSocket(s.Protocol, s.To), redirected(), acceptIt()))
	}
	return rules
}
