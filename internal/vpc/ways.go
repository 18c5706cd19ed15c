package vpc

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/firewall/program"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/uplinks"
)

// openWays finds out what tasks reach. Resolvers that an earlier process has
// let tasks ask stay open: tasks of then may still run.
func (v *VPC) openWays(resolvers []netip.Addr) error {
	found, err := uplinks.Find(v.named)
	if err != nil {
		return err
	}
	kept, err := program.KeptResolvers(v.own.Table())
	if err != nil {
		return err
	}
	v.log.Debug("tasks reach what these interfaces lead to", "interfaces", strings.Join(found, " "))
	v.ways, err = resolve(firewall.Ways{Uplinks: found, HostAccess: v.hostAccess}, append(kept, resolvers...))
	return err
}

// resolve adds resolvers.
func resolve(w firewall.Ways, more []netip.Addr) (firewall.Ways, error) {
	all := firewall.AddResolvers(w.Resolvers, more)
	if slices.Equal(all, w.Resolvers) {
		return w, nil
	}
	local, err := kernel.Addresses()
	if err != nil {
		return w, err
	}
	w.Resolvers = all
	w.Published = slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return !local[a] })
	return w, nil
}

// resolve lets tasks ask these resolvers. A firewall that an earlier process
// has left is changed by Apply, like all of it.
func (v *VPC) resolve(resolvers []netip.Addr) error {
	v.firewall.Lock()
	defer v.firewall.Unlock()
	w, err := resolve(v.ways, resolvers)
	if err != nil {
		return err
	}
	return v.change(w)
}

// change makes w what tasks reach.
func (v *VPC) change(w firewall.Ways) error {
	if w.Equal(v.ways) {
		return nil
	}
	before := v.ways
	v.ways = w
	if v.applied == nil {
		return nil
	}
	rs := *v.applied
	rs.Ways = w
	if err := v.write(&rs); err != nil {
		v.ways = before // what is in force: the next look writes again
		return err
	}
	return nil
}

// lookForUplinks makes the firewall follow which interfaces lead beyond this
// machine.
func (v *VPC) lookForUplinks() error {
	found, err := uplinks.Find(v.named)
	if err != nil {
		return err
	}
	v.firewall.Lock()
	defer v.firewall.Unlock()
	before := v.ways.Uplinks
	w := v.ways
	w.Uplinks = found
	if err := v.change(w); err != nil || slices.Equal(before, found) {
		return err
	}
	v.log.Info("tasks reach what these interfaces lead to", "interfaces", strings.Join(found, " "))
	if v.applied == nil {
		return nil
	}
	v.looked = false
	_, err = v.cut(v.applied)
	return err
}
