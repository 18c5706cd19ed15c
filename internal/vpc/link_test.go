package vpc

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/accepts"
	"github.com/skylift/skylift/internal/vpc/conntrack"
	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/kernel"
)

var addrsEqual = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestAttachIsIdempotentAndRepairs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mac := net.HardwareAddr{2, 0, 0, 1, 2, 3}
	w.task("eni-b", 11)
	s := newSpace(t)
	w.tasks["eni-a"], w.addrs["eni-a"] = s, w.addr(10)
	i := Interface{ID: "eni-a", Addr: w.addr(10), MAC: mac, NetNS: s.path()}
	check(t, w.Attach(t.Context(), i))
	s.serve(t, netip.AddrPortFrom(i.Addr, 7000).String())
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-b", "sg")}})
	w.want("eni-b", "eni-a", true)
	kept := converse(t, w.tasks["eni-b"], s, netip.Addr{}, netip.AddrPortFrom(i.Addr, 7001))

	link := func() netlink.Link {
		t.Helper()
		l, err := netlink.LinkByName(w.own.Link("eni-a"))
		check(t, err)
		return l
	}
	before := link().Attrs().Index
	eth0 := func(f func(l netlink.Link) error) error {
		return s.do(func() error {
			l, err := netlink.LinkByName(inside)
			return errors.Join(err, f(l))
		})
	}
	for name, harm := range map[string]func() error{
		"nothing":       func() error { return nil },
		"host end down": func() error { return netlink.LinkSetDown(link()) },
		"no label":      func() error { return netlink.LinkSetAlias(link(), "") },
		"task end down": func() error { return eth0(netlink.LinkSetDown) },
		"other hardware": func() error {
			return eth0(func(l netlink.Link) error { return netlink.LinkSetHardwareAddr(l, net.HardwareAddr{2, 9, 9, 9, 9, 9}) })
		},
		"no address in task": func() error {
			return eth0(func(l netlink.Link) error { return netlink.AddrDel(l, &netlink.Addr{IPNet: only(i.Addr)}) })
		},
		"no route to task": func() error { return netlink.RouteDel(&netlink.Route{Dst: only(i.Addr), Scope: netlink.SCOPE_LINK}) },
	} {
		check(t, harm())
		check(t, w.Attach(t.Context(), i))
		w.want("eni-b", "eni-a", true)
		w.want("eni-a", "eni-b", true)
		if got := link().Attrs().Index; got != before {
			t.Errorf("%s: repaired by making another interface", name)
		}
	}
	if !passes(kept.client, kept.server) {
		t.Error("attaching again cut a flow")
	}
	check(t, eth0(func(l netlink.Link) error {
		if got := l.Attrs().HardwareAddr.String(); got != mac.String() {
			t.Errorf("hardware address %s, want %s", got, mac)
		}
		return nil
	}))

	other := newSpace(t) // the task was started again elsewhere
	i.NetNS = other.path()
	check(t, w.Attach(t.Context(), i))
	w.tasks["eni-a"] = other
	w.want("eni-a", "eni-b", true)
	check(t, w.Detach(t.Context(), "eni-a"))
	check(t, w.Detach(t.Context(), "eni-a"))
}

func TestAttachRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.task("eni-a", 10)
	for want, i := range map[string]Interface{
		"is outside":       {ID: "eni-b", Addr: netip.MustParseAddr("192.0.2.1"), NetNS: s.path()},
		"has another eth0": {ID: "eni-b", Addr: w.addr(11), NetNS: s.path()},
		"no such file":     {ID: "eni-b", Addr: w.addr(11), NetNS: "/nowhere"},
		"not an interface": {Addr: w.addr(11), NetNS: s.path()},
	} {
		if err := w.Attach(t.Context(), i); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("attach %+v: %v, want %q", i, err, want)
		}
	}
	got, err := w.List(t.Context())
	check(t, err)
	if len(got) != 1 {
		t.Errorf("refused interfaces left something behind: %+v", got)
	}
}

func TestListAndDetach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.task("eni-a", 10)
	check(t, w.AttachHost(t.Context(), "eni-lb", w.addr(11)))
	check(t, w.AttachHost(t.Context(), "eni-lb", w.addr(11)))
	again, err := Open(t.Context(), Config{Instance: string(w.own), CIDR: w.cidr}) // after a restart
	check(t, err)
	got, err := again.List(t.Context())
	check(t, err)
	want := []Attached{{ID: "eni-a", Addr: w.addr(10)}, {ID: "eni-lb", Addr: w.addr(11), Host: true}}
	if d := cmp.Diff(want, got, addrsEqual); d != "" {
		t.Errorf("list (-want +got):\n%s", d)
	}
	check(t, again.Detach(t.Context(), "eni-a"))
	check(t, again.Detach(t.Context(), "eni-lb"))
	check(t, again.Detach(t.Context(), "eni-never"))
	if got, err := again.List(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("after detach: %v, %v", got, err)
	}
}

func TestRestartKeepsTheFirewall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.task("eni-a", 10)
	w.task("eni-b", 11)
	w.apply(&Ruleset{
		Groups:  []Group{open("sg"), {ID: "sg-shut"}},
		Members: []Member{w.member("eni-a", "sg"), w.member("eni-b", "sg")},
	})
	again, err := Open(t.Context(), Config{Instance: string(w.own), CIDR: w.cidr})
	check(t, err)
	w.want("eni-a", "eni-b", true)
	_, err = again.Apply(t.Context(), &Ruleset{Members: []Member{w.member("eni-a", "sg"), w.member("eni-b", "sg")}})
	check(t, err)
	w.want("eni-a", "eni-b", false)
}

func TestInstancesSideBySide(t *testing.T) {
	t.Parallel()
	a, b := newWorld(t), newWorld(t)
	for _, w := range []*world{a, b} {
		w.task("eni-a", 10) // the same ids in both
		w.task("eni-b", 11)
	}
	rules := func(w *world, groups ...Group) *Ruleset {
		return &Ruleset{Groups: groups, Members: []Member{w.member("eni-a", "sg"), w.member("eni-b", "sg")}}
	}
	a.apply(rules(a, open("sg")))
	b.apply(rules(b))
	a.want("eni-a", "eni-b", true)
	b.want("eni-a", "eni-b", false)
	b.apply(rules(b, open("sg")))
	a.apply(rules(a))
	a.want("eni-a", "eni-b", false)
	b.want("eni-a", "eni-b", true)
	if b.tasks["eni-a"].reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(a.addrs["eni-a"], 7000)) {
		t.Error("another instance's task reaches one that admits nothing")
	}

	for _, c := range []struct {
		cidr netip.Prefix
		want string
	}{
		{a.cidr, "instance " + string(a.own)},
		{netip.PrefixFrom(a.addr(128), 25), "instance " + string(a.own)},
		{netip.MustParsePrefix("127.0.0.0/8"), "interface lo"},
	} {
		_, err := Open(t.Context(), Config{Instance: newInstance(), CIDR: c.cidr})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--vpc-cidr") {
			t.Errorf("open with %s: %v, want %q", c.cidr, err, c.want)
		}
	}
	check(t, Purge(t.Context(), string(a.own)))
	b.want("eni-a", "eni-b", true)
}

func TestOpenNamesTheRouteInTheWay(t *testing.T) {
	needRoot(t)
	lo, err := netlink.LinkByName("lo")
	check(t, err)
	r := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: kernel.NetOf(netip.MustParsePrefix("172.20.0.0/14")), Scope: unix.RT_SCOPE_LINK}
	check(t, netlink.RouteAdd(r))
	t.Cleanup(func() { _ = netlink.RouteDel(r) })
	_, err = Open(t.Context(), Config{Instance: newInstance(), CIDR: netip.MustParsePrefix("172.21.0.0/16")})
	if err == nil || !strings.Contains(err.Error(), "the route to 172.20.0.0/14 over lo") {
		t.Errorf("open: %v", err)
	}
}

// counters are what iptables-save tells of packets.
var counters = regexp.MustCompile(`\[\d+:\d+\]`)

// footprint is all that an instance could leave on the host.
func footprint(t *testing.T) []string {
	t.Helper()
	lines := func(name string, args ...string) []string {
		out := counters.ReplaceAllString(run(t, name, args...), "")
		return slices.DeleteFunc(strings.Split(out, "\n"), func(l string) bool { return strings.HasPrefix(l, "#") })
	}
	return slices.Concat(
		lines("ip", "-o", "-br", "link"), lines("ip", "-4", "route", "show", "table", "all"), lines("ip", "neigh"),
		lines("nft", "list", "tables"), lines("iptables-save"),
	)
}

func TestPurgeLeavesNothing(t *testing.T) {
	needRoot(t)
	check(t, forwarding())
	run(t, "iptables", "-N", "ANY") // makes the table, which is not ours to remove
	run(t, "iptables", "-X", "ANY")
	before := footprint(t)
	w := newWorld(t)
	w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	w.answering()
	half := w.own.Link("eni-half") // by an attach that was interrupted
	check(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: half, TxQLen: -1}}))
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-lb", "sg")}})
	w.want("eni-lb", "eni-a", true)
	w.wantAnswer("eni-a")
	check(t, accepts.Put(w.own.Accepts(), []Ports{{Protocol: firewall.TCP, From: 7000, To: 7001}}))
	for range 2 {
		check(t, Purge(t.Context(), string(w.own)))
		if d := cmp.Diff(before, footprint(t)); d != "" {
			t.Errorf("left after purge (-before +after):\n%s", d)
		}
	}
	if _, err := conntrack.Cut(unix.AF_INET, func(t2 conntrack.Tracked) bool {
		f := t2.Flow
		if w.cidr.Contains(f.Src) || w.cidr.Contains(f.Dst) {
			t.Errorf("flow left after purge: %v", f)
		}
		return false
	}); err != nil {
		t.Error(err)
	}
}

func TestDockersDropIsExempted(t *testing.T) {
	w := newWorld(t)
	w.task("eni-a", 10)
	w.task("eni-b", 11)
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-b", "sg")}})
	t.Cleanup(func() {
		for _, c := range []string{"-P FORWARD ACCEPT", "-F FORWARD", "-F DOCKER-USER", "-X DOCKER-USER"} {
			run(t, "iptables", strings.Fields(c)...)
		}
	})
	for _, c := range []string{"-F FORWARD", "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER", "-A DOCKER-USER -j RETURN"} {
		run(t, "iptables", strings.Fields(c)...) // what dockerd does when it starts
	}
	w.want("eni-a", "eni-b", false)
	check(t, accepts.Put(w.own.Accepts(), w.hostAccess))
	w.want("eni-a", "eni-b", true)
	once := run(t, "iptables-save")
	check(t, accepts.Put(w.own.Accepts(), w.hostAccess))
	if again := strings.Count(run(t, "iptables-save"), string(w.own)); again != strings.Count(once, string(w.own)) || again != 3 {
		t.Errorf("accepts are there %d times, want 3", again)
	}
}

// TestRunRepairs waits for the kernel's word that the table is there again.
func TestRunRepairs(t *testing.T) {
	w := newWorld(t)
	w.apply(&Ruleset{})
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	events := watchTables(t, ctx)
	run(t, "nft", "flush", "ruleset")
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	for name := range events {
		if name == w.own.Table() {
			break
		}
	}
	if ctx.Err() != nil {
		t.Error("the table didn't come back")
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("run ended with %v", err)
	}
}

func BenchmarkAttach(b *testing.B) {
	w := newWorld(b)
	s := newSpace(b)
	for b.Loop() {
		check(b, w.Attach(b.Context(), Interface{ID: "eni-a", Addr: w.addr(10), NetNS: s.path()}))
		check(b, w.Detach(b.Context(), "eni-a"))
	}
}
