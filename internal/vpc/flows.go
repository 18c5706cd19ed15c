package vpc

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/conntrack"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/uplinks"
)

// cutFlows deletes the flows under way that rs doesn't admit. What still
// arrives of them is then judged as new, and the middle of a TCP connection is
// never new. It returns what it deleted. With beyond it also finds the flows of
// tasks to networks inside this machine, for which it asks the kernel's routes.
func cutFlows(rs *Ruleset, prefix string, beyond bool) (gone []Flow, err error) {
	local, err := kernel.Addresses()
	if err != nil {
		return nil, err
	}
	var leads func(netip.Addr) bool
	if beyond {
		leads = uplinks.Beyond(rs.Ways.Uplinks, prefix)
	}
	j := rs.Judge(local, leads)
	families := []uint8{unix.AF_INET}
	for _, f := range rs.Fronts {
		if f.Addr.Addr().Is6() {
			families = append(families, unix.AF_INET6)
			break
		}
	}
	for _, family := range families {
		some, err := conntrack.Cut(family, func(t conntrack.Tracked) bool { return j.Refuses(t.Flow, t.Asked, t.Seen) })
		gone = append(gone, some...)
		if err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// cutAddress deletes all flows to and from an address.
func cutAddress(addr netip.Addr) error {
	_, err := conntrack.Cut(unix.AF_INET, func(t conntrack.Tracked) bool { return t.Flow.Src == addr || t.Flow.Dst == addr })
	return err
}

// cutRange deletes all flows to and from a range.
func cutRange(p netip.Prefix) error {
	_, err := conntrack.Cut(unix.AF_INET, func(t conntrack.Tracked) bool { return p.Contains(t.Flow.Src) || p.Contains(t.Flow.Dst) })
	return err
}
