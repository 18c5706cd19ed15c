package vpc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
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
	_, resolver, _ := w.inside()
	check(t, w.openWays([]netip.Addr{resolver, netip.MustParseAddr("192.0.2.53")}))
	w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	w.answering()
	w.apply(&Ruleset{
		Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-lb", "sg")},
		Fronts: []Front{{Addr: netip.MustParseAddrPort("127.0.0.1:7520"), Members: []string{"eni-lb"}}, {Addr: netip.MustParseAddrPort("[::1]:7520")}},
	})
	table := run(t, "nft", "list", "table", "inet", w.own.table())
	for _, want := range []string{
		"ct original ip daddr " + resolver.String(), "ct original proto-dst 53 accept", "192.0.2.53 . udp . 53", "udp dport 7511-7512 accept", "oifname @uplinks return",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
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
