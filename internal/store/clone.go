package store

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

// A record is decoded once and read often, so each reader gets a copy of its
// own, with all that it refers to: it may change that as it likes.

// cloner returns a function that copies a T.
func cloner[T any]() func(src *T) T {
	deep := copierOf(reflect.TypeFor[T](), nil)
	return func(src *T) T {
		dst := *src
		if deep != nil {
			deep(reflect.ValueOf(&dst).Elem())
		}
		return dst
	}
}

// copier makes what v refers to its own.
type copier func(v reflect.Value)

// copierOf returns the copier of values of type t, nil where they refer to
// nothing that could be changed. In are the structs that t is found in.
func copierOf(t reflect.Type, in []reflect.Type) copier {
	if isValue(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return structCopier(t, append(in, t))
	case reflect.Slice:
		return sliceCopier(t, in)
	case reflect.Map:
		return mapCopier(t, in)
	case reflect.Pointer:
		return pointerCopier(t, in)
	case reflect.Array:
		if copierOf(t.Elem(), in) == nil {
			return nil
		}
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return nil // nothing is decoded into it
		}
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
	default:
		return nil
	}
	panic(fmt.Sprintf("store: a record can't have a %s", t))
}

// isValue says that values of type t don't change: they read themselves from
// text, and can't be looked into, as time.Time.
func isValue(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() == reflect.Struct && (p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) || p.Implements(reflect.TypeFor[json.Unmarshaler]()))
}

func structCopier(t reflect.Type, in []reflect.Type) copier {
	type field struct {
		index int
		copy  copier
	}
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() && !f.Anonymous {
			continue // nothing is decoded into it
		}
		for _, outer := range in {
			if f.Type == reflect.PointerTo(outer) || f.Type == reflect.SliceOf(outer) {
				panic(fmt.Sprintf("store: a record can't have %s.%s, which may hold itself", t, f.Name))
			}
		}
		if c := copierOf(f.Type, in); c != nil {
			fields = append(fields, field{i, c})
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return func(v reflect.Value) {
		for _, f := range fields {
			f.copy(v.Field(f.index))
		}
	}
}

func sliceCopier(t reflect.Type, in []reflect.Type) copier {
	deep := copierOf(t.Elem(), in)
	return func(v reflect.Value) {
		if v.IsNil() {
			return
		}
		n := v.Len()
		own := reflect.MakeSlice(t, n, n)
		reflect.Copy(own, v)
		if deep != nil {
			for i := range n {
				deep(own.Index(i))
			}
		}
		v.Set(own)
	}
}

func mapCopier(t reflect.Type, in []reflect.Type) copier {
	deep := copierOf(t.Elem(), in)
	return func(v reflect.Value) {
		if v.IsNil() {
			return
		}
		own := reflect.MakeMapWithSize(t, v.Len())
		for it := v.MapRange(); it.Next(); {
			e := it.Value()
			if deep != nil {
				e = reflect.New(t.Elem()).Elem()
				e.Set(it.Value())
				deep(e)
			}
			own.SetMapIndex(it.Key(), e)
		}
		v.Set(own)
	}
}

func pointerCopier(t reflect.Type, in []reflect.Type) copier {
	deep := copierOf(t.Elem(), in)
	return func(v reflect.Value) {
		if v.IsNil() {
			return
		}
		own := reflect.New(t.Elem())
		own.Elem().Set(v.Elem())
		if deep != nil {
			deep(own.Elem())
		}
		v.Set(own)
	}
}
