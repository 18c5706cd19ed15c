package vpc

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/vpc/accepts"
	"github.com/skylift/skylift/internal/vpc/firewall"
)

var wellKnown = netip.MustParseAddrPort("169.254.170.2:80")

// answering listens for the world's tasks and tells each its own address.
func (w *world) answering() net.Listener {
	w.t.Helper()
	l, err := w.Listen(w.t.Context(), wellKnown)
	check(w.t, err)
	w.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 1)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write([]byte(c.RemoteAddr().String() + "\n")); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l
}

// asks is one question on an open connection.
func asks(c net.Conn) string {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("?")); err != nil {
		return err.Error()
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err != nil {
		return err.Error()
	}
	host, _, _ := net.SplitHostPort(strings.TrimSpace(string(buf[:n])))
	return host
}

// wantAnswer checks that the task is known at the well-known address by its own.
func (w *world) wantAnswer(id string) {
	w.t.Helper()
	c, err := w.tasks[id].dial(netip.Addr{}, wellKnown)
	if err != nil {
		w.t.Errorf("%s doesn't reach %s: %v", id, wellKnown, err)
		return
	}
	defer c.Close()
	if got := asks(c); got != w.addrs[id].String() {
		w.t.Errorf("%s is taken for %s, want %s", id, got, w.addrs[id])
	}
}

// TestListen has two instances that answer at the same address, each its own
// tasks, whatever security groups these are in.
func TestListen(t *testing.T) {
	t.Parallel()
	w, x := newWorld(t), newWorld(t)
	l := w.answering()
	x.answering()
	for i, id := range []string{"eni-a", "eni-b"} {
		w.task(id, byte(10+i))
		x.task(id, byte(10+i))
	}
	w.wantAnswer("eni-a") // before any group is known
	w.apply(&Ruleset{
		Groups:  []Group{{ID: "sg-closed"}, open("sg-open")},
		Members: []Member{w.member("eni-a", "sg-closed"), w.member("eni-b", "sg-open")},
	})
	for _, id := range []string{"eni-a", "eni-b"} {
		w.wantAnswer(id)
		x.wantAnswer(id)
	}
	if w.tasks["eni-a"].reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(wellKnown.Addr(), 81)) {
		t.Error("another port of the address answers")
	}
	out, _, _ := w.outside()
	direct := l.Addr().(*net.TCPAddr).AddrPort()
	for name, from := range map[string]*space{"a task without egress": w.tasks["eni-a"], "a task": w.tasks["eni-b"], "a neighbour's task": x.tasks["eni-b"], "outside": out, "the host": nil} {
		if from.reaches(firewall.TCP, netip.Addr{}, direct) {
			t.Errorf("%s reaches %s, where the listener really is", name, direct)
		}
	}
	if (*space)(nil).reaches(firewall.TCP, netip.Addr{}, wellKnown) || out.reaches(firewall.TCP, netip.Addr{}, wellKnown) {
		t.Error("who is no task reaches the address")
	}
}

// TestListenLasts: a conversation outlives changes of the rules; what somebody
// flushed comes back; another process of the instance takes over.
func TestListenLasts(t *testing.T) {
	w := newWorld(t)
	w.task("eni-a", 10)
	rs := &Ruleset{Groups: []Group{{ID: "sg"}}, Members: []Member{w.member("eni-a", "sg")}}
	w.apply(rs)
	l, err := w.Listen(t.Context(), wellKnown)
	check(t, err)
	client, err := w.tasks["eni-a"].dial(netip.Addr{}, wellKnown)
	check(t, err)
	defer client.Close()
	server, err := l.Accept()
	check(t, err)
	defer server.Close()
	w.apply(&Ruleset{})
	w.apply(rs)
	if !passes(server, client) || !passes(client, server) {
		t.Error("a change of the rules cut a conversation")
	}
	check(t, l.Close())
	if w.tasks["eni-a"].reaches(firewall.TCP, netip.Addr{}, wellKnown) {
		t.Error("nobody listens, and the address answers")
	}
	l = w.answering()
	w.wantAnswer("eni-a")
	run(t, "nft", "flush", "ruleset")
	if w.tasks["eni-a"].reaches(firewall.TCP, netip.Addr{}, wellKnown) {
		t.Error("flushed, and the address answers")
	}
	if _, err := w.repairFirewall(); err != nil {
		t.Fatal(err)
	}
	check(t, accepts.Put(w.own.Accepts(), w.hostAccess))
	w.wantAnswer("eni-a")

	check(t, l.Close())
	again, err := Open(t.Context(), Config{Instance: string(w.own), CIDR: w.cidr})
	check(t, err)
	w.VPC = again
	w.answering()
	w.apply(rs)
	w.wantAnswer("eni-a")
}

// TestHostsOwnFilter: a host that drops what it receives still answers tasks.
func TestHostsOwnFilter(t *testing.T) {
	w := newWorld(t)
	w.task("eni-a", 10)
	w.apply(&Ruleset{})
	w.answering()
	t.Cleanup(func() { run(t, "iptables", "-P", "INPUT", "ACCEPT") })
	run(t, "iptables", "-P", "INPUT", "DROP")
	w.wantAnswer("eni-a")
}

func TestListenRefuses(t *testing.T) {
	w := newWorld(t)
	for _, addr := range []netip.AddrPort{netip.AddrPortFrom(w.addr(9), 80), netip.MustParseAddrPort("[fd00:ec2::254]:80")} {
		if _, err := w.Listen(t.Context(), addr); err == nil {
			t.Errorf("listens at %s", addr)
		}
	}
}

// TestListenPacket: tasks are answered over UDP at addresses that are nobody's, one of them the VPC's resolver's, whatever security
// groups they are in.
func TestListenPacket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.task("eni-a", 10)
	w.apply(&Ruleset{Groups: []Group{{ID: "sg-closed"}}, Members: []Member{w.member("eni-a", "sg-closed")}})
	for _, at := range []netip.AddrPort{netip.MustParseAddrPort("169.254.169.253:53"), netip.AddrPortFrom(Resolver(w.cidr), 53)} {
		p, err := w.ListenPacket(t.Context(), at)
		check(t, err)
		go func() {
			for b := make([]byte, 100); ; {
				n, from, err := p.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				_, _ = p.WriteToUDPAddrPort(b[:n], from)
			}
		}()
		if !w.tasks["eni-a"].exchange(netip.Addr{}, at) {
			t.Errorf("a task isn't answered at %s", at)
		}
		if out, _, _ := w.outside(); out.exchange(netip.Addr{}, at) {
			t.Errorf("who is no task is answered at %s", at)
		}
		check(t, p.Close())
		if w.tasks["eni-a"].exchange(netip.Addr{}, at) {
			t.Errorf("after its end a task is answered at %s", at)
		}
	}
	if _, err := w.ListenPacket(t.Context(), netip.AddrPortFrom(Resolver(w.cidr).Next(), 53)); err == nil {
		t.Error("an address that interfaces have was given")
	}
}
