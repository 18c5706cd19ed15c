package firewall

import (
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/vpc/firewall/route"
	"github.com/skylift/skylift/internal/vpc/firewall/traffic"
)

// The numbers of protocols, as package traffic has them.
const (
	All    = traffic.All
	ICMP   = traffic.ICMP
	TCP    = traffic.TCP
	UDP    = traffic.UDP
	ICMPv6 = traffic.ICMPv6
)

// Side says at which end it is decided: the source's or the destination's.
type Side string

// The sides.
const (
	Egress  Side = "egress"
	Ingress Side = "ingress"
)

// Why says what stops a flow.
type Why string

// What stops flows.
const (
	ByGroup Why = "group" // no rule of the groups of Members admits it
	ByACL   Why = "acl"   // entry Entry of ACL denies it
	NoRoute Why = "route" // no route of Subnet leads there, or it leads to what is gone, by Hop
	NoWay   Why = "way"   // Hop leads to an internet gateway, and there is no public address that it needs
)

// Verdict says what becomes of a flow, and why.
type Verdict struct {
	Admitted bool
	// Blocked is the side that doesn't admit the flow; "" when it is admitted.
	Blocked Side
	Why     Why
	// Members are the interfaces on that side, several when it is a front. None:
	// the address is in a VPC and no member's.
	Members []string
	// Groups are their groups; a rule in any of them would admit the flow. None:
	// no rule can, for the host's interface doesn't listen there.
	Groups []string
	Subnet string // whose routes or ACL decide
	Hop    route.Hop
	ACL    string
	Entry  int
}

// Admits tells whether the kernel lets the first packet of f through.
func (r *Ruleset) Admits(f Flow) bool { return r.Check(f).Admitted }

// Check tells whether the kernel lets the first packet of f through, and if not,
// which side refuses it, and why. A flow to a member's public address is one through its
// internet gateway; one from outside to its private address doesn't come from this machine. It does not know where addresses
// outside the VPCs are: those of this machine, and of networks inside it, are closed to tasks.
func (r *Ruleset) Check(f Flow) Verdict { return r.Index().check(f, false) }

// Answers tells whether the answers of a flow that Check admits come back: ACLs judge them, too.
func (r *Ruleset) Answers(f Flow) Verdict { return r.Index().answers(f) }

// Index is a ruleset prepared for many questions.
type Index struct {
	Net      *route.Index
	Router   netip.Addr
	Publics  map[netip.Addr]Member // by their public addresses
	Groups   map[string]Group      // by their ids
	byID     map[string]Member
	byAddr   map[netip.Addr]Member
	GroupOf  map[string]map[netip.Addr]bool // who is in a group
	fronts   map[netip.AddrPort][]string
	hasFront map[uint16]bool // ports of fronts on every address
}

// Index returns r's.
func (r *Ruleset) Index() *Index {
	x := &Index{
		Net:      r.Network().Index(),
		Publics:  make(map[netip.Addr]Member),
		Groups:   make(map[string]Group, len(r.Groups)),
		byID:     make(map[string]Member, len(r.Members)),
		byAddr:   make(map[netip.Addr]Member, len(r.Members)),
		GroupOf:  make(map[string]map[netip.Addr]bool, len(r.Groups)),
		fronts:   make(map[netip.AddrPort][]string, len(r.Fronts)),
		hasFront: make(map[uint16]bool),
	}
	if r.CIDR.IsValid() {
		x.Router = Router(r.CIDR)
	}
	for _, g := range r.Groups {
		x.Groups[g.ID] = g
	}
	for _, m := range r.Members {
		x.byID[m.ID], x.byAddr[m.Addr] = m, m
		if x.published(m) {
			x.Publics[m.Public] = m
		}
		for _, g := range m.Groups {
			if x.GroupOf[g] == nil {
				x.GroupOf[g] = make(map[netip.Addr]bool)
			}
			x.GroupOf[g][m.Addr] = true
		}
	}
	for _, f := range r.Fronts {
		x.fronts[f.Addr] = f.Members
		x.hasFront[f.Addr.Port()] = x.hasFront[f.Addr.Port()] || f.Addr.Addr().IsUnspecified()
	}
	return x
}

// Check is the ruleset's Check.
func (x *Index) Check(f Flow) Verdict { return x.check(f, false) }

// check is Check. An interface always reaches itself. byHost says that a process of this machine sends f.
func (x *Index) check(f Flow, byHost bool) Verdict {
	m, public := x.Publics[f.Dst]
	self := f.Src == f.Dst
	asked := f.Dst
	if public {
		f.Dst = m.Addr
	}
	if !self {
		if v := x.leaves(f, asked); !v.Admitted {
			return v
		}
	}
	self = f.Src == f.Dst // also by its public address
	if f.Protocol == TCP {
		if ids, ok := x.fronts[netip.AddrPortFrom(f.Dst, f.DstPort)]; ok {
			return x.judge(Ingress, ids, f)
		}
	}
	if x.nothingThere(f) {
		return Verdict{Blocked: Ingress, Why: ByGroup, Members: []string{x.byAddr[f.Dst].ID}}
	}
	if self && x.inside(f.Dst) {
		return Verdict{Admitted: true}
	}
	if v := x.arrives(f, public, byHost); !v.Admitted {
		return v
	}
	return x.side(Ingress, f.Dst, f)
}

// inside says whether addr is one that the ruleset decides on.
func (x *Index) inside(addr netip.Addr) bool {
	_, in := x.Net.VPCOf(addr)
	return in
}

// side judges by the groups that addr is in; an address outside has none and
// is free.
func (x *Index) side(s Side, addr netip.Addr, f Flow) Verdict {
	if m, ok := x.byAddr[addr]; ok {
		return x.judge(s, []string{m.ID}, f)
	}
	if x.inside(addr) {
		return Verdict{Blocked: s, Why: ByGroup}
	}
	return Verdict{Admitted: true}
}

// nothingThere says that f is for an interface of the host, and no port of it.
func (x *Index) nothingThere(f Flow) bool {
	m, ok := x.byAddr[f.Dst]
	return ok && m.Host && f.Protocol != ICMP && !(f.Protocol == TCP && slices.Contains(m.Ports, f.DstPort))
}

// judge admits f when any group of any of the members does.
func (x *Index) judge(s Side, ids []string, f Flow) Verdict {
	refused := Verdict{Blocked: s, Why: ByGroup, Members: ids}
	for _, g := range x.GroupsOf(ids) {
		if x.admits(x.Groups[g], s, f) {
			return Verdict{Admitted: true}
		}
		refused.Groups = append(refused.Groups, g)
	}
	return refused
}

// GroupsOf is every group of the members, once.
func (x *Index) GroupsOf(ids []string) []string {
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

func (x *Index) admits(g Group, s Side, f Flow) bool {
	rules, peer := g.Ingress, f.Src
	if s == Egress {
		rules, peer = g.Egress, f.Dst
	}
	for _, r := range rules {
		if r.Kind().Covers(f.Protocol, f.DstPort) && x.isPeer(r, peer) {
			return true
		}
	}
	return false
}

func (x *Index) isPeer(r Rule, addr netip.Addr) bool {
	if r.CIDR.IsValid() {
		return r.CIDR.Contains(addr)
	}
	return x.GroupOf[r.Group][addr]
}
