package vpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// tracked is a flow as the kernel's connection tracking has it.
type tracked struct {
	flow  Flow
	asked netip.AddrPort // where its sender sent it
	raw   []byte         // what names it in a request to delete it
}

// redirected says that the flow goes elsewhere than its sender said.
func (t tracked) redirected() bool { return t.asked != netip.AddrPortFrom(t.flow.Dst, t.flow.DstPort) }

// cutFlows deletes the flows under way that rs doesn't admit. What still
// arrives of them is then judged as new, and the middle of a TCP connection is
// never new. It returns what it deleted. With beyond it also finds the flows of
// tasks to networks inside this machine, for which it asks the kernel's routes.
func cutFlows(rs *Ruleset, prefix string, beyond bool) (gone []Flow, err error) {
	j := judge{rs: rs, x: rs.index()}
	if j.local, err = hostAddrs(); err != nil {
		return nil, err
	}
	if beyond {
		j.leads = leadsBeyond(rs.ways.uplinks, prefix)
	}
	families := []uint8{unix.AF_INET}
	for _, f := range rs.Fronts {
		if f.Addr.Addr().Is6() {
			families = append(families, unix.AF_INET6)
			break
		}
	}
	for _, family := range families {
		some, err := cut(family, j.refuses)
		gone = append(gone, some...)
		if err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// judge decides about flows that are under way, as the kernel would if they
// began now.
type judge struct {
	rs    *Ruleset
	x     *index
	local map[netip.Addr]bool   // addresses of the host
	leads func(netip.Addr) bool // whether an address is beyond this machine; nil: not asked
}

func (j judge) refuses(t tracked) bool {
	if j.rs.serves(t.flow) {
		return false
	}
	if j.fromTask(t.flow) {
		if t.redirected() && j.rs.ways.open(t.flow.Protocol, t.asked) {
			f := t.flow
			f.Dst, f.DstPort = t.asked.Addr(), t.asked.Port()
			return !j.x.side(Egress, f.Src, f).Admitted
		}
		if j.closed(t.flow) {
			return true
		}
	}
	return !j.x.check(j.x.asFront(t.flow, j.local)).Admitted
}

// fromTask says that a task, not a balancer, sent the flow's first packet.
func (j judge) fromTask(f Flow) bool {
	m, ok := j.x.byAddr[f.Src]
	return j.x.inside(f.Src) && !(ok && m.Host)
}

// closed says that no task reaches where f goes.
func (j judge) closed(f Flow) bool {
	at := netip.AddrPortFrom(f.Dst, f.DstPort)
	if j.rs.ways.open(f.Protocol, at) {
		return false
	}
	if f.Dst == Router(j.x.cidr) {
		return true
	}
	if j.x.inside(f.Dst) {
		return false
	}
	if f.Protocol == protoTCP {
		front := j.x.asFront(f, j.local)
		if _, ok := j.x.fronts[netip.AddrPortFrom(front.Dst, front.DstPort)]; ok {
			return false
		}
	}
	return j.local[f.Dst] || forbidden(f.Dst) || j.leads != nil && !j.leads(f.Dst)
}

// leadsBeyond asks the kernel once per address over which interface it is.
func leadsBeyond(uplinks []string, prefix string) func(netip.Addr) bool {
	known := make(map[netip.Addr]bool)
	names := make(map[int]bool)
	return func(addr netip.Addr) bool {
		if leads, ok := known[addr]; ok {
			return leads
		}
		routes, err := netlink.RouteGet(addr.AsSlice())
		if err != nil || len(routes) == 0 { // nothing passes, so nothing is to be cut
			return true
		}
		index := routes[0].LinkIndex
		if _, ok := names[index]; !ok {
			link, err := netlink.LinkByIndex(index)
			names[index] = err == nil && (slices.Contains(uplinks, link.Attrs().Name) || strings.HasPrefix(link.Attrs().Name, prefix))
		}
		known[addr] = names[index]
		return names[index]
	}
}

// hostAddrs is every address of the host.
func hostAddrs() (map[netip.Addr]bool, error) {
	var addrs []netlink.Addr
	err := retry(netlink.ErrDumpInterrupted, func() (err error) {
		addrs, err = netlink.AddrList(nil, netlink.FAMILY_ALL)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	local := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		local[prefixOf(a.IPNet).Addr()] = true
	}
	return local, nil
}

// asFront is f as check wants it: to a front on every address, where it is for
// one.
func (x *index) asFront(f Flow, local map[netip.Addr]bool) Flow {
	if f.Protocol != protoTCP || !x.hasFront[f.DstPort] || x.inside(f.Dst) || !local[f.Dst] && !f.Dst.IsLoopback() {
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

// cutAddress deletes all flows to and from an address.
func cutAddress(addr netip.Addr) error {
	_, err := cut(unix.AF_INET, func(t tracked) bool { return t.flow.Src == addr || t.flow.Dst == addr })
	return err
}

// cutRange deletes all flows to and from a range.
func cutRange(p netip.Prefix) error {
	_, err := cut(unix.AF_INET, func(t tracked) bool { return p.Contains(t.flow.Src) || p.Contains(t.flow.Dst) })
	return err
}

// cut deletes the flows that doomed picks. A dump that was interrupted may have
// missed some: then once more.
func cut(family uint8, doomed func(tracked) bool) (gone []Flow, err error) {
	err = retry(netlink.ErrDumpInterrupted, func() error {
		messages, dumpErr := conntrackRequest(family, nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP).Execute(unix.NETLINK_NETFILTER, 0)
		if dumpErr != nil && !errors.Is(dumpErr, netlink.ErrDumpInterrupted) {
			return fmt.Errorf("list flows: %w", dumpErr)
		}
		for _, m := range messages {
			t, ok := parseTracked(m)
			if !ok || !doomed(t) {
				continue
			}
			if err := t.remove(family); err != nil {
				return err
			}
			gone = append(gone, t.flow)
		}
		return dumpErr
	})
	return gone, err
}

func (t tracked) remove(family uint8) error {
	req := conntrackRequest(family, nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK)
	req.AddRawData(t.raw)
	_, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cut flow %v: %w", t.flow, err)
	}
	return nil
}

func conntrackRequest(family uint8, operation, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(netlink.ConntrackTable<<8|operation, flags)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	return req
}

// The parts of a tuple that the netlink package has no names for.
const (
	ctaProtoICMPType   = 5
	ctaProtoICMPCode   = 6
	ctaProtoICMPv6Type = 8
	ctaProtoICMPv6Code = 9
)

// parseTracked reads a message of connection tracking. The flow is what our
// rules saw: its source before, and its destination after address translation.
func parseTracked(m []byte) (tracked, bool) {
	if len(m) < nl.SizeofNfgenmsg {
		return tracked{}, false
	}
	body := m[nl.SizeofNfgenmsg:]
	attrs := attributes(body)
	there, ok1 := parseTuple(attrs[nl.CTA_TUPLE_ORIG])
	back, ok2 := parseTuple(attrs[nl.CTA_TUPLE_REPLY])
	f := there
	f.Dst = back.Src
	if f.Protocol == protoTCP || f.Protocol == protoUDP {
		f.DstPort = back.SrcPort
	}
	return tracked{flow: f, asked: netip.AddrPortFrom(there.Dst, there.DstPort), raw: body}, ok1 && ok2
}

func parseTuple(b []byte) (Flow, bool) {
	tuple := attributes(b)
	ip, proto := attributes(tuple[nl.CTA_TUPLE_IP]), attributes(tuple[nl.CTA_TUPLE_PROTO])
	src, ok1 := netip.AddrFromSlice(first(ip, nl.CTA_IP_V4_SRC, nl.CTA_IP_V6_SRC))
	dst, ok2 := netip.AddrFromSlice(first(ip, nl.CTA_IP_V4_DST, nl.CTA_IP_V6_DST))
	if !ok1 || !ok2 || len(proto[nl.CTA_PROTO_NUM]) != 1 {
		return Flow{}, false
	}
	f := Flow{Protocol: int(proto[nl.CTA_PROTO_NUM][0]), Src: src, Dst: dst}
	if p := proto[nl.CTA_PROTO_SRC_PORT]; len(p) == 2 {
		f.SrcPort = binary.BigEndian.Uint16(p)
	}
	if p := proto[nl.CTA_PROTO_DST_PORT]; len(p) == 2 {
		f.DstPort = binary.BigEndian.Uint16(p)
	}
	kind, code := first(proto, ctaProtoICMPType, ctaProtoICMPv6Type), first(proto, ctaProtoICMPCode, ctaProtoICMPv6Code)
	if len(kind) == 1 && len(code) == 1 {
		f.DstPort = uint16(kind[0])<<8 | uint16(code[0])
	}
	return f, true
}

func first(attrs map[uint16][]byte, keys ...uint16) []byte {
	for _, k := range keys {
		if v, ok := attrs[k]; ok {
			return v
		}
	}
	return nil
}

// attributes splits one level of netlink attributes; what is malformed ends it.
func attributes(b []byte) map[uint16][]byte {
	all := make(map[uint16][]byte)
	for len(b) >= unix.NLA_HDRLEN {
		size := int(binary.NativeEndian.Uint16(b))
		kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		if size < unix.NLA_HDRLEN || size > len(b) {
			break
		}
		all[kind] = b[unix.NLA_HDRLEN:size]
		b = b[min(len(b), (size+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
	}
	return all
}
