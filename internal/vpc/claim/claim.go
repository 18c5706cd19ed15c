// Package claim marks ranges of addresses as an instance's, for other instances to see, and refuses those that
// something else on the host uses.
//
// A range of an instance is the host's to answer for: what is in it and not attached is unreachable, instead of
// being sent to the host's default gateway.
package claim

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/owner"
)

// RouteProtocol marks the host's routes as Skylift's.
const RouteProtocol netlink.RouteProtocol = 115

// Main is the instance's own range, which it has while it is there at all. It replaces another one that it had before.
func Main(own owner.Owner, cidr netip.Prefix) error {
	if err := Free(own, cidr); err != nil {
		return fmt.Errorf("%w: choose another with --vpc-cidr", err)
	}
	return put(own, MainLink(own), cidr)
}

// MainLink is the name of the interface that marks the instance's own range.
func MainLink(own owner.Owner) string { return own.Link(owner.ClaimID) }

// Put marks a further range as the instance's, whatever uses it. It may be called again.
func Put(own owner.Owner, cidr netip.Prefix) error {
	return put(own, own.Link(owner.ClaimID+cidr.String()), cidr)
}

func put(own owner.Owner, name string, cidr netip.Prefix) error {
	if err := mark(own, name, cidr); err != nil {
		return fmt.Errorf("claim %s: %w", cidr, err)
	}
	if err := netlink.RouteReplace(unreachable(cidr)); err != nil {
		return fmt.Errorf("claim %s: %w", cidr, err)
	}
	return nil
}

// mark makes the interface whose label says which range the instance has. It
// carries nothing.
func mark(own owner.Owner, name string, cidr netip.Prefix) error {
	alias := own.Alias(owner.ClaimID + cidr.String())
	link, err := netlink.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		_, err = kernel.AddBridge(name, alias)
		return err
	}
	if err != nil {
		return err
	}
	if link.Attrs().Alias == alias {
		return nil
	}
	if _, old, ok := owner.Claimant(link.Attrs().Alias); ok && old != cidr {
		if err := dropRoute(old); err != nil {
			return err
		}
	}
	return netlink.LinkSetAlias(link, alias)
}

// Held returns the ranges that are marked as the instance's.
func Held(own owner.Owner) (all []netip.Prefix, err error) {
	links, err := kernel.Links()
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		if instance, cidr, ok := owner.Claimant(l.Attrs().Alias); ok && instance == string(own) {
			all = append(all, cidr)
		}
	}
	return all, nil
}

// Release gives a further range back.
func Release(own owner.Owner, cidr netip.Prefix) error {
	link, err := netlink.LinkByName(own.Link(owner.ClaimID + cidr.String()))
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return dropRoute(cidr)
	}
	if err != nil {
		return fmt.Errorf("give back %s: %w", cidr, err)
	}
	return errors.Join(dropRoute(cidr), kernel.RemoveLink(link))
}

// Forget removes a mark that is there, with its route.
func Forget(mark netlink.Link) (cidr netip.Prefix, err error) {
	_, cidr, ok := owner.Claimant(mark.Attrs().Alias)
	if ok {
		err = dropRoute(cidr)
	}
	return cidr, errors.Join(err, kernel.RemoveLink(mark))
}

func dropRoute(cidr netip.Prefix) error {
	if err := netlink.RouteDel(unreachable(cidr)); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("remove route to %s: %w", cidr, err)
	}
	return nil
}

func unreachable(cidr netip.Prefix) *netlink.Route {
	const last = 1 << 20 // any other route goes first
	return &netlink.Route{Dst: kernel.NetOf(cidr), Type: unix.RTN_UNREACHABLE, Priority: last, Protocol: RouteProtocol}
}

// Free returns an error that says what on the host uses addresses of the range, another range of the instance too; nil
// where nothing does, or the instance has it already.
func Free(own owner.Owner, cidr netip.Prefix) error {
	links, err := kernel.Links()
	if err != nil {
		return err
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		a := l.Attrs()
		if instance, other, ok := owner.Claimant(a.Alias); ok && other.Overlaps(cidr) {
			switch {
			case instance != string(own):
				return taken(cidr, fmt.Sprintf("another Skylift (instance %s has %s)", instance, other))
			case other != cidr && a.Name != MainLink(own):
				return taken(cidr, fmt.Sprintf("another VPC of this Skylift (%s)", other))
			}
		}
		if _, ours := own.ID(a.Alias); ours || strings.HasPrefix(a.Name, own.Prefix()) {
			continue
		}
		names[a.Index] = a.Name
	}
	if err := freeOfAddresses(cidr, names); err != nil {
		return err
	}
	return freeOfRoutes(cidr, names)
}

func freeOfAddresses(cidr netip.Prefix, names map[int]string) error {
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
		if p := kernel.PrefixOf(a.IPNet); foreign && p.Overlaps(cidr) {
			return taken(cidr, fmt.Sprintf("interface %s (%s)", name, p))
		}
	}
	return nil
}

func freeOfRoutes(cidr netip.Prefix, names map[int]string) error {
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
		if !p.IsValid() || p.Bits() <= 1 || r.Type != unix.RTN_UNICAST || !p.Overlaps(cidr) {
			continue
		}
		if name, foreign := names[r.LinkIndex]; foreign {
			return taken(cidr, fmt.Sprintf("the route to %s over %s", p, name))
		}
	}
	return nil
}

func taken(cidr netip.Prefix, by string) error {
	return fmt.Errorf("address range %s is in use by %s", cidr, by)
}
