package vpc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/nft"
)

func TestNothingPassesUnlessAdmitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, id := range []string{"eni-a", "eni-b", "eni-stranger"} {
		w.task(id, byte(10+i))
	}
	w.want("eni-a", "eni-b", false) // before the first Apply

	w.apply(&Ruleset{
		Groups: []Group{
			{ID: "sg-web", Egress: []Rule{all}},
			{ID: "sg-db", Ingress: []Rule{{Protocol: firewall.TCP, FromPort: 7000, ToPort: 7000, Group: "sg-web"}}, Egress: []Rule{all}},
		},
		Members: []Member{w.member("eni-a", "sg-web"), w.member("eni-b", "sg-db")},
	})
	w.want("eni-a", "eni-b", true)  // by group
	w.want("eni-b", "eni-a", false) // no rule
	w.want("eni-stranger", "eni-b", false)
	w.want("eni-a", "eni-stranger", false)
	w.want("eni-a", "eni-a", true) // itself
}

func TestDefaultGroupAdmitsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.task("eni-a", 10)
	w.task("eni-b", 11)
	w.balancer("eni-lb", 12)
	w.task("eni-other", 13)
	def := Group{ID: "sg-default", Ingress: []Rule{{Protocol: firewall.All, Group: "sg-default"}}, Egress: []Rule{all}}
	w.apply(&Ruleset{
		Groups: []Group{def, open("sg-open")},
		Members: []Member{
			w.member("eni-a", "sg-default"), w.member("eni-b", "sg-default"),
			w.member("eni-lb", "sg-default"), w.member("eni-other", "sg-open"),
		},
	})
	w.want("eni-a", "eni-b", true)
	w.want("eni-lb", "eni-b", true)
	w.want("eni-a", "eni-lb", true)
	w.want("eni-lb", "eni-lb", true)
	w.want("eni-other", "eni-a", false)
	w.want("eni-other", "eni-lb", false)
	w.want("eni-a", "eni-other", true)
	if (*space)(nil).reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-a"], 7000)) {
		t.Error("the host reaches a task of the default group")
	}
}

func TestOutsideIsMasqueradedAndJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.task("eni-a", 10)
	out, host, its := w.outside()
	rs := &Ruleset{
		Groups:  []Group{{ID: "sg", Egress: []Rule{{Protocol: firewall.TCP, FromPort: 7001, ToPort: 7001, CIDR: netip.PrefixFrom(its, 32)}}}},
		Members: []Member{w.member("eni-a", "sg")},
	}
	w.apply(rs)
	l := out.listen(t, netip.AddrPortFrom(its, 7001).String())
	c, err := task.dial(netip.Addr{}, netip.AddrPortFrom(its, 7001))
	if err != nil {
		t.Fatalf("admitted egress: %v", err)
	}
	defer c.Close()
	seen, err := l.Accept()
	check(t, err)
	defer seen.Close()
	if got, _, _ := net.SplitHostPort(seen.RemoteAddr().String()); got != host.String() {
		t.Errorf("outside sees %s, want the host's %s", got, host)
	}
	if task.reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(its, 7000)) {
		t.Error("egress to a port without a rule came through")
	}
	if out.reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-a"], 7000)) {
		t.Error("outside reaches the task without a rule")
	}
	rs.Groups[0].Ingress = []Rule{tcp(7000, netip.PrefixFrom(its, 32))}
	w.apply(rs)
	if !out.reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-a"], 7000)) {
		t.Error("outside doesn't reach the task that admits it")
	}
}

func TestSpoofedSourceIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	liar := w.task("eni-liar", 10)
	w.task("eni-b", 11)
	_, _, its := w.outside()
	w.apply(&Ruleset{
		Groups:  []Group{open("sg")},
		Members: []Member{w.member("eni-liar", "sg"), w.member("eni-b", "sg")},
	})
	heard := make(chan string, 8)
	var server net.PacketConn
	check(t, w.tasks["eni-b"].do(func() (err error) {
		server, err = net.ListenPacket("udp4", netip.AddrPortFrom(w.addrs["eni-b"], 7100).String())
		return err
	}))
	defer server.Close()
	go func() {
		buf := make([]byte, 100)
		for {
			n, _, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			heard <- string(buf[:n])
		}
	}()
	for _, from := range []netip.Addr{w.addr(77), w.addrs["eni-b"], its, w.addrs["eni-liar"]} {
		check(t, liar.do(func() error { return sendFrom(from, w.addrs["eni-b"], 7100, from.String()) }))
	}
	if got := <-heard; got != w.addrs["eni-liar"].String() { // sent last
		t.Errorf("a packet with the source %s came through", got)
	}
}

// sendFrom sends a udp packet with any source address.
func sendFrom(src, dst netip.Addr, port uint16, text string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
		return err
	}
	s, d := src.As4(), dst.As4()
	n := 28 + len(text)
	p := []byte{0x45, 0, byte(n >> 8), byte(n), 0, 0, 0, 0, 64, 17, 0, 0}
	p = slices.Concat(p, s[:], d[:], []byte{0x30, 0x39, byte(port >> 8), byte(port), byte((n - 20) >> 8), byte(n - 20), 0, 0}, []byte(text))
	return unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: d})
}

// conversation is an open connection that both sides can write to.
type conversation struct{ client, server net.Conn }

func converse(t *testing.T, from, to *space, src netip.Addr, dst netip.AddrPort) conversation {
	t.Helper()
	l := to.listen(t, dst.String())
	c, err := from.dial(src, dst)
	check(t, err)
	s, err := l.Accept()
	check(t, err)
	t.Cleanup(func() { c.Close(); s.Close() })
	return conversation{c, s}
}

// is tells whether f is the conversation.
func (c conversation) is(f Flow) bool {
	return netip.AddrPortFrom(f.Src, f.SrcPort).String() == c.client.LocalAddr().String() &&
		netip.AddrPortFrom(f.Dst, f.DstPort).String() == c.client.RemoteAddr().String()
}

// passes says whether a byte written to one end comes out of the other.
func passes(from, to net.Conn) bool {
	_ = to.SetReadDeadline(time.Now().Add(patience))
	if _, err := from.Write([]byte("x")); err != nil {
		return false
	}
	_, err := to.Read(make([]byte, 1))
	return err == nil
}

func TestRevokeCutsWhatFlows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.task("eni-a", 10), w.task("eni-b", 11)
	w.balancer("eni-lb", 12)
	out, _, _ := w.outside()
	front := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, w.addr(0).As4()[1], w.addr(0).As4()[2]}), 7200)
	rules := func(ingress ...Rule) *Ruleset {
		return &Ruleset{
			Groups:  []Group{{ID: "sg-b", Ingress: ingress, Egress: []Rule{all}}, open("sg-open")},
			Members: []Member{w.member("eni-a", "sg-open"), w.member("eni-b", "sg-b"), w.member("eni-lb", "sg-b")},
			Fronts:  []Front{{Addr: front, Members: []string{"eni-lb"}}},
		}
	}
	w.apply(rules(all))
	toB := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(w.addrs["eni-b"], port) }
	talks := map[string]conversation{
		"task to task":        converse(t, a, b, netip.Addr{}, toB(7201)),
		"outside to task":     converse(t, out, b, netip.Addr{}, toB(7202)),
		"host to task":        converse(t, nil, b, netip.Addr{}, toB(7203)),
		"balancer to task":    converse(t, nil, b, w.addrs["eni-lb"], toB(7204)),
		"host to front":       converse(t, nil, nil, netip.Addr{}, front),
		"task to balancer":    converse(t, a, nil, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-lb"], 7205)),
		"outside to balancer": converse(t, out, nil, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-lb"], 7206)),
	}
	kept := converse(t, b, a, netip.Addr{}, netip.AddrPortFrom(w.addrs["eni-a"], 7207)) // the other way round
	for name, c := range talks {
		if !passes(c.client, c.server) || !passes(c.server, c.client) {
			t.Errorf("%s: admitted, and doesn't pass", name)
		}
	}

	cut := w.apply(rules())
	var wg sync.WaitGroup
	for name, c := range talks {
		if !slices.ContainsFunc(cut, c.is) {
			t.Errorf("%s: revoked, and not among what was cut: %v", name, cut)
		}
		wg.Go(func() { // the server speaks first: its packets must not open the way back
			if passes(c.server, c.client) {
				t.Errorf("%s: revoked, and the server's packet passes", name)
			}
			if passes(c.client, c.server) {
				t.Errorf("%s: revoked, and the client's packet passes", name)
			}
		})
	}
	wg.Wait()
	if !passes(kept.client, kept.server) || !passes(kept.server, kept.client) {
		t.Error("a flow that is still admitted was cut")
	}
}

func TestFrontsAdmitForTheirMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	w.balancer("eni-lb2", 12)
	out, host, its := w.outside()
	front := netip.AddrPortFrom(host, 7000)
	(*space)(nil).serve(t, front.String())
	apply := func(members ...string) {
		t.Helper()
		w.apply(&Ruleset{
			Groups: []Group{
				open("sg-task"),
				{ID: "sg-tasks-only", Ingress: []Rule{{Protocol: firewall.TCP, FromPort: 7000, ToPort: 7000, Group: "sg-task"}}},
				{ID: "sg-out", Ingress: []Rule{tcp(7000, netip.PrefixFrom(its, 32))}},
			},
			Members: []Member{w.member("eni-a", "sg-task"), w.member("eni-lb", "sg-tasks-only"), w.member("eni-lb2", "sg-out")},
			Fronts:  []Front{{Addr: front, Members: members}},
		})
	}
	for _, tc := range []struct {
		members       []string
		task, outside bool
	}{
		{[]string{"eni-lb"}, true, false},
		{[]string{"eni-lb", "eni-lb2"}, true, true},
		{[]string{"eni-lb2"}, false, true},
		{nil, false, false},
	} {
		apply(tc.members...)
		if got := w.tasks["eni-a"].reaches(firewall.TCP, netip.Addr{}, front); got != tc.task {
			t.Errorf("front of %v: task reaches it: %t, want %t", tc.members, got, tc.task)
		}
		if got := out.reaches(firewall.TCP, netip.Addr{}, front); got != tc.outside {
			t.Errorf("front of %v: outside reaches it: %t, want %t", tc.members, got, tc.outside)
		}
	}
}

func TestFrontOnEveryAddress(t *testing.T) {
	w := newWorld(t)
	w.balancer("eni-lb", 11)
	out, host, its := w.outside()
	const port = 7300
	(*space)(nil).serve(t, fmt.Sprintf("0.0.0.0:%d", port))
	rules := func(r ...Rule) *Ruleset {
		return &Ruleset{
			Groups:  []Group{{ID: "sg", Ingress: r}},
			Members: []Member{w.member("eni-lb", "sg")},
			Fronts: []Front{
				{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), port), Members: []string{"eni-lb"}},
				{Addr: netip.AddrPortFrom(netip.IPv6Unspecified(), port), Members: []string{"eni-lb"}},
			},
		}
	}
	w.apply(rules(tcp(port, netip.PrefixFrom(its, 32))))
	if !out.reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(host, port)) {
		t.Error("outside doesn't reach the front that admits it")
	}
	if (*space)(nil).reaches(firewall.TCP, netip.Addr{}, netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", port))) {
		t.Error("loopback reaches a front that doesn't admit it")
	}
	c, err := out.dial(netip.Addr{}, netip.AddrPortFrom(host, port))
	check(t, err)
	defer c.Close()
	if !passes(c, c) { // it echoes
		t.Fatal("admitted, and doesn't pass")
	}
	w.apply(rules())
	if passes(c, c) {
		t.Error("revoked, and still passes")
	}
}

// TestKernelAgreesWithAdmits holds the firewall to the pure function.
func TestKernelAgreesWithAdmits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := []string{"eni-a", "eni-b", "eni-c", "eni-stranger"}
	for i, id := range ids {
		w.task(id, byte(10+i))
	}
	w.balancer("eni-lb", 20)
	out, host, its := w.outside()
	ids = append(ids, "eni-lb", "outside")
	w.tasks["outside"], w.addrs["outside"] = out, its
	front := netip.AddrPortFrom(host, 7000)
	(*space)(nil).serve(t, front.String())

	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		rs := w.randomRuleset(r, front)
		w.apply(rs)
		var wg sync.WaitGroup
		for range 40 {
			from, to := ids[r.IntN(len(ids))], ids[r.IntN(len(ids))]
			dst := netip.AddrPortFrom(w.addrs[to], 7000)
			if from == "outside" && to == "outside" || r.IntN(6) == 0 {
				dst = front
			}
			f := Flow{Protocol: []int{firewall.TCP, firewall.UDP, firewall.ICMP}[r.IntN(3)], Src: w.addrs[from], Dst: dst.Addr(), DstPort: 7000}
			if f.Protocol == firewall.ICMP {
				f.DstPort = 8 << 8
			}
			if f.Protocol != firewall.TCP && from == "eni-lb" && to == "eni-lb" {
				continue
			}
			full := *rs
			full.CIDR = w.cidr
			want := full.Check(f)
			if dst == front && f.Protocol != firewall.TCP && w.cidr.Contains(f.Src) && from != "eni-lb" {
				want = Verdict{} // the host's own address is closed to tasks
			}
			wg.Go(func() {
				if got := w.tasks[from].reaches(f.Protocol, w.addrs[from], dst); got != want.Admitted {
					t.Errorf("seed %d: %s: %+v passes: %t, want %+v\n%+v", seed, from, f, got, want, rs)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
	}
}

func (w *world) randomRuleset(r *rand.Rand, front netip.AddrPort) *Ruleset {
	groups := []string{"sg-1", "sg-2", "sg-3"}
	rs := &Ruleset{Fronts: []Front{{Addr: front, Members: []string{"eni-lb"}}}}
	for _, id := range groups {
		g := Group{ID: id, Ingress: w.randomRules(r, groups), Egress: w.randomRules(r, groups)}
		if r.IntN(2) == 0 {
			g.Egress = append(g.Egress, all)
		}
		rs.Groups = append(rs.Groups, g)
	}
	for _, id := range []string{"eni-a", "eni-b", "eni-c", "eni-lb"} {
		in := slices.DeleteFunc(slices.Clone(groups), func(string) bool { return r.IntN(2) == 0 })
		rs.Members = append(rs.Members, w.member(id, in...))
	}
	return rs
}

func (w *world) randomRules(r *rand.Rand, groups []string) []Rule {
	var rules []Rule
	for range r.IntN(4) {
		rule := Rule{Protocol: []int{firewall.All, firewall.TCP, firewall.UDP, firewall.ICMP}[r.IntN(4)]}
		switch rule.Protocol {
		case firewall.TCP, firewall.UDP:
			rule.FromPort = 6998 + r.IntN(4)
			rule.ToPort = rule.FromPort + r.IntN(3)
		case firewall.ICMP:
			rule.FromPort, rule.ToPort = []int{-1, 0, 8}[r.IntN(3)], -1
		}
		switch r.IntN(4) {
		case 0:
			rule.CIDR = anywhere
		case 1:
			rule.CIDR = netip.PrefixFrom(w.addr(byte(8+r.IntN(14))), 27+r.IntN(6)).Masked()
		default:
			rule.Group = groups[r.IntN(len(groups))]
		}
		rules = append(rules, rule)
	}
	return rules
}

func TestFlushedFirewallComesBack(t *testing.T) {
	w := newWorld(t)
	w.task("eni-a", 10)
	w.task("eni-b", 11)
	w.apply(&Ruleset{
		Groups:  []Group{{ID: "sg-a", Egress: []Rule{all}}, {ID: "sg-b"}},
		Members: []Member{w.member("eni-a", "sg-a"), w.member("eni-b", "sg-b")},
	})
	w.want("eni-a", "eni-b", false)
	for _, harm := range []string{"flush ruleset", "flush table inet " + w.own.Table()} {
		run(t, "nft", strings.Fields(harm)...)
		w.want("eni-a", "eni-b", true) // there is no firewall
		changed, err := w.repairFirewall()
		if err != nil || !changed {
			t.Fatalf("after %s: repair: %t, %v", harm, changed, err)
		}
		w.want("eni-a", "eni-b", false)
	}
	if changed, err := w.repairFirewall(); err != nil || changed {
		t.Errorf("nothing has changed, and repair says %t, %v", changed, err)
	}
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func BenchmarkApply(b *testing.B) {
	w := newWorld(b)
	a := w.cidr.Addr().As4()
	wide := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, a[1], 0, 0}), 16)
	w.cidr = wide
	const groups, members = 50, 500
	rs := &Ruleset{}
	for g := range groups {
		sg := Group{ID: fmt.Sprintf("sg-%017d", g), Egress: []Rule{all}}
		for port := range 10 {
			sg.Ingress = append(sg.Ingress, tcp(8000+port, wide), Rule{Protocol: firewall.TCP, FromPort: 80, ToPort: 90, Group: fmt.Sprintf("sg-%017d", (g+port)%groups)})
		}
		rs.Groups = append(rs.Groups, sg)
	}
	for m := range members {
		rs.Members = append(rs.Members, Member{
			ID: fmt.Sprintf("eni-%017d", m), Addr: netip.AddrFrom4([4]byte{10, a[1], byte(m / 250), byte(1 + m%250)}),
			Groups: []string{rs.Groups[m%groups].ID, rs.Groups[(m*7+1)%groups].ID},
		})
	}
	fewer := *rs
	fewer.Members = rs.Members[1:]
	b.Run("anew", func(b *testing.B) {
		for b.Loop() {
			w.seal = nft.Seal{}
			_, err := w.Apply(b.Context(), rs)
			check(b, err)
		}
	})
	b.Run("a task comes or goes", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			_, err := w.Apply(b.Context(), []*Ruleset{rs, &fewer}[n%2])
			check(b, err)
		}
	})
}
