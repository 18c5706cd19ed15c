// Package restjson reads and writes the parts of the restJson1 protocol that stand beside the JSON
// body: the request line, the query string, headers and the status.
package restjson

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// Router tells operations by method, path and the constant parameters of the query. It is immutable.
type Router struct{ routes []route }

type route struct {
	operation, method string
	segments          []segment
	query             url.Values // that must be there
	literals          int        // segments and parameters that are constant
}

type segment struct {
	text   string // the name of a label, else what must stand there
	label  bool
	greedy bool // the label takes all that is left
}

// NewRouter makes the router of a service's routes.
func NewRouter(routes map[string]descriptor.Route) (*Router, error) {
	r := &Router{}
	for name, d := range routes {
		one, err := parseRoute(name, d)
		if err != nil {
			return nil, err
		}
		r.routes = append(r.routes, one)
	}
	return r, nil
}

func parseRoute(operation string, d descriptor.Route) (route, error) {
	path, query, _ := strings.Cut(d.URI, "?")
	r := route{operation: operation, method: d.Method}
	var err error
	if r.query, err = url.ParseQuery(query); err != nil {
		return r, fmt.Errorf("route of %s: %w", operation, err)
	}
	r.literals = len(r.query)
	for part := range strings.SplitSeq(trim(path), "/") {
		name, label := strings.CutPrefix(part, "{")
		name, greedy := strings.CutSuffix(strings.TrimSuffix(name, "}"), "+")
		if !label {
			name, greedy = part, false
			r.literals++
		}
		r.segments = append(r.segments, segment{text: name, label: label, greedy: greedy})
	}
	return r, nil
}

// trim removes the slashes around a path, which tell no two operations apart.
func trim(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
}

// Match is the operation that a request line names, with its labels.
type Match struct {
	Operation string // "" when there is none
	Labels    map[string]string
	Query     url.Values // the constant parameters of the route
}

// Match finds the operation; path is as it came, escaped. Where several fit, the one of which most is
// constant is meant.
func (r *Router) Match(method, path string, query url.Values) Match {
	var best *route
	var found map[string]string
	parts := strings.Split(trim(path), "/")
	for i := range r.routes {
		one := &r.routes[i]
		if one.method != method || best != nil && best.literals >= one.literals {
			continue
		}
		if labels, ok := one.match(parts, query); ok {
			best, found = one, labels
		}
	}
	if best == nil {
		return Match{}
	}
	return Match{best.operation, found, best.query}
}

func (r *route) match(parts []string, query url.Values) (map[string]string, bool) {
	for name, want := range r.query {
		if got, ok := query[name]; !ok || got[0] != want[0] {
			return nil, false
		}
	}
	labels := map[string]string{}
	for i, s := range r.segments {
		if i >= len(parts) || len(parts) > len(r.segments) && !s.greedy && i == len(r.segments)-1 {
			return nil, false
		}
		part := parts[i]
		if s.greedy {
			part, parts = strings.Join(parts[i:], "/"), parts[:i+1]
		}
		text, err := url.PathUnescape(part)
		if err != nil || s.label && text == "" || !s.label && text != s.text {
			return nil, false
		}
		if s.label {
			labels[s.text] = text
		}
	}
	return labels, true
}
