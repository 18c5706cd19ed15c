package vpc

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/firewall"
)

// Listen returns a listener for what the instance's tasks send over TCP to
// addr, which is no address of anything, and the same for all instances.
// Security groups have no say in it. A connection's remote address is the
// task's, which it can't forge; nobody but tasks can connect.
//
// The listener stands on the first address of the range, the VPC's router. It
// is to be closed; what tasks send later is refused.
func (v *VPC) Listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	if !addr.Addr().Is4() || v.cidr.Contains(addr.Addr()) {
		return nil, fmt.Errorf("listen for tasks at %s: want an IPv4 address outside %s", addr, v.cidr)
	}
	router := Router(v.cidr)
	if err := v.offerRouter(router); err != nil {
		return nil, fmt.Errorf("listen for tasks at %s: %w", addr, err)
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp4", netip.AddrPortFrom(router, 0).String())
	if err != nil {
		return nil, fmt.Errorf("listen for tasks at %s: %w", addr, err)
	}
	to := l.Addr().(*net.TCPAddr).AddrPort()
	if err := v.serve(firewall.Service{Addr: addr, To: netip.AddrPortFrom(router, to.Port())}); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// offerRouter gives the host the router's address, on the interface that marks
// the range.
func (v *VPC) offerRouter(router netip.Addr) error {
	v.links.Lock()
	defer v.links.Unlock()
	link, err := netlink.LinkByName(v.own.link(claimID))
	if err != nil {
		return fmt.Errorf("read %s: %w", v.own.link(claimID), err)
	}
	if err := ensureAddress(&netlink.Handle{}, link, router, unix.RT_SCOPE_LINK); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// serve adds a service to the firewall, in place of one at the same address. A
// firewall that an earlier process has left is changed by Apply, like all of it.
func (v *VPC) serve(s firewall.Service) error {
	v.firewall.Lock()
	defer v.firewall.Unlock()
	var services []firewall.Service
	for _, old := range v.services {
		if old.Addr != s.Addr {
			services = append(services, old)
		}
	}
	v.services = append(services, s)
	if v.applied == nil {
		return nil
	}
	rs := *v.applied
	rs.Services = v.services
	return v.write(&rs)
}
