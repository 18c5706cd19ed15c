package vpc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/claim"
	"github.com/skylift/skylift/internal/vpc/kernel"
)

// gateway is every task's next hop. No interface has the address: the task
// knows it by a permanent neighbour entry, because the kernel's proxy ARP
// answers only on hosts that have a route to it.
var gateway = netip.AddrFrom4([4]byte{169, 254, 1, 1})

// configureTask sets up the end in the namespace. Everything in it is made or
// replaced, so that it may be called again.
func configureTask(task *netlink.Handle, ns netns.NsHandle, eth0 netlink.Link, hostMAC net.HardwareAddr, i Interface) error {
	if i.MAC != nil && eth0.Attrs().HardwareAddr.String() != i.MAC.String() {
		if err := task.LinkSetHardwareAddr(eth0, i.MAC); err != nil {
			return fmt.Errorf("set address %s of %s: %w", i.MAC, inside, err)
		}
	}
	if err := kernel.Within(ns, func() error { return kernel.WithoutIPv6(inside) }); err != nil {
		return err
	}
	if err := task.LinkSetUp(eth0); err != nil {
		return fmt.Errorf("set %s up: %w", inside, err)
	}
	if lo, err := task.LinkByName("lo"); err != nil {
		return fmt.Errorf("read lo: %w", err)
	} else if err := task.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	if err := kernel.EnsureAddress(task, eth0, i.Addr, unix.RT_SCOPE_UNIVERSE); err != nil {
		return err
	}
	index := eth0.Attrs().Index
	if err := task.NeighSet(neighbour(index, gateway, hostMAC)); err != nil {
		return fmt.Errorf("set neighbour %s: %w", gateway, err)
	}
	toGateway := netlink.Route{LinkIndex: index, Dst: only(gateway), Scope: netlink.SCOPE_LINK}
	if err := task.RouteReplace(&toGateway); err != nil {
		return fmt.Errorf("set route to gateway: %w", err)
	}
	everywhere := netlink.Route{LinkIndex: index, Dst: kernel.NetOf(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), Gw: gateway.AsSlice()}
	if err := task.RouteReplace(&everywhere); err != nil {
		return fmt.Errorf("set default route: %w", err)
	}
	return nil
}

// configureHost sets up the host's end; the route to the address comes last and
// the label before it, so that an interface in use is always found again.
func (v *VPC) configureHost(host netlink.Link, taskMAC net.HardwareAddr, id string, addr netip.Addr) error {
	name, index := host.Attrs().Name, host.Attrs().Index
	if err := netlink.LinkSetAlias(host, v.own.Alias(id)); err != nil {
		return fmt.Errorf("label %s: %w", name, err)
	}
	if err := kernel.WithoutIPv6(name); err != nil {
		return err
	}
	if err := kernel.SetSysctl("net/ipv4/conf/"+name+"/forwarding", "1"); err != nil {
		return err
	}
	// Else whoever sends ARP requests learns which addresses the host has.
	if err := kernel.SetSysctl("net/ipv4/conf/"+name+"/arp_ignore", "8"); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(host); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	if err := netlink.NeighSet(neighbour(index, addr, taskMAC)); err != nil {
		return fmt.Errorf("set neighbour %s: %w", addr, err)
	}
	if err := dropOtherRoutes(host, addr); err != nil {
		return err
	}
	route := netlink.Route{LinkIndex: index, Dst: only(addr), Scope: netlink.SCOPE_LINK, Protocol: claim.RouteProtocol}
	if err := netlink.RouteReplace(&route); err != nil {
		return fmt.Errorf("set route to %s: %w", addr, err)
	}
	return nil
}

// dropOtherRoutes removes what the interface led to before its address changed.
func dropOtherRoutes(host netlink.Link, addr netip.Addr) error {
	routes, err := routesOf(host)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.Dst != nil && r.Dst.String() == only(addr).String() {
			continue
		}
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove route %s: %w", r.Dst, err)
		}
	}
	return nil
}

// addressOf is the address that a link of ours was attached with: a task's is
// in the route to it, the host's is its own.
func addressOf(link netlink.Link) (netip.Addr, error) {
	if link.Type() == "bridge" {
		addrs, err := kernel.AddressesOn(&netlink.Handle{}, link)
		if err != nil || len(addrs) == 0 {
			return netip.Addr{}, err
		}
		return kernel.PrefixOf(addrs[0].IPNet).Addr(), nil
	}
	routes, err := routesOf(link)
	if err != nil || len(routes) == 0 {
		return netip.Addr{}, err
	}
	return kernel.PrefixOf(routes[0].Dst).Addr(), nil
}

func routesOf(link netlink.Link) (routes []netlink.Route, err error) {
	err = kernel.Retry(netlink.ErrDumpInterrupted, func() error {
		routes, err = netlink.RouteList(link, netlink.FAMILY_V4)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list routes of %s: %w", link.Attrs().Name, err)
	}
	return routes, nil
}

func neighbour(link int, addr netip.Addr, mac net.HardwareAddr) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: link, IP: addr.AsSlice(), HardwareAddr: mac, State: netlink.NUD_PERMANENT, Family: netlink.FAMILY_V4}
}

// defaultMTU is what fits the way out of the host, so that a task's packets
// need no fragmenting.
func defaultMTU() int {
	const ethernet = 1500
	var routes []netlink.Route
	err := kernel.Retry(netlink.ErrDumpInterrupted, func() (err error) {
		routes, err = netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{}, netlink.RT_FILTER_DST)
		return err
	})
	if err != nil || len(routes) == 0 {
		return ethernet
	}
	link, err := netlink.LinkByIndex(routes[0].LinkIndex)
	if err != nil || link.Attrs().MTU < 576 {
		return ethernet
	}
	return link.Attrs().MTU
}

// forwarding lets the host route packets, as Docker does.
func forwarding() error {
	const key = "net/ipv4/ip_forward"
	if now, err := os.ReadFile(filepath.Join("/proc/sys", key)); err == nil && string(now) == "1\n" {
		return nil
	}
	return kernel.SetSysctl(key, "1")
}

func only(a netip.Addr) *net.IPNet { return kernel.NetOf(netip.PrefixFrom(a, a.BitLen())) }
