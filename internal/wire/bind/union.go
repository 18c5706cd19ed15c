package bind

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// Variants is a Go interface of the SDK that stands for a union, with the types that the SDK has for its members.
type Variants struct {
	Go      reflect.Type
	Members []reflect.Type // structs, of which pointers are of the interface
}

// UnionOf returns a union of the SDK's. Each member is a pointer, which may be nil, to the type of one.
func UnionOf[U any](members ...U) Variants {
	u := Variants{Go: reflect.TypeFor[U]()}
	for _, m := range members {
		u.Members = append(u.Members, reflect.TypeOf(m).Elem())
	}
	return u
}

// Unions tells the binder the types of unions. Go's reflection can't: an interface doesn't know its types.
func (b *Binder) Unions(list ...Variants) {
	for _, u := range list {
		of := map[string]reflect.Type{}
		for _, m := range u.Members {
			of[m.Name()] = m
		}
		b.unions[u.Go] = of
	}
}

// BindUnion ties the named union, or stream of events, to its Go interface.
func (b *Binder) BindUnion(shape string, goes reflect.Type) (*Type, error) {
	return b.bind(shape, goes)
}

// variants ties the members of a union, each to its type.
func (b *Binder) variants(t *Type, members []descriptor.Member) error {
	known, ok := b.unions[t.Go]
	if !ok {
		return fmt.Errorf("%s is a union whose types are not declared", t.Shape)
	}
	t.byName = make(map[string]int, len(members))
	var errs []error
	for _, m := range members {
		name := t.Go.Name() + "Member" + upperFirst(m.Name)
		goes, ok := known[name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s.%s: %s is not declared", t.Shape, m.Name, name))
			continue
		}
		value, ok := goes.FieldByName("Value")
		if !ok {
			errs = append(errs, fmt.Errorf("%s has no field Value", name))
			continue
		}
		f := Field{Case: goes, Index: value.Index[0], Name: m.Name}
		f.In, f.Out, f.Label = b.names(m)
		var err error
		if f.Type, err = b.bind(m.Shape, value.Type); err != nil {
			errs = append(errs, err)
			continue
		}
		f.Flattened = m.Flattened || f.Type.Flattened
		t.byName[f.In] = len(t.Fields)
		t.Fields = append(t.Fields, f)
	}
	return errors.Join(errs...)
}

// Variant returns the member that v, of t, a union, is, and its value; ok is false when it is none of t's.
func (t *Type) Variant(v reflect.Value) (f *Field, value reflect.Value, ok bool) {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil, v, false
	}
	for i := range t.Fields {
		if f := &t.Fields[i]; f.Case == v.Elem().Type() {
			return f, v.Elem().Field(f.Index), true
		}
	}
	return nil, v, false
}

// union reads a union, which has one member.
func (r *reader) union(t *Type, m *Mask, dst reflect.Value, v Value) bool {
	if v.Kind != Object {
		return false
	}
	set := 0
	for i, name := range v.Names {
		n, ok := t.byName[name]
		if !ok {
			r.path.push(step{name: name})
			r.Faults.Unknown = append(r.Faults.Unknown, r.path.String())
			r.path.pop()
			set++
			continue
		}
		if v.Items[i].Kind == Null {
			continue
		}
		set++
		f := &t.Fields[n]
		r.path.push(step{field: f})
		if inner, ok := r.taken(m, n, v.Items[i]); ok {
			made := reflect.New(f.Case)
			r.read(f.Type, inner, made.Elem().Field(f.Index), v.Items[i])
			dst.Set(made)
		}
		r.path.pop()
	}
	return set == 1
}
