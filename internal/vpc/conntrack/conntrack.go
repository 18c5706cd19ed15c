// Package conntrack lists and cuts the flows that the kernel tracks.
package conntrack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/kernel"
)

// Tracked is a flow as the kernel's connection tracking has it.
type Tracked struct {
	Flow  firewall.Flow
	Asked netip.AddrPort // where its sender sent it
	Seen  netip.Addr     // its source, as the other end sees it
	raw   []byte         // what names it in a request to delete it
}

// Cut deletes the flows that doomed picks. A dump that was interrupted may have
// missed some: then once more.
func Cut(family uint8, doomed func(Tracked) bool) (gone []firewall.Flow, err error) {
	err = kernel.Retry(netlink.ErrDumpInterrupted, func() error {
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
			gone = append(gone, t.Flow)
		}
		return dumpErr
	})
	return gone, err
}

func (t Tracked) remove(family uint8) error {
	req := conntrackRequest(family, nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK)
	req.AddRawData(t.raw)
	_, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cut flow %v: %w", t.Flow, err)
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
func parseTracked(m []byte) (Tracked, bool) {
	if len(m) < nl.SizeofNfgenmsg {
		return Tracked{}, false
	}
	body := m[nl.SizeofNfgenmsg:]
	attrs := kernel.Attributes(body)
	there, ok1 := parseTuple(attrs[nl.CTA_TUPLE_ORIG])
	back, ok2 := parseTuple(attrs[nl.CTA_TUPLE_REPLY])
	f := there
	f.Dst = back.Src
	if f.Protocol == firewall.TCP || f.Protocol == firewall.UDP {
		f.DstPort = back.SrcPort
	}
	return Tracked{Flow: f, Asked: netip.AddrPortFrom(there.Dst, there.DstPort), Seen: back.Dst, raw: body}, ok1 && ok2
}

func parseTuple(b []byte) (firewall.Flow, bool) {
	tuple := kernel.Attributes(b)
	ip, proto := kernel.Attributes(tuple[nl.CTA_TUPLE_IP]), kernel.Attributes(tuple[nl.CTA_TUPLE_PROTO])
	src, ok1 := netip.AddrFromSlice(first(ip, nl.CTA_IP_V4_SRC, nl.CTA_IP_V6_SRC))
	dst, ok2 := netip.AddrFromSlice(first(ip, nl.CTA_IP_V4_DST, nl.CTA_IP_V6_DST))
	if !ok1 || !ok2 || len(proto[nl.CTA_PROTO_NUM]) != 1 {
		return firewall.Flow{}, false
	}
	f := firewall.Flow{Protocol: int(proto[nl.CTA_PROTO_NUM][0]), Src: src, Dst: dst}
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
