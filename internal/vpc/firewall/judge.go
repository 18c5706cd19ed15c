package firewall

import (
	"net/netip"
	"slices"
)

// Judge decides about flows that are under way, as the kernel would if they
// began now.
type Judge struct {
	rs    *Ruleset
	x     *Index
	local map[netip.Addr]bool   // addresses of the host
	leads func(netip.Addr) bool // whether an address is beyond this machine; nil: not asked
}

// Refuses tells whether the kernel would drop a flow that its sender sent to asked, or would not translate it as it
// did: seen is the source as the other end sees it.
func (j Judge) Refuses(flow Flow, asked netip.AddrPort, seen netip.Addr) bool {
	if j.rs.serves(flow, asked) {
		return false
	}
	public := asked.Addr() != flow.Dst && j.x.Publics[asked.Addr()].Addr == flow.Dst
	if !public && (asked.Addr() != flow.Dst && j.pooled(asked.Addr()) || j.x.byAddr[flow.Dst].Addr == flow.Dst && j.x.Publics[asked.Addr()].Addr.IsValid()) {
		return true // that was the public address of another, or of none
	}
	if public {
		flow.Dst = asked.Addr()
	}
	if j.fromTask(flow) {
		if !public && asked != netip.AddrPortFrom(flow.Dst, flow.DstPort) && j.rs.Ways.open(flow.Protocol, asked) {
			f := flow
			f.Dst, f.DstPort = asked.Addr(), asked.Port()
			return !j.x.leaves(f, f.Dst).Admitted
		}
		if !public && (j.closed(flow) || j.translated(flow, seen)) {
			return true
		}
	}
	return !j.x.check(j.x.asFront(flow, j.local), j.local[flow.Src]).Admitted
}

// translated says that the kernel would give f, which a member sends, another source now.
func (j Judge) translated(f Flow, seen netip.Addr) bool {
	if j.x.inside(f.Dst) || j.local[f.Dst] {
		return false
	}
	if want := j.x.seenAs(f.Src, f.Dst); want != f.Src {
		return seen != want
	}
	return j.pooled(seen)
}

// pooled says that addr is one of the public addresses.
func (j Judge) pooled(addr netip.Addr) bool {
	return slices.ContainsFunc(j.rs.Pool, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// fromTask says that a task, not a balancer, sent the flow's first packet.
func (j Judge) fromTask(f Flow) bool {
	m, ok := j.x.byAddr[f.Src]
	return j.x.inside(f.Src) && !(ok && m.Host)
}

// closed says that no task reaches where f goes.
func (j Judge) closed(f Flow) bool {
	at := netip.AddrPortFrom(f.Dst, f.DstPort)
	if j.rs.Ways.open(f.Protocol, at) {
		return false
	}
	if f.Dst == j.x.Router {
		return true
	}
	if j.x.inside(f.Dst) {
		return false
	}
	if f.Protocol == TCP {
		front := j.x.asFront(f, j.local)
		if _, ok := j.x.fronts[netip.AddrPortFrom(front.Dst, front.DstPort)]; ok {
			return false
		}
	}
	return j.local[f.Dst] || Forbidden(f.Dst) || j.leads != nil && !j.leads(f.Dst)
}

// Judge returns a judge by r. local are the addresses of the host. leads says whether an address is beyond this
// machine; nil doesn't ask.
func (r *Ruleset) Judge(local map[netip.Addr]bool, leads func(netip.Addr) bool) Judge {
	return Judge{r, r.Index(), local, leads}
}

// asFront is f as check wants it: to a front on every address, where it is for
// one.
func (x *Index) asFront(f Flow, local map[netip.Addr]bool) Flow {
	if f.Protocol != TCP || !x.hasFront[f.DstPort] || x.inside(f.Dst) || !local[f.Dst] && !f.Dst.IsLoopback() {
		return f
	}
	if _, exact := x.fronts[netip.AddrPortFrom(f.Dst, f.DstPort)]; exact {
		return f
	}
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	if _, ok := x.fronts[netip.AddrPortFrom(any4, f.DstPort)]; ok && f.Dst.Is4() {
		f.Dst = any4
	} else if _, ok := x.fronts[netip.AddrPortFrom(any6, f.DstPort)]; ok && f.Dst.Is6() {
		f.Dst = any6
	}
	return f
}
