package dns

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/rdata"
	"github.com/skylift/skylift/internal/dns/zone"
	"github.com/skylift/skylift/internal/limit"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// table has the zone example.test, and a private one.
func table(t testing.TB, more ...string) *zone.Table {
	t.Helper()
	b := zone.NewBuilder()
	b.Put(zone.Info{ID: "Z1", Name: "example.test.", Serial: 42})
	b.Put(zone.Info{ID: "ZP", Name: "inside.test.", Views: []string{"vpc-1"}})
	lines := append([]string{
		"example.test. SOA ns.example.test. admin.example.test. 1 7200 900 1209600 30", "example.test. NS ns.example.test.",
		"www.example.test. A 192.0.2.1|192.0.2.2", "alias.example.test. CNAME www.example.test.",
		`big.example.test. TXT "` + strings.Repeat(strings.Repeat("x", 250)+`"|"`, 7) + `end"`,
		"part.example.test. NS ns.elsewhere.test.",
	}, more...)
	for i, l := range lines {
		f := strings.SplitN(l, " ", 3)
		number, _ := rdata.TypeOf(f[1])
		s := &zone.Set{Name: f[0], Type: number}
		for n, text := range strings.Split(f[2], "|") {
			if number == dns.TypeTXT { // each another
				text = strings.Replace(text, "x", string(rune('a'+n)), 1)
			}
			rr, err := rdata.Parse(f[0], number, 60, text)
			if err != nil {
				t.Fatalf("line %d: %v", i, err)
			}
			s.Records = append(s.Records, rr)
		}
		b.PutSet("Z1", s)
	}
	return b.Table()
}

// serving runs a server until the test ends, and returns where.
func serving(t testing.TB, tab *zone.Table, transfers ...netip.Prefix) string {
	t.Helper()
	at, err := Listen(t.Context(), []netip.AddrPort{loopback})
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{
		Table: func() *zone.Table { return tab }, Transfers: transfers, Log: slog.New(slog.DiscardHandler),
		Conns: limit.NewConns(limit.Config{Max: math.MaxInt, PerClient: 4}),
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, at) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return at.Packets[0].LocalAddr().String()
}

func ask(t testing.TB, network, addr, name string, number uint16, change ...func(*dns.Msg)) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(name, number)
	m.RecursionDesired = true
	for _, c := range change {
		c(m)
	}
	c := dns.Client{Net: network, Timeout: 20 * time.Second, UDPSize: dns.MaxMsgSize}
	r, _, err := c.Exchange(m, addr)
	if err != nil {
		t.Fatalf("%s %s over %s: %v", name, dns.TypeToString[number], network, err)
	}
	if r.Id != m.Id || !r.Response || !r.RecursionDesired || r.RecursionAvailable || len(r.Question) != 1 || r.Question[0] != m.Question[0] {
		t.Errorf("the answer's head is %v of %v", r.MsgHdr, m.Question)
	}
	return r
}

func edns(size uint16, options ...dns.EDNS0) func(*dns.Msg) {
	return func(m *dns.Msg) {
		m.SetEdns0(size, false)
		m.IsEdns0().Option = options
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	addr := serving(t, table(t))
	for _, network := range []string{"udp", "tcp"} {
		r := ask(t, network, addr, "WwW.example.test.", dns.TypeA)
		if r.Rcode != dns.RcodeSuccess || !r.Authoritative || len(r.Answer) != 2 || r.Answer[0].Header().Name != "WwW.example.test." || r.IsEdns0() != nil {
			t.Errorf("%s: got %v", network, r)
		}
		r = ask(t, network, addr, "alias.example.test.", dns.TypeA)
		if len(r.Answer) != 3 || r.Answer[0].Header().Rrtype != dns.TypeCNAME {
			t.Errorf("%s: got %v of a CNAME", network, r)
		}
		r = ask(t, network, addr, "none.example.test.", dns.TypeA)
		if r.Rcode != dns.RcodeNameError || !r.Authoritative || len(r.Ns) != 1 || r.Ns[0].Header().Ttl != 30 {
			t.Errorf("%s: got %v of a name that isn't there", network, r)
		}
		r = ask(t, network, addr, "x.part.example.test.", dns.TypeA)
		if r.Rcode != dns.RcodeSuccess || r.Authoritative || len(r.Answer) != 0 || len(r.Ns) != 1 {
			t.Errorf("%s: got %v below a delegation", network, r)
		}
		for _, name := range []string{"other.test.", "db.inside.test.", "."} {
			if r = ask(t, network, addr, name, dns.TypeA); r.Rcode != dns.RcodeRefused || len(r.Answer)+len(r.Ns) > 0 || r.Authoritative {
				t.Errorf("%s: got %v of %s, want a refusal", network, r, name)
			}
		}
		if r = ask(t, network, addr, "example.test.", dns.TypeTSIG); r.Rcode != dns.RcodeNotImplemented {
			t.Errorf("%s: got %v of a type that is none", network, r)
		}
	}
}

func TestTruncation(t *testing.T) {
	t.Parallel()
	addr := serving(t, table(t))
	for _, tt := range []struct {
		network string
		opt     func(*dns.Msg)
		most    int
		whole   bool
	}{
		{"udp", nil, 512, false}, {"udp", edns(100), 512, false}, {"udp", edns(900), 900, false}, {"udp", edns(65535), 1232, false}, {"tcp", nil, 65535, true}, {"tcp", edns(512), 65535, true},
	} {
		m := new(dns.Msg).SetQuestion("big.example.test.", dns.TypeTXT)
		if tt.opt != nil {
			tt.opt(m)
		}
		c := dns.Client{Net: tt.network, Timeout: 20 * time.Second, UDPSize: dns.MaxMsgSize}
		r, _, err := c.Exchange(m, addr)
		if err != nil {
			t.Fatal(err)
		}
		r.Compress = true
		if r.Truncated == tt.whole || r.Len() > tt.most || tt.whole && len(r.Answer) != 8 || (tt.opt != nil) != (r.IsEdns0() != nil) {
			t.Errorf("%s: got %d records in %d bytes, cut %t, OPT %v", tt.network, len(r.Answer), r.Len(), r.Truncated, r.IsEdns0())
		}
	}
}

func TestEDNS(t *testing.T) {
	t.Parallel()
	addr := serving(t, table(t))
	r := ask(t, "udp", addr, "www.example.test.", dns.TypeA, func(m *dns.Msg) {
		m.SetEdns0(1232, false)
		m.IsEdns0().SetVersion(1)
	})
	if r.Rcode != dns.RcodeBadVers || r.IsEdns0() == nil || len(r.Answer) > 0 {
		t.Errorf("got %v of another version", r)
	}
	r = ask(t, "udp", addr, "www.example.test.", dns.TypeA, edns(1232, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IP{192, 0, 2, 0}}, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte{1}}))
	if o := r.IsEdns0(); o == nil || len(o.Option) != 1 || o.Option[0].(*dns.EDNS0_SUBNET).SourceScope != 0 || o.Option[0].(*dns.EDNS0_SUBNET).SourceNetmask != 24 {
		t.Errorf("got %v of a client's subnet", r.Extra)
	}
	subnet := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IP{192, 0, 2, 0}}
	for name, o := range map[string][]dns.EDNS0{
		"two subnets":           {subnet, subnet},
		"a subnet with a scope": {&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, SourceScope: 24, Address: net.IP{192, 0, 2, 0}}},
	} {
		if r = ask(t, "udp", addr, "www.example.test.", dns.TypeA, edns(1232, o...)); r.Rcode != dns.RcodeFormatError || len(r.IsEdns0().Option) > 1 {
			t.Errorf("got %v of %s", r, name)
		}
	}
	r = ask(t, "udp", addr, "www.example.test.", dns.TypeA, func(m *dns.Msg) {
		m.SetEdns0(1232, false)
		m.Extra = append(m.Extra, m.Extra[0])
	})
	if r.Rcode != dns.RcodeFormatError {
		t.Errorf("got %v of two OPT records", r)
	}
}

func TestCookies(t *testing.T) {
	t.Parallel()
	addr := serving(t, table(t))
	with := func(cookie string) *dns.Msg {
		return ask(t, "udp", addr, "www.example.test.", dns.TypeA, edns(1232, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}))
	}
	const client = "0123456789abcdef"
	got := with(client).IsEdns0().Option[0].(*dns.EDNS0_COOKIE).Cookie
	if len(got) != 48 || got[:16] != client {
		t.Fatalf("got cookie %s", got)
	}
	c := newCookies()
	raw, _ := hex.DecodeString(client)
	from := netip.MustParseAddr("192.0.2.1")
	mine := c.bake(raw, from)
	for name, is := range map[string]bool{
		"its own": c.ours(mine, from), "of another address": !c.ours(mine, from.Next()), "of another server": !newCookies().ours(mine, from), "too short": !c.ours(mine[:16], from),
		"old": !c.ours(c.at(raw, from, uint32(time.Now().Add(-2*time.Hour).Unix())), from), "of the future": !c.ours(c.at(raw, from, uint32(time.Now().Add(time.Hour).Unix())), from),
	} {
		if !is {
			t.Errorf("a cookie %s is judged wrongly", name)
		}
	}
	for _, bad := range []string{"0123", client + "01"} {
		if r := with(bad); r.Rcode != dns.RcodeFormatError {
			t.Errorf("got %v of a cookie of %d bytes", r, len(bad)/2)
		}
	}
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 3000 {
		many = append(many, fmt.Sprintf("n%d.example.test. A 192.0.2.7", i))
	}
	tab := table(t, many...)
	open, closed := serving(t, tab, netip.MustParsePrefix("127.0.0.0/8")), serving(t, tab)
	read := func(addr, name string) ([]dns.RR, error) {
		tr := new(dns.Transfer)
		parts, err := tr.In(new(dns.Msg).SetAxfr(name), addr)
		if err != nil {
			return nil, err
		}
		var all []dns.RR
		for p := range parts {
			if p.Error != nil {
				err = p.Error
			}
			all = append(all, p.RR...)
		}
		return all, err
	}
	all, err := read(open, "example.test.")
	if err != nil {
		t.Fatal(err)
	}
	first, ok := all[0].(*dns.SOA)
	last, is := all[len(all)-1].(*dns.SOA)
	if !ok || !is || first.Serial != 42 || last.Serial != 42 || len(all) != 2+1+2+1+8+1+3000 {
		t.Errorf("got %d records, from %v to %v", len(all), all[0], all[len(all)-1])
	}
	for name, addr := range map[string]string{"example.test.": closed, "www.example.test.": open, "inside.test.": open, "other.test.": open} {
		if all, err := read(addr, name); err == nil {
			t.Errorf("%s: got %d records, want none", name, len(all))
		}
	}
	if r := ask(t, "udp", open, "example.test.", dns.TypeAXFR); r.Rcode != dns.RcodeRefused {
		t.Errorf("got %v of a transfer over UDP", r)
	}
	if r := ask(t, "udp", open, "example.test.", dns.TypeIXFR); len(r.Answer) != 1 || r.Answer[0].(*dns.SOA).Serial != 42 {
		t.Errorf("got %v of an incremental transfer over UDP", r)
	}
	if r := ask(t, "udp", open, "example.test.", dns.TypeSOA); r.Answer[0].(*dns.SOA).Serial != 42 {
		t.Errorf("got %v: who may have the zone must see that it changed", r)
	}
	if r := ask(t, "udp", closed, "example.test.", dns.TypeSOA); r.Answer[0].(*dns.SOA).Serial != 1 {
		t.Errorf("got %v", r)
	}
}

// TestRaw sends what no client of the library would.
func TestRaw(t *testing.T) {
	t.Parallel()
	addr := serving(t, table(t))
	question, err := new(dns.Msg).SetQuestion("www.example.test.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int, b ...byte) []byte {
		out := append([]byte(nil), question...)
		copy(out[at:], b)
		return out
	}
	for _, tt := range []struct {
		name string
		in   []byte
		want int // -1: silence
	}{
		{"a question", question, dns.RcodeSuccess},
		{"nothing", nil, -1},
		{"half a head", question[:8], -1},
		{"a response", changed(2, question[2]|0x80), -1},
		{"a head alone", question[:12], dns.RcodeFormatError},
		{"a part of a question", question[:20], dns.RcodeFormatError},
		{"no question", changed(4, 0, 0), dns.RcodeFormatError},
		{"two questions", changed(4, 0, 2), dns.RcodeFormatError},
		{"an update", changed(2, 5<<3), dns.RcodeNotImplemented},
		{"a name that points at itself", changed(12, 0xc0, 12), dns.RcodeFormatError},
		{"another class", changed(len(question)-2, 0, 3), dns.RcodeRefused},
	} {
		c, err := net.Dial("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(tt.in); err != nil {
			t.Fatal(err)
		}
		if tt.want < 0 { // the next question of the same socket is answered, and nothing before it
			if _, err := c.Write(question); err != nil {
				t.Fatal(err)
			}
			tt.want = dns.RcodeSuccess
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		b := make([]byte, 2000)
		n, err := c.Read(b)
		_ = c.Close()
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := int(b[3] & 0xf); n < 12 || b[0] != question[0] || b[1] != question[1] || b[2]&0x80 == 0 || got != tt.want {
			t.Errorf("%s: got %d bytes with code %d, want %d", tt.name, n, got, tt.want)
		}
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 { // one after the other on a connection
		if err := writeMessage(c, question); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for range 3 {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, int(length[0])<<8|int(length[1]))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	r := newRate()
	now := time.Unix(1e9, 0)
	from, near, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.200"), netip.MustParseAddr("198.51.100.1")
	for i := range perSecond {
		if got := r.judge(from, "a", now); got != send {
			t.Fatalf("answer %d: got %d", i, got)
		}
	}
	if a, b := r.judge(near, "a", now), r.judge(near, "a", now); a == send || b == send || a == b {
		t.Errorf("got %d and %d of more answers to a network, want one cut and one dropped", a, b)
	}
	for name, got := range map[string]verdict{
		"another network": r.judge(far, "a", now), "another answer": r.judge(from, "b", now), "a second later": r.judge(from, "a", now.Add(time.Second)),
	} {
		if got != send {
			t.Errorf("%s: got %d, want it sent", name, got)
		}
	}
	for range 3 * perSecond {
		if r.judge(netip.MustParseAddr("127.0.0.1"), "a", now) != send {
			t.Fatal("this machine is limited")
		}
	}
}

// TestRateOfLikeAnswers: whoever asks for names that there is no end of, or for transfers, is held to the rate like others.
func TestRateOfLikeAnswers(t *testing.T) {
	t.Parallel()
	tab := table(t, "*.wild.example.test. A 192.0.2.8")
	for name, question := range map[string]func(i int) *dns.Msg{
		"a wildcard": func(i int) *dns.Msg {
			return new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.wild.example.test.", i), dns.TypeA)
		},
		"a wildcard's no data": func(i int) *dns.Msg {
			return new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.wild.example.test.", i), dns.TypeMX)
		},
		"a delegation": func(i int) *dns.Msg {
			return new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.part.example.test.", i), dns.TypeA)
		},
		"names that aren't":      func(i int) *dns.Msg { return new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.example.test.", i), dns.TypeA) },
		"a transfer":             func(int) *dns.Msg { return new(dns.Msg).SetAxfr("example.test.") },
		"a transfer's beginning": func(int) *dns.Msg { return new(dns.Msg).SetIxfr("example.test.", 1, "a.", "b.") },
	} {
		for _, who := range []string{"192.0.2.1", "198.51.100.1"} {
			s := New(Config{Table: func() *zone.Table { return tab }, Transfers: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
			sent := 0
			for i := range 4 * perSecond {
				b, err := question(i).Pack()
				if err != nil {
					t.Fatal(err)
				}
				s.answer(t.Context(), b, netip.MustParseAddr(who), false, func(b []byte) error {
					if b[2]&2 == 0 { // whole
						sent++
					}
					return nil
				})
			}
			if sent < perSecond || sent > 2*perSecond { // a second may end meanwhile
				t.Errorf("%s: %s got %d whole answers of %d", name, who, sent, 4*perSecond)
			}
		}
	}
}

// TestEveryAddress: at a socket of all addresses, the answer comes from where the question was sent to.
func TestEveryAddress(t *testing.T) {
	t.Parallel()
	at, err := Listen(t.Context(), []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0")})
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Table: func() *zone.Table { return table(t) }, Log: slog.New(slog.DiscardHandler), Conns: limit.NewConns(limit.Config{Max: 10})})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, at) }()
	defer func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	port := at.Packets[0].LocalAddr().(*net.UDPAddr).Port
	// A connected socket gets answers of that address only.
	ask(t, "udp", fmt.Sprintf("127.0.0.99:%d", port), "www.example.test.", dns.TypeA)
}

// FuzzAnswer holds that whatever is sent, what is answered is a message that fits.
func FuzzAnswer(f *testing.F) {
	tab := table(f)
	for _, m := range []*dns.Msg{
		new(dns.Msg).SetQuestion("www.example.test.", dns.TypeA), new(dns.Msg).SetAxfr("example.test."), new(dns.Msg).SetNotify("example.test."),
		new(dns.Msg).SetQuestion("big.example.test.", dns.TypeTXT).SetEdns0(4096, true),
	} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
		f.Add(b, false)
	}
	s := New(Config{Table: func() *zone.Table { return tab }, Transfers: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	f.Fuzz(func(t *testing.T, in []byte, stream bool) {
		s.answer(t.Context(), in, loopback.Addr(), stream, func(b []byte) error {
			most := dns.MaxMsgSize
			if !stream {
				most = mostSize
			}
			m := new(dns.Msg)
			if err := m.Unpack(b); err != nil && len(b) > 12 || len(b) > most || len(b) < 12 || b[2]&0x80 == 0 {
				t.Errorf("answered %x by %x: %v", in, b, err)
			}
			return nil
		})
	})
}

func BenchmarkServer(b *testing.B) {
	tab := table(b)
	s := New(Config{Table: func() *zone.Table { return tab }})
	q, err := new(dns.Msg).SetQuestion("www.example.test.", dns.TypeA).Pack()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.answer(b.Context(), q, loopback.Addr(), false, func([]byte) error { return nil })
	}
}
