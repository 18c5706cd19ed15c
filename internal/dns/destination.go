package dns

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// A socket at all addresses of the machine must answer from the one that was asked: the kernel would choose by its routes.

// controlSize is room for what the kernel tells of a packet's destination, in either family.
var controlSize = unix.CmsgSpace(unix.SizeofInet4Pktinfo) + unix.CmsgSpace(unix.SizeofInet6Pktinfo)

// tellDestination has the kernel tell where each packet was sent to.
func tellDestination(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if v6 := unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1); v6 == nil {
			return // such a socket has packets of both families
		}
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("ask for the destinations of packets: %w", err)
	}
	return nil
}

// sourceOf makes of what the kernel told of a packet what makes the answer come from where the packet was sent to; nil where it
// told nothing.
func sourceOf(control []byte) []byte {
	if len(control) == 0 {
		return nil
	}
	all, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, m := range all {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			info := new(unix.Inet4Pktinfo)
			copy(info.Spec_dst[:], m.Data[8:12])
			return unix.PktInfo4(info)
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			info := new(unix.Inet6Pktinfo)
			copy(info.Addr[:], m.Data[:16])
			return unix.PktInfo6(info)
		}
	}
	return nil
}
