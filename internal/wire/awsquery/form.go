// Package awsquery reads the forms and writes the XML of the awsQuery and ec2Query protocols.
package awsquery

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/wire/bind"
)

// Dialect is where ec2Query differs from awsQuery.
type Dialect struct {
	FlatLists bool // lists in a form have no ".member"
}

// Form is a parsed request: a tree, whose names were joined with dots.
type Form struct {
	text string
	set  bool // text was given
	kids map[string]*Form
}

const deepest = 32

// Parse reads a form out of a request's query string and body. What belongs to the signature is left out.
func Parse(query, body string) (*Form, error) {
	root := &Form{}
	for _, s := range []string{query, body} {
		pairs, err := url.ParseQuery(s)
		if err != nil {
			return nil, fmt.Errorf("the query string is malformed: %w", err)
		}
		for name, values := range pairs {
			if strings.HasPrefix(name, "X-Amz-") {
				continue
			}
			if err := root.insert(name, values); err != nil {
				return nil, err
			}
		}
	}
	return root, nil
}

func (f *Form) insert(name string, values []string) error {
	if strings.Count(name, ".") >= deepest {
		return errors.New("the query string is malformed: a parameter is nested too deeply")
	}
	at := f
	for part := range strings.SplitSeq(name, ".") {
		next := at.kids[part]
		if next == nil {
			next = &Form{}
			if at.kids == nil {
				at.kids = map[string]*Form{}
			}
			at.kids[part] = next
		}
		at = next
	}
	if at.set || len(values) > 1 {
		return fmt.Errorf("the query string is malformed: the parameter %s is there twice", name)
	}
	at.text, at.set = values[0], true
	return nil
}

// Take returns a parameter of the protocol itself, such as Action, and removes it.
func (f *Form) Take(name string) string {
	kid := f.kids[name]
	if kid == nil || kid.kids != nil {
		return ""
	}
	delete(f.kids, name)
	return kid.text
}

// Value returns the form as t reads it.
func (f *Form) Value(t *bind.Type, d Dialect) bind.Value {
	return d.value(f, t, false)
}

func (d Dialect) value(f *Form, t *bind.Type, flat bool) bind.Value {
	if f.set && f.kids == nil {
		return bind.Value{Kind: bind.Plain, Text: f.text}
	}
	if f.set {
		return bind.Value{Kind: bind.Mixed}
	}
	switch t.Kind {
	case bind.List:
		return d.list(f, t, flat)
	case bind.Map:
		return d.dict(f, t, flat)
	default:
		return d.object(f, t)
	}
}

func (d Dialect) object(f *Form, t *bind.Type) bind.Value {
	v := bind.Value{Kind: bind.Object}
	for _, name := range slices.Sorted(maps.Keys(f.kids)) {
		v.Names = append(v.Names, name)
		field, ok := t.Field(name)
		if !ok {
			v.Items = append(v.Items, bind.Value{})
			continue
		}
		v.Items = append(v.Items, d.value(f.kids[name], field.Type, field.Flattened))
	}
	return v
}

// raw is a form as it stands: an object, which is neither a list nor a map of theirs.
func (f *Form) raw() bind.Value {
	v := bind.Value{Kind: bind.Object, Names: slices.Sorted(maps.Keys(f.kids))}
	v.Items = make([]bind.Value, len(v.Names))
	for i, name := range v.Names {
		v.Items[i] = bind.Value{Kind: bind.Plain, Text: f.kids[name].text}
	}
	return v
}

func (d Dialect) list(f *Form, t *bind.Type, flat bool) bind.Value {
	elements, ok := d.numbered(f, flat, cmp.Or(t.ElemName, "member"))
	if !ok {
		return f.raw()
	}
	v := bind.Value{Kind: bind.Array}
	for _, e := range elements {
		v.Items = append(v.Items, d.value(e, t.Elem, false))
	}
	return v
}

// dict returns an array, which no map is, when f is not one.
func (d Dialect) dict(f *Form, t *bind.Type, flat bool) bind.Value {
	entries, ok := d.numbered(f, flat, "entry")
	if !ok {
		return bind.Value{Kind: bind.Array}
	}
	v := bind.Value{Kind: bind.Object}
	for _, e := range entries {
		k, val := e.kids[cmp.Or(t.KeyName, "key")], e.kids[cmp.Or(t.ElemName, "value")]
		if k == nil || val == nil || len(e.kids) != 2 || !k.set {
			return bind.Value{Kind: bind.Array}
		}
		v.Names = append(v.Names, k.text)
		v.Items = append(v.Items, d.value(val, t.Elem, false))
	}
	return v
}

// numbered returns the elements of f in the order of their numbers, which may have gaps.
func (d Dialect) numbered(f *Form, flat bool, name string) ([]*Form, bool) {
	if !d.FlatLists && !flat {
		inner := f.kids[name]
		if inner == nil || len(f.kids) != 1 || inner.set {
			return nil, false
		}
		f = inner
	}
	numbers := make(map[int]*Form, len(f.kids))
	for s, kid := range f.kids {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || numbers[n] != nil {
			return nil, false
		}
		numbers[n] = kid
	}
	elements := make([]*Form, 0, len(numbers))
	for _, n := range slices.Sorted(maps.Keys(numbers)) {
		elements = append(elements, numbers[n])
	}
	return elements, true
}
