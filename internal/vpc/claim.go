package vpc

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/kernel"
)

// claim marks the range as the instance's, and lets the host answer for what
// is in it and not attached, instead of sending it to its default gateway.
func (v *VPC) claim() error {
	if err := v.free(); err != nil {
		return err
	}
	if err := v.mark(); err != nil {
		return fmt.Errorf("claim %s: %w", v.cidr, err)
	}
	if err := netlink.RouteReplace(unreachable(v.cidr)); err != nil {
		return fmt.Errorf("claim %s: %w", v.cidr, err)
	}
	return nil
}

// mark makes the interface whose label says which range the instance has. It
// carries nothing; only Listen gives it an address.
func (v *VPC) mark() error {
	id := claimID + v.cidr.String()
	link, err := netlink.LinkByName(v.own.link(claimID))
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		_, err = v.addBridge(v.own.link(claimID), v.own.alias(id))
		return err
	}
	if err != nil {
		return err
	}
	if _, old, ok := claimant(link.Attrs().Alias); ok && old != v.cidr {
		if err := netlink.RouteDel(unreachable(old)); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("give back %s: %w", old, err)
		}
	}
	return netlink.LinkSetAlias(link, v.own.alias(id))
}

func unreachable(cidr netip.Prefix) *netlink.Route {
	const last = 1 << 20 // any other route goes first
	return &netlink.Route{Dst: kernel.NetOf(cidr), Type: unix.RTN_UNREACHABLE, Priority: last, Protocol: routeProtocol}
}

// free says what on the host uses addresses of the range.
func (v *VPC) free() error {
	links, err := kernel.Links()
	if err != nil {
		return err
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		a := l.Attrs()
		if instance, cidr, ok := claimant(a.Alias); ok && instance != string(v.own) && cidr.Overlaps(v.cidr) {
			return v.taken(fmt.Sprintf("another Skylift (instance %s has %s)", instance, cidr))
		}
		if _, ours := v.own.id(a.Alias); ours || strings.HasPrefix(a.Name, v.own.prefix()) {
			continue
		}
		names[a.Index] = a.Name
	}
	if err := v.freeOfAddresses(names); err != nil {
		return err
	}
	return v.freeOfRoutes(names)
}

func (v *VPC) freeOfAddresses(names map[int]string) error {
	var addrs []netlink.Addr
	err := kernel.Retry(netlink.ErrDumpInterrupted, func() (err error) {
		addrs, err = netlink.AddrList(nil, netlink.FAMILY_V4)
		return err
	})
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		name, foreign := names[a.LinkIndex]
		if p := kernel.PrefixOf(a.IPNet); foreign && p.Overlaps(v.cidr) {
			return v.taken(fmt.Sprintf("interface %s (%s)", name, p))
		}
	}
	return nil
}

func (v *VPC) freeOfRoutes(names map[int]string) error {
	var routes []netlink.Route
	err := kernel.Retry(netlink.ErrDumpInterrupted, func() (err error) {
		routes, err = netlink.RouteList(nil, netlink.FAMILY_V4)
		return err
	})
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		p := kernel.PrefixOf(r.Dst)
		// What covers half of everything is a default route, and what leads
		// nowhere uses nothing.
		if !p.IsValid() || p.Bits() <= 1 || r.Type != unix.RTN_UNICAST || !p.Overlaps(v.cidr) {
			continue
		}
		if name, foreign := names[r.LinkIndex]; foreign {
			return v.taken(fmt.Sprintf("the route to %s over %s", p, name))
		}
	}
	return nil
}

func (v *VPC) taken(by string) error {
	return fmt.Errorf("address range %s is in use by %s: choose another with --vpc-cidr", v.cidr, by)
}
