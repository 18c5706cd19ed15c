package firewall

import (
	"net/netip"
	"slices"
)

// The numbers of protocols that have ports or types; All stands for any.
const (
	All    = -1
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	ICMPv6 = 58
)

// Side says whose groups judge: the source's or the destination's.
type Side string

// The sides.
const (
	Egress  Side = "egress"
	Ingress Side = "ingress"
)

// Verdict says what becomes of a flow, and why.
type Verdict struct {
	Admitted bool
	// Blocked is the side that doesn't admit the flow; "" when it is admitted.
	Blocked Side
	// Members are the interfaces on that side, several when it is a front. None:
	// the address is in the VPC and no member's.
	Members []string
	// Groups are their groups; a rule in any of them would admit the flow. None:
	// no rule can, for the host's interface doesn't listen there.
	Groups []string
}

// Admits tells whether the kernel lets the first packet of f through.
func (r *Ruleset) Admits(f Flow) bool { return r.Check(f).Admitted }

// Check tells whether the kernel lets the first packet of f through, and if not,
// which side refuses it. It does not know where addresses outside the VPC
// are: those of this machine, and of networks inside it, are closed to tasks.
func (r *Ruleset) Check(f Flow) Verdict { return r.index().check(f) }

// index is a ruleset prepared for many questions.
type index struct {
	cidr     netip.Prefix
	groups   map[string]Group
	byID     map[string]Member
	byAddr   map[netip.Addr]Member
	groupOf  map[string]map[netip.Addr]bool
	fronts   map[netip.AddrPort][]string
	hasFront map[uint16]bool // ports of fronts on every address
}

func (r *Ruleset) index() *index {
	x := &index{
		cidr:     r.CIDR,
		groups:   make(map[string]Group, len(r.Groups)),
		byID:     make(map[string]Member, len(r.Members)),
		byAddr:   make(map[netip.Addr]Member, len(r.Members)),
		groupOf:  make(map[string]map[netip.Addr]bool, len(r.Groups)),
		fronts:   make(map[netip.AddrPort][]string, len(r.Fronts)),
		hasFront: make(map[uint16]bool),
	}
	for _, g := range r.Groups {
		x.groups[g.ID] = g
	}
	for _, m := range r.Members {
		x.byID[m.ID], x.byAddr[m.Addr] = m, m
		for _, g := range m.Groups {
			if x.groupOf[g] == nil {
				x.groupOf[g] = make(map[netip.Addr]bool)
			}
			x.groupOf[g][m.Addr] = true
		}
	}
	for _, f := range r.Fronts {
		x.fronts[f.Addr] = f.Members
		x.hasFront[f.Addr.Port()] = x.hasFront[f.Addr.Port()] || f.Addr.Addr().IsUnspecified()
	}
	return x
}

// check is Check. An interface always reaches itself.
func (x *index) check(f Flow) Verdict {
	self := f.Src == f.Dst
	if !self {
		if v := x.side(Egress, f.Src, f); !v.Admitted {
			return v
		}
	}
	if f.Protocol == TCP {
		if ids, ok := x.fronts[netip.AddrPortFrom(f.Dst, f.DstPort)]; ok {
			return x.judge(Ingress, ids, f)
		}
	}
	if x.nothingThere(f) {
		return Verdict{Blocked: Ingress, Members: []string{x.byAddr[f.Dst].ID}}
	}
	if self && x.inside(f.Dst) {
		return Verdict{Admitted: true}
	}
	return x.side(Ingress, f.Dst, f)
}

// inside says whether addr is one that the ruleset decides on.
func (x *index) inside(addr netip.Addr) bool {
	_, member := x.byAddr[addr]
	return member || x.cidr.IsValid() && x.cidr.Contains(addr)
}

// side judges by the groups that addr is in; an address outside has none and
// is free.
func (x *index) side(s Side, addr netip.Addr, f Flow) Verdict {
	if m, ok := x.byAddr[addr]; ok {
		return x.judge(s, []string{m.ID}, f)
	}
	if x.inside(addr) {
		return Verdict{Blocked: s}
	}
	return Verdict{Admitted: true}
}

// nothingThere says that f is for an interface of the host, and no port of it.
func (x *index) nothingThere(f Flow) bool {
	m, ok := x.byAddr[f.Dst]
	return ok && m.Host && f.Protocol != ICMP && !(f.Protocol == TCP && slices.Contains(m.Ports, f.DstPort))
}

// judge admits f when any group of any of the members does.
func (x *index) judge(s Side, ids []string, f Flow) Verdict {
	refused := Verdict{Blocked: s, Members: ids}
	for _, g := range x.groupsOf(ids) {
		if x.admits(x.groups[g], s, f) {
			return Verdict{Admitted: true}
		}
		refused.Groups = append(refused.Groups, g)
	}
	return refused
}

// groupsOf is every group of the members, once.
func (x *index) groupsOf(ids []string) []string {
	var all []string
	for _, id := range ids {
		for _, g := range x.byID[id].Groups {
			if !slices.Contains(all, g) {
				all = append(all, g)
			}
		}
	}
	return all
}

func (x *index) admits(g Group, s Side, f Flow) bool {
	rules, peer := g.Ingress, f.Src
	if s == Egress {
		rules, peer = g.Egress, f.Dst
	}
	for _, r := range rules {
		if r.covers(f) && x.isPeer(r, peer) {
			return true
		}
	}
	return false
}

func (x *index) isPeer(r Rule, addr netip.Addr) bool {
	if r.CIDR.IsValid() {
		return r.CIDR.Contains(addr)
	}
	return x.groupOf[r.Group][addr]
}

// covers says whether the rule is about f's protocol and port, or ICMP type.
func (r Rule) covers(f Flow) bool {
	if r.Protocol == All {
		return true
	}
	if r.Protocol != f.Protocol {
		return false
	}
	switch r.Protocol {
	case TCP, UDP:
		from, to := r.ports()
		return from <= int(f.DstPort) && int(f.DstPort) <= to
	case ICMP, ICMPv6:
		return (r.FromPort < 0 || r.FromPort == int(f.DstPort>>8)) && (r.ToPort < 0 || r.ToPort == int(f.DstPort&0xff))
	}
	return true
}

// ports is the range of a tcp or udp rule; a negative start means all ports.
func (r Rule) ports() (from, to int) {
	if r.FromPort < 0 {
		return 0, 65535
	}
	return r.FromPort, min(r.ToPort, 65535)
}
