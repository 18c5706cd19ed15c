package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/resource"
)

// Operation is a handler with the name that AWS calls it by, and what it declares.
type Operation interface {
	// Name returns the name that AWS calls the operation by.
	Name() string
	spec() *spec
}

// spec is what an operation is made of.
type spec struct {
	name    string
	in, out reflect.Type // of the structs, not of the pointers
	do      func(ctx context.Context, in any) (any, error)
	takes   []string
	keeps   []keep
	keys    []bind.Member // kept keys, for whoever asks
	code    string        // of unsupported members; "" is the service's
	check   func(in any) []error
	patient bool // check takes an input that lacks required members
	on      []resource.Declaration
}

type keep struct{ members, why string }

// Declared is an operation whose input is an I. It takes nothing until it says so.
type Declared[I any] struct{ s *spec }

// Op makes an operation of a handler that has the signature of the SDK client's method.
func Op[I, O any](name string, h func(context.Context, *I) (*O, error)) Declared[I] {
	return Declared[I]{&spec{
		name: name,
		in:   reflect.TypeFor[I](),
		out:  reflect.TypeFor[O](),
		do: func(ctx context.Context, in any) (any, error) {
			out, err := h(ctx, in.(*I))
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}}
}

// Name returns the name that AWS calls the operation by.
func (d Declared[I]) Name() string { return d.s.name }

func (d Declared[I]) spec() *spec { return d.s }

// Takes declares the members that the operation honours, in the form that bind.Mask.Take describes.
// Any other member that says something is refused by name.
func (d Declared[I]) Takes(members ...string) Declared[I] {
	d.s.takes = append(d.s.takes, members...)
	return d
}

// Keeps declares members that the operation accepts, stores and returns, and that have no effect. why
// says to users what they would do. It is for wishes whose lack breaks no promise to anybody; never
// for what guards somebody.
func (d Declared[I]) Keeps(members, why string) Declared[I] {
	d.s.keeps = append(d.s.keeps, keep{members, why})
	return d
}

// KeepsKeys tells of keys or values of a member that the handler keeps without effect, each with why; of
// others it has the effect. The handler notes them by Keep.
func (d Declared[I]) KeepsKeys(member string, why map[string]string) Declared[I] {
	for _, key := range slices.Sorted(maps.Keys(why)) {
		d.s.keys = append(d.s.keys, bind.Member{Path: member + "." + key, Why: why[key]})
	}
	return d
}

// Refuses sets the error code for members that the operation does not take, where it is not the
// service's usual one.
func (d Declared[I]) Refuses(code string) Declared[I] {
	d.s.code = code
	return d
}

// Checks adds a pure look at the input, which says all that is wrong with it; it joins what the wire
// finds in one message. It runs when all required members are there, each of its type, and does not
// see members that are refused. The first error gives the code, unless the wire found something.
func (d Declared[I]) Checks(faults func(in *I) []error) Declared[I] {
	d.s.check = func(in any) []error { return faults(in.(*I)) }
	return d
}

// ChecksIncomplete is Checks for a look that also takes an input in which required members are missing: it
// must find nil where they would be.
func (d Declared[I]) ChecksIncomplete(faults func(in *I) []error) Declared[I] {
	d.s.patient = true
	return d.Checks(faults)
}

// ready says whether the operation's check can look at an input that has these faults.
func (s *spec) ready(f *bind.Faults) bool {
	return s.check != nil && (f.Whole() || s.patient && len(f.Malformed) == 0)
}

// On declares the resources that a request is about, each as a type and the members that name it, in the
// form that resource.Declaration describes:
//
//	On("task: cluster=default task")
//
// The types are those that AWS's service authorization reference has for the operation.
func (d Declared[I]) On(resources ...string) Declared[I] {
	for _, text := range resources {
		d.s.on = append(d.s.on, resource.Declaration{Text: text})
	}
	return d
}

// OnFound is On for one type whose ids the members do not say: find makes ids or ARNs of the type out of
// what the last member says, from records for instance. It returns none when there is no such thing, or it
// can't be read; the handler says so.
func (d Declared[I]) OnFound(text string, find func(ctx context.Context, named []string) []string) Declared[I] {
	d.s.on = append(d.s.on, resource.Declaration{Text: text, Find: find})
	return d
}

// mask compiles the declaration for the input's type.
func (s *spec) mask(in *bind.Type) (*bind.Mask, error) {
	m := bind.NewMask(in)
	var errs []error
	for _, members := range s.takes {
		errs = append(errs, m.Take(in, members))
	}
	for _, k := range s.keeps {
		errs = append(errs, m.Keep(in, k.members, k.why))
	}
	if err := errors.Join(append(errs, m.Check(in))...); err != nil {
		return nil, fmt.Errorf("declaration of %s: %w", s.name, err)
	}
	return m, nil
}

// Wish is something that a record keeps, and that has no effect.
type Wish struct{ What, Why, Resource string }
