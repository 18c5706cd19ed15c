package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/zone"
	"github.com/skylift/skylift/internal/limit"
)

// outside is a resolver that knows everything: names have the address 198.51.100.1, but those that begin with "no" don't exist.
type outside struct {
	at     netip.AddrPort
	asked  atomic.Int32
	silent atomic.Bool
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{}
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		o.asked.Add(1)
		if o.silent.Load() {
			return
		}
		m := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		_, packet := w.RemoteAddr().(*net.UDPAddr)
		switch {
		case strings.HasPrefix(name, "no"):
			m.Rcode = dns.RcodeNameError
			m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: "ns.test.", Mbox: "m.test.", Minttl: 60}}
		case strings.HasPrefix(name, "long") && packet:
			m.Truncated = true
		case q.Question[0].Qtype == dns.TypeA:
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(198, 51, 100, 1)}}
		}
		_ = w.WriteMsg(m)
	})
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", p.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: p, Handler: h}, {Listener: l, Handler: h}} {
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	o.at = p.LocalAddr().(*net.UDPAddr).AddrPort()
	return o
}

// resolving runs a resolver until the test ends, for somebody in vpc-1, and returns where.
func resolving(t *testing.T, tab *zone.Table, up ...netip.AddrPort) string {
	t.Helper()
	at, err := Listen(t.Context(), []netip.AddrPort{loopback})
	if err != nil {
		t.Fatal(err)
	}
	r := NewResolver(ResolverConfig{
		Table: func() *zone.Table { return tab }, View: func(netip.Addr) string { return "vpc-1" }, Upstream: func() []netip.AddrPort { return up },
		Hosts: Hosts{Has: netip.MustParsePrefix("10.0.0.0/16").Contains, Domain: "us-west-2.compute.internal"},
		Conns: limit.NewConns(limit.Config{Max: math.MaxInt, PerClient: 4}), Log: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, at) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the resolver ended: %v", err)
		}
	})
	return at.Packets[0].LocalAddr().String()
}

// say is an answer in one line: its code and the data of its records.
func say(t *testing.T, at, network, name string, kind uint16) string {
	t.Helper()
	c := dns.Client{Net: network, Timeout: 30 * time.Second}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, kind), at)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !m.RecursionAvailable {
		t.Errorf("%s: the answer doesn't say that others are asked", name)
	}
	out := dns.RcodeToString[m.Rcode]
	for _, rr := range m.Answer {
		f := strings.Fields(rr.String())
		out += " " + f[len(f)-1]
	}
	return out
}

// TestResolver: what is asked is answered from zones, private ones too, from the network's own names, and by others.
func TestResolver(t *testing.T) {
	t.Parallel()
	up := newOutside(t)
	tab := table(t, "cname.example.test. CNAME www.far.test.", "one.example.test. A 192.0.2.7", "alias2.example.test. CNAME one.example.test.")
	at := resolving(t, tab, up.at)
	for _, q := range []struct {
		network, name string
		kind          uint16
		want          string
	}{
		{"udp", "alias2.example.test.", dns.TypeA, "NOERROR one.example.test. 192.0.2.7"},
		{"udp", "none.example.test.", dns.TypeA, "NXDOMAIN"},
		{"udp", "cname.example.test.", dns.TypeA, "NOERROR www.far.test. 198.51.100.1"},
		{"tcp", "www.far.test.", dns.TypeA, "NOERROR 198.51.100.1"},
		{"udp", "WWW.far.test.", dns.TypeAAAA, "NOERROR"},
		{"udp", "no.far.test.", dns.TypeA, "NXDOMAIN"},
		{"udp", "long.far.test.", dns.TypeA, "NOERROR 198.51.100.1"},
		{"udp", "x.part.example.test.", dns.TypeA, "NOERROR 198.51.100.1"},
		{"udp", "any.inside.test.", dns.TypeA, "NXDOMAIN"}, // a private zone's, which others aren't asked for
		{"udp", "ip-10-0-3-4.us-west-2.compute.internal.", dns.TypeA, "NOERROR 10.0.3.4"},
		{"udp", "ip-10-0-3-4.us-west-2.compute.internal.", dns.TypeAAAA, "NOERROR"},
		{"udp", "ip-11-0-3-4.us-west-2.compute.internal.", dns.TypeA, "NOERROR 198.51.100.1"},
		{"udp", "4.3.0.10.in-addr.arpa.", dns.TypePTR, "NOERROR ip-10-0-3-4.us-west-2.compute.internal."},
	} {
		if got := say(t, at, q.network, q.name, q.kind); got != q.want {
			t.Errorf("%s %s over %s: %s, want %s", q.name, dns.TypeToString[q.kind], q.network, got, q.want)
		}
	}
	before := up.asked.Load()
	for range 5 {
		_ = say(t, at, "udp", "www.far.test.", dns.TypeA)
		_ = say(t, at, "udp", "no.far.test.", dns.TypeA)
	}
	if now := up.asked.Load(); now != before {
		t.Errorf("others were asked %d times for what they have said", now-before)
	}
}

// TestResolverWithoutOthers: what only others know fails when they say nothing, and doesn't keep what is known here from being
// answered.
func TestResolverWithoutOthers(t *testing.T) {
	t.Parallel()
	up := newOutside(t)
	up.silent.Store(true)
	at := resolving(t, table(t, "one.example.test. A 192.0.2.7"), up.at)
	failed := make(chan string, 1)
	go func() {
		c := dns.Client{Timeout: time.Minute}
		m, _, err := c.Exchange(new(dns.Msg).SetQuestion("www.far.test.", dns.TypeA), at)
		if err != nil {
			failed <- err.Error()
			return
		}
		failed <- dns.RcodeToString[m.Rcode]
	}()
	for up.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if got := say(t, at, "udp", "one.example.test.", dns.TypeA); got != "NOERROR 192.0.2.7" {
		t.Errorf("meanwhile: %s", got)
	}
	if got := <-failed; got != "SERVFAIL" {
		t.Errorf("nobody answers: %s, want SERVFAIL", got)
	}
}

// TestKept: what others said is kept as long as they allow, with the time that is left.
func TestKept(t *testing.T) {
	t.Parallel()
	r := NewResolver(ResolverConfig{})
	now := time.Unix(1_000_000, 0)
	k := kind{"a.test.", dns.TypeA, false}
	m := new(dns.Msg).SetQuestion("a.test.", dns.TypeA)
	m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "a.test.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 30}, A: net.IPv4(1, 2, 3, 4)}}
	r.keep(k, m, now)
	if got := r.remembered(k, now.Add(12*time.Second)); got == nil || got.Answer[0].Header().Ttl != 18 {
		t.Errorf("after 12 of 30 s: %v", got)
	}
	if got := r.remembered(k, now.Add(30*time.Second)); got != nil {
		t.Errorf("after 30 of 30 s: %v", got)
	}
	fail := m.Copy()
	fail.Rcode = dns.RcodeServerFailure
	r.keep(k, fail, now)
	if got := r.remembered(k, now); got != nil {
		t.Errorf("a failure was kept: %v", got)
	}
}

// TestOneAsksMuch: who asks for more than its share is not served, and others are.
func TestOneAsksMuch(t *testing.T) {
	t.Parallel()
	r := NewResolver(ResolverConfig{})
	one := netip.MustParseAddr("10.0.0.1")
	for i := range mostOfOne {
		if !r.enter(one) {
			t.Fatalf("question %d of one isn't taken", i)
		}
	}
	if r.enter(one) || !r.enter(one.Next()) {
		t.Error("one has more than its share, or its neighbour nothing")
	}
	for range mostOfOne {
		r.leave(one)
	}
	if fmt.Sprint(r.busy) != fmt.Sprint(map[netip.Addr]int{one.Next(): 1}) {
		t.Errorf("what is remembered is %v", r.busy)
	}
}
