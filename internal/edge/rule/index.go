package rule

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/edge/table"
)

// index says which rules a request may meet, by the first condition that each
// rule has on a field. A field that no rule has a condition on is nil.
type index struct {
	pool    pool
	hosts   *texts
	paths   *texts
	headers []keyed
	queries []keyed
	methods map[string]place
	other   place // rules that other methods may meet
	sources *sources
}

// texts finds rules by how a text begins and by how it ends.
type texts struct{ begin, end *tree }

// keyed is the rules with a condition on a header, or on a key of the query;
// those without one are in all sets.
type keyed struct {
	name   []byte // in lower case
	absent place  // rules that a request without it may meet
	values *texts
}

// sources finds rules by the prefixes that an address is in.
type sources struct {
	absent place // rules without a condition on addresses
	by     map[netip.Prefix]place
	v4, v6 []int // the lengths of the prefixes
}

func (x *index) narrow(n *narrowed, r *Request) {
	x.hosts.narrow(n, r.Host)
	x.paths.narrow(n, r.Path)
	if x.methods != nil {
		may, ok := x.methods[string(r.Method)]
		if !ok {
			may = x.other
		}
		n.next().add(may)
	}
	for i := range x.headers {
		x.headers[i].narrowHeaders(n, r)
	}
	for i := range x.queries {
		x.queries[i].narrowQuery(n, r.Query)
	}
	x.sources.narrow(n, r.Client)
}

func (t *texts) narrow(n *narrowed, s []byte) {
	if t != nil {
		t.add(n.next(), s)
	}
}

// add takes in the rules that s may meet, if there is room.
func (t *texts) add(e *either, s []byte) bool {
	ok := true
	if t.begin != nil {
		ok = e.add(t.begin.find(s))
	}
	if t.end != nil {
		ok = e.add(t.end.find(s)) && ok
	}
	return ok
}

func (k *keyed) narrowHeaders(n *narrowed, r *Request) {
	e := n.next()
	e.add(k.absent)
	for i := range r.Fields {
		if f := &r.Fields[i]; named(f.Name, k.name) && !k.values.add(e, f.Value) {
			n.drop() // so many lines that it isn't worth while
			return
		}
	}
}

func (k *keyed) narrowQuery(n *narrowed, query []byte) {
	e := n.next()
	e.add(k.absent)
	for len(query) > 0 {
		var part []byte
		part, query, _ = bytes.Cut(query, []byte("&"))
		key, value, _ := bytes.Cut(part, []byte("="))
		if named(key, k.name) && !k.values.add(e, value) {
			n.drop()
			return
		}
	}
}

func (s *sources) narrow(n *narrowed, client netip.Addr) {
	if s == nil {
		return
	}
	e := n.next()
	e.add(s.absent)
	lengths := s.v6
	if client.Is4() {
		lengths = s.v4
	}
	for _, l := range lengths {
		if p, err := client.Prefix(l); err == nil {
			if may, ok := s.by[p]; ok {
				e.add(may)
			}
		}
	}
}

func newIndex(rules []conditions) index {
	x := index{pool: pool{words: (len(rules) + 63) / 64, known: map[string]place{}}}
	x.hosts = x.newTexts(rules, table.HostHeader, nil, true)
	x.paths = x.newTexts(rules, table.PathPattern, nil, false)
	x.addMethods(rules)
	x.addSources(rules)
	x.headers = x.newKeyed(rules, table.HTTPHeader)
	x.queries = x.newKeyed(rules, table.QueryString)
	x.pool.known = nil
	return x
}

// first returns the first condition on a field, and on a key if that is given;
// nil if there is none.
func (cs conditions) first(field table.Field, key []byte) *condition {
	for i := range cs {
		if cs[i].field == field && (key == nil || string(cs[i].key) == string(key)) {
			return &cs[i]
		}
	}
	return nil
}

// without returns the rules that have no condition on a field.
func (x *index) without(rules []conditions, field table.Field, key []byte) set {
	s := x.pool.empty()
	for i := range rules {
		if rules[i].first(field, key) == nil {
			s.add(i)
		}
	}
	return s
}

// newKeyed makes the indexes of the keys that rules ask for.
func (x *index) newKeyed(rules []conditions, field table.Field) (out []keyed) {
	for i := range rules {
		c := rules[i].first(field, nil)
		if c == nil || len(c.key) == 0 || len(out) == maxNarrow || slices.ContainsFunc(out, func(k keyed) bool { return string(k.name) == string(c.key) }) {
			continue
		}
		out = append(out, keyed{c.key, x.pool.keep(x.without(rules, field, c.key)), x.newTexts(rules, field, c.key, true)})
	}
	return out
}

// newTexts makes the index of a field whose values are texts.
func (x *index) newTexts(rules []conditions, field table.Field, key []byte, fold bool) *texts {
	var begin, end []literal
	base, some := x.without(rules, field, key), false
	for i := range rules {
		c := rules[i].first(field, key)
		if c == nil {
			continue
		}
		some = true
		c.literals(func(b, e string, closed bool) {
			switch {
			case len(b)+len(e) == 0 && !closed:
				base.add(i)
			case len(b) >= len(e):
				begin = append(begin, literal{b, closed, i})
			default:
				end = append(end, literal{e, closed, i})
			}
		})
	}
	if !some {
		return nil
	}
	t := &texts{}
	if len(begin) > 0 {
		t.begin = x.pool.newTree(begin, base, false, fold)
	}
	if len(end) > 0 || t.begin == nil {
		t.end = x.pool.newTree(end, base, true, fold)
	}
	return t
}

// literals calls f with the ends of each value.
func (c *condition) literals(f func(begin, end string, closed bool)) {
	for _, p := range c.patterns {
		f(p.Literal())
	}
	for _, r := range c.regexes {
		begin, end := r.Literal()
		f(begin, end, false)
	}
	for _, p := range c.pairs {
		f(p.value.Literal())
	}
}

func (x *index) addMethods(rules []conditions) {
	other := x.without(rules, table.Method, nil)
	by := map[string]set{}
	for i := range rules {
		if c := rules[i].first(table.Method, nil); c != nil {
			for _, m := range c.methods {
				if by[m] == nil {
					by[m] = slices.Clone(other)
				}
				by[m].add(i)
			}
		}
	}
	if len(by) == 0 {
		return
	}
	x.other, x.methods = x.pool.keep(other), map[string]place{}
	for m, s := range by {
		x.methods[m] = x.pool.keep(s)
	}
}

func (x *index) addSources(rules []conditions) {
	s, absent, by := &sources{by: map[netip.Prefix]place{}}, x.without(rules, table.SourceIP, nil), map[netip.Prefix]set{}
	for i := range rules {
		c := rules[i].first(table.SourceIP, nil)
		if c == nil {
			continue
		}
		x.sources = s
		for _, p := range c.prefixes {
			if !s.looksAt(p) {
				absent.add(i)
				continue
			}
			if by[p] == nil {
				by[p] = x.pool.empty()
			}
			by[p].add(i)
		}
	}
	s.absent = x.pool.keep(absent)
	for p, rules := range by {
		s.by[p] = x.pool.keep(rules)
	}
}

// looksAt tells whether prefixes as long as p are looked up.
func (s *sources) looksAt(p netip.Prefix) bool {
	lengths := &s.v6
	if p.Addr().Is4() {
		lengths = &s.v4
	}
	if slices.Contains(*lengths, p.Bits()) {
		return true
	}
	if len(*lengths) == maxNarrow {
		return false
	}
	*lengths = append(*lengths, p.Bits())
	return true
}
