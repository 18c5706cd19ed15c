package firewall

import "net/netip"

// Judge decides about flows that are under way, as the kernel would if they
// began now.
type Judge struct {
	rs    *Ruleset
	x     *index
	local map[netip.Addr]bool   // addresses of the host
	leads func(netip.Addr) bool // whether an address is beyond this machine; nil: not asked
}

// Refuses tells whether the kernel would drop a flow that its sender sent to asked.
func (j Judge) Refuses(flow Flow, asked netip.AddrPort) bool {
	if j.rs.serves(flow) {
		return false
	}
	if j.fromTask(flow) {
		if asked != netip.AddrPortFrom(flow.Dst, flow.DstPort) && j.rs.Ways.open(flow.Protocol, asked) {
			f := flow
			f.Dst, f.DstPort = asked.Addr(), asked.Port()
			return !j.x.side(Egress, f.Src, f).Admitted
		}
		if j.closed(flow) {
			return true
		}
	}
	return !j.x.check(j.x.asFront(flow, j.local)).Admitted
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
	if f.Dst == Router(j.x.cidr) {
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
	return Judge{r, r.index(), local, leads}
}

// asFront is f as check wants it: to a front on every address, where it is for
// one.
func (x *index) asFront(f Flow, local map[netip.Addr]bool) Flow {
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
