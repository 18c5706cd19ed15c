package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestIsolation looks from inside a task, whose groups let everything out, at
// every address of this machine and of the networks inside it.
func TestIsolation(t *testing.T) {
	t.Parallel()
	need(t)
	m := newSurroundings(t)
	ports := m.listen(t, 2)
	closed, open, published := ports[0], ports[1], freePort(t)
	s := prepare(t, fmt.Sprintf("--host-access=tcp:%d,tcp:%d", open, published), "--uplink="+m.uplink)
	s.lb = m.balancers
	_, api, _ := net.SplitHostPort(s.listen)
	s.flags = append(s.flags, "--listen=0.0.0.0:"+api)
	s.serve(t)
	st := &stage{skylift: s}
	st.set(t)
	m.containers(t, st, published)

	lb := st.groupOf(t, "isolation-lb", fromCIDR("tcp", int32(closed), "0.0.0.0/0")) // where no balancer listens
	client := st.groupOf(t, "isolation-client", toProbe())
	server := st.groupOf(t, "isolation-server", toProbe(), fromGroup("tcp", 9001, client), fromGroup("udp", 9002, client))
	f := st.front(t, "isolation", 8301, fixed("200", "in"), lb)
	def := st.defineProbe(t, "isolation")
	_, addr := st.serving(t, def, client)
	_, other := st.serving(t, def, server)

	// What Skylift gives a task.
	opened := func(line string) {
		t.Helper()
		takes(t, slowest, "a task reaches "+line, func() bool { return st.knock(t, addr, line)[line] == "connected" })
	}
	balancers := fmt.Sprintf("tcp %s:%d", s.lb, f.port)
	if got := st.knock(t, addr, balancers)[balancers]; got != "timeout" {
		t.Errorf("a balancer whose groups don't admit the task: %s", got)
	}
	st.allow(t, lb, fromGroup("tcp", f.port, client))
	opened(balancers)
	opened("tcp " + other + ":9001")
	opened("tcp " + m.outside + ":9001")
	opened("icmp " + m.outside + ":0")
	st.connects(t, addr, m.outside+":9002", "udp")
	st.connects(t, addr, other+":9002", "udp")
	metadata := fmt.Sprintf("http://%s:8080/fetch?url=%s", addr, url.QueryEscape("${ECS_CONTAINER_METADATA_URI_V4}"))
	if code, body := st.ask(metadata); code != http.StatusOK {
		t.Errorf("a task asks about itself: %d %s", code, body)
	}
	opened(fmt.Sprintf("tcp host.skylift.internal:%d", open))
	opened(fmt.Sprintf("tcp %s:%d", m.balancers, open))
	opened(fmt.Sprintf("tcp host.skylift.internal:%d", published))

	// And nothing else.
	m.closedToTasks(t, st, addr, closed, open, api)
	m.unheard(t)

	// Egress decides about what is open, too.
	everything := types.IpPermission{IpProtocol: new("-1"), IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0")}}}
	must(s.clients().ec2.RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: &client, IpPermissions: []types.IpPermission{everything}}))(t)
	for _, port := range []uint16{open, published} {
		line := fmt.Sprintf("tcp host.skylift.internal:%d", port)
		takes(t, slowest, line+" is shut", func() bool { return st.knock(t, addr, line)[line] == "timeout" })
	}
	if code, body := st.ask(metadata); code != http.StatusOK {
		t.Errorf("a task without egress asks about itself: %d %s", code, body)
	}

	// A start without the option shuts them, for tasks that run, too.
	must(s.clients().ec2.AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &client, IpPermissions: []types.IpPermission{everything}}))(t)
	opened(fmt.Sprintf("tcp host.skylift.internal:%d", open))
	s.kill9(t)
	s.flags = slices.DeleteFunc(s.flags, func(f string) bool { return strings.HasPrefix(f, "--host-access") })
	s.restart(t)
	for _, port := range []uint16{open, published} {
		line := fmt.Sprintf("tcp host.skylift.internal:%d", port)
		if got := st.knock(t, addr, line)[line]; got != "timeout" {
			t.Errorf("open no more, and a task reaches %s: %s", line, got)
		}
	}
	opened("tcp " + m.outside + ":9001")
}

// surroundings are what a test's machine has besides Skylift: a bridge with
// addresses, an uplink to a machine outside, containers, and programs that
// listen at all addresses.
type surroundings struct {
	balancers string // address of a bridge, for balancers
	uplink    string // interface that leads outside
	outside   string // the machine there, a probe
	role      string // a link-local address that is reached over the uplink
	inside    []string

	mu    sync.Mutex
	heard []string
}

// newSurroundings makes a bridge and an uplink, in ranges for benchmarks that
// nobody else uses (RFC 2544).
func newSurroundings(t *testing.T) *surroundings {
	t.Helper()
	id, net3 := fmt.Sprintf("%06x", rand.IntN(1<<24)), fmt.Sprintf("198.18.%d.", rand.IntN(256))
	bridge, uplink, ns := "e2eb"+id, "e2eu"+id, "e2e-"+id
	m := &surroundings{balancers: net3 + "1", uplink: uplink, outside: net3 + "130", role: fmt.Sprintf("169.254.%d.%d", 100+rand.IntN(60), 1+rand.IntN(250))}
	t.Cleanup(func() {
		for _, line := range []string{"link del " + bridge, "netns del " + ns, "link del " + uplink} {
			_ = exec.Command("ip", strings.Fields(line)...).Run() // the last goes with the namespace
		}
	})
	for _, line := range []string{
		"link add " + bridge + " type bridge", "addr add " + m.balancers + "/25 dev " + bridge, "addr add fd00:e2e::1/64 nodad dev " + bridge, "link set " + bridge + " up",
		"netns add " + ns, "link add " + uplink + " type veth peer name wan netns " + ns,
		"addr add " + net3 + "129/25 dev " + uplink, "link set " + uplink + " up",
		"-n " + ns + " link set lo up", "-n " + ns + " addr add " + m.outside + "/25 dev wan", "-n " + ns + " addr add " + m.role + "/32 dev wan", "-n " + ns + " link set wan up",
		"route add " + m.role + "/32 via " + m.outside,
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", line, err, out)
		}
	}
	probe := filepath.Join(t.TempDir(), "probe")
	if err := build(probe, "./probe"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, probe)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	listens(t, m.outside)
	return m
}

// listen has programs listen on n ports at all addresses, for TCP and for UDP.
func (m *surroundings) listen(t *testing.T, n int) (ports []uint16) {
	t.Helper()
	for range n {
		port := freePort(t)
		l := must(net.Listen("tcp", fmt.Sprintf(":%d", port)))(t)
		p := must(net.ListenPacket("udp", fmt.Sprintf(":%d", port)))(t)
		t.Cleanup(func() { _, _ = l.Close(), p.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.Close()
			}
		}()
		go func() {
			for b := make([]byte, 200); ; {
				n, _, err := p.ReadFrom(b)
				if err != nil {
					return
				}
				m.mu.Lock()
				m.heard = append(m.heard, string(b[:n]))
				m.mu.Unlock()
			}
		}()
		ports = append(ports, port)
	}
	return ports
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	return netip.MustParseAddrPort(must(freeListen())(t)).Port()
}

// containers runs probes on Docker's own network and on an internal one, and
// publishes a port of the first.
func (m *surroundings) containers(t *testing.T, s *stage, published uint16) {
	t.Helper()
	name := strings.Replace(m.uplink, "e2eu", "e2e-", 1)
	s.dockerRun(t, "network", "create", "--internal", name)
	t.Cleanup(func() { _, _ = s.dockerCLI("network", "rm", name) })
	for network, flags := range map[string][]string{"bridge": {"-p", fmt.Sprintf("%d:9001", published)}, name: nil} {
		args := append([]string{"run", "-d", "--network", network}, flags...)
		id := s.dockerRun(t, append(args, s.image)...)
		t.Cleanup(func() { _, _ = s.dockerCLI("rm", "-f", id) })
		addr := s.dockerRun(t, "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id)
		listens(t, addr)
		m.inside = append(m.inside, addr)
	}
}

// knock has a probe try lines, and returns what came of each.
func (s *stage) knock(t *testing.T, from string, lines ...string) map[string]string {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, fmt.Sprintf("http://%s:8080/knock?ms=800", from), strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	res := must(s.browser().Do(r))(t)
	defer res.Body.Close()
	out := map[string]string{}
	for line := range strings.Lines(string(must(io.ReadAll(res.Body))(t))) {
		if i := strings.LastIndex(line, ": "); i > 0 && slices.Contains(lines, line[:i]) {
			out[line[:i]] = strings.TrimSpace(line[i+2:])
			continue
		}
		for _, l := range lines { // an error has colons, too
			if rest, ok := strings.CutPrefix(line, l+": "); ok {
				out[l] = strings.TrimSpace(rest)
			}
		}
	}
	if len(out) != len(lines) {
		t.Fatalf("knocked at %q, and %d answers: %v", lines, len(out), out)
	}
	return out
}

// closedToTasks knocks from a task at all that is to be closed.
func (m *surroundings) closedToTasks(t *testing.T, s *stage, from string, closed, open uint16, api string) {
	t.Helper()
	addrs := m.addresses(t, from)
	var lines []string
	for _, a := range addrs {
		if a.Is6() {
			lines = append(lines, fmt.Sprintf("tcp %s", netip.AddrPortFrom(a, closed)), fmt.Sprintf("udp %s", netip.AddrPortFrom(a, closed)), fmt.Sprintf("icmp6 %s", netip.AddrPortFrom(a, 0)))
			lines = append(lines, fmt.Sprintf("tcp %s", netip.AddrPortFrom(a, open)))
			continue
		}
		lines = append(lines, fmt.Sprintf("tcp %s:%d", a, closed), fmt.Sprintf("udp %s:%d", a, closed), fmt.Sprintf("udp %s:%d", a, open), fmt.Sprintf("icmp %s:0", a), fmt.Sprintf("tcp %s:%s", a, api))
	}
	lines = append(lines, fmt.Sprintf("tcp host.skylift.internal:%d", closed))
	for _, a := range append(slices.Clone(m.inside), m.role, "169.254.169.254") {
		lines = append(lines, "tcp "+a+":9001", "tcp "+a+":8080", "udp "+a+":9002", "icmp "+a+":0")
	}
	t.Logf("knocking at %d doors of %d addresses: %v", len(lines), len(addrs), addrs)
	for line, got := range s.knock(t, from, lines...) {
		if got == "connected" {
			t.Errorf("a task reaches %s", line)
		}
	}
}

// addresses are all of this machine but those that are loopback's, and those
// that mean all or some hosts of a network.
func (m *surroundings) addresses(t *testing.T, task string) (all []netip.Addr) {
	t.Helper()
	interfaces := must(net.Interfaces())(t)
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil || i.Flags&net.FlagLoopback != 0 {
			continue // it has gone
		}
		for _, a := range addrs {
			p := netip.MustParsePrefix(a.String())
			addr := p.Addr()
			if addr.IsLinkLocalUnicast() && addr.Is6() {
				addr = addr.WithZone("eth0") // the task's
			}
			all = append(all, addr)
			if p.Addr().Is4() && p.Bits() < 31 {
				last := p.Masked().Addr().As4()
				for bit := p.Bits(); bit < 32; bit++ {
					last[bit/8] |= 1 << (7 - bit%8)
				}
				all = append(all, netip.AddrFrom4(last))
			}
		}
	}
	for _, a := range []string{"255.255.255.255", "224.0.0.1", "224.0.0.251", "239.255.255.250", "ff02::1%eth0", "ff02::2%eth0"} {
		all = append(all, netip.MustParseAddr(a))
	}
	slices.SortFunc(all, netip.Addr.Compare)
	own := netip.MustParseAddr(task)
	return slices.DeleteFunc(slices.Compact(all), func(a netip.Addr) bool { return a == own }) // other instances have some of them, too
}

// unheard checks that no program heard what a task has sent by UDP, once it has
// heard what was sent to it last.
func (m *surroundings) unheard(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.heard) > 0 {
		t.Errorf("programs of this machine heard what a task sent to %v", m.heard)
	}
}
