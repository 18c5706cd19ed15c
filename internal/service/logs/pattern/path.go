package pattern

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// path selects values of a JSON document: $.a.b[0].c, $.a[*], $.['a.b'].
type path []step

// step is a member's name, or an element's index; every: all elements.
type step struct {
	name  string
	index int
	every bool
	array bool
}

var (
	member  = regexp.MustCompile(`^\.([A-Za-z0-9_\-]+)`)
	literal = regexp.MustCompile(`^\.?\[(?:'([^']+)'|"([^"]+)")\]`)
	element = regexp.MustCompile(`^\[(\d{1,9}|\*)\]`)
)

func (p *parser) path() (path, error) {
	if !p.take("$") {
		return nil, fmt.Errorf("want a field, as in $.name, before '%s'", p.rest)
	}
	var out path
	for {
		switch {
		case member.MatchString(p.rest):
			m := p.match(member)
			out = append(out, step{name: m[1]})
		case literal.MatchString(p.rest):
			m := p.match(literal)
			out = append(out, step{name: m[1] + m[2]})
		case element.MatchString(p.rest):
			m := p.match(element)
			n, _ := strconv.Atoi(m[1]) // 0 for *
			out = append(out, step{array: true, index: n, every: m[1] == "*"})
		case len(out) == 0:
			return nil, fmt.Errorf("want a field, as in $.name, instead of '$%s'", p.rest)
		default:
			return out, nil
		}
	}
}

// match takes what re matches at the start of the rest.
func (p *parser) match(re *regexp.Regexp) []string {
	m := re.FindStringSubmatch(p.rest)
	p.rest = strings.TrimPrefix(p.rest, m[0])
	return m
}

// find returns the values that the path selects.
func (s path) find(doc any) []any {
	found := []any{doc}
	for _, st := range s {
		var next []any
		for _, v := range found {
			next = append(next, st.of(v)...)
		}
		found = next
	}
	return found
}

func (st step) of(v any) []any {
	if !st.array {
		if o, ok := v.(map[string]any); ok {
			if m, ok := o[st.name]; ok {
				return []any{m}
			}
		}
		return nil
	}
	a, ok := v.([]any)
	switch {
	case !ok:
		return nil
	case st.every:
		return a
	case st.index < len(a):
		return a[st.index : st.index+1]
	}
	return nil
}
