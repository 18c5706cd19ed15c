package vpc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/nft"
	"github.com/skylift/skylift/internal/vpc/owner"
)

// inside is a network inside the machine, as Docker makes them: a bridge, and a
// space behind it that serves on port 7000.
func (w *world) inside() (behind *space, bridge, its netip.Addr) {
	w.t.Helper()
	behind = newSpace(w.t)
	third := byte(newInstance()[0])<<4 ^ byte(newInstance()[1])
	at := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{198, 19, third, n}) }
	bridge, its = at(1), at(2)
	br, port := "br"+owner.Digest(newInstance(), 6), "pt"+owner.Digest(newInstance(), 6)
	check(w.t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: br, TxQLen: -1}}))
	master, err := netlink.LinkByName(br)
	check(w.t, err)
	w.t.Cleanup(func() { _ = netlink.LinkDel(master) })
	check(w.t, netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: port, TxQLen: -1, MasterIndex: master.Attrs().Index}, PeerName: "eth0", PeerNamespace: netlink.NsFd(behind.handle),
	}))
	near, err := netlink.LinkByName(port)
	check(w.t, err)
	check(w.t, netlink.AddrAdd(master, &netlink.Addr{IPNet: kernel.NetOf(netip.PrefixFrom(bridge, 24))}))
	check(w.t, errors.Join(netlink.LinkSetUp(master), netlink.LinkSetUp(near)))
	check(w.t, behind.do(func() error {
		far, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return errors.Join(
			netlink.AddrAdd(far, &netlink.Addr{IPNet: kernel.NetOf(netip.PrefixFrom(its, 24))}), netlink.LinkSetUp(far),
			netlink.RouteAdd(&netlink.Route{LinkIndex: far.Attrs().Index, Gw: bridge.AsSlice()}),
		)
	}))
	check(w.t, errors.Join(settle(&netlink.Handle{}, near), settle(&netlink.Handle{}, master)))
	behind.serve(w.t, netip.AddrPortFrom(its, 7000).String())
	return behind, bridge, its
}

// everywhere serves on a port of all of the host's addresses.
func everywhere(t *testing.T, port uint16) {
	t.Helper()
	(*space)(nil).serve(t, netip.AddrPortFrom(netip.IPv4Unspecified(), port).String())
}

// answersHost checks that what is to be closed to tasks is there at all. A link
// may need a moment to come up.
func answersHost(t *testing.T, to netip.AddrPort) {
	t.Helper()
	for range 20 {
		if (*space)(nil).reaches(firewall.TCP, netip.Addr{}, to) {
			return
		}
	}
	t.Fatalf("%s doesn't answer the host", to)
}

// hostsAddrs is every IPv4 address of the host, and those that stand for all on
// a network of it.
func hostsAddrs(t *testing.T) (all []netip.Addr) {
	t.Helper()
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	check(t, err)
	for _, a := range addrs {
		p := kernel.PrefixOf(a.IPNet)
		all = append(all, p.Addr())
		if p.Bits() < 31 {
			last := p.Masked().Addr().As4()
			for bit := p.Bits(); bit < 32; bit++ {
				last[bit/8] |= 1 << (7 - bit%8)
			}
			all = append(all, netip.AddrFrom4(last))
		}
	}
	return append(all, netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("0.0.0.0"))
}

// TestTheMachineIsClosed: from a task that may send everything to everybody,
// nothing of the machine and of the networks inside it answers but what is
// another interface's, a balancer's or a service's.
func TestTheMachineIsClosed(t *testing.T) {
	w, x := newWorld(t), newWorld(t)
	task := w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	x.task("eni-b", 10)
	w.answering()
	out, _, its := w.outside()
	behind, bridge, beyondBridge := w.inside()
	const port = 7400
	everywhere(t, port)
	rs := &Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-lb", "sg")}}
	w.apply(rs)
	x.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{x.member("eni-b", "sg")}})

	answersHost(t, netip.AddrPortFrom(bridge, port))
	answersHost(t, netip.AddrPortFrom(beyondBridge, 7000))
	var wg sync.WaitGroup
	for _, to := range hostsAddrs(t) {
		if to.IsLoopback() || to == netip.IPv4Unspecified() {
			continue // in the task, its own
		}
		for _, protocol := range []int{firewall.TCP, firewall.UDP, firewall.ICMP} {
			wg.Go(func() {
				if task.reaches(protocol, w.addrs["eni-a"], netip.AddrPortFrom(to, port)) && !(protocol == firewall.ICMP && to == w.addrs["eni-lb"]) {
					t.Errorf("a task reaches %s of the host by protocol %d", to, protocol)
				}
			})
		}
	}
	wg.Wait()
	for name, to := range map[string]netip.AddrPort{
		"a network inside the machine": netip.AddrPortFrom(beyondBridge, 7000), "another instance's task": netip.AddrPortFrom(x.addrs["eni-b"], 7000),
	} {
		for _, protocol := range []int{firewall.TCP, firewall.UDP, firewall.ICMP} {
			if task.reaches(protocol, w.addrs["eni-a"], to) {
				t.Errorf("a task reaches %s by protocol %d", name, protocol)
			}
		}
	}
	for _, protocol := range []int{firewall.TCP, firewall.UDP, firewall.ICMP} {
		if !task.reaches(protocol, w.addrs["eni-a"], netip.AddrPortFrom(its, 7000)) {
			t.Errorf("a task doesn't reach the outside by protocol %d", protocol)
		}
	}
	w.want("eni-a", "eni-lb", true)
	w.wantAnswer("eni-a")
	// The other way round the groups decide, and answers come back.
	for name, from := range map[string]*space{"the network inside": behind, "the outside": out, "the host": nil} {
		for _, protocol := range []int{firewall.TCP, firewall.UDP} {
			if !from.reaches(protocol, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-a"], 7000)) {
				t.Errorf("%s doesn't reach a task that admits it, by protocol %d", name, protocol)
			}
		}
	}

	// What comes later is closed from its first moment: nothing is written.
	before, err := nft.Generation()
	check(t, err)
	_, laterBridge, later := w.inside()
	for _, to := range []netip.AddrPort{netip.AddrPortFrom(later, 7000), netip.AddrPortFrom(laterBridge, port)} {
		if task.reaches(firewall.TCP, netip.Addr{}, to) {
			t.Errorf("a task reaches %s, which came later", to)
		}
	}
	if after, err := nft.Generation(); err != nil || after != before {
		t.Errorf("the rules were written meanwhile: %d, %d, %v", before, after, err)
	}
}

// TestNobodyHears: what a task sends by UDP to any address of the host, to all
// on a network of it, or to a group of hosts, doesn't get to a program of it.
func TestNobodyHears(t *testing.T) {
	w := newWorld(t)
	task := w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	w.answering()
	w.inside()
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-lb", "sg")}})
	addrs := slices.DeleteFunc(hostsAddrs(t), func(a netip.Addr) bool { return a.IsLoopback() || a.IsUnspecified() })
	p, err := net.ListenPacket("udp4", "0.0.0.0:7410")
	check(t, err)
	defer p.Close()
	// heard sends to all addresses and then, from the host, a last packet.
	check(t, p.SetReadDeadline(time.Now().Add(20*time.Second)))
	heard := func() (all []string) {
		check(t, task.do(func() error {
			for _, a := range addrs {
				if err := sendFrom(w.addrs["eni-a"], a, 7410, a.String()); err != nil {
					return fmt.Errorf("send to %s: %w", a, err)
				}
			}
			return nil
		}))
		c, err := net.Dial("udp4", "127.0.0.1:7410")
		check(t, err)
		defer c.Close()
		_, err = c.Write([]byte("last"))
		check(t, err)
		for buf := make([]byte, 100); ; {
			n, _, err := p.ReadFrom(buf)
			check(t, err)
			if string(buf[:n]) == "last" {
				return all
			}
			all = append(all, string(buf[:n]))
		}
	}
	if got := heard(); len(got) > 0 {
		t.Errorf("the host hears what a task sends to %v", got)
	}
	check(t, nft.Delete(w.own.Table()))
	got := heard()
	for _, a := range addrs {
		if !slices.Contains(got, a.String()) {
			t.Errorf("nothing judges, and the host doesn't hear what a task sends to %s: then it proves nothing", a)
		}
	}
}

// TestTheMachinesRoleIsClosed: where clouds tell a machine its keys, no task
// asks, though the way there leads beyond the machine.
func TestTheMachinesRoleIsClosed(t *testing.T) {
	w := newWorld(t)
	task := w.task("eni-a", 10)
	out, _, its := w.outside()
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg")}})
	reach := func(a netip.Addr, protocol int) bool {
		return task.reaches(protocol, w.addrs["eni-a"], netip.AddrPortFrom(a, 7000))
	}
	roles := append([]netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("169.254.0.23")}, firewall.MachinesOwn...)
	control := netip.MustParseAddr("192.0.2.77")
	for _, a := range append(slices.Clone(roles), control) {
		check(t, out.do(func() error {
			far, err := netlink.LinkByName("wan")
			return errors.Join(err, netlink.AddrAdd(far, &netlink.Addr{IPNet: only(a)}))
		}))
		r := &netlink.Route{Dst: only(a), Gw: its.AsSlice()}
		check(t, netlink.RouteAdd(r))
		t.Cleanup(func() { _ = netlink.RouteDel(r) })
		out.serve(t, netip.AddrPortFrom(a, 7000).String())
		answersHost(t, netip.AddrPortFrom(a, 7000))
		for _, protocol := range []int{firewall.TCP, firewall.UDP, firewall.ICMP} {
			if got := reach(a, protocol); got != (a == control) {
				t.Errorf("a task reaches %s by protocol %d: %t", a, protocol, got)
			}
		}
	}
}

// TestNoIPv6: whatever a task sends by IPv6 over its interface ends there.
func TestNoIPv6(t *testing.T) {
	w := newWorld(t)
	task := w.task("eni-a", 10)
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg")}})
	host, err := netlink.LinkByName(w.own.Link("eni-a"))
	check(t, err)
	check(t, kernel.SetSysctl("net/ipv6/conf/"+host.Attrs().Name+"/disable_ipv6", "0")) // even so
	linkLocals := func(l netlink.Link) (all []netip.Addr) {
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V6)
		check(t, err)
		for _, a := range addrs {
			all = append(all, kernel.PrefixOf(a.IPNet).Addr())
		}
		return all
	}
	near := netip.MustParseAddr("fe80::1")
	check(t, netlink.AddrReplace(host, &netlink.Addr{IPNet: kernel.NetOf(netip.PrefixFrom(near, 64)), Flags: unix.IFA_F_NODAD}))
	if !slices.Contains(linkLocals(host), near) {
		t.Fatal("the host's end has no link-local address to look for")
	}
	// The task may have taken IPv6 back, too.
	check(t, task.do(func() error {
		if err := kernel.SetSysctl("net/ipv6/conf/eth0/disable_ipv6", "0"); err != nil {
			return err
		}
		l, err := netlink.LinkByName(inside)
		if err != nil {
			return err
		}
		return netlink.AddrReplace(l, &netlink.Addr{IPNet: kernel.NetOf(netip.MustParsePrefix("fe80::2/64")), Flags: unix.IFA_F_NODAD})
	}))
	heard := make(chan string, 8)
	p, err := net.ListenPacket("udp6", "[::]:7401")
	check(t, err)
	defer p.Close()
	go func() {
		buf := make([]byte, 100)
		for {
			_, from, err := p.ReadFrom(buf)
			if err != nil {
				return
			}
			heard <- from.String()
		}
	}()
	check(t, task.do(func() error {
		for _, to := range []string{"[fe80::1%eth0]:7401", "[ff02::1%eth0]:7401"} {
			c, err := net.Dial("udp6", to)
			if err != nil {
				return err
			}
			_, _ = c.Write([]byte("x"))
			c.Close()
		}
		return nil
	}))
	c, err := net.Dial("udp6", "[::1]:7401")
	check(t, err)
	defer c.Close()
	time.Sleep(patience) // the neighbour's address, which is asked for first, never comes
	_, err = c.Write([]byte("last"))
	check(t, err)
	if got := <-heard; !strings.HasPrefix(got, "[::1]:") {
		t.Errorf("the host heard %s", got)
	}
}

// TestUpgradeCutsWhatIsClosed: flows to what is closed end when a process takes
// over from one that let them.
func TestUpgradeCutsWhatIsClosed(t *testing.T) {
	w := newWorld(t)
	a := w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	behind, bridge, its := w.inside()
	out, _, outside := w.outside()
	rs := &Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-lb", "sg")}}
	w.apply(rs)
	check(t, nft.Delete(w.own.Table())) // what did not judge
	closed := map[string]conversation{
		"to the host":               converse(t, a, nil, netip.Addr{}, netip.AddrPortFrom(bridge, 7601)),
		"to a network inside":       converse(t, a, behind, netip.Addr{}, netip.AddrPortFrom(its, 7602)),
		"to a balancer's neighbour": converse(t, a, nil, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-lb"], 7603)),
	}
	kept := map[string]conversation{
		"from a network inside": converse(t, behind, a, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-a"], 7604)),
		"to the balancer":       converse(t, a, nil, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-lb"], 7205)),
		"to the outside":        converse(t, a, out, netip.Addr{}, netip.AddrPortFrom(outside, 7606)),
		"from the outside":      converse(t, out, a, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-a"], 7605)),
	}
	for name, c := range closed {
		if !passes(c.client, c.server) {
			t.Fatalf("%s: nothing judges, and nothing passes", name)
		}
	}
	again, err := Open(t.Context(), Config{Instance: string(w.own), CIDR: w.cidr, Uplinks: w.named})
	check(t, err)
	cut, err := again.Apply(t.Context(), rs)
	check(t, err)
	for name, c := range closed {
		if !slices.ContainsFunc(cut, c.is) {
			t.Errorf("%s: not among what was cut: %v", name, cut)
		}
		if passes(c.server, c.client) || passes(c.client, c.server) {
			t.Errorf("%s: passes", name)
		}
	}
	for name, c := range kept {
		if !passes(c.server, c.client) || !passes(c.client, c.server) {
			t.Errorf("%s: was cut", name)
		}
	}
	if !a.reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(outside, 7000)) {
		t.Error("the outside isn't reached")
	}
}
