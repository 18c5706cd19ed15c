// Package sockets reads which TCP sockets there are in a network namespace: on
// what its processes listen, and what they are connected to.
package sockets

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Socket is a TCP socket. One that listens has no Remote.
type Socket struct {
	Local, Remote netip.AddrPort
	Listens       bool
	Waits         bool // it asked for a connection that nobody has answered yet
	// RTT is the kernel's smoothed measure of a round trip to Remote; 0: it has
	// none yet.
	RTT time.Duration
	// Sent counts the segments that carried data to Remote.
	Sent uint32
}

// In returns the sockets of the namespace at path: those that listen, that are
// connected, and that wait for an answer.
func In(path string) ([]Socket, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_INET_DIAG)
	if err != nil {
		return nil, fmt.Errorf("ask for sockets: %w", err)
	}
	defer h.Close()
	var out []Socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		all, err := h.SocketDiagTCPInfo(family)
		if err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
		for _, s := range all {
			if is, ok := of(s); ok {
				out = append(out, is)
			}
		}
	}
	return out, nil
}

// of reads one answer of the kernel's.
func of(r *netlink.InetDiagTCPInfoResp) (Socket, bool) {
	d := r.InetDiagMsg
	if d == nil || d.State != netlink.TCP_LISTEN && d.State != netlink.TCP_ESTABLISHED && d.State != netlink.TCP_SYN_SENT {
		return Socket{}, false
	}
	s := Socket{Local: at(d.ID.Source, d.ID.SourcePort), Listens: d.State == netlink.TCP_LISTEN, Waits: d.State == netlink.TCP_SYN_SENT}
	if s.Listens {
		return s, true
	}
	s.Remote = at(d.ID.Destination, d.ID.DestinationPort)
	if i := r.TCPInfo; i != nil {
		s.RTT, s.Sent = time.Duration(i.Rtt)*time.Microsecond, i.Data_segs_out
	}
	return s, true
}

func at(ip []byte, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip) // the kernel's addresses have 4 or 16 bytes
	return netip.AddrPortFrom(a.Unmap(), port)
}
