package zone_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/rdata"
	"github.com/skylift/skylift/internal/dns/zone"
)

// set makes a set of "name type data|data"; data that begins with "=" is an alias, as in "=zone name", or "=zone name !" where it is
// judged.
func set(t testing.TB, line string, change ...func(*zone.Set)) *zone.Set {
	t.Helper()
	f := strings.SplitN(line, " ", 3)
	number, ok := rdata.TypeOf(f[1])
	if !ok {
		t.Fatalf("no type %s", f[1])
	}
	s := &zone.Set{Name: f[0], Type: number}
	if alias, is := strings.CutPrefix(f[2], "="); is {
		a := strings.Fields(alias)
		s.Alias = &zone.Alias{Zone: a[0], Name: a[1], Judged: len(a) > 2}
	} else {
		for text := range strings.SplitSeq(f[2], "|") {
			rr, err := rdata.Parse(s.Name, number, 60, text)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			s.Records = append(s.Records, rr)
		}
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func named(id string, policy zone.Policy, change ...func(*zone.Set)) func(*zone.Set) {
	return func(s *zone.Set) {
		s.ID, s.Policy = id, policy
		for _, c := range change {
			c(s)
		}
	}
}

func checked(id string) func(*zone.Set) { return func(s *zone.Set) { s.Check = id } }

func weight(n uint32) func(*zone.Set) { return func(s *zone.Set) { s.Weight = n } }

func secondary(s *zone.Set) { s.Secondary = true }

func distance(d float64) func(*zone.Set) { return func(s *zone.Set) { s.Distance = d } }

const soa = "SOA ns.example.test. admin.example.test. 1 7200 900 1209600 30"

// world has a public zone, one below it, one that two views share, and a zone of balancers.
func world(t testing.TB) *zone.Builder {
	t.Helper()
	b := zone.NewBuilder()
	for _, i := range []zone.Info{
		{ID: "Z1", Name: "example.test.", Serial: 7},
		{ID: "Z2", Name: "sub.example.test."},
		{ID: "ZP", Name: "example.test.", Views: []string{"vpc-1", "vpc-2"}},
		{ID: "ZB", Name: "lb.test."},
	} {
		if !b.Put(i) {
			t.Fatalf("%s is no name", i.Name)
		}
	}
	for id, lines := range map[string][]string{
		"Z1": {
			"example.test. " + soa, "example.test. NS ns.example.test.", "example.test. A =ZB app.lb.test.", "ns.example.test. A 192.0.2.53",
			"www.example.test. CNAME app.lb.test.", `*.example.test. TXT "any"`, "*.apps.example.test. CNAME www.example.test.",
			"a.b.c.example.test. A 192.0.2.1|192.0.2.2", "out.example.test. CNAME elsewhere.test.", "loop.example.test. CNAME pool.example.test.",
			"pool.example.test. CNAME loop.example.test.", "gone.example.test. CNAME missing.lb.test.",
			"part.example.test. NS ns.part.example.test.|ns.other.test.", "part.example.test. DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", "ns.part.example.test. A 192.0.2.54",
			"sub.example.test. DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", `x\032y.example.test. A 192.0.2.3`,
		},
		"Z2": {"sub.example.test. " + soa, "www.sub.example.test. A 192.0.2.9"},
		"ZP": {"example.test. " + soa, "www.example.test. A 10.0.0.1"},
		"ZB": {"lb.test. " + soa, "app.lb.test. A 127.0.0.2"},
	} {
		for _, l := range lines {
			b.PutSet(id, set(t, l))
		}
	}
	return b
}

// said returns an answer as a line: its code, its records' data in order, what stands in authority, and where it leads out.
func said(a zone.Answer) string {
	if !a.Ours {
		return "not ours"
	}
	data := func(rrs []dns.RR) string {
		var all []string
		for _, rr := range rrs {
			all = append(all, rr.Header().Name+" "+dns.TypeToString[rr.Header().Rrtype]+" "+strings.ReplaceAll(rdata.Text(rr), "\t", " "))
		}
		if len(all) > 1 && rrs[0].Header().Name == rrs[1].Header().Name {
			slices.Sort(all)
		}
		return strings.Join(all, ", ")
	}
	s := dns.RcodeToString[a.Rcode]
	if a.Referral {
		s = "REFERRAL"
	}
	for _, part := range [][]dns.RR{a.Answer, a.Authority, a.Additional} {
		if len(part) > 0 {
			s += "; " + data(part)
		}
	}
	if a.Out != "" {
		s += "; out " + a.Out
	}
	return s
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	table := world(t).Table()
	const denied = "; example.test. SOA ns.example.test. admin.example.test. 1 7200 900 1209600 30"
	for _, tt := range []struct{ name, kind, view, want string }{
		{"www.example.test.", "A", "", "NOERROR; www.example.test. CNAME app.lb.test., app.lb.test. A 127.0.0.2"},
		{"WWW.example.test.", "CNAME", "", "NOERROR; WWW.example.test. CNAME app.lb.test."},
		{"www.example.test.", "AAAA", "", "NOERROR; www.example.test. CNAME app.lb.test.; lb.test. SOA ns.example.test. admin.example.test. 1 7200 900 1209600 30"},
		{"example.test.", "A", "", "NOERROR; example.test. A 127.0.0.2"},
		{"example.test.", "AAAA", "", "NOERROR" + denied},
		{"a.b.c.example.test.", "A", "", "NOERROR; a.b.c.example.test. A 192.0.2.1, a.b.c.example.test. A 192.0.2.2"},
		{"b.c.example.test.", "A", "", "NOERROR" + denied},      // exists, because a name below it does
		{"x.b.c.example.test.", "TXT", "", "NXDOMAIN" + denied}, // the wildcard is not below the closest name
		{"x.y.example.test.", "TXT", "", `NOERROR; x.y.example.test. TXT "any"`},
		{"x.example.test.", "A", "", "NOERROR" + denied},
		{"x.apps.example.test.", "A", "", "NOERROR; x.apps.example.test. CNAME www.example.test., www.example.test. CNAME app.lb.test., app.lb.test. A 127.0.0.2"},
		{"apps.example.test.", "TXT", "", "NOERROR" + denied},
		{"out.example.test.", "A", "", "NOERROR; out.example.test. CNAME elsewhere.test.; out elsewhere.test."},
		{"loop.example.test.", "A", "", "NOERROR; loop.example.test. CNAME pool.example.test., pool.example.test. CNAME loop.example.test."},
		{"gone.example.test.", "A", "", "NXDOMAIN; gone.example.test. CNAME missing.lb.test.; lb.test. SOA ns.example.test. admin.example.test. 1 7200 900 1209600 30"},
		{"part.example.test.", "A", "", "REFERRAL; part.example.test. NS ns.other.test., part.example.test. NS ns.part.example.test.; ns.part.example.test. A 192.0.2.54"},
		{"x.y.part.example.test.", "TXT", "", "REFERRAL; part.example.test. NS ns.other.test., part.example.test. NS ns.part.example.test.; ns.part.example.test. A 192.0.2.54"},
		{"part.example.test.", "DS", "", "NOERROR; part.example.test. DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"},
		{"sub.example.test.", "DS", "", "NOERROR; sub.example.test. DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"},
		{"www.sub.example.test.", "A", "", "NOERROR; www.sub.example.test. A 192.0.2.9"},
		{`x\ y.example.test.`, "A", "", `NOERROR; x\ y.example.test. A 192.0.2.3`},
		{"elsewhere.test.", "A", "", "not ours"},
		{".", "NS", "", "not ours"},
		{"www.example.test.", "A", "vpc-1", "NOERROR; www.example.test. A 10.0.0.1"},
		{"example.test.", "A", "vpc-2", "NOERROR" + denied}, // the private zone knows all of its names
		{"www.sub.example.test.", "A", "vpc-1", "NOERROR; www.sub.example.test. A 192.0.2.9"},
		{"app.lb.test.", "ANY", "vpc-1", "NOERROR; app.lb.test. A 127.0.0.2"},
		{"www.example.test.", "A", "vpc-3", "NOERROR; www.example.test. CNAME app.lb.test., app.lb.test. A 127.0.0.2"},
	} {
		number, ok := rdata.TypeOf(tt.kind)
		if !ok {
			t.Fatal(tt.kind)
		}
		if got := said(table.Answer(zone.Question{Name: tt.name, Type: number, View: tt.view})); got != tt.want {
			t.Errorf("%s %s in %q:\n got %s\nwant %s", tt.name, tt.kind, tt.view, got, tt.want)
		}
	}
	a := table.Answer(zone.Question{Name: "example.test.", Type: dns.TypeSOA, Transfer: true})
	if got := a.Answer[0].(*dns.SOA).Serial; got != 7 {
		t.Errorf("got serial %d for transfers, want 7", got)
	}
}

// seen returns which answers come for a name, of many.
func seen(table *zone.Table, name string) string {
	all := map[string]bool{}
	for range 300 {
		var data []string
		for _, rr := range table.Answer(zone.Question{Name: name, Type: dns.TypeA}).Answer {
			data = append(data, rdata.Text(rr))
		}
		slices.Sort(data)
		all[strings.Join(data, "+")] = true
	}
	var list []string
	for s := range all {
		list = append(list, s)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		sets []*zone.Set
		sick string
		want string
	}{
		{"weights", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Weighted, weight(1), checked("a"))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Weighted, weight(1), checked("b"))),
			set(t, "p.example.test. A 1.0.0.3", named("c", zone.Weighted, checked("c"))),
		}, "", "1.0.0.1 1.0.0.2"},
		{"weights, one ill", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Weighted, weight(9), checked("a"))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Weighted, weight(1))),
		}, "a", "1.0.0.2"},
		{"only weight zero is well", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Weighted, weight(9), checked("a"))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Weighted)),
			set(t, "p.example.test. A 1.0.0.3", named("c", zone.Weighted)),
		}, "a", "1.0.0.2 1.0.0.3"},
		{"all ill", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Weighted, weight(9), checked("a"))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Weighted, weight(9), checked("b"))),
		}, "a b", "1.0.0.1 1.0.0.2"},
		{"failover", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Failover, checked("a"))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Failover, secondary)),
		}, "", "1.0.0.1"},
		{"failover, ill", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Failover, checked("a"))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Failover, secondary)),
		}, "a", "1.0.0.2"},
		{"failover, both ill", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Failover, checked("a"))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Failover, secondary, checked("b"))),
		}, "a b", "1.0.0.1"},
		{"nearest", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Nearest, distance(9))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Nearest, distance(3), checked("b"))),
		}, "", "1.0.0.2"},
		{"nearest, ill", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Nearest, distance(9))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Nearest, distance(3), checked("b"))),
		}, "b", "1.0.0.1"},
		{"several", []*zone.Set{
			set(t, "p.example.test. A 1.0.0.1", named("a", zone.Multi, checked("a"))), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Multi)), set(t, "p.example.test. A 1.0.0.3", named("c", zone.Multi)),
		}, "a", "1.0.0.2+1.0.0.3"},
		{"an alias that is judged", []*zone.Set{
			set(t, "p.example.test. A =Z1 q.example.test. !", named("a", zone.Failover)), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Failover, secondary)),
			set(t, "q.example.test. A 1.0.0.1", named("a", zone.Weighted, weight(1), checked("a"))),
		}, "a", "1.0.0.2"},
		{"an alias whose target has a branch that is well", []*zone.Set{
			set(t, "p.example.test. A =Z1 q.example.test. !", named("a", zone.Failover)), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Failover, secondary)),
			set(t, "q.example.test. A 1.0.0.1", named("a", zone.Weighted, weight(1), checked("a"))), set(t, "q.example.test. A 1.0.0.3", named("b", zone.Weighted, weight(1))),
		}, "a", "1.0.0.3"},
		{"an alias that isn't judged", []*zone.Set{
			set(t, "p.example.test. A =Z1 q.example.test.", named("a", zone.Failover)), set(t, "p.example.test. A 1.0.0.2", named("b", zone.Failover, secondary)),
			set(t, "q.example.test. A 1.0.0.1", named("a", zone.Weighted, weight(1), checked("a"))),
		}, "a", "1.0.0.1"},
		{"aliases of each other", []*zone.Set{
			set(t, "p.example.test. A =Z1 q.example.test. !", named("a", zone.Failover)), set(t, "p.example.test. A =Z1 q.example.test. !", named("b", zone.Failover, secondary)),
			set(t, "q.example.test. A =Z1 p.example.test. !"),
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := zone.NewBuilder()
			b.Put(zone.Info{ID: "Z1", Name: "example.test."})
			for _, s := range tt.sets {
				b.PutSet("Z1", s)
			}
			for id := range strings.FieldsSeq(tt.sick) {
				b.SetWell(id, false)
			}
			if got := seen(b.Table(), "p.example.test."); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMultiHasEight(t *testing.T) {
	t.Parallel()
	b := zone.NewBuilder()
	b.Put(zone.Info{ID: "Z1", Name: "example.test."})
	for i := range 20 {
		b.PutSet("Z1", set(t, fmt.Sprintf("p.example.test. A 1.0.0.%d", i+1), named(fmt.Sprint(i), zone.Multi)))
	}
	if got := len(b.Table().Answer(zone.Question{Name: "p.example.test.", Type: dns.TypeA}).Answer); got != 8 {
		t.Errorf("got %d records, want 8", got)
	}
}

// TestTablesDoNotChange: what a table answers stays, whatever the builder does after it.
func TestTablesDoNotChange(t *testing.T) {
	t.Parallel()
	b := world(t)
	one := b.Table()
	if b.Table() != one {
		t.Error("another table of the same zones")
	}
	q := zone.Question{Name: "www.sub.example.test.", Type: dns.TypeA}
	before := said(one.Answer(q))
	b.PutSet("Z2", set(t, "www.sub.example.test. A 192.0.2.99"))
	two := b.Table()
	b.DropSet("Z2", set(t, "www.sub.example.test. A 192.0.2.99"))
	three := b.Table()
	b.Drop("Z2")
	four := b.Table()
	for i, want := range []string{
		before, "NOERROR; www.sub.example.test. A 192.0.2.99",
		"NXDOMAIN; sub.example.test. SOA ns.example.test. admin.example.test. 1 7200 900 1209600 30",
		"NXDOMAIN; example.test. SOA ns.example.test. admin.example.test. 1 7200 900 1209600 30",
	} {
		if got := said([]*zone.Table{one, two, three, four}[i].Answer(q)); got != want {
			t.Errorf("table %d: got %s, want %s", i+1, got, want)
		}
	}
}

// TestAnyOrder: a zone's records may come before the zone itself.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	b := zone.NewBuilder()
	b.PutSet("Z1", set(t, "example.test. NS ns.example.test."))
	b.PutSet("Z1", set(t, "www.example.test. A 192.0.2.1"))
	if got := said(b.Table().Answer(zone.Question{Name: "www.example.test.", Type: dns.TypeA})); got != "not ours" {
		t.Errorf("got %s of a zone that isn't there yet", got)
	}
	b.Put(zone.Info{ID: "Z1", Name: "example.test."})
	if got := said(b.Table().Answer(zone.Question{Name: "www.example.test.", Type: dns.TypeA})); got != "NOERROR; www.example.test. A 192.0.2.1" {
		t.Errorf("got %s", got)
	}
}

// TestSeveralOfAName: the first one that was made answers.
func TestSeveralOfAName(t *testing.T) {
	t.Parallel()
	b := zone.NewBuilder()
	for _, id := range []string{"2", "1", "3"} {
		b.Put(zone.Info{ID: "Z" + id, Name: "example.test.", Rank: id})
		b.PutSet("Z"+id, set(t, "www.example.test. A 192.0.2."+id))
	}
	if got := seen(b.Table(), "www.example.test."); got != "192.0.2.1" {
		t.Errorf("got %s", got)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		".": "", "a.": "a", "WWW.Example.test.": "test\x00example\x00www", `a\.b.c.`: "c\x00a.b", `\000\001\065.`: "\x01\x01\x01\x02a", "a": "-", "": "-", "a..b.": "-", ".a.": "-", `a\.`: "-",
	} {
		got, ok := zone.Key(name)
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	w := world(b)
	for i := range 100_000 {
		w.PutSet("Z1", set(b, fmt.Sprintf("n%d.many.example.test. A 192.0.2.1", i)))
	}
	table := w.Table()
	for b.Loop() {
		table.Answer(zone.Question{Name: "n4711.many.example.test.", Type: dns.TypeA})
	}
}

func BenchmarkChange(b *testing.B) {
	w := world(b)
	for i := range 100_000 {
		w.PutSet("Z1", set(b, fmt.Sprintf("n%d.many.example.test. A 192.0.2.1", i)))
	}
	w.Table()
	s := set(b, "n4711.many.example.test. A 192.0.2.2")
	for b.Loop() {
		w.PutSet("Z1", s)
		w.Table()
	}
}
