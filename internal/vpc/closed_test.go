package vpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestUplinks(t *testing.T) {
	t.Parallel()
	eth0 := device{name: "eth0", index: 2, kind: "device", hardware: true, carriesFrames: true}
	for name, tc := range map[string]struct {
		devices  []device
		defaults []int
		named    []string
		want     []string
	}{
		"nothing":               {},
		"loopback":              {devices: []device{{name: "lo", index: 1, kind: "device", loopback: true}}, defaults: []int{1}},
		"hardware":              {devices: []device{eth0}, want: []string{"eth0"}},
		"a driver's without it": {devices: []device{{name: "vboxnet0", index: 2, kind: "device", carriesFrames: true}}},
		"Docker's": {devices: []device{
			eth0,
			{name: "docker0", index: 3, kind: "bridge"},
			{name: "veth1", index: 4, kind: "veth", master: 3, parent: 2},
			{name: "dummy0", index: 5, kind: "dummy"},
			{name: "vxlan0", index: 6, kind: "vxlan"},
			{name: "mac0", index: 7, kind: "macvlan", parent: 2},
		}, want: []string{"eth0"}},
		"default route in a container": {devices: []device{{name: "eth0", index: 7, kind: "veth"}, {name: "eth1", index: 8, kind: "veth"}}, defaults: []int{7}, want: []string{"eth0"}},
		"another Skylift's":            {devices: []device{{name: "slabcde", index: 7, kind: "veth", skylift: true}}, defaults: []int{7}},
		"bridge with hardware": {
			devices: []device{{name: "eth0", index: 2, kind: "device", hardware: true, master: 3}, {name: "br0", index: 3, kind: "bridge"}, {name: "virbr0", index: 4, kind: "bridge"}},
			want:    []string{"br0", "eth0"},
		},
		"bridge over a VLAN of a bond": {devices: []device{
			{name: "eth0", index: 2, kind: "device", hardware: true, master: 4},
			{name: "bond0", index: 4, kind: "bond"},
			{name: "bond0.7", index: 5, kind: "vlan", parent: 4, master: 6},
			{name: "br7", index: 6, kind: "bridge"},
		}, want: []string{"bond0", "bond0.7", "br7", "eth0"}},
		"VLAN of Docker's":                     {devices: []device{{name: "docker0", index: 3, kind: "bridge"}, {name: "docker0.7", index: 4, kind: "vlan", parent: 3}}},
		"VLAN of an interface that isn't here": {devices: []device{{name: "v7", index: 4, kind: "vlan"}}},
		"tunnels": {devices: []device{
			{name: "wg0", index: 2, kind: "wireguard"},
			{name: "tun0", index: 3, kind: "tun"},
			{name: "tap0", index: 4, kind: "tun", carriesFrames: true},
			{name: "ppp0", index: 5, kind: "ppp"},
			{name: "gre1", index: 6, kind: "gre"},
		}, want: []string{"gre1", "ppp0", "tun0", "wg0"}},
		"named, and not there": {devices: []device{{name: "zt0", index: 4, kind: "tun", carriesFrames: true}}, named: []string{"zt1", "zt0"}, want: []string{"zt0", "zt1"}},
		"a circle":             {devices: []device{{name: "a", index: 2, kind: "bridge", master: 3}, {name: "b", index: 3, kind: "bridge", master: 2}}},
	} {
		if d := cmp.Diff(tc.want, uplinks(tc.devices, tc.defaults, tc.named)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestParsePorts(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Ports{
		"tcp:5432": {protoTCP, 5432, 5432}, "UDP:53": {protoUDP, 53, 53}, "tcp:8000-8100": {protoTCP, 8000, 8100}, "tcp:65535": {protoTCP, 65535, 65535},
	} {
		got, err := ParsePorts(in)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", in, got, err, want)
		}
		if got.String() != strings.ToLower(in) {
			t.Errorf("%s is written as %s", in, got)
		}
	}
	for _, in := range []string{"", "5432", "tcp", "tcp:", "tcp:0", "tcp:65536", "tcp:-1", "icmp:8", "tcp:9-8", "tcp:1-", "tcp:1-2-3", "tcp:+1", "tcp: 1"} {
		if got, err := ParsePorts(in); err == nil || !strings.Contains(err.Error(), "as in tcp:5432") {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

// inside is a network inside the machine, as Docker makes them: a bridge, and a
// space behind it that serves on port 7000.
func (w *world) inside() (behind *space, bridge, its netip.Addr) {
	w.t.Helper()
	behind = newSpace(w.t)
	third := byte(newInstance()[0])<<4 ^ byte(newInstance()[1])
	at := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{198, 19, third, n}) }
	bridge, its = at(1), at(2)
	br, port := "br"+digest(newInstance(), 6), "pt"+digest(newInstance(), 6)
	check(w.t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: br, TxQLen: -1}}))
	master, err := netlink.LinkByName(br)
	check(w.t, err)
	w.t.Cleanup(func() { _ = netlink.LinkDel(master) })
	check(w.t, netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: port, TxQLen: -1, MasterIndex: master.Attrs().Index}, PeerName: "eth0", PeerNamespace: netlink.NsFd(behind.handle),
	}))
	near, err := netlink.LinkByName(port)
	check(w.t, err)
	check(w.t, netlink.AddrAdd(master, &netlink.Addr{IPNet: netOf(netip.PrefixFrom(bridge, 24))}))
	check(w.t, errors.Join(netlink.LinkSetUp(master), netlink.LinkSetUp(near)))
	check(w.t, behind.do(func() error {
		far, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return errors.Join(
			netlink.AddrAdd(far, &netlink.Addr{IPNet: netOf(netip.PrefixFrom(its, 24))}), netlink.LinkSetUp(far),
			netlink.RouteAdd(&netlink.Route{LinkIndex: far.Attrs().Index, Gw: bridge.AsSlice()}),
		)
	}))
	behind.serve(w.t, netip.AddrPortFrom(its, 7000).String())
	return behind, bridge, its
}

// everywhere serves on a port of all of the host's addresses.
func everywhere(t *testing.T, port uint16) {
	t.Helper()
	(*space)(nil).serve(t, netip.AddrPortFrom(netip.IPv4Unspecified(), port).String())
}

// hostsAddrs is every IPv4 address of the host, and those that stand for all on
// a network of it.
func hostsAddrs(t *testing.T) (all []netip.Addr) {
	t.Helper()
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	check(t, err)
	for _, a := range addrs {
		p := prefixOf(a.IPNet)
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

	if !(*space)(nil).reaches(protoTCP, netip.Addr{}, netip.AddrPortFrom(bridge, port)) || !(*space)(nil).reaches(protoTCP, netip.Addr{}, netip.AddrPortFrom(beyondBridge, 7000)) {
		t.Fatal("what is to be closed to tasks doesn't answer the host")
	}
	var wg sync.WaitGroup
	for _, to := range hostsAddrs(t) {
		if to.IsLoopback() || to == netip.IPv4Unspecified() {
			continue // in the task, its own
		}
		for _, protocol := range []int{protoTCP, protoUDP, protoICMP} {
			wg.Go(func() {
				if task.reaches(protocol, w.addrs["eni-a"], netip.AddrPortFrom(to, port)) && !(protocol == protoICMP && to == w.addrs["eni-lb"]) {
					t.Errorf("a task reaches %s of the host by protocol %d", to, protocol)
				}
			})
		}
	}
	wg.Wait()
	for name, to := range map[string]netip.AddrPort{
		"a network inside the machine": netip.AddrPortFrom(beyondBridge, 7000), "another instance's task": netip.AddrPortFrom(x.addrs["eni-b"], 7000),
	} {
		for _, protocol := range []int{protoTCP, protoUDP, protoICMP} {
			if task.reaches(protocol, w.addrs["eni-a"], to) {
				t.Errorf("a task reaches %s by protocol %d", name, protocol)
			}
		}
	}
	for _, protocol := range []int{protoTCP, protoUDP, protoICMP} {
		if !task.reaches(protocol, w.addrs["eni-a"], netip.AddrPortFrom(its, 7000)) {
			t.Errorf("a task doesn't reach the outside by protocol %d", protocol)
		}
	}
	w.want("eni-a", "eni-lb", true)
	w.wantAnswer("eni-a")
	// The other way round the groups decide, and answers come back.
	for name, from := range map[string]*space{"the network inside": behind, "the outside": out, "the host": nil} {
		for _, protocol := range []int{protoTCP, protoUDP} {
			if !from.reaches(protocol, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-a"], 7000)) {
				t.Errorf("%s doesn't reach a task that admits it, by protocol %d", name, protocol)
			}
		}
	}

	// What comes later is closed from its first moment: nothing is written.
	before, err := generation()
	check(t, err)
	_, laterBridge, later := w.inside()
	for _, to := range []netip.AddrPort{netip.AddrPortFrom(later, 7000), netip.AddrPortFrom(laterBridge, port)} {
		if task.reaches(protoTCP, netip.Addr{}, to) {
			t.Errorf("a task reaches %s, which came later", to)
		}
	}
	if after, err := generation(); err != nil || after != before {
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
	check(t, deleteTable(w.own.table()))
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
	roles := append([]netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("169.254.0.23")}, machinesOwn...)
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
		if !(*space)(nil).reaches(protoTCP, netip.Addr{}, netip.AddrPortFrom(a, 7000)) {
			t.Fatalf("%s doesn't answer the host", a)
		}
		for _, protocol := range []int{protoTCP, protoUDP, protoICMP} {
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
	host, err := netlink.LinkByName(w.own.link("eni-a"))
	check(t, err)
	check(t, setSysctl("net/ipv6/conf/"+host.Attrs().Name+"/disable_ipv6", "0")) // even so
	linkLocals := func(l netlink.Link) (all []netip.Addr) {
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V6)
		check(t, err)
		for _, a := range addrs {
			all = append(all, prefixOf(a.IPNet).Addr())
		}
		return all
	}
	near := netip.MustParseAddr("fe80::1")
	check(t, netlink.AddrReplace(host, &netlink.Addr{IPNet: netOf(netip.PrefixFrom(near, 64)), Flags: unix.IFA_F_NODAD}))
	if !slices.Contains(linkLocals(host), near) {
		t.Fatal("the host's end has no link-local address to look for")
	}
	// The task may have taken IPv6 back, too.
	check(t, task.do(func() error {
		if err := setSysctl("net/ipv6/conf/eth0/disable_ipv6", "0"); err != nil {
			return err
		}
		l, err := netlink.LinkByName(inside)
		if err != nil {
			return err
		}
		return netlink.AddrReplace(l, &netlink.Addr{IPNet: netOf(netip.MustParsePrefix("fe80::2/64")), Flags: unix.IFA_F_NODAD})
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

// TestHostAccess: an open port is open at every address of the host that is no
// balancer's, also where Docker sends it on, as far as the task's egress goes.
func TestHostAccess(t *testing.T) {
	w := newWorld(t)
	const port = 7500
	w.hostAccess = []Ports{{protoTCP, port, port}, {protoUDP, port + 1, port + 2}}
	check(t, w.openWays(nil))
	task := w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	w.answering()
	_, hostOut, _ := w.outside()
	_, bridge, behind := w.inside()
	router := Router(w.cidr)
	everywhere(t, port)
	for _, a := range []netip.Addr{router, hostOut, bridge} { // for the answer to come from there
		(*space)(nil).serve(t, netip.AddrPortFrom(a, port+2).String())
	}
	everywhere(t, port+3)
	rules := func(egress ...Rule) *Ruleset {
		return &Ruleset{
			Groups:  []Group{{ID: "sg", Egress: egress}, open("sg-lb")},
			Members: []Member{w.member("eni-a", "sg"), w.member("eni-lb", "sg-lb")},
		}
	}
	wants := func(what string, protocol int, to netip.AddrPort, want bool) {
		t.Helper()
		if got := task.reaches(protocol, netip.Addr{}, to); got != want {
			t.Errorf("%s: a task reaches %s by protocol %d: %t, want %t", what, to, protocol, got, want)
		}
	}
	w.apply(rules(all))
	for _, a := range []netip.Addr{router, hostOut, bridge} {
		wants("open", protoTCP, netip.AddrPortFrom(a, port), true)
		wants("its neighbour", protoTCP, netip.AddrPortFrom(a, port+3), false)
		wants("the other protocol", protoUDP, netip.AddrPortFrom(a, port), false)
		wants("a range", protoUDP, netip.AddrPortFrom(a, port+2), true)
		wants("the other protocol of a range", protoTCP, netip.AddrPortFrom(a, port+2), false)
	}
	wants("a balancer's interface", protoTCP, netip.AddrPortFrom(w.addrs["eni-lb"], port), false)
	if (*space)(nil).reaches(protoTCP, netip.Addr{}, netip.AddrPortFrom(router, port)) {
		t.Error("who is no task reaches the router's address")
	}
	wants("not the machine's", protoTCP, netip.AddrPortFrom(behind, 7000), false)

	// Published as Docker does it.
	run(t, "iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", fmt.Sprint(port), "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DNAT", "--to", netip.AddrPortFrom(behind, 7000).String())
	t.Cleanup(func() { run(t, "iptables", "-t", "nat", "-F", "PREROUTING") })
	sentOn := func(a netip.Addr) bool {
		c, err := task.dial(netip.Addr{}, netip.AddrPortFrom(a, port))
		if err != nil {
			return false
		}
		defer c.Close()
		return passes(c, c)
	}
	if !sentOn(router) || !sentOn(hostOut) {
		t.Error("a published port that is open isn't reached")
	}
	run(t, "iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", fmt.Sprint(port+3), "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DNAT", "--to", netip.AddrPortFrom(behind, 7000).String())
	wants("published, and not open", protoTCP, netip.AddrPortFrom(router, port+3), false)

	c, err := task.dial(netip.Addr{}, netip.AddrPortFrom(router, port))
	check(t, err)
	defer c.Close()
	w.apply(rules(tcp(port, netip.PrefixFrom(router, 32)))) // egress by the address that the task named
	if !passes(c, c) {
		t.Error("a flow to an open port that egress admits was cut")
	}
	wants("egress to the router", protoTCP, netip.AddrPortFrom(router, port), true)
	wants("no egress to another address", protoTCP, netip.AddrPortFrom(hostOut, port), false)
	w.apply(rules(tcp(7000, netip.PrefixFrom(behind, 32))))
	wants("egress to what is behind", protoTCP, netip.AddrPortFrom(router, port), false)
	if passes(c, c) {
		t.Error("a flow to an open port that egress no longer admits goes on")
	}
}

// TestHostAccessPassesHostsFilter: what is open is open though the host drops
// what it receives, and is shut there too when it is open no more.
func TestHostAccessPassesHostsFilter(t *testing.T) {
	w := newWorld(t)
	w.hostAccess = []Ports{{protoTCP, 7510, 7510}, {protoUDP, 7511, 7512}}
	check(t, w.openWays(nil))
	task := w.task("eni-a", 10)
	w.answering()
	everywhere(t, 7510)
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg")}})
	t.Cleanup(func() { run(t, "iptables", "-P", "INPUT", "ACCEPT") })
	run(t, "iptables", "-P", "INPUT", "DROP")
	check(t, accept(w.own, w.hostAccess))
	to := netip.AddrPortFrom(Router(w.cidr), 7510)
	if !task.reaches(protoTCP, netip.Addr{}, to) {
		t.Error("an open port isn't reached")
	}
	before, err := generation()
	check(t, err)
	check(t, accept(w.own, w.hostAccess))
	if after, _ := generation(); after != before {
		t.Error("accepts that were there were written again")
	}
	check(t, accept(w.own, w.hostAccess[1:]))
	if left := run(t, "iptables", "-S", "INPUT"); strings.Contains(left, "7510") || !strings.Contains(left, "7511:7512") {
		t.Errorf("one of two ports is open no more, and there is:\n%s", left)
	}
}

// TestResolversAreOpen: a task asks its resolver wherever that is, and nothing
// else there.
func TestResolversAreOpen(t *testing.T) {
	w := newWorld(t)
	_, bridge, behind := w.inside()
	s := newSpace(t)
	i := Interface{ID: "eni-a", Addr: w.addr(10), NetNS: s.path(), Resolvers: []netip.Addr{bridge, netip.MustParseAddr("127.0.0.53"), netip.MustParseAddr("fd00::53")}}
	w.tasks["eni-a"], w.addrs["eni-a"] = s, i.Addr
	check(t, w.Attach(t.Context(), i))
	rs := &Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg")}}
	w.apply(rs)
	everywhere(t, portDNS)
	everywhere(t, portDNS+1)
	reach := func(what string, a netip.Addr, port uint16, want bool) {
		t.Helper()
		for _, protocol := range []int{protoTCP, protoUDP} {
			if got := s.reaches(protocol, netip.Addr{}, netip.AddrPortFrom(a, port)); got != want {
				t.Errorf("%s: a task reaches %s port %d by protocol %d: %t, want %t", what, a, port, protocol, got, want)
			}
		}
	}
	reach("its resolver", bridge, portDNS, true)
	reach("its resolver's neighbour port", bridge, portDNS+1, false)
	_, other, _ := w.inside()
	reach("no resolver of it", other, portDNS, false)

	// One that Docker sends on to a container.
	for _, protocol := range []string{"tcp", "udp"} {
		run(t, "iptables", "-t", "nat", "-A", "PREROUTING", "-p", protocol, "-d", other.String(), "--dport", "53", "-j", "DNAT", "--to", netip.AddrPortFrom(behind, 7000).String())
	}
	t.Cleanup(func() { run(t, "iptables", "-t", "nat", "-F", "PREROUTING") })
	reach("sent on, and no resolver of it", other, portDNS, false)
	i.Resolvers = []netip.Addr{other}
	check(t, w.Attach(t.Context(), i))
	reach("sent on", other, portDNS, true)

	// Another process knows what this one was told.
	again, err := Open(t.Context(), Config{Instance: string(w.own), CIDR: w.cidr})
	check(t, err)
	_, err = again.Apply(t.Context(), rs)
	check(t, err)
	reach("after a restart", bridge, portDNS, true)
	reach("after a restart", bridge, portDNS+1, false)
	_, err = again.Apply(t.Context(), &Ruleset{Groups: []Group{{ID: "sg"}}, Members: rs.Members})
	check(t, err)
	reach("without egress", bridge, portDNS, false)
}

// TestNftReadsTheTable: who lists the machine's rules with nft sees ours, and
// nft doesn't stumble over them.
func TestNftReadsTheTable(t *testing.T) {
	w := newWorld(t)
	w.hostAccess = []Ports{{protoTCP, 7510, 7510}, {protoUDP, 7511, 7512}}
	check(t, w.openWays([]netip.Addr{netip.MustParseAddr("192.0.2.53")}))
	w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	w.answering()
	w.apply(&Ruleset{
		Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-lb", "sg")},
		Fronts: []Front{{Addr: netip.MustParseAddrPort("127.0.0.1:7520"), Members: []string{"eni-lb"}}, {Addr: netip.MustParseAddrPort("[::1]:7520")}},
	})
	table := run(t, "nft", "list", "table", "inet", w.own.table())
	for _, want := range []string{
		"ct original ip daddr 192.0.2.53", "ct original proto-dst 53 accept", "192.0.2.53 . udp . 53", "udp dport 7511-7512 accept", "oifname @uplinks return",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
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
	check(t, deleteTable(w.own.table())) // what did not judge
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
	if !a.reaches(protoTCP, netip.Addr{}, netip.AddrPortFrom(outside, 7000)) {
		t.Error("the outside isn't reached")
	}
}

// TestRunFollowsUplinks: an interface that comes to lead beyond the machine is
// found, and one that ceases to is closed.
func TestRunFollowsUplinks(t *testing.T) {
	w := newWorld(t)
	task := w.task("eni-a", 10)
	_, _, its := w.inside()
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg")}})
	to := netip.AddrPortFrom(its, 7000)
	c, err := (*space)(nil).dial(netip.Addr{}, to)
	check(t, err)
	c.Close()
	if task.reaches(protoTCP, netip.Addr{}, to) {
		t.Fatal("a network inside is reached")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	route := &netlink.Route{Dst: netOf(netip.MustParsePrefix("0.0.0.0/0")), Gw: its.AsSlice(), Priority: 4711}
	check(t, netlink.RouteAdd(route))
	reached := func(want bool) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for task.reaches(protoTCP, netip.Addr{}, to) != want {
			if time.Now().After(deadline) {
				t.Fatalf("over an interface with the default route %t: not within 20 s", want)
			}
		}
	}
	reached(true)
	check(t, netlink.RouteDel(route))
	reached(false)
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("run ended with %v", err)
	}
}
