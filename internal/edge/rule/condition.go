package rule

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/edge/match"
	"github.com/skylift/skylift/internal/edge/table"
)

// conditions are those of a rule: all must be met.
type conditions []condition

// condition is met when one of its values is.
type condition struct {
	field    table.Field
	key      []byte // of an HTTPHeader, or of all pairs, if they have one; in lower case
	patterns []match.Pattern
	regexes  []match.Regex
	methods  []string
	pairs    []pair
	prefixes []netip.Prefix
	never    bool // it can't be read
}

type pair struct {
	keyed      bool
	key, value match.Pattern
}

func compile(said []table.Condition) (conditions, error) {
	out := make(conditions, len(said))
	var first error
	for i := range said {
		if err := out[i].read(&said[i]); err != nil && first == nil {
			out[i].never, first = true, err
		}
	}
	return out, first
}

func (c *condition) read(said *table.Condition) error {
	c.field, c.key = said.Field, []byte(strings.ToLower(said.Header))
	switch said.Field {
	case table.HostHeader:
		return c.readTexts(said, match.Host, true)
	case table.PathPattern:
		return c.readTexts(said, match.Path, false)
	case table.HTTPHeader:
		return c.readTexts(said, match.Text, true)
	case table.Method:
		c.methods = said.Values
	case table.QueryString:
		for _, p := range said.Pairs {
			c.pairs = append(c.pairs, pair{p.Key != "", match.Query(p.Key), match.Query(p.Value)})
		}
		c.key = commonKey(c.pairs)
	case table.SourceIP:
		for _, v := range said.Values {
			p, err := netip.ParsePrefix(v)
			if err != nil {
				return fmt.Errorf("read addresses: %w", err)
			}
			c.prefixes = append(c.prefixes, p.Masked())
		}
	default:
		return fmt.Errorf("condition on unknown field %q", said.Field)
	}
	return nil
}

func (c *condition) readTexts(said *table.Condition, pattern func(string) match.Pattern, fold bool) error {
	for _, v := range said.Values {
		c.patterns = append(c.patterns, pattern(v))
	}
	for _, v := range said.Regex {
		r, err := match.CompileRegex(v, fold)
		if err != nil {
			return err
		}
		c.regexes = append(c.regexes, r)
	}
	return nil
}

// commonKey is the key that all pairs have; nil if there is none.
func commonKey(pairs []pair) []byte {
	var key string
	for i := range pairs {
		k, _, closed := pairs[i].key.Literal()
		if !closed || k == "" || i > 0 && k != key {
			return nil
		}
		key = k
	}
	return []byte(key)
}

// met tells whether the request meets all conditions.
func (cs conditions) met(r *Request) bool {
	for i := range cs {
		if !cs[i].met(r) {
			return false
		}
	}
	return true
}

func (c *condition) met(r *Request) bool {
	if c.never {
		return false
	}
	switch c.field {
	case table.HostHeader:
		return len(r.Host) <= maxHost && c.text(r.Host)
	case table.PathPattern:
		return c.text(r.Path)
	case table.HTTPHeader:
		return c.headers(r)
	case table.Method:
		return slices.Contains(c.methods, string(r.Method))
	case table.QueryString:
		return c.query(r.Query)
	case table.SourceIP:
		for _, p := range c.prefixes {
			if p.Contains(r.Client) {
				return true
			}
		}
	}
	return false
}

func (c *condition) text(s []byte) bool {
	for i := range c.patterns {
		if c.patterns[i].Match(s) {
			return true
		}
	}
	for i := range c.regexes {
		if c.regexes[i].Match(s) {
			return true
		}
	}
	return false
}

// headers looks at each line of a header that comes several times.
func (c *condition) headers(r *Request) bool {
	for i := range r.Fields {
		f := &r.Fields[i]
		if named(f.Name, c.key) && bytes.IndexByte(f.Value, '\t') < 0 && c.text(f.Value) {
			return true
		}
	}
	return false
}

// named tells whether a header has a name, which is in lower case.
func named(name, low []byte) bool {
	if len(name) != len(low) {
		return false
	}
	for i, c := range name {
		if match.Fold(c) != low[i] {
			return false
		}
	}
	return true
}

// query looks for a pair in a query as it was sent: nothing is decoded.
func (c *condition) query(query []byte) bool {
	for len(query) > 0 {
		var part []byte
		part, query, _ = bytes.Cut(query, []byte("&"))
		key, value, _ := bytes.Cut(part, []byte("="))
		for i := range c.pairs {
			p := &c.pairs[i]
			if p.value.Match(value) && (!p.keyed || p.key.Match(key)) {
				return true
			}
		}
	}
	return false
}
