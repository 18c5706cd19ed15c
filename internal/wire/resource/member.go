package resource

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/wire/bind"
)

// member is what fills a variable.
type member struct {
	paths [][]*bind.Field // the first that is set
	usual string          // when none is
	under *member         // has the path that the value is below; nil when there is none
}

func parseMember(in *bind.Type, word string) (m member, err error) {
	if word == all {
		return member{usual: all}, nil
	}
	if path, name, below := strings.Cut(word, "/"); below {
		under, err := parseMember(in, path)
		if err != nil {
			return m, err
		}
		m, err = parseMember(in, name)
		m.under = &under
		return m, err
	}
	names, usual, _ := strings.Cut(word, "=")
	m.usual = usual
	if names == "" {
		return m, nil
	}
	for name := range strings.SplitSeq(names, "|") {
		path, kind, err := parsePath(in, name)
		if err != nil {
			return m, err
		}
		if kind != bind.String {
			return m, fmt.Errorf("%s is no text", name)
		}
		m.paths = append(m.paths, path)
	}
	return m, nil
}

// parsePath returns the fields on the way to a member, and its kind.
func parsePath(t *bind.Type, name string) (path []*bind.Field, kind bind.Kind, err error) {
	for part := range strings.SplitSeq(name, ".") {
		if t.Kind != bind.Struct {
			return nil, 0, fmt.Errorf("%s: %s has no members", name, t.Shape)
		}
		n := slices.IndexFunc(t.Fields, func(f bind.Field) bool { return f.Declared() == part })
		if n < 0 {
			return nil, 0, fmt.Errorf("%s has no member %q", t.Shape, part)
		}
		path = append(path, &t.Fields[n])
		for t = t.Fields[n].Type; t.Kind == bind.List; {
			t = t.Elem
		}
	}
	return path, t.Kind, nil
}

// Value reads members of an input as text.
type Value struct{ m member }

// Values compiles a word of a declaration, as in Declaration, for values of a condition key: text, numbers and booleans.
func Values(in *bind.Type, word string) (Value, error) {
	names, usual, _ := strings.Cut(word, "=")
	v := Value{member{usual: usual}}
	if names == "" {
		return v, nil
	}
	for name := range strings.SplitSeq(names, "|") {
		path, kind, err := parsePath(in, name)
		if err != nil {
			return v, err
		}
		switch kind {
		case bind.String, bind.Bool, bind.Integer, bind.Long:
		default:
			return v, fmt.Errorf("%s is neither text, a number nor a boolean", name)
		}
		v.m.paths = append(v.m.paths, path)
	}
	return v, nil
}

// Of returns what the member says in a struct of the input's type.
func (v Value) Of(in reflect.Value) []string { return v.m.values(in) }

// values returns what the member says in v; none when it is not set.
func (m *member) values(v reflect.Value) (list []string) {
	for _, path := range m.paths {
		if list = collect(list, path, v); len(list) > 0 {
			return m.below(list, v)
		}
	}
	if m.usual != "" && m.usual != all {
		list = append(list, m.usual)
	}
	return list
}

// below puts the path that v has for them before values: /app/ before web is app/web.
func (m *member) below(list []string, v reflect.Value) []string {
	if m.under == nil {
		return list
	}
	for _, path := range m.under.values(v) {
		for i := range list {
			list[i] = strings.TrimPrefix(path, "/") + list[i]
		}
	}
	return list
}

// first returns the first of the values; * when there is none.
func (m *member) first(v reflect.Value) string {
	if list := m.values(v); len(list) > 0 {
		return list[0]
	}
	return all
}

func collect(list []string, path []*bind.Field, v reflect.Value) []string {
	f := path[0]
	value, ok := f.Value(v)
	if !ok {
		return list
	}
	return elements(list, path[1:], f.Type, value)
}

func elements(list []string, rest []*bind.Field, t *bind.Type, v reflect.Value) []string {
	switch {
	case t.Kind == bind.List:
		for i := range v.Len() {
			if e := t.Element(v.Index(i)); e.IsValid() {
				list = elements(list, rest, t.Elem, e)
			}
		}
	case t.Kind == bind.Struct:
		list = collect(list, rest, v)
	case t.Kind == bind.Bool:
		list = append(list, strconv.FormatBool(v.Bool()))
	case t.Kind == bind.Integer || t.Kind == bind.Long:
		list = append(list, strconv.FormatInt(v.Int(), 10))
	case v.Len() > 0:
		list = append(list, v.String())
	}
	return list
}
