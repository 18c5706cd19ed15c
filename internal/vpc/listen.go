package vpc

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/owner"
)

// Listen returns a listener for what the instance's tasks send over TCP to
// addr, which is no address of anything, and the same for all instances, or
// that of the VPC's resolver. Security groups have no say in it. A connection's
// remote address is the task's, which it can't forge; nobody but tasks can connect.
//
// The listener stands on the first address of the range, the VPC's router. It
// is to be closed; what tasks send later is refused.
func (v *VPC) Listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	var c net.ListenConfig
	return offer(v, firewall.TCP, addr, func(at string) (net.Listener, net.Addr, error) {
		l, err := c.Listen(ctx, "tcp4", at)
		if err != nil {
			return nil, nil, err
		}
		return l, l.Addr(), nil
	})
}

// ListenPacket is Listen for what tasks send over UDP.
func (v *VPC) ListenPacket(ctx context.Context, addr netip.AddrPort) (*net.UDPConn, error) {
	var c net.ListenConfig
	return offer(v, firewall.UDP, addr, func(at string) (*net.UDPConn, net.Addr, error) {
		p, err := c.ListenPacket(ctx, "udp4", at)
		if err != nil {
			return nil, nil, err
		}
		return p.(*net.UDPConn), p.LocalAddr(), nil
	})
}

// offer opens a socket at the router's address, and sends there what tasks send to addr.
func offer[S interface{ Close() error }](v *VPC, protocol int, addr netip.AddrPort, open func(at string) (S, net.Addr, error)) (s S, err error) {
	router := Router(v.cidr)
	if !addr.Addr().Is4() || v.cidr.Contains(addr.Addr()) && addr.Addr() != Resolver(v.cidr) {
		return s, fmt.Errorf("listen for tasks at %s: want an IPv4 address outside %s, or %s", addr, v.cidr, Resolver(v.cidr))
	}
	if err := v.offerRouter(router); err != nil {
		return s, fmt.Errorf("listen for tasks at %s: %w", addr, err)
	}
	s, at, err := open(netip.AddrPortFrom(router, 0).String())
	if err != nil {
		return s, fmt.Errorf("listen for tasks at %s: %w", addr, err)
	}
	if err := v.serve(firewall.Service{Protocol: protocol, Addr: addr, To: netip.MustParseAddrPort(at.String())}); err != nil {
		_ = s.Close()
		return s, err
	}
	return s, nil
}

// offerRouter gives the host the router's address, on the interface that marks
// the range.
func (v *VPC) offerRouter(router netip.Addr) error {
	v.links.Lock()
	defer v.links.Unlock()
	link, err := netlink.LinkByName(v.own.Link(owner.ClaimID))
	if err != nil {
		return fmt.Errorf("read %s: %w", v.own.Link(owner.ClaimID), err)
	}
	if err := kernel.EnsureAddress(&netlink.Handle{}, link, router, unix.RT_SCOPE_LINK); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// serve adds a service to the firewall, in place of one at the same address and protocol. A
// firewall that an earlier process has left is changed by Apply, like all of it.
func (v *VPC) serve(s firewall.Service) error {
	v.firewall.Lock()
	defer v.firewall.Unlock()
	var services []firewall.Service
	for _, old := range v.services {
		if old.Addr != s.Addr || old.Protocol != s.Protocol {
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
