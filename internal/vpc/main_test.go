package vpc

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/owner"
)

// The tests run in a network namespace of their own, which plays the host: they
// may flush its firewall and fill its chains, and whatever else runs on the
// machine doesn't notice.
const isolated = "SKYLIFT_VPC_TEST_ISOLATED"

func TestMain(m *testing.M) {
	if os.Getenv(isolated) != "" || kernel.Capable() != nil {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), isolated+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig follows the thread
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run isolated:", err)
		os.Exit(1)
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if err := kernel.Capable(); err == nil {
		lo, err := netlink.LinkByName("lo")
		check(t, err)
		check(t, netlink.LinkSetUp(lo))
		return
	} else if strings.Contains(os.Getenv("REQUIRE"), "docker") {
		t.Fatal(err)
	} else {
		t.Skip(err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// space is a network namespace that a test made.
type space struct{ handle netns.NsHandle }

func newSpace(t testing.TB) *space {
	t.Helper()
	made := make(chan netns.NsHandle)
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread stays behind in the namespace
		h, err := netns.New()
		if err != nil {
			failed <- err
			return
		}
		made <- h
	}()
	select {
	case h := <-made:
		s := &space{h}
		t.Cleanup(func() { s.handle.Close() })
		return s
	case err := <-failed:
		t.Fatal(err)
		return nil
	}
}

func (s *space) path() string { return fmt.Sprintf("/proc/self/fd/%d", int(s.handle)) }

// do runs f in the namespace, or on the host when s is nil.
func (s *space) do(f func() error) error {
	if s == nil {
		return f()
	}
	return kernel.Within(s.handle, f)
}

func (s *space) listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	var l net.Listener
	check(t, s.do(func() (err error) { l, err = net.Listen("tcp4", addr); return err }))
	t.Cleanup(func() { l.Close() })
	return l
}

// serve answers on tcp and udp, with what it was sent.
func (s *space) serve(t testing.TB, addr string) {
	t.Helper()
	l := s.listen(t, addr)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echo(c)
		}
	}()
	var p net.PacketConn
	check(t, s.do(func() (err error) { p, err = net.ListenPacket("udp4", addr); return err }))
	t.Cleanup(func() { p.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := p.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = p.WriteTo(buf[:n], from)
		}
	}()
}

func echo(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 1500)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// patience is how long no answer counts as blocked.
const patience = 500 * time.Millisecond

func (s *space) dial(from netip.Addr, to netip.AddrPort) (c net.Conn, err error) {
	d := net.Dialer{Timeout: patience}
	if from.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: from.AsSlice()}
	}
	err = s.do(func() error { c, err = d.Dial("tcp4", to.String()); return err })
	return c, err
}

// reaches says whether the first packet of a flow, and its answer, come through.
func (s *space) reaches(protocol int, from netip.Addr, to netip.AddrPort) bool {
	switch protocol {
	case firewall.TCP:
		c, err := s.dial(from, to)
		if err == nil {
			c.Close()
		}
		return err == nil
	case firewall.UDP:
		return s.exchange(from, to)
	default:
		return s.ping(from, to.Addr())
	}
}

func (s *space) exchange(from netip.Addr, to netip.AddrPort) bool {
	return s.do(func() error {
		var d net.Dialer
		if from.IsValid() {
			d.LocalAddr = &net.UDPAddr{IP: from.AsSlice()}
		}
		c, err := d.Dial("udp4", to.String())
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write([]byte("hello")); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 1500))
		return err
	}) == nil
}

// ping sends an echo request and waits for the reply with its number.
func (s *space) ping(from, to netip.Addr) bool {
	return s.do(func() error {
		c, err := net.ListenPacket("ip4:icmp", from.String())
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		id := uint16(mathrand.N(0xf000))
		request := binary.BigEndian.AppendUint16([]byte{8, 0}, ^(0x0800 + id))
		request = append(binary.BigEndian.AppendUint16(request, id), 0, 0)
		if _, err := c.WriteTo(request, &net.IPAddr{IP: to.AsSlice()}); err != nil {
			return err
		}
		for buf := make([]byte, 1500); ; {
			n, peer, err := c.ReadFrom(buf)
			if err != nil {
				return err
			}
			if n >= 8 && buf[0] == 0 && binary.BigEndian.Uint16(buf[4:]) == id && peer.String() == to.String() {
				return nil
			}
		}
	}) == nil
}

// world is a VPC with tasks.
type world struct {
	*VPC
	t     testing.TB
	tasks map[string]*space
	addrs map[string]netip.Addr
}

func newInstance() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func newWorld(t testing.TB, public ...netip.Prefix) *world {
	t.Helper()
	needRoot(t)
	var v *VPC
	for range 20 { // another test may have the range
		instance := newInstance()
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(mathrand.N(250)), byte(mathrand.N(256)), 0}), 24)
		var err error
		if v, err = Open(t.Context(), Config{Instance: instance, CIDR: cidr, Public: public}); err == nil {
			break
		} else if !strings.Contains(err.Error(), "in use") {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := Purge(context.Background(), string(v.own)); err != nil {
			t.Error(err)
		}
	})
	return &world{v, t, make(map[string]*space), make(map[string]netip.Addr)}
}

// addr is the n-th address of the range.
func (w *world) addr(n byte) netip.Addr {
	a := w.cidr.Addr().As4()
	a[3] = n
	return netip.AddrFrom4(a)
}

// task attaches an interface of a new namespace and serves on port 7000.
func (w *world) task(id string, n byte) *space {
	w.t.Helper()
	return w.taskAt(id, w.addr(n))
}

func (w *world) taskAt(id string, addr netip.Addr) *space {
	w.t.Helper()
	s := newSpace(w.t)
	w.tasks[id], w.addrs[id] = s, addr
	check(w.t, w.Attach(w.t.Context(), Interface{ID: id, Addr: addr, NetNS: s.path()}))
	s.serve(w.t, netip.AddrPortFrom(addr, 7000).String())
	return s
}

// balancer attaches an address of the host and serves on it.
func (w *world) balancer(id string, n byte) {
	w.t.Helper()
	w.tasks[id], w.addrs[id] = nil, w.addr(n)
	check(w.t, w.AttachHost(w.t.Context(), id, w.addr(n)))
	(*space)(nil).serve(w.t, netip.AddrPortFrom(w.addr(n), 7000).String())
}

func (w *world) member(id string, groups ...string) Member {
	m := Member{ID: id, Addr: w.addrs[id], Groups: groups}
	if w.tasks[id] == nil { // a balancer's
		m.Host, m.Ports = true, []uint16{7000, 7205, 7206}
	}
	return m
}

func (w *world) apply(rs *Ruleset) (cut []Flow) {
	w.t.Helper()
	cut, err := w.Apply(w.t.Context(), rs)
	check(w.t, err)
	return cut
}

// want checks a tcp flow to port 7000.
func (w *world) want(from, to string, admitted bool) {
	w.t.Helper()
	got := w.tasks[from].reaches(firewall.TCP, w.addrs[from], netip.AddrPortFrom(w.addrs[to], 7000))
	if got != admitted {
		w.t.Errorf("%s reaches %s: %t, want %t", from, to, got, admitted)
	}
}

// outside is a machine beyond the host, which routes the range to it.
func (w *world) outside() (s *space, host, its netip.Addr) {
	w.t.Helper()
	s = newSpace(w.t)
	net24 := netip.AddrFrom4([4]byte{198, 18, byte(mathrand.N(256)), 0}).As4()
	at := func(n byte) netip.Addr { net24[3] = n; return netip.AddrFrom4(net24) }
	host, its = at(1), at(2)
	name := "wan" + owner.Digest(newInstance(), 6)
	check(w.t, netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name, TxQLen: -1}, PeerName: "wan", PeerNamespace: netlink.NsFd(s.handle),
	}))
	near, err := netlink.LinkByName(name)
	check(w.t, err)
	w.t.Cleanup(func() { _ = netlink.LinkDel(near) })
	check(w.t, netlink.AddrAdd(near, &netlink.Addr{IPNet: kernel.NetOf(netip.PrefixFrom(host, 24))}))
	check(w.t, netlink.LinkSetUp(near))
	w.named = append(w.named, name)
	check(w.t, w.lookForUplinks())
	check(w.t, s.do(func() error {
		far, err := netlink.LinkByName("wan")
		if err != nil {
			return err
		}
		return errors.Join(
			netlink.AddrAdd(far, &netlink.Addr{IPNet: kernel.NetOf(netip.PrefixFrom(its, 24))}),
			netlink.LinkSetUp(far),
			netlink.RouteAdd(&netlink.Route{LinkIndex: far.Attrs().Index, Dst: kernel.NetOf(w.cidr), Gw: host.AsSlice()}),
		)
	}))
	check(w.t, settle(&netlink.Handle{}, near))
	s.serve(w.t, netip.AddrPortFrom(its, 7000).String())
	return s, host, its
}

var (
	anywhere = netip.MustParsePrefix("0.0.0.0/0")
	all      = Rule{Protocol: firewall.All, CIDR: anywhere}
)

func tcp(port int, from netip.Prefix) Rule {
	return Rule{Protocol: firewall.TCP, FromPort: port, ToPort: port, CIDR: from}
}

// open is a group that everything passes.
func open(id string) Group { return Group{ID: id, Ingress: []Rule{all}, Egress: []Rule{all}} }
