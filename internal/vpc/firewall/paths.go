package firewall

import (
	"net/netip"

	"github.com/skylift/skylift/internal/vpc/firewall/acl"
	"github.com/skylift/skylift/internal/vpc/firewall/route"
)

// leaves judges what the source's side has to say of f, which it sends to asked: its groups, its subnet's ACL, its
// subnet's routes. An ACL sees where f gets to.
func (x *Index) leaves(f Flow, asked netip.Addr) Verdict {
	to := f
	to.Dst = asked
	if v := x.side(Egress, f.Src, to); !v.Admitted {
		return v
	}
	m, ok := x.byAddr[f.Src]
	if !ok {
		return Verdict{Admitted: true}
	}
	s, _ := x.Net.SubnetOf(f.Src)
	if v := x.passes(s, Egress, f); !v.Admitted {
		return v
	}
	if v := x.passesGateway(s, f, f.Dst); !v.Admitted && !m.Host {
		return v
	}
	if asked == x.Router {
		return Verdict{Admitted: true}
	}
	return x.routed(s, m, asked)
}

// routed judges by a subnet's routes whether packets of a member get to addr.
func (x *Index) routed(s route.Subnet, m Member, addr netip.Addr) Verdict {
	h, ok := s.Hop(addr)
	if !ok || !x.Net.Leads(s, h, addr) {
		return Verdict{Blocked: Egress, Why: NoRoute, Members: []string{m.ID}, Subnet: s.ID, Hop: h}
	}
	if h.Kind == route.Internet && !x.GoesOut(s, m) {
		return Verdict{Blocked: Egress, Why: NoWay, Members: []string{m.ID}, Subnet: s.ID, Hop: h}
	}
	return Verdict{Admitted: true}
}

// GoesOut says that a member may use an internet gateway. Balancers' own requests leave as the machine's.
func (x *Index) GoesOut(s route.Subnet, m Member) bool {
	v, _ := x.Net.VPCOf(s.Range.Addr())
	return m.Public.IsValid() || m.Host || v.ByMachine
}

// arrives judges what the destination's side has to say of f before its groups: its subnet's ACL, and the routes by
// which answers would go.
func (x *Index) arrives(f Flow, public, byHost bool) Verdict {
	m, ok := x.byAddr[f.Dst]
	if !ok {
		return Verdict{Admitted: true}
	}
	s, _ := x.Net.SubnetOf(f.Dst)
	if v := x.passes(s, Ingress, f); !v.Admitted {
		return v
	}
	if m.Host || byHost {
		return Verdict{Admitted: true}
	}
	h, ok := s.Hop(f.Src)
	v, _ := x.Net.VPCOf(f.Dst)
	switch {
	case ok && h.Kind == route.Internet && public:
	case !ok || !x.Net.Leads(s, h, f.Src) || h.Kind == route.NAT:
		return Verdict{Blocked: Ingress, Why: NoRoute, Members: []string{m.ID}, Subnet: s.ID, Hop: h}
	case h.Kind == route.Internet && !v.ByMachine:
		return Verdict{Blocked: Ingress, Why: NoWay, Members: []string{m.ID}, Subnet: s.ID, Hop: h}
	}
	return Verdict{Admitted: true}
}

// passes judges by the ACL of a subnet that f leaves or enters.
func (x *Index) passes(s route.Subnet, side Side, f Flow) Verdict {
	a, judged := x.Net.ACLOf(s)
	entries, peer := a.Ingress, f.Src
	if side == Egress {
		entries, peer = a.Egress, f.Dst
	}
	if !judged || s.Range.Contains(peer) {
		return Verdict{Admitted: true}
	}
	if n, ok := acl.Judge(entries, peer, f.Protocol, f.DstPort); !ok {
		return Verdict{Blocked: side, Why: ByACL, Subnet: s.ID, ACL: s.ACL, Entry: n}
	}
	return Verdict{Admitted: true}
}

// passesGateway judges by the ACL of the subnet of the NAT gateway by which packets between a subnet and far go.
func (x *Index) passesGateway(s route.Subnet, f Flow, far netip.Addr) Verdict {
	h, routed := s.Hop(far)
	g, ok := x.Net.Gateway(h.ID)
	at, in := x.Net.SubnetOf(g.Addr)
	if !routed || h.Kind != route.NAT || !ok || !in {
		return Verdict{Admitted: true}
	}
	if v := x.passes(at, Ingress, f); !v.Admitted {
		return v
	}
	return x.passes(at, Egress, f)
}

// answers is Answers.
func (x *Index) answers(f Flow) Verdict {
	if m, public := x.Publics[f.Dst]; public {
		f.Dst = m.Addr
	}
	back := Flow{Protocol: f.Protocol, Src: f.Dst, Dst: f.Src, SrcPort: f.DstPort, DstPort: f.SrcPort}
	if f.Protocol == ICMP {
		back.DstPort = 0 // an echo's reply
	}
	if s, ok := x.Net.SubnetOf(back.Src); ok {
		if v := x.passes(s, Egress, back); !v.Admitted {
			return v
		}
	}
	if s, ok := x.Net.SubnetOf(back.Dst); ok {
		if v := x.passes(s, Ingress, back); !v.Admitted {
			return v
		}
		return x.passesGateway(s, back, back.Src)
	}
	return Verdict{Admitted: true}
}

// published says that what is sent to a member's public address gets to its private one: its subnet has an
// internet gateway.
func (x *Index) published(m Member) bool {
	s, ok := x.Net.SubnetOf(m.Addr)
	if !ok || !m.Public.IsValid() || m.Host {
		return false
	}
	for _, h := range s.Hops {
		if h.Kind == route.Internet {
			return true
		}
	}
	return false
}

// seenAs is the address that src is known by at dst, which is beyond the VPCs or a public one; src where it is the
// machine's own.
func (x *Index) seenAs(src, dst netip.Addr) netip.Addr {
	m, ok := x.byAddr[src]
	s, in := x.Net.SubnetOf(src)
	h, routed := s.Hop(dst)
	switch {
	case !ok || !in || !routed || m.Host:
	case h.Kind == route.Internet && Beyond(m.Public):
		return m.Public
	case h.Kind == route.NAT:
		if g, ok := x.Net.Gateway(h.ID); ok && Beyond(g.Public) {
			return g.Public
		}
	}
	return src
}

// Beyond says that a public address is one beyond this machine, too.
func Beyond(a netip.Addr) bool { return a.IsValid() && !a.IsLoopback() }
