package vpc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/skylift/skylift/internal/vpc/accepts"
	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/nft"
)

// TestHostAccess: an open port is open at every address of the host that is no
// balancer's, also where Docker sends it on, as far as the task's egress goes.
func TestHostAccess(t *testing.T) {
	w := newWorld(t)
	const port = 7500
	w.hostAccess = []Ports{{Protocol: firewall.TCP, From: port, To: port}, {Protocol: firewall.UDP, From: port + 1, To: port + 2}}
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
		wants("open", firewall.TCP, netip.AddrPortFrom(a, port), true)
		wants("its neighbour", firewall.TCP, netip.AddrPortFrom(a, port+3), false)
		wants("the other protocol", firewall.UDP, netip.AddrPortFrom(a, port), false)
		wants("a range", firewall.UDP, netip.AddrPortFrom(a, port+2), true)
		wants("the other protocol of a range", firewall.TCP, netip.AddrPortFrom(a, port+2), false)
	}
	wants("a balancer's interface", firewall.TCP, netip.AddrPortFrom(w.addrs["eni-lb"], port), false)
	if (*space)(nil).reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(router, port)) {
		t.Error("who is no task reaches the router's address")
	}
	wants("not the machine's", firewall.TCP, netip.AddrPortFrom(behind, 7000), false)

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
	wants("published, and not open", firewall.TCP, netip.AddrPortFrom(router, port+3), false)

	c, err := task.dial(netip.Addr{}, netip.AddrPortFrom(router, port))
	check(t, err)
	defer c.Close()
	w.apply(rules(tcp(port, netip.PrefixFrom(router, 32)))) // egress by the address that the task named
	if !passes(c, c) {
		t.Error("a flow to an open port that egress admits was cut")
	}
	wants("egress to the router", firewall.TCP, netip.AddrPortFrom(router, port), true)
	wants("no egress to another address", firewall.TCP, netip.AddrPortFrom(hostOut, port), false)
	w.apply(rules(tcp(7000, netip.PrefixFrom(behind, 32))))
	wants("egress to what is behind", firewall.TCP, netip.AddrPortFrom(router, port), false)
	if passes(c, c) {
		t.Error("a flow to an open port that egress no longer admits goes on")
	}
}

// TestHostAccessPassesHostsFilter: what is open is open though the host drops
// what it receives, and is shut there too when it is open no more.
func TestHostAccessPassesHostsFilter(t *testing.T) {
	w := newWorld(t)
	w.hostAccess = []Ports{{Protocol: firewall.TCP, From: 7510, To: 7510}, {Protocol: firewall.UDP, From: 7511, To: 7512}}
	check(t, w.openWays(nil))
	task := w.task("eni-a", 10)
	w.answering()
	everywhere(t, 7510)
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg")}})
	t.Cleanup(func() { run(t, "iptables", "-P", "INPUT", "ACCEPT") })
	run(t, "iptables", "-P", "INPUT", "DROP")
	check(t, accepts.Put(w.own.Accepts(), w.hostAccess))
	to := netip.AddrPortFrom(Router(w.cidr), 7510)
	if !task.reaches(firewall.TCP, netip.Addr{}, to) {
		t.Error("an open port isn't reached")
	}
	before, err := nft.Generation()
	check(t, err)
	check(t, accepts.Put(w.own.Accepts(), w.hostAccess))
	if after, _ := nft.Generation(); after != before {
		t.Error("accepts that were there were written again")
	}
	check(t, accepts.Put(w.own.Accepts(), w.hostAccess[1:]))
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
	everywhere(t, firewall.PortDNS)
	everywhere(t, firewall.PortDNS+1)
	reach := func(what string, a netip.Addr, port uint16, want bool) {
		t.Helper()
		for _, protocol := range []int{firewall.TCP, firewall.UDP} {
			if got := s.reaches(protocol, netip.Addr{}, netip.AddrPortFrom(a, port)); got != want {
				t.Errorf("%s: a task reaches %s port %d by protocol %d: %t, want %t", what, a, port, protocol, got, want)
			}
		}
	}
	reach("its resolver", bridge, firewall.PortDNS, true)
	reach("its resolver's neighbour port", bridge, firewall.PortDNS+1, false)
	_, other, _ := w.inside()
	reach("no resolver of it", other, firewall.PortDNS, false)

	// One that Docker sends on to a container.
	for _, protocol := range []string{"tcp", "udp"} {
		run(t, "iptables", "-t", "nat", "-A", "PREROUTING", "-p", protocol, "-d", other.String(), "--dport", "53", "-j", "DNAT", "--to", netip.AddrPortFrom(behind, 7000).String())
	}
	t.Cleanup(func() { run(t, "iptables", "-t", "nat", "-F", "PREROUTING") })
	reach("sent on, and no resolver of it", other, firewall.PortDNS, false)
	i.Resolvers = []netip.Addr{other}
	check(t, w.Attach(t.Context(), i))
	reach("sent on", other, firewall.PortDNS, true)

	// Another process knows what this one was told.
	again, err := Open(t.Context(), Config{Instance: string(w.own), CIDR: w.cidr})
	check(t, err)
	_, err = again.Apply(t.Context(), rs)
	check(t, err)
	reach("after a restart", bridge, firewall.PortDNS, true)
	reach("after a restart", bridge, firewall.PortDNS+1, false)
	_, err = again.Apply(t.Context(), &Ruleset{Groups: []Group{{ID: "sg"}}, Members: rs.Members})
	check(t, err)
	reach("without egress", bridge, firewall.PortDNS, false)
}

// TestNftReadsTheTable: who lists the machine's rules with nft sees ours, and
// nft doesn't stumble over them.
func TestNftReadsTheTable(t *testing.T) {
	w := newWorld(t)
	w.hostAccess = []Ports{{Protocol: firewall.TCP, From: 7510, To: 7510}, {Protocol: firewall.UDP, From: 7511, To: 7512}}
	_, resolver, _ := w.inside()
	check(t, w.openWays([]netip.Addr{resolver, netip.MustParseAddr("192.0.2.53")}))
	w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	w.answering()
	w.apply(&Ruleset{
		Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-lb", "sg")},
		Fronts: []Front{{Addr: netip.MustParseAddrPort("127.0.0.1:7520"), Members: []string{"eni-lb"}}, {Addr: netip.MustParseAddrPort("[::1]:7520")}},
	})
	table := run(t, "nft", "list", "table", "inet", w.own.Table())
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
	if task.reaches(firewall.TCP, netip.Addr{}, to) {
		t.Fatal("a network inside is reached")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	route := &netlink.Route{Dst: kernel.NetOf(netip.MustParsePrefix("0.0.0.0/0")), Gw: its.AsSlice(), Priority: 4711}
	check(t, netlink.RouteAdd(route))
	reached := func(want bool) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for task.reaches(firewall.TCP, netip.Addr{}, to) != want {
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
