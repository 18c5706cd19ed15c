// Package public lets this machine reach public addresses that nobody else knows: those on its loopback.
//
// What the machine sends to one is translated on its way out, and must not have a loopback address as its source
// then: a task would take it for its own. So a route gives it another one, which is nobody's.
package public

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/claim"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/owner"
)

// Source is the machine's address as tasks see it whose public address it asked for on loopback. Link-local addresses
// that begin like it are reserved (RFC 3927, 2.1), so nothing gives it to itself.
var Source = netip.AddrFrom4([4]byte{169, 254, 0, 115})

// linkID labels, followed by the range, the interface that has Source. It is one of the instance's marks.
const linkID = owner.ClaimID + "public/"

// Put makes the way to a range on loopback. Other ranges need none. It may be called again.
func Put(own owner.Owner, pool netip.Prefix) error {
	if !pool.Addr().IsLoopback() {
		return nil
	}
	name, alias := own.Link(linkID+pool.String()), own.Alias(linkID+pool.String())
	link, err := netlink.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		link, err = kernel.AddBridge(name, alias)
	}
	if err != nil {
		return fmt.Errorf("make the way to public addresses %s: %w", pool, err)
	}
	err = errors.Join(kernel.EnsureAddress(&netlink.Handle{}, link, Source, unix.RT_SCOPE_LINK), netlink.LinkSetUp(link))
	if err != nil {
		return fmt.Errorf("make the way to public addresses %s: %w", pool, err)
	}
	r, err := way(pool)
	if err == nil {
		err = netlink.RouteReplace(r)
	}
	if err != nil {
		return fmt.Errorf("make the way to public addresses %s: %w", pool, err)
	}
	return nil
}

// Forget removes the way that a mark of the instance stands for; not ok when it stands for none.
func Forget(mark netlink.Link, own owner.Owner) (ok bool, err error) {
	id, _ := own.ID(mark.Attrs().Alias)
	text, ok := strings.CutPrefix(id, linkID)
	if !ok {
		return false, nil
	}
	pool, err := netip.ParsePrefix(text)
	if err == nil {
		var r *netlink.Route
		if r, err = way(pool); err == nil {
			err = netlink.RouteDel(r)
		}
	}
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	return true, errors.Join(err, kernel.RemoveLink(mark))
}

func way(pool netip.Prefix) (*netlink.Route, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, err
	}
	return &netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: kernel.NetOf(pool), Src: Source.AsSlice(), Table: unix.RT_TABLE_LOCAL,
		Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST, Protocol: claim.RouteProtocol,
	}, nil
}
