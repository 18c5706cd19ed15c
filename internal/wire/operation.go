package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/wire/authz"
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
	auth    authz.Declaration
	unions  []bind.Variants
	events  *bind.Variants // of the answer; nil when it is no stream of events
	nobody  bool           // need sign it
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
		d.s.auth.On = append(d.s.auth.On, resource.Declaration{Text: text})
	}
	return d
}

// OnFound is On for one type whose ids the members do not say: find makes ids or ARNs of the type out of
// what the last member says, from records for instance. It returns none when there is no such thing, or it
// can't be read; the handler says so.
func (d Declared[I]) OnFound(text string, find func(ctx context.Context, named []string) []string) Declared[I] {
	d.s.auth.On = append(d.s.auth.On, resource.Declaration{Text: text, Find: find})
	return d
}

// OnThose is On for a type of which those, a pure function of the input, makes the ARNs. It is for ids that may look like ARNs of
// others.
func (d Declared[I]) OnThose(kind string, those func(in *I) []string) Declared[I] {
	return d.OnRead(kind, func(_ context.Context, in *I) []string { return those(in) })
}

// OnRead is OnThose for ARNs that records tell.
func (d Declared[I]) OnRead(kind string, read func(ctx context.Context, in *I) []string) Declared[I] {
	d.s.auth.On = append(d.s.auth.On, resource.Declaration{Text: kind, Whole: func(ctx context.Context, in any) []string { return read(ctx, in.(*I)) }})
	return d
}

// Judged declares that the action which an input is judged by depends on the input: action names it, without the service's
// prefix, or returns "" where it is the operation's usual one; and the version of the resource that the input names, if any.
func (d Declared[I]) Judged(action func(in *I) (name, version string)) Declared[I] {
	d.s.auth.Action = func(in any) (name, version string) { return action(in.(*I)) }
	return d
}

// Makes declares the resources that the operation makes, in the form of On. A request is about them where the reference says
// so, and tags in it are for them: who gives tags must be allowed to tag those.
func (d Declared[I]) Makes(resources ...string) Declared[I] {
	for _, text := range resources {
		d.s.auth.Makes = append(d.s.auth.Makes, resource.Declaration{Text: text})
	}
	return d
}

// MakesFound is Makes for one type whose ids the members do not say, as OnFound is On.
func (d Declared[I]) MakesFound(text string, find func(ctx context.Context, named []string) []string) Declared[I] {
	d.s.auth.Makes = append(d.s.auth.Makes, resource.Declaration{Text: text, Find: find})
	return d
}

// Keys declares the service's condition keys for the operation and the members that they have their values from, in the form
// that authz.Key describes:
//
//	Keys("ecs:cluster: cluster=default")
//
// Those about tags are found without.
func (d Declared[I]) Keys(texts ...string) Declared[I] {
	for _, text := range texts {
		d.s.auth.Keys = append(d.s.auth.Keys, authz.Key{Text: text})
	}
	return d
}

// KeyFound declares a condition key whose values find makes of the input; none when it has none.
func (d Declared[I]) KeyFound(key string, find func(ctx context.Context, in *I) []string) Declared[I] {
	d.s.auth.Keys = append(d.s.auth.Keys, authz.Key{Text: key, Find: func(ctx context.Context, in any) []string { return find(ctx, in.(*I)) }})
	return d
}

// Told declares a condition key of those of ops that have these names, divided by spaces.
func Told(names string, ops []Operation, key authz.Key) {
	for _, op := range ops {
		if s := op.spec(); slices.Contains(strings.Fields(names), s.name) {
			s.auth.Keys = append(s.auth.Keys, key)
		}
	}
}

// Lacks lists condition keys that the reference has for the operation and that are never there, and why.
func (d Declared[I]) Lacks(keys, why string) Declared[I] {
	d.s.auth.Unanswered = append(d.s.auth.Unanswered, authz.Unanswered{Keys: keys, Why: why})
	return d
}

// Passes declares that the operation hands roles to a service, for which the caller needs iam:PassRole, in the form that
// authz.Pass describes:
//
//	Passes("ecs-tasks.amazonaws.com: taskRoleArn executionRoleArn")
func (d Declared[I]) Passes(text string) Declared[I] {
	d.s.auth.Passes = append(d.s.auth.Passes, authz.Pass{Text: text})
	return d
}

// PassesFound is Passes for roles that the members do not say.
func (d Declared[I]) PassesFound(service string, find func(ctx context.Context, in *I) []string) Declared[I] {
	d.s.auth.Passes = append(d.s.auth.Passes, authz.Pass{Text: service, Find: func(ctx context.Context, in any) []string { return find(ctx, in.(*I)) }})
	return d
}

// Open declares that anybody who signs may call the operation, whatever policies say.
func (d Declared[I]) Open() Declared[I] {
	d.s.auth.Open = true
	return d
}

// Unsigned declares that nobody need sign a call of the operation, which lets callers in by itself.
func (d Declared[I]) Unsigned() Declared[I] {
	d.s.nobody = true
	return d.Open()
}

// Asks declares questions that policy is asked besides those which follow from the rest of the declaration.
func (d Declared[I]) Asks(also func(ctx context.Context, in *I) []authz.Question) Declared[I] {
	d.s.auth.Also = func(ctx context.Context, in any) []authz.Question { return also(ctx, in.(*I)) }
	return d
}

// Known declares of all ops that the service's resources tell these condition keys, divided by spaces, and returns ops.
func Known(keys string, ops []Operation) []Operation {
	for _, op := range ops {
		op.spec().auth.Known = keys
	}
	return ops
}

// Unions declares the types that the SDK has for the unions in the operation's input and output.
func (d Declared[I]) Unions(list ...bind.Variants) Declared[I] {
	d.s.unions = append(d.s.unions, list...)
	return d
}

// Union is a union of the SDK's, with a pointer, which may be nil, to the type of each of its members:
//
//	wire.Union[types.EvaluationCriteria](&types.EvaluationCriteriaMemberPromQLCriteria{})
func Union[U any](members ...U) bind.Variants { return bind.UnionOf(members...) }

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
