// Package rest reads and writes the parts of the REST protocols that stand beside the body: the request line,
// the query string, headers and the status. What a body is in, the protocol says.
package rest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// Router tells operations by method, path and the constant parameters of the query. It is immutable.
type Router struct{ routes []route }

type route struct {
	operation, method string
	segments          []segment
	query             url.Values // that must be there
	needs             []string   // what must be there beside it: headers, and parameters behind "?"
	literals          int        // segments and parameters that are constant, and needs
}

type segment struct {
	text   string // the name of a label, else what must stand there
	label  bool
	greedy bool // the label takes all that is left
}

// NewRouter makes the router of a service's routes.
func NewRouter(routes map[string]descriptor.Route) (*Router, error) {
	r := &Router{}
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		one, err := parseRoute(name, routes[name])
		if err != nil {
			return nil, err
		}
		r.routes = append(r.routes, one)
	}
	return r, nil
}

func parseRoute(operation string, d descriptor.Route) (route, error) {
	path, query, _ := strings.Cut(d.URI, "?")
	r := route{operation: operation, method: d.Method, needs: d.Needs}
	var err error
	if r.query, err = url.ParseQuery(query); err != nil {
		return r, fmt.Errorf("route of %s: %w", operation, err)
	}
	r.literals = len(r.query) + len(r.needs)
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
func (r *Router) Match(method, path string, query url.Values, h http.Header) Match {
	var best *route
	var found map[string]string
	parts := strings.Split(trim(path), "/")
	whole := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range r.routes {
		one := &r.routes[i]
		if one.method != method || best != nil && best.literals >= one.literals || !one.has(query, h) {
			continue
		}
		split := parts
		if one.segments[len(one.segments)-1].greedy {
			split = whole // the slash at the end is part of the label
		}
		if labels, ok := one.match(split); ok {
			best, found = one, labels
		}
	}
	if best == nil {
		return Match{}
	}
	return Match{best.operation, found, best.query}
}

// has says whether what the route asks for beside the path is there.
func (r *route) has(query url.Values, h http.Header) bool {
	for name, want := range r.query {
		if got, ok := query[name]; !ok || got[0] != want[0] {
			return false
		}
	}
	return !slices.ContainsFunc(r.needs, func(need string) bool {
		name, parameter := strings.CutPrefix(need, "?")
		if parameter {
			return !query.Has(name)
		}
		return len(h.Values(need)) == 0
	})
}

func (r *route) match(parts []string) (map[string]string, bool) {
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
