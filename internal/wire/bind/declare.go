package bind

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// NewMask returns a mask for t, a structure, that takes nothing.
func NewMask(t *Type) *Mask { return &Mask{members: make([]stance, len(t.Fields))} }

// Take adds members of t, the structure that m is for, that are honoured:
//
//	cluster count tags{*} networkConfiguration{awsvpcConfiguration{subnets securityGroups}} schedulingStrategy=REPLICA
//
// Names are those of the wire. A structure, or a list or map of structures, has braces with what is
// honoured in it; {*} is all. After = stand, divided by |, values of a member that is not honoured which
// say no more than its absence does.
func (m *Mask) Take(t *Type, members string) error { return m.declare(t, members, taken, "") }

// Keep adds members that are accepted, stored and returned and have no effect; why says what they lack.
// The values after = are those that ask for nothing.
func (m *Mask) Keep(t *Type, members, why string) error { return m.declare(t, members, kept, why) }

func (m *Mask) declare(t *Type, members string, kind stanceKind, why string) error {
	d := declaration{text: members, kind: kind, why: why}
	d.members(m, t)
	if d.err == nil && d.text != "" {
		d.err = fmt.Errorf("there is a brace too many before %q", d.text)
	}
	return d.err
}

// declaration is one that is being read.
type declaration struct {
	text string // what is left of it
	kind stanceKind
	why  string
	err  error
}

// word takes the next name, value or mark.
func (d *declaration) word() string {
	d.text = strings.TrimLeft(d.text, " \t\n")
	n := strings.IndexAny(d.text, " \t\n{}")
	switch {
	case n == 0:
		n = 1
	case n < 0:
		n = len(d.text)
	}
	w := d.text[:n]
	d.text = d.text[n:]
	return w
}

// opens takes a brace that follows without a space.
func (d *declaration) opens() (ok bool) {
	d.text, ok = strings.CutPrefix(d.text, "{")
	return ok
}

// members reads up to the brace that closes a structure of type t, or to the end.
func (d *declaration) members(m *Mask, t *Type) {
	for d.err == nil {
		before := d.text
		name := d.word()
		switch name {
		case "":
			return
		case "}":
			d.text = before
			return
		case "*":
			for i := range m.members {
				m.members[i] = stance{kind: d.kind, why: d.why}
			}
			continue
		}
		d.member(m, t, name)
	}
}

func (d *declaration) member(m *Mask, t *Type, word string) {
	name, values, valued := strings.Cut(word, "=")
	n := slices.IndexFunc(t.Fields, func(f Field) bool { return f.Declared() == name })
	if n < 0 {
		d.err = fmt.Errorf("%s has no member %q", t.Shape, name)
		return
	}
	s, inside := &m.members[n], t.Fields[n].Type.structure()
	braces := d.opens()
	switch {
	case valued && !braces && inside == nil && s.kind == refused && s.usual == nil:
		s.usual = strings.Split(values, "|")
		if d.kind == kept {
			s.kind, s.why = kept, d.why
		}
	case valued, braces != (inside != nil):
		d.err = fmt.Errorf("%s of %s: a structure needs braces, and nothing else has them; values are those of a scalar that is declared once", name, t.Shape)
	case !braces && s.kind != refused:
		d.err = fmt.Errorf("%s of %s is declared twice", name, t.Shape)
	case !braces:
		s.kind, s.why = d.kind, d.why
	default:
		d.inner(s, inside)
	}
}

// inner reads what is honoured of the structure that a member is.
func (d *declaration) inner(s *stance, t *Type) {
	if rest, all := strings.CutPrefix(d.text, "*}"); all {
		d.text = rest
		s.kind, s.inner, s.filled, s.why = d.kind, nil, true, d.why
		return
	}
	if !s.filled {
		s.inner, s.filled = NewMask(t), true
	}
	if s.inner == nil {
		d.err = fmt.Errorf("all of %s is declared already", t.Shape)
		return
	}
	s.kind = taken
	d.members(s.inner, t)
	if d.err == nil && d.word() != "}" {
		d.err = fmt.Errorf("the brace of %s isn't closed", t.Shape)
	}
}

// structure is the structure that t is, or its elements or values are; nil when they are none.
func (t *Type) structure() *Type {
	switch t.Kind {
	case Struct, Union:
		return t
	case List, Map:
		return t.Elem.structure()
	}
	return nil
}

// Check says which members of t must be there and are not taken.
func (m *Mask) Check(t *Type) error {
	var errs []error
	m.walk(t, "", func(path string, f *Field, s *stance) {
		if f.Required && s.kind == refused {
			errs = append(errs, fmt.Errorf("%s is required and not declared", path))
		}
	})
	return errors.Join(errs...)
}

// Member is a member that a declaration speaks of, or leaves out.
type Member struct {
	Path string // names divided by dots
	Why  string // a kept member has no effect
}

// Refused lists the members of t that m refuses, in the order of t.
func (m *Mask) Refused(t *Type) (list []Member) {
	m.walk(t, "", func(path string, _ *Field, s *stance) {
		if s.kind == refused {
			list = append(list, Member{Path: path})
		}
	})
	return list
}

// Kept lists the members of t that m keeps without effect.
func (m *Mask) Kept(t *Type) (list []Member) {
	m.walk(t, "", func(path string, _ *Field, s *stance) {
		if s.kind == kept {
			list = append(list, Member{Path: path, Why: s.why})
		}
	})
	return list
}

func (m *Mask) walk(t *Type, prefix string, visit func(path string, f *Field, s *stance)) {
	for i := range m.members {
		f, s := &t.Fields[i], &m.members[i]
		path := prefix + f.Declared()
		visit(path, f, s)
		if s.inner != nil {
			s.inner.walk(f.Type.structure(), path+".", visit)
		}
	}
}
