// Package resource tells which resources a request is about, as AWS's service authorization
// reference names them, from what its operation declares.
package resource

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// Declaration says where a request names resources of a type.
type Declaration struct {
	// Text is a resource type and, for each variable of the type's ARN pattern, the member that fills it:
	//
	//	task: cluster=default task
	//
	// Names are those of the wire; a.b is b of a, or of each element of a. After = stands what an absent
	// member means, a|b is the one that is set, and * is any resource. A member that holds an ARN of the type is
	// the resource as it is; an ARN of another type gives the variables that both have. The type listener/*
	// stands for all of the operation's types that begin so, and * for all. Their member holds an ARN.
	Text string
	// Find returns ids or ARNs that only records tell; the text is then the type alone.
	Find func(ctx context.Context, in any) []string
}

// Set is the resources that the requests of one operation are about. It is immutable.
type Set struct {
	of  []subject
	all []*pattern // of the service
}

// subject is a compiled declaration.
type subject struct {
	kinds    []descriptor.Resource // types of the reference
	required bool
	pattern  *pattern // of the type; nil where there are several
	members  []member
	find     func(ctx context.Context, in any) []string
}

// Reference is what AWS's reference says of one service.
type Reference struct {
	service *descriptor.Service
	all     []*pattern
}

// Of returns that of the service.
func Of(s *descriptor.Service) *Reference { return &Reference{s, patterns(s)} }

// Compile holds the declarations of an operation, whose input is of type in, to the reference: it fails on
// a type that the operation does not have there, a member that is not there, and when a required type is
// not declared.
func (r *Reference) Compile(operation string, in *bind.Type, declared []Declaration) (*Set, error) {
	set := &Set{all: r.all}
	types := r.service.Operations[operation].Types()
	var errs []error
	for _, d := range declared {
		of, err := set.compile(types, in, d)
		if err != nil {
			errs = append(errs, fmt.Errorf("on %q: %w", d.Text, err))
		}
		set.of = append(set.of, of)
	}
	for _, t := range types {
		if t.Required && !slices.ContainsFunc(set.of, func(of subject) bool { return slices.Contains(of.kinds, t) }) {
			errs = append(errs, fmt.Errorf("it is on a %s and does not declare which", t.Type))
		}
	}
	return set, errors.Join(errs...)
}

func (s *Set) compile(types []descriptor.Resource, in *bind.Type, d Declaration) (of subject, err error) {
	kind, words, _ := strings.Cut(d.Text, ":")
	prefix, several := strings.CutSuffix(kind, all)
	for _, t := range types {
		if t.Type == kind || several && strings.HasPrefix(t.Type, prefix) {
			of.kinds = append(of.kinds, t)
			of.required = of.required || t.Required
		}
	}
	if len(of.kinds) == 0 && kind != all {
		return of, fmt.Errorf("AWS's reference has no such resource type for it, but: %s", names(types))
	}
	variables := 1
	if !several {
		n := slices.IndexFunc(s.all, func(p *pattern) bool { return p.kind == kind })
		of.pattern = s.all[n]
		variables = len(of.pattern.names) - of.pattern.own
	}
	of.find = d.Find
	for word := range strings.FieldsSeq(words) {
		m, err := parseMember(in, word)
		if err != nil {
			return of, err
		}
		of.members = append(of.members, m)
	}
	if n := len(of.members); (n == 0) != (of.find != nil) || n > variables {
		return of, fmt.Errorf("it has %d members for %d variables", n, variables)
	}
	return of, nil
}

func names(types []descriptor.Resource) string {
	var b []string
	for _, t := range types {
		b = append(b, t.Type)
	}
	return strings.Join(b, ", ")
}

// Of returns the ARNs of the resources that in, a pointer to an input, is about, each once. A variable that
// nothing fills is *. An optional resource that is not named is left out, unless no other is. AWS
// authorizes what is about none on "*".
func (s *Set) Of(ctx context.Context, ns arn.Namespace, in any) []string {
	v := reflect.ValueOf(in).Elem()
	var list, optional []string
	for i := range s.of {
		of := &s.of[i]
		found, named := s.resources(ctx, ns, of, in, v)
		if named || of.required {
			list = append(list, found...)
		} else {
			optional = append(optional, found...)
		}
	}
	if len(list) == 0 {
		list = optional
	}
	if len(list) == 0 {
		return []string{all}
	}
	return unique(list)
}

func unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(s string) bool {
		had := seen[s]
		seen[s] = true
		return had
	})
}

// resources returns those of one declaration; named is false when the request names none.
func (s *Set) resources(ctx context.Context, ns arn.Namespace, of *subject, in any, v reflect.Value) (list []string, named bool) {
	var given, last []string
	if of.find != nil {
		last = of.find(ctx, in)
	} else {
		end := len(of.members) - 1
		for i, m := range of.members[:end] {
			given = append(given, s.variable(of.pattern.names[of.pattern.own+i], m.first(v)))
		}
		last = of.members[end].values(v)
	}
	if len(last) == 0 {
		if of.pattern == nil {
			return []string{all}, false
		}
		return []string{of.pattern.fill(ns, given)}, false
	}
	for _, value := range last {
		list = append(list, s.resource(ns, of.pattern, given, value))
	}
	return list, true
}

// resource returns the ARN of the resource that value names below what is given.
func (s *Set) resource(ns arn.Namespace, p *pattern, given []string, value string) string {
	if !strings.HasPrefix(value, "arn:") {
		if p == nil {
			return value
		}
		return p.fill(ns, append(slices.Clone(given), value))
	}
	value = strings.TrimSuffix(value, ":*") // as Logs writes its own
	if p == nil {
		return value
	}
	if _, ok := p.match(value); ok {
		return value
	}
	if other, values := s.match(value); other != nil {
		return p.from(ns, other, values)
	}
	return value
}

// variable returns what value, which may be an ARN, says of the variable.
func (s *Set) variable(name, value string) string {
	if !strings.HasPrefix(value, "arn:") {
		return value
	}
	if p, values := s.match(strings.TrimSuffix(value, ":*")); p != nil {
		if n := slices.Index(p.names, name); n >= 0 {
			return values[n]
		}
	}
	return value
}

func (s *Set) match(arn string) (*pattern, []string) {
	for _, p := range s.all {
		if values, ok := p.match(arn); ok {
			return p, values
		}
	}
	return nil, nil
}
