package authz

import (
	"reflect"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/wire/bind"
)

// tags is where an input has tags.
type tags struct {
	pairs *bind.Field // a map, or a list of keys and values
	keys  *bind.Field // a list of keys alone
	specs *bind.Field // EC2's list of tags by resource type
}

// given is the tags in a request.
type given struct {
	values map[string]string // by key
	keys   []string
	kind   string // resource type that they are for; "" when that isn't said
}

// tagsOf finds the members of an input that AWS's services have tags in.
func tagsOf(in *bind.Type) (t tags) {
	for i := range in.Fields {
		f := &in.Fields[i]
		switch f.Declared() {
		case "tags", "Tags", "Tag":
			t.pairs = f
		case "tagKeys", "TagKeys":
			t.keys = f
		case "TagSpecification":
			t.specs = f
		}
	}
	return t
}

// any says whether a request can have tags with values.
func (t *tags) any() bool { return t.pairs != nil || t.specs != nil }

// of returns the tags in v, by the types of resources that they are for.
func (t *tags) of(v reflect.Value) (list []given) {
	if g := (given{}); g.pairs(t.pairs, v) || g.names(t.keys, v) {
		list = append(list, g)
	}
	if t.specs == nil {
		return list
	}
	specs, set := t.specs.Value(v)
	for i := 0; set && i < specs.Len(); i++ {
		spec := t.specs.Type.Element(specs.Index(i))
		g := given{kind: text(t.specs.Type.Elem, spec, "ResourceType")}
		if f, ok := t.specs.Type.Elem.Field("Tag"); ok && g.pairs(f, spec) {
			list = append(list, g)
		}
	}
	return list
}

// pairs adds the tags in f and says whether there are any.
func (g *given) pairs(f *bind.Field, v reflect.Value) bool {
	if f == nil {
		return false
	}
	set, ok := f.Value(v)
	if !ok || set.Len() == 0 {
		return false
	}
	g.values = map[string]string{}
	if f.Type.Kind == bind.Map {
		for k, value := range set.Seq2() {
			g.add(k.String(), f.Type.Element(value).String())
		}
	} else {
		for i := range set.Len() {
			e, t := f.Type.Element(set.Index(i)), f.Type.Elem
			g.add(text(t, e, "Key"), text(t, e, "Value"))
		}
	}
	slices.Sort(g.keys)
	return true
}

func (g *given) add(key, value string) {
	g.values[key] = value
	g.keys = append(g.keys, key)
}

// names adds the keys in f and says whether there are any.
func (g *given) names(f *bind.Field, v reflect.Value) bool {
	if f == nil {
		return false
	}
	list, ok := f.Value(v)
	for i := 0; ok && i < list.Len(); i++ {
		g.keys = append(g.keys, f.Type.Element(list.Index(i)).String())
	}
	return len(g.keys) > 0
}

// text returns the member of v with that name, whatever its first letter's case.
func text(t *bind.Type, v reflect.Value, name string) string {
	n := slices.IndexFunc(t.Fields, func(f bind.Field) bool { return strings.EqualFold(f.In, name) })
	if n < 0 || t.Fields[n].Type.Kind != bind.String {
		return ""
	}
	value, ok := t.Fields[n].Value(v)
	if !ok {
		return ""
	}
	return value.String()
}
