package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddBridge makes a bridge without ports: the kernel's dummy interface is a
// module that not every host has, while Docker doesn't run without bridges.
func AddBridge(name, alias string) (netlink.Link, error) {
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name, TxQLen: -1}}); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if err := netlink.LinkSetAlias(link, alias); err != nil {
		return nil, fmt.Errorf("label %s: %w", name, err)
	}
	return link, WithoutIPv6(name)
}

// RemoveLink removes an interface, if it is there.
func RemoveLink(l netlink.Link) error {
	err := netlink.LinkDel(l)
	if err == nil || errors.Is(err, unix.ENODEV) { // gone with its namespace meanwhile
		return nil
	}
	return fmt.Errorf("remove %s: %w", l.Attrs().Name, err)
}

// EnsureAddress leaves the link with addr as its only address.
func EnsureAddress(h *netlink.Handle, link netlink.Link, addr netip.Addr, scope int) error {
	have, err := AddressesOn(h, link)
	if err != nil {
		return err
	}
	only := netip.PrefixFrom(addr, addr.BitLen())
	for _, a := range have {
		if PrefixOf(a.IPNet) == only {
			continue
		}
		if err := h.AddrDel(link, &a); err != nil {
			return fmt.Errorf("remove address %s: %w", a.IPNet, err)
		}
	}
	if err := h.AddrReplace(link, &netlink.Addr{IPNet: NetOf(only), Scope: scope}); err != nil {
		return fmt.Errorf("set address %s: %w", addr, err)
	}
	return nil
}

// WithoutIPv6 takes IPv6 from an interface, where the kernel has it at all.
func WithoutIPv6(link string) error {
	err := SetSysctl("net/ipv6/conf/"+link+"/disable_ipv6", "1")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
