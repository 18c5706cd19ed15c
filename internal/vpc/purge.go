package vpc

import (
	"context"
	"errors"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/skylift/skylift/internal/vpc/accepts"
	"github.com/skylift/skylift/internal/vpc/claim"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/nft"
	"github.com/skylift/skylift/internal/vpc/owner"
	"github.com/skylift/skylift/internal/vpc/public"
)

// Purge removes all that an instance has on the host: interfaces, routes,
// firewall, accepts, flows under way. It needs nothing but the id, and may be
// called when some or all of it is gone.
func Purge(ctx context.Context, instance string) error {
	own, err := owner.Of(instance)
	if err != nil {
		return err
	}
	if err := kernel.Capable(); err != nil {
		return err
	}
	if err := purgeLinks(ctx, own); err != nil {
		return err
	}
	return errors.Join(accepts.Remove(own.Accepts()), nft.Delete(own.Table()))
}

// purgeLinks removes the interfaces, the mark of the range last: as long as
// anything is left, it says which routes and flows are the instance's.
func purgeLinks(ctx context.Context, own owner.Owner) error {
	links, err := kernel.Links()
	if err != nil {
		return err
	}
	var marks []netlink.Link
	for _, l := range links {
		if err := ctx.Err(); err != nil {
			return err
		}
		id, ours := own.ID(l.Attrs().Alias)
		unlabelled := l.Attrs().Alias == "" && strings.HasPrefix(l.Attrs().Name, own.Prefix())
		switch {
		case strings.HasPrefix(id, owner.ClaimID):
			marks = append(marks, l)
		case ours, unlabelled:
			if err := kernel.RemoveLink(l); err != nil {
				return err
			}
		}
	}
	for _, mark := range marks {
		if other, err := public.Forget(mark, own); other || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		cidr, err := claim.Forget(mark)
		if err != nil {
			return err
		}
		if err := cutRange(cidr); err != nil {
			return err
		}
	}
	return nil
}
