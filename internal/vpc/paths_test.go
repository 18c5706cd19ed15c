package vpc

import (
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/firewall/acl"
	"github.com/skylift/skylift/internal/vpc/firewall/route"
	"github.com/skylift/skylift/internal/vpc/firewall/traffic"
	"github.com/skylift/skylift/internal/vpc/kernel"
)

// town is a world with two VPCs: "a" has a public, a private and an isolated subnet, "b" one subnet. Outside there is
// a machine that routes the pool of public addresses, and those of the VPCs, to the host.
type town struct {
	*world
	pool, b    netip.Prefix
	out        *space
	host, its  netip.Addr
	subnets    map[string]*route.Subnet
	pairs      []route.Pair
	acls       []acl.ACL
	publics    map[string]netip.Addr
	groups     map[string][]string
	rules      []Group
	aByMachine bool
	members    []string
}

func newTown(t testing.TB) *town {
	t.Helper()
	pool := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(mathrand.N(256)), 0}), 24)
	w := newWorld(t, pool)
	n := &town{world: w, pool: pool, subnets: map[string]*route.Subnet{}, publics: map[string]netip.Addr{}, groups: map[string][]string{}, rules: []Group{open("sg")}}
	for range 20 {
		n.b = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(mathrand.N(250)), byte(mathrand.N(256)), 0}), 24)
		if err := w.Claim(n.b); err == nil {
			break
		} else if !strings.Contains(err.Error(), "in use") {
			t.Fatal(err)
		}
	}
	n.out, n.host, n.its = w.outside()
	check(t, n.out.do(func() error {
		far, err := netlink.LinkByName("wan")
		if err != nil {
			return err
		}
		for _, p := range []netip.Prefix{n.pool, n.b} {
			if err := netlink.RouteAdd(&netlink.Route{LinkIndex: far.Attrs().Index, Dst: kernel.NetOf(p), Gw: n.host.AsSlice()}); err != nil {
				return err
			}
		}
		return nil
	}))
	local := func(p netip.Prefix) route.Hop { return route.Hop{To: p, Kind: route.Local} }
	quarter := func(i byte) netip.Prefix { return netip.PrefixFrom(w.addr(64*i), 26) }
	internet := route.Hop{To: anywhere, Kind: route.Internet, ID: "igw"}
	n.subnets["public"] = &route.Subnet{ID: "public", VPC: "a", Range: quarter(0), Hops: []route.Hop{local(w.cidr), internet}}
	n.subnets["private"] = &route.Subnet{ID: "private", VPC: "a", Range: quarter(1), Hops: []route.Hop{local(w.cidr), {To: anywhere, Kind: route.NAT, ID: "nat"}}}
	n.subnets["isolated"] = &route.Subnet{ID: "isolated", VPC: "a", Range: quarter(2), Hops: []route.Hop{local(w.cidr)}}
	n.subnets["b"] = &route.Subnet{ID: "b", VPC: "b", Range: n.b, Hops: []route.Hop{local(n.b), internet}}
	return n
}

// at is the i-th public address.
func (n *town) at(i byte) netip.Addr {
	a := n.pool.Addr().As4()
	a[3] = i
	return netip.AddrFrom4(a)
}

func (n *town) inB(i byte) netip.Addr {
	a := n.b.Addr().As4()
	a[3] = i
	return netip.AddrFrom4(a)
}

// put attaches a task, with a public address where one is given.
func (n *town) put(id string, addr, public netip.Addr) *space {
	n.t.Helper()
	n.members, n.publics[id], n.groups[id] = append(n.members, id), public, []string{"sg"}
	return n.taskAt(id, addr)
}

func (n *town) ruleset() *Ruleset {
	rs := &Ruleset{Groups: n.rules, Net: route.Network{
		VPCs:     []route.VPC{{ID: "a", Ranges: []netip.Prefix{n.cidr}, ByMachine: n.aByMachine}, {ID: "b", Ranges: []netip.Prefix{n.b}}},
		Gateways: []route.Gateway{{ID: "nat", Addr: n.addr(60), Public: n.at(60)}},
		Pairs:    n.pairs, ACLs: n.acls,
	}}
	for _, name := range []string{"public", "private", "isolated", "b"} {
		rs.Net.Subnets = append(rs.Net.Subnets, *n.subnets[name])
	}
	for _, id := range n.members {
		m := n.member(id, n.groups[id]...)
		m.Public = n.publics[id]
		rs.Members = append(rs.Members, m)
	}
	return rs
}

// seen dials from a task to the outside, and returns as whom the outside sees it, "" when it doesn't.
func (n *town) seen(id string) string {
	n.t.Helper()
	return n.seenAt(n.out, id, netip.AddrPortFrom(n.its, 0))
}

func (n *town) seenAt(at *space, id string, to netip.AddrPort) string {
	n.t.Helper()
	listen := to
	if a, ok := n.ownerOf(to.Addr()); ok {
		listen = netip.AddrPortFrom(a, to.Port())
	}
	l := at.listen(n.t, listen.String())
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	target, err := netip.ParseAddrPort(net.JoinHostPort(to.Addr().String(), port))
	check(n.t, err)
	c, err := n.tasks[id].dial(netip.Addr{}, target)
	if err != nil {
		return ""
	}
	defer c.Close()
	s, err := l.Accept()
	check(n.t, err)
	defer s.Close()
	who, _, _ := net.SplitHostPort(s.RemoteAddr().String())
	return who
}

func (n *town) ownerOf(public netip.Addr) (netip.Addr, bool) {
	for id, p := range n.publics {
		if p == public {
			return n.addrs[id], true
		}
	}
	return netip.Addr{}, false
}

// TestWaysOut: through an internet gateway only with a public address, through NAT without, and nowhere from a subnet
// without a way out.
func TestWaysOut(t *testing.T) {
	t.Parallel()
	n := newTown(t)
	public := n.put("eni-public", n.addr(10), n.at(10))
	n.put("eni-bare", n.addr(11), netip.Addr{})
	n.put("eni-private", n.addr(70), netip.Addr{})
	n.put("eni-lost", n.addr(71), n.at(71)) // its address leads nowhere
	n.put("eni-isolated", n.addr(130), n.at(130))
	n.put("eni-b", n.inB(10), n.at(20))
	n.apply(n.ruleset())

	for id, want := range map[string]string{
		"eni-public": n.at(10).String(), "eni-bare": "", "eni-private": n.at(60).String(), "eni-lost": n.at(60).String(),
		"eni-isolated": "", "eni-b": n.at(20).String(),
	} {
		if got := n.seen(id); got != want {
			t.Errorf("the outside sees %s as %q, want %q", id, got, want)
		}
	}
	var wg sync.WaitGroup
	for to, want := range map[netip.Addr]bool{
		n.at(10): true, n.at(20): true, n.at(71): false, n.at(130): false, n.at(60): false, n.at(99): false,
		n.addr(10): false, n.addr(11): false, n.addr(70): false, n.addr(130): false, n.inB(10): false,
	} {
		for _, protocol := range []int{firewall.TCP, firewall.UDP, firewall.ICMP} {
			wg.Go(func() {
				if got := n.out.reaches(protocol, n.its, netip.AddrPortFrom(to, 7000)); got != want {
					t.Errorf("the outside reaches %s by protocol %d: %t, want %t", to, protocol, got, want)
				}
			})
		}
	}
	wg.Wait()
	for _, pair := range []struct {
		from, to string
		want     bool
	}{
		{"eni-public", "eni-isolated", true},
		{"eni-isolated", "eni-private", true},
		{"eni-private", "eni-bare", true},
		{"eni-public", "eni-b", false},
		{"eni-b", "eni-public", false},
		{"eni-private", "eni-b", false},
		{"eni-b", "eni-isolated", false},
	} {
		n.want(pair.from, pair.to, pair.want)
	}
	// The source is kept on the way in.
	l := public.listen(t, netip.AddrPortFrom(n.addr(10), 7001).String())
	c, err := n.out.dial(netip.Addr{}, netip.AddrPortFrom(n.at(10), 7001))
	check(t, err)
	defer c.Close()
	s, err := l.Accept()
	check(t, err)
	defer s.Close()
	if who, _, _ := net.SplitHostPort(s.RemoteAddr().String()); who != n.its.String() {
		t.Errorf("a task sees %s, want %s", who, n.its)
	}
	// So it is with an address that the machine has itself.
	run(t, "ip", "address", "add", n.at(10).String()+"/32", "dev", n.named[0])
	if got := n.seen("eni-public"); got != n.at(10).String() {
		t.Errorf("the outside sees a task with an address of the machine as %q", got)
	}
	for _, protocol := range []int{firewall.TCP, firewall.UDP, firewall.ICMP} {
		if !n.out.reaches(protocol, n.its, netip.AddrPortFrom(n.at(10), 7000)) {
			t.Errorf("the outside doesn't reach a task by an address of the machine, by protocol %d", protocol)
		}
	}
	// Tasks get to each other's and to their own public addresses through their internet gateways only.
	for from, want := range map[string]bool{"eni-public": true, "eni-bare": false, "eni-private": true, "eni-isolated": false, "eni-b": true} {
		for _, to := range []netip.Addr{n.at(10), n.at(20)} {
			if got := n.tasks[from].reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(to, 7000)); got != want {
				t.Errorf("%s reaches the public address %s: %t, want %t", from, to, got, want)
			}
		}
	}
	// The machine's own processes get to public addresses, too, as far as they have a route at all.
	check(t, netlink.RouteAdd(&netlink.Route{Dst: kernel.NetOf(n.pool), Gw: n.its.AsSlice()}))
	if !(*space)(nil).reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(n.at(10), 7000)) {
		t.Error("the machine doesn't reach a public address")
	}
}

// TestAddressesGoWithTheirFlows: who loses a public address, a route or a NAT gateway loses what flows by it.
func TestAddressesGoWithTheirFlows(t *testing.T) {
	t.Parallel()
	n := newTown(t)
	public := n.put("eni-public", n.addr(10), n.at(10))
	private := n.put("eni-private", n.addr(70), netip.Addr{})
	other := n.put("eni-other", n.addr(12), n.at(12))
	rs := n.ruleset()
	n.apply(rs)
	out := converse(t, public, n.out, netip.Addr{}, netip.AddrPortFrom(n.its, 7101))
	nat := converse(t, private, n.out, netip.Addr{}, netip.AddrPortFrom(n.its, 7102))
	kept := converse(t, other, n.out, netip.Addr{}, netip.AddrPortFrom(n.its, 7103))
	l := public.listen(t, netip.AddrPortFrom(n.addr(10), 7104).String())
	c, err := n.out.dial(netip.Addr{}, netip.AddrPortFrom(n.at(10), 7104))
	check(t, err)
	s, err := l.Accept()
	check(t, err)
	t.Cleanup(func() { c.Close(); s.Close() })
	in := conversation{c, s}
	for name, c := range map[string]conversation{"out": out, "nat": nat, "kept": kept, "in": in} {
		if !passes(c.client, c.server) || !passes(c.server, c.client) {
			t.Fatalf("%s doesn't pass", name)
		}
	}
	n.apply(rs) // the same: nothing is cut
	for name, c := range map[string]conversation{"out": out, "nat": nat, "kept": kept, "in": in} {
		if !passes(c.client, c.server) || !passes(c.server, c.client) {
			t.Fatalf("%s doesn't pass after nothing has changed", name)
		}
	}
	n.publics["eni-public"] = n.at(11)
	n.subnets["private"].Hops[1].Kind = route.Nowhere
	cut := n.apply(n.ruleset())
	if len(cut) != 3 {
		t.Errorf("cut %v, want three flows", cut)
	}
	var wg sync.WaitGroup
	for name, c := range map[string]conversation{"out": out, "nat": nat, "in": in} {
		wg.Go(func() {
			if passes(c.client, c.server) || passes(c.server, c.client) {
				t.Errorf("%s still passes", name)
			}
		})
	}
	wg.Wait()
	if !passes(kept.client, kept.server) || !passes(kept.server, kept.client) {
		t.Error("a flow that nothing has changed for was cut")
	}
	if got := n.seen("eni-public"); got != n.at(11).String() {
		t.Errorf("the outside sees the task as %q, want its new address", got)
	}
}

// TestPeering: two VPCs reach each other when they are peered and both route to each other.
func TestPeering(t *testing.T) {
	t.Parallel()
	n := newTown(t)
	n.put("eni-a", n.addr(70), netip.Addr{})
	n.put("eni-b", n.inB(10), netip.Addr{})
	ways := func(pairs []route.Pair, a, b bool) {
		t.Helper()
		n.pairs = pairs
		n.subnets["private"].Hops, n.subnets["b"].Hops = n.subnets["private"].Hops[:2], n.subnets["b"].Hops[:2]
		if a {
			n.subnets["private"].Hops = append(n.subnets["private"].Hops, route.Hop{To: n.b, Kind: route.Peering, ID: "pcx"})
		}
		if b {
			n.subnets["b"].Hops = append(n.subnets["b"].Hops, route.Hop{To: n.cidr, Kind: route.Peering, ID: "pcx"})
		}
		n.apply(n.ruleset())
	}
	pair := []route.Pair{{ID: "pcx", A: "b", B: "a"}}
	for _, tc := range []struct {
		pairs []route.Pair
		a, b  bool
	}{{nil, false, false}, {nil, true, true}, {pair, false, false}, {pair, true, false}, {pair, false, true}, {pair, true, true}, {pair, true, false}} {
		ways(tc.pairs, tc.a, tc.b)
		want := tc.pairs != nil && tc.a && tc.b
		n.want("eni-a", "eni-b", want)
		n.want("eni-b", "eni-a", want)
	}
}

// TestACLsBite: both directions of a flow are judged, between subnets only, and by the first entry that fits.
func TestACLsBite(t *testing.T) {
	t.Parallel()
	n := newTown(t)
	n.put("eni-a", n.addr(70), netip.Addr{})
	n.put("eni-near", n.addr(71), netip.Addr{})
	n.put("eni-far", n.addr(10), n.at(10))
	all := acl.Entry{Number: 100, Allow: true, Kind: traffic.Kind{Protocol: traffic.All}, CIDR: anywhere}
	ports := func(number, from, to int, allow bool) acl.Entry {
		return acl.Entry{Number: number, Allow: allow, Kind: traffic.Kind{Protocol: firewall.TCP, From: from, To: to}, CIDR: anywhere}
	}
	n.subnets["private"].ACL = "acl"
	judge := func(in, out []acl.Entry) {
		t.Helper()
		n.acls = []acl.ACL{{ID: "acl", Ingress: in, Egress: out}}
		n.apply(n.ruleset())
	}
	for _, tc := range []struct {
		name          string
		in, out       []acl.Entry
		there, there2 bool // a to far; far to a
		outside       string
	}{
		{"all", []acl.Entry{all}, []acl.Entry{all}, true, true, n.at(60).String()},
		{"none", nil, nil, false, false, ""},
		{"no answers", []acl.Entry{ports(1, 7000, 7000, true)}, []acl.Entry{ports(1, 7000, 7000, true)}, false, false, ""},
		{"answers in", []acl.Entry{ports(1, 1024, 6999, false), ports(2, 32768, 60999, true)}, []acl.Entry{ports(1, 7000, 7000, true)}, true, false, ""},
		{"answers out", []acl.Entry{ports(1, 7000, 7000, true)}, []acl.Entry{ports(1, 32768, 60999, true)}, false, true, ""},
		{"denied first", []acl.Entry{ports(1, 7000, 7000, false), all}, []acl.Entry{all}, true, false, n.at(60).String()},
		{"denied later", []acl.Entry{all, ports(200, 7000, 7000, false)}, []acl.Entry{all}, true, true, n.at(60).String()},
	} {
		judge(tc.in, tc.out)
		for _, c := range []struct {
			from, to string
			want     bool
		}{{"eni-a", "eni-far", tc.there}, {"eni-far", "eni-a", tc.there2}, {"eni-a", "eni-near", true}} {
			if got := n.tasks[c.from].reaches(firewall.TCP, n.addrs[c.from], netip.AddrPortFrom(n.addrs[c.to], 7000)); got != c.want {
				t.Errorf("%s: %s reaches %s: %t, want %t", tc.name, c.from, c.to, got, c.want)
			}
		}
		if tc.name == "all" || tc.name == "none" || strings.HasPrefix(tc.name, "denied") {
			if got := n.seen("eni-a"); got != tc.outside {
				t.Errorf("%s: the outside sees %q, want %q", tc.name, got, tc.outside)
			}
		}
	}
	// It bites what is under way, at once.
	judge([]acl.Entry{all}, []acl.Entry{all})
	c := converse(t, n.tasks["eni-a"], n.tasks["eni-far"], netip.Addr{}, netip.AddrPortFrom(n.addr(10), 7105))
	if !passes(c.client, c.server) || !passes(c.server, c.client) {
		t.Fatal("an open ACL stops a flow")
	}
	judge([]acl.Entry{all}, nil)
	if passes(c.client, c.server) {
		t.Error("a flow goes on through an ACL that denies it")
	}
}

// TestPublicOnLoopback: what others can't reach, this machine does.
func TestPublicOnLoopback(t *testing.T) {
	t.Parallel()
	pool := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(64 + mathrand.N(64)), byte(mathrand.N(256)), 0}), 24)
	w := newWorld(t, pool)
	task := w.task("eni-a", 10)
	_, host, its := w.outside()
	at := pool.Addr().Next()
	m := w.member("eni-a", "sg")
	m.Public = at
	rs := &Ruleset{Groups: []Group{open("sg")}, Members: []Member{m}, Net: route.Network{
		VPCs:    []route.VPC{{ID: "a", Ranges: []netip.Prefix{w.cidr}}},
		Subnets: []route.Subnet{{ID: "s", VPC: "a", Range: w.cidr, Hops: []route.Hop{{To: w.cidr, Kind: route.Local}, {To: anywhere, Kind: route.Internet}}}},
	}}
	w.apply(rs)
	for _, protocol := range []int{firewall.TCP, firewall.UDP} {
		if !(*space)(nil).reaches(protocol, netip.Addr{}, netip.AddrPortFrom(at, 7000)) {
			t.Errorf("the machine doesn't reach the task by its public address, by protocol %d", protocol)
		}
		if (*space)(nil).reaches(protocol, netip.Addr{}, netip.AddrPortFrom(at.Next(), 7000)) {
			t.Errorf("the machine reaches something at an address that nobody has, by protocol %d", protocol)
		}
		if !task.reaches(protocol, netip.Addr{}, netip.AddrPortFrom(its, 7000)) {
			t.Errorf("a task with a public address doesn't reach the outside by protocol %d", protocol)
		}
	}
	rs.Groups = []Group{{ID: "sg", Ingress: []Rule{tcp(7000, netip.PrefixFrom(host, 32))}}}
	w.apply(rs)
	if (*space)(nil).reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(at, 7000)) {
		t.Error("the machine reaches a task that doesn't admit it")
	}
	check(t, Purge(t.Context(), string(w.own)))
	if out := run(t, "ip", "route", "show", "table", "local"); strings.Contains(out, pool.String()) {
		t.Errorf("purged, and the routes are\n%s", out)
	}
}

// TestClaims: a range that something else uses is refused with its name, and one is given back when no VPC has it.
func TestClaims(t *testing.T) {
	w := newWorld(t)
	x := newWorld(t)
	name := "net" + fmt.Sprint(mathrand.N(10000))
	net := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(mathrand.N(256)), 0}), 24)
	check(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}))
	bridge, err := netlink.LinkByName(name)
	check(t, err)
	t.Cleanup(func() { _ = netlink.LinkDel(bridge) })
	check(t, netlink.AddrAdd(bridge, &netlink.Addr{IPNet: kernel.NetOf(netip.PrefixFrom(net.Addr().Next(), 24))}))
	free := netip.MustParsePrefix("10.254.7.0/24")
	for p, want := range map[netip.Prefix]string{
		net: name, netip.PrefixFrom(net.Addr(), 26): name, netip.PrefixFrom(net.Addr(), 16).Masked(): name,
		x.cidr: string(x.own),
	} {
		if err := w.Claim(p); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), p.String()) {
			t.Errorf("claim %s: %v, want one that names %s", p, err, want)
		}
	}
	check(t, w.Claim(free))
	check(t, w.Claim(free))
	if err := w.Claim(netip.MustParsePrefix("10.254.7.128/25")); err == nil || !strings.Contains(err.Error(), free.String()) {
		t.Errorf("a part of another VPC's range: %v", err)
	}
	if err := x.Claim(free); err == nil || !strings.Contains(err.Error(), string(w.own)) {
		t.Errorf("another instance claims what one has: %v", err)
	}
	rs := &Ruleset{Net: route.Single(w.cidr)}
	w.apply(rs)
	if err := x.Claim(free); err == nil {
		t.Error("a range was given back at once")
	}
	w.held[free] = time.Time{}
	w.apply(rs)
	check(t, x.Claim(free))
}
