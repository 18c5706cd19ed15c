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
	// Names are those of the wire; a.b is b of a, or of each element of a. a/b is b below the path in a. After = stands what an absent
	// member means, a|b is the one that is set, and * is any resource. A member that holds an ARN of the type is
	// the resource as it is; an ARN of another type gives the variables that both have. The type listener/*
	// stands for all of the operation's types that begin so, and * for all. Their member holds an ARN.
	Text string
	// Find, unless it is nil, makes ids or ARNs of the type out of what the last member says.
	Find func(ctx context.Context, named []string) []string
	// Whole, unless it is nil, makes ARNs of the type out of in, a pointer to the input; Text is the type alone. It is for ids
	// that may look like ARNs of others.
	Whole func(ctx context.Context, in any) []string
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
	find     func(ctx context.Context, named []string) []string
	whole    func(ctx context.Context, in any) []string
}

// Reference is what AWS's reference says of one service.
type Reference struct {
	service *descriptor.Service
	all     []*pattern
}

// Of returns that of the service.
func Of(s *descriptor.Service) *Reference { return &Reference{s, patterns(s)} }

// Makes compiles declarations of resources that an operation makes, of any type of the service.
func (r *Reference) Makes(in *bind.Type, declared []Declaration) (*Set, error) {
	set := &Set{all: r.all}
	var errs []error
	for _, d := range declared {
		of, err := set.compile(r.types(), in, d)
		if err != nil {
			errs = append(errs, fmt.Errorf("makes %q: %w", d.Text, err))
		}
		set.of = append(set.of, of)
	}
	return set, errors.Join(errs...)
}

// Has says whether the service has resources of that type.
func (r *Reference) Has(kind string) bool {
	return slices.ContainsFunc(r.all, func(p *pattern) bool { return p.kind == kind })
}

func (r *Reference) types() (list []descriptor.Resource) {
	for _, p := range r.all {
		list = append(list, descriptor.Resource{Type: p.kind})
	}
	return list
}

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
	if of.whole = d.Whole; of.whole != nil {
		if of.pattern == nil {
			return of, errors.New("ARNs that are made of the input are of one type, which must be named")
		}
		return of, nil
	}
	for word := range strings.FieldsSeq(words) {
		m, err := parseMember(in, word)
		if err != nil {
			return of, err
		}
		of.members = append(of.members, m)
	}
	if n := len(of.members); n == 0 || n > variables {
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

// Resource is one that a request is about.
type Resource struct {
	ARN  string // "*" where AWS knows no resource of the operation
	Type string // as the reference names it; "" when it is none of the service's
}

// Of returns the resources that in, a pointer to an input, is about, each once. A variable that
// nothing fills is *. An optional resource that is not named is left out, unless no other is. AWS
// authorizes what is about none on "*".
func (s *Set) Of(ctx context.Context, ns arn.Namespace, in any) []Resource {
	v := reflect.ValueOf(in).Elem()
	found := make([][]Resource, len(s.of))
	var list, optional []Resource
	for i := range s.of {
		found[i] = s.named(ctx, ns, &s.of[i], v)
		list = append(list, found[i]...)
	}
	for i := range s.of {
		of := &s.of[i]
		switch {
		case !of.required:
			optional = append(optional, of.any(ns, s.given(of, v)))
		case !s.names(of, found):
			list = append(list, of.any(ns, s.given(of, v)))
		}
	}
	if len(list) == 0 {
		list = optional
	}
	if len(list) == 0 {
		return []Resource{{ARN: all}}
	}
	return unique(list)
}

// Said returns the resources that in, a pointer to an input, names; none where it names none.
func (s *Set) Said(ctx context.Context, ns arn.Namespace, in any) (list []Resource) {
	v := reflect.ValueOf(in).Elem()
	for i := range s.of {
		list = append(list, s.named(ctx, ns, &s.of[i], v)...)
	}
	return list
}

// Named returns the resources that in, a pointer to an input, names; where it names none, what stands for any.
func (s *Set) Named(ctx context.Context, ns arn.Namespace, in any) (list []Resource) {
	v := reflect.ValueOf(in).Elem()
	for i := range s.of {
		of := &s.of[i]
		named := s.named(ctx, ns, of, v)
		if len(named) == 0 {
			named = append(named, of.any(ns, s.given(of, v)))
		}
		list = append(list, named...)
	}
	return unique(list)
}

// names says whether one of the type of of is among those that were found by the declarations.
func (s *Set) names(of *subject, found [][]Resource) bool {
	for i := range s.of {
		if len(found[i]) > 0 && slices.Equal(s.of[i].kinds, of.kinds) {
			return true
		}
	}
	return false
}

func unique(list []Resource) []Resource {
	if len(list) < 2 {
		return list
	}
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(r Resource) bool {
		had := seen[r.ARN]
		seen[r.ARN] = true
		return had
	})
}

// given returns what fills the variables before the last member's.
func (s *Set) given(of *subject, v reflect.Value) (values []string) {
	if of.whole != nil {
		return nil
	}
	for i, m := range of.members[:len(of.members)-1] {
		values = append(values, s.variable(of.pattern.names[of.pattern.own+i], m.first(v)))
	}
	return values
}

// any returns what stands for any resource of the type below what is given.
func (of *subject) any(ns arn.Namespace, given []string) Resource {
	if of.pattern == nil {
		return Resource{ARN: all}
	}
	return Resource{of.pattern.fill(ns, given), of.pattern.kind}
}

// named returns the resources of one declaration that the request names.
func (s *Set) named(ctx context.Context, ns arn.Namespace, of *subject, v reflect.Value) (list []Resource) {
	if of.whole != nil {
		for _, ref := range of.whole(ctx, v.Addr().Interface()) {
			list = append(list, Resource{ref, of.pattern.kind})
		}
		return list
	}
	last := of.members[len(of.members)-1].values(v)
	if of.find != nil && len(last) > 0 {
		last = of.find(ctx, last)
	}
	if len(last) == 0 {
		return nil
	}
	given := s.given(of, v)
	for _, value := range last {
		list = append(list, s.resource(ns, of.pattern, given, value))
	}
	return list
}

// resource returns the resource that value names below what is given.
func (s *Set) resource(ns arn.Namespace, p *pattern, given []string, value string) Resource {
	if !strings.HasPrefix(value, "arn:") {
		if p == nil {
			return Resource{ARN: value}
		}
		return Resource{p.fill(ns, append(slices.Clone(given), value)), p.kind}
	}
	value = strings.TrimSuffix(value, ":*") // as Logs writes its own
	other, values := s.match(value)
	switch {
	case other == nil:
		return Resource{ARN: value}
	case p == nil || other == p:
		return Resource{value, other.kind}
	}
	if _, ok := p.match(value); ok {
		return Resource{value, p.kind}
	}
	return Resource{p.from(ns, other, values), p.kind}
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
