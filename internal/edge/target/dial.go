package target

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// dialTCP is how targets are dialled by default.
func dialTCP(ctx context.Context, source netip.Addr, addr netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 30 * time.Second}
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
		d.Control = lateBind
	}
	return d.DialContext(ctx, "tcp", addr.String())
}

// lateBind leaves the choice of the local port to connect, so that one source
// address has as many connections as ports per target, not in all.
func lateBind(_, _ string, c syscall.RawConn) error {
	const ipBindAddressNoPort = 24
	return c.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1) //nolint:errcheck // an optimisation
	})
}
