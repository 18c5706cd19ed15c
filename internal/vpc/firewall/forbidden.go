package firewall

import (
	"net/netip"
	"slices"
)

// Ranges that no task reaches whatever leads to them: on a cloud's machine,
// the machine's own role and keys are told there.
var (
	LinkLocal = netip.MustParsePrefix("169.254.0.0/16")
	NotOne    = netip.MustParsePrefix("224.0.0.0/3") // multicast, reserved, broadcast
	// MachinesOwn are those of clouds that are not link-local: Azure's,
	// Alibaba's, and Oracle's first one.
	MachinesOwn = []netip.Addr{
		netip.AddrFrom4([4]byte{168, 63, 129, 16}),
		netip.AddrFrom4([4]byte{100, 100, 100, 200}),
		netip.AddrFrom4([4]byte{192, 0, 0, 192}),
	}
)

// Forbidden says that no task reaches addr, wherever it is.
func Forbidden(addr netip.Addr) bool {
	return LinkLocal.Contains(addr) || NotOne.Contains(addr) || slices.Contains(MachinesOwn, addr)
}
