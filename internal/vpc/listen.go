package vpc

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// service is where what tasks send to a socket address really goes.
type service struct {
	addr netip.AddrPort // as the tasks know it
	to   netip.AddrPort // where this process listens
}

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
	if err := v.serve(service{addr, netip.AddrPortFrom(router, to.Port())}); err != nil {
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
func (v *VPC) serve(s service) error {
	v.firewall.Lock()
	defer v.firewall.Unlock()
	var services []service
	for _, old := range v.services {
		if old.addr != s.addr {
			services = append(services, old)
		}
	}
	v.services = append(services, s)
	if v.applied == nil {
		return nil
	}
	rs := *v.applied
	rs.services = v.services
	return v.write(&rs)
}

// serves says that f is a task's flow to a service, which no rules judge.
func (r *Ruleset) serves(f Flow) bool {
	for _, s := range r.services {
		if f.Protocol == protoTCP && s.to == netip.AddrPortFrom(f.Dst, f.DstPort) && r.CIDR.Contains(f.Src) {
			return true
		}
	}
	return false
}

// services sends what tasks address to a service to where it is, before anybody
// else on the host does.
func (c *compiler) services(rs *Ruleset) {
	if len(rs.services) == 0 {
		return
	}
	var rules []exprs
	for _, s := range rs.services {
		rules = append(rules, rule(iifPrefix(expr.CmpOpEq, c.prefix), toSocket(s.addr), redirect(s.to)))
	}
	c.base("prerouting_services", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, *nftables.ChainPriorityNATDest-1, rules...)
}

// served admits what has been sent to a service.
func (c *compiler) served(rs *Ruleset) (rules []exprs) {
	for _, s := range rs.services {
		rules = append(rules, rule(iifPrefix(expr.CmpOpEq, c.prefix), toSocket(s.to), redirected(), acceptIt()))
	}
	return rules
}
