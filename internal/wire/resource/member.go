package resource

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/wire/bind"
)

// member is what fills a variable.
type member struct {
	paths [][]*bind.Field // the first that is set
	usual string          // when none is
}

func parseMember(in *bind.Type, word string) (m member, err error) {
	if word == all {
		return member{usual: all}, nil
	}
	names, usual, _ := strings.Cut(word, "=")
	m.usual = usual
	for name := range strings.SplitSeq(names, "|") {
		path, err := parsePath(in, name)
		if err != nil {
			return m, err
		}
		m.paths = append(m.paths, path)
	}
	return m, nil
}

func parsePath(t *bind.Type, name string) (path []*bind.Field, err error) {
	for part := range strings.SplitSeq(name, ".") {
		if t.Kind != bind.Struct {
			return nil, fmt.Errorf("%s: %s has no members", name, t.Shape)
		}
		n := slices.IndexFunc(t.Fields, func(f bind.Field) bool { return f.Declared() == part })
		if n < 0 {
			return nil, fmt.Errorf("%s has no member %q", t.Shape, part)
		}
		path = append(path, &t.Fields[n])
		for t = t.Fields[n].Type; t.Kind == bind.List; {
			t = t.Elem
		}
	}
	if t.Kind != bind.String {
		return nil, fmt.Errorf("%s is no text", name)
	}
	return path, nil
}

// values returns what the member says in v; none when it is not set.
func (m *member) values(v reflect.Value) (list []string) {
	for _, path := range m.paths {
		if list = collect(list, path, v); len(list) > 0 {
			return list
		}
	}
	if m.usual != "" && m.usual != all {
		list = append(list, m.usual)
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
	case v.Len() > 0:
		list = append(list, v.String())
	}
	return list
}
