package vpc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/accepts"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/nft"
)

// Purge removes all that an instance has on the host: interfaces, routes,
// firewall, accepts, flows under way. It needs nothing but the id, and may be
// called when some or all of it is gone.
func Purge(ctx context.Context, instance string) error {
	own, err := ownerOf(instance)
	if err != nil {
		return err
	}
	if err := kernel.Capable(); err != nil {
		return err
	}
	if err := purgeLinks(ctx, own); err != nil {
		return err
	}
	return errors.Join(accepts.Remove(own.accepts()), nft.Delete(own.table()))
}

// purgeLinks removes the interfaces, the mark of the range last: as long as
// anything is left, it says which routes and flows are the instance's.
func purgeLinks(ctx context.Context, own owner) error {
	links, err := kernel.Links()
	if err != nil {
		return err
	}
	var marks []netlink.Link
	for _, l := range links {
		if err := ctx.Err(); err != nil {
			return err
		}
		id, ours := own.id(l.Attrs().Alias)
		unlabelled := l.Attrs().Alias == "" && strings.HasPrefix(l.Attrs().Name, own.prefix())
		switch {
		case strings.HasPrefix(id, claimID):
			marks = append(marks, l)
		case ours, unlabelled:
			if err := removeLink(l); err != nil {
				return err
			}
		}
	}
	for _, mark := range marks {
		if err := unclaim(mark); err != nil {
			return err
		}
	}
	return nil
}

func unclaim(mark netlink.Link) error {
	if _, cidr, ok := claimant(mark.Attrs().Alias); ok {
		if err := netlink.RouteDel(unreachable(cidr)); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove route to %s: %w", cidr, err)
		}
		if err := cutRange(cidr); err != nil {
			return err
		}
	}
	return removeLink(mark)
}
