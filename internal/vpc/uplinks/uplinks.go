// Package uplinks finds the interfaces of the host that lead beyond this machine,
// and hears of their changes.
package uplinks

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/kernel"
)

// device is what of an interface tells whether it leads beyond this machine.
type device struct {
	name          string
	index         int
	parent        int    // index of what it is on top of; 0: nothing
	master        int    // index of the bridge or bond that it is a port of; 0: none
	kind          string // as `ip -d link` says; "device": of a driver
	hardware      bool   // stands for a device of the machine
	carriesFrames bool   // as Ethernet does; a tunnel of IP packets doesn't
	loopback      bool
	skylift       bool // of this or another instance
}

// leading names the devices that lead beyond this machine: those that carry a
// default route or stand for hardware, tunnels to elsewhere, what is made of
// such (VLANs, bonds, bridges with such a port), and those that somebody named.
// The rest, Docker's bridges and other machines' ends inside this one, do not.
func leading(devices []device, defaults []int, named []string) []string {
	byIndex, ports := make(map[int]device), make(map[int][]device)
	for _, d := range devices {
		byIndex[d.index] = d
		ports[d.master] = append(ports[d.master], d)
	}
	var leads func(d device, depth int) bool
	leads = func(d device, depth int) bool {
		const deepest = 8 // interfaces upon interfaces; no circle goes further
		switch {
		case d.loopback || d.skylift || depth > deepest:
			return false
		case d.hardware || slices.Contains(defaults, d.index) || slices.Contains(named, d.name):
			return true
		}
		switch d.kind {
		case "wireguard", "ppp", "gre", "ipip", "sit", "vti", "xfrm":
			return true
		case "tun":
			return !d.carriesFrames // those that do are virtual machines'
		case "vlan":
			parent, here := byIndex[d.parent]
			return here && leads(parent, depth+1)
		case "bond", "team", "bridge":
			return slices.ContainsFunc(ports[d.index], func(p device) bool { return leads(p, depth+1) })
		}
		return false
	}
	names := slices.Clone(named)
	for _, d := range devices {
		if leads(d, 0) {
			names = append(names, d.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Find names the host's interfaces that lead beyond it.
func Find(named []string) ([]string, error) {
	links, err := kernel.Links()
	if err != nil {
		return nil, err
	}
	var routes []netlink.Route
	err = kernel.Retry(netlink.ErrDumpInterrupted, func() (err error) {
		routes, err = netlink.RouteList(nil, netlink.FAMILY_V4)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	devices := make([]device, 0, len(links))
	for _, l := range links {
		devices = append(devices, deviceOf(l))
	}
	var defaults []int
	for _, r := range routes {
		if !isDefault(r) {
			continue
		}
		defaults = append(defaults, r.LinkIndex)
		for _, hop := range r.MultiPath {
			defaults = append(defaults, hop.LinkIndex)
		}
	}
	return leading(devices, defaults, named), nil
}

// isDefault says that a route covers half of everything, as some VPNs' do, or
// all of it.
func isDefault(r netlink.Route) bool {
	p := kernel.PrefixOf(r.Dst)
	return r.Type == unix.RTN_UNICAST && (!p.IsValid() || p.Bits() <= 1)
}

func deviceOf(l netlink.Link) device {
	a := l.Attrs()
	d := device{
		name: a.Name, index: a.Index, parent: a.ParentIndex, master: a.MasterIndex, kind: l.Type(),
		carriesFrames: a.EncapType == "ether", loopback: a.Flags&net.FlagLoopback != 0, skylift: strings.HasPrefix(a.Alias, kernel.AliasPrefix),
	}
	if a.NetNsID >= 0 { // its parent is in another namespace
		d.parent = 0
	}
	if d.kind == "device" {
		_, err := os.Stat(filepath.Join("/sys/class/net", a.Name, "device"))
		d.hardware = err == nil
	}
	return d
}

// Watch hears of changes of interfaces and of default routes. The zero
// one looks at once.
type Watch struct {
	Links  chan netlink.LinkUpdate // what Link takes
	Routes chan netlink.RouteUpdate
	known  bool // nothing has changed since the last look
}

// Link takes a change of an interface; not ok means that changes were lost.
func (w *Watch) Link(u netlink.LinkUpdate, ok bool) {
	if !ok { // too much happened at once
		w.Links, w.known = nil, false
		return
	}
	// Those of containers come and go, and lead nowhere else.
	if a := u.Attrs(); u.Type() != "veth" && !strings.HasPrefix(a.Alias, kernel.AliasPrefix) {
		w.known = false
	}
}

// Route takes a change of a route; not ok means that changes were lost.
func (w *Watch) Route(u netlink.RouteUpdate, ok bool) {
	if !ok {
		w.Routes, w.known = nil, false
		return
	}
	if u.Family != netlink.FAMILY_V6 && isDefault(u.Route) {
		w.known = false
	}
}

// heard holds what is told of a thousand containers that start at once.
const heard = 4 << 20

// Look calls look when something has changed since it last did.
func (w *Watch) Look(ctx context.Context, look func() error) error {
	if w.Links == nil {
		links := make(chan netlink.LinkUpdate, 64)
		if err := netlink.LinkSubscribeWithOptions(links, ctx.Done(), netlink.LinkSubscribeOptions{ReceiveBufferSize: heard}); err != nil {
			return fmt.Errorf("watch interfaces: %w", err)
		}
		w.Links = links
	}
	if w.Routes == nil {
		routes := make(chan netlink.RouteUpdate, 64)
		if err := netlink.RouteSubscribeWithOptions(routes, ctx.Done(), netlink.RouteSubscribeOptions{ReceiveBufferSize: heard}); err != nil {
			return fmt.Errorf("watch routes: %w", err)
		}
		w.Routes = routes
	}
	if w.known {
		return nil
	}
	err := look()
	w.known = err == nil
	return err
}

// Drain waits until nothing is heard any more, after the end of the context of Look.
func (w *Watch) Drain() {
	for w.Links != nil || w.Routes != nil {
		select {
		case _, ok := <-w.Links:
			if !ok {
				w.Links = nil
			}
		case _, ok := <-w.Routes:
			if !ok {
				w.Routes = nil
			}
		}
	}
}

// Beyond returns what tells whether an address is over one of the uplinks, or over an interface whose name begins
// with prefix. It asks the kernel once per address.
func Beyond(uplinks []string, prefix string) func(netip.Addr) bool {
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
