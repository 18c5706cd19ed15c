package bind

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Faults is what is wrong with a request, as far as its descriptor tells.
type Faults struct {
	Malformed   []Fault  // values of the wrong type
	Unknown     []string // members that the service does not have
	Violations  []Violation
	Unsupported []string // members that say something and are not taken
}

// Fault is a value that is not of its member's type.
type Fault struct{ Path, Got, Want string }

// Rule is the kind of constraint that a value violates.
type Rule uint8

// The rules of API models.
const (
	Required Rule = iota
	MinLength
	MaxLength
	MinValue
	MaxValue
	Pattern
	Enum
)

// Violation is a value outside of its member's constraints.
type Violation struct {
	Path  string
	Value string // "null" when required and missing, else quoted
	Rule  Rule
	Limit string // the bound, pattern or list of values
}

// Any says whether there is any fault.
func (f *Faults) Any() bool {
	return len(f.Malformed) > 0 || len(f.Unknown) > 0 || len(f.Violations) > 0 || len(f.Unsupported) > 0
}

// Whole says whether the value has all that it must have, each of its type: whoever reads it finds no
// required member missing.
func (f *Faults) Whole() bool {
	return len(f.Malformed) == 0 && !slices.ContainsFunc(f.Violations, func(v Violation) bool { return v.Rule == Required })
}

// Constraint says in AWS's words what the value must be, without the subject: "must not be null".
func (v Violation) Constraint() string {
	switch v.Rule {
	case Required:
		return "must not be null"
	case MinLength:
		return "must have length greater than or equal to " + v.Limit
	case MaxLength:
		return "must have length less than or equal to " + v.Limit
	case MinValue:
		return "must have value greater than or equal to " + v.Limit
	case MaxValue:
		return "must have value less than or equal to " + v.Limit
	case Pattern:
		return "must satisfy regular expression pattern: " + v.Limit
	default:
		return "must satisfy enum value set: " + v.Limit
	}
}

func (v Violation) String() string {
	return fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member %s", v.Value, v.Path, v.Constraint())
}

// path is where the reader stands. It becomes text only for a fault.
type path struct {
	steps []step
	plain bool // elements are ".1", not ".1.member"
}

type step struct {
	field *Field
	name  string // of what is no field: an unknown member, a key
	index int    // of an element, from 1
	item  *Value // the element
}

func (p *path) push(s step) { p.steps = append(p.steps, s) }
func (p *path) pop()        { p.steps = p.steps[:len(p.steps)-1] }

// String is the path in the words of AWS's messages about constraints.
func (p *path) String() string { return p.text(func(f *Field) string { return f.Label }) }

// declared is the path in the words of the API reference. An element that has a name goes by it:
// containerDefinitions.web.secrets.
func (p *path) declared() string {
	named := path{steps: slices.Clone(p.steps), plain: p.plain}
	for i, s := range named.steps {
		if name := s.item.called(); name != "" {
			named.steps[i] = step{name: name}
		}
	}
	return named.text((*Field).Declared)
}

// called is the name that v, a structure, gives itself; "" if it has none.
func (v *Value) called() string {
	if v == nil {
		return ""
	}
	for i, name := range v.Names {
		if strings.EqualFold(name, "name") && len(v.Items[i].Text) <= longestShown {
			return v.Items[i].Text
		}
	}
	return ""
}

func (p *path) text(name func(*Field) string) string {
	var b strings.Builder
	for _, s := range p.steps {
		if s.index != 0 {
			b.WriteByte('.')
			b.WriteString(strconv.Itoa(s.index))
			if !p.plain {
				b.WriteString(".member")
			}
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if s.field != nil {
			s.name = name(s.field)
		}
		b.WriteString(s.name)
	}
	return b.String()
}

// members is the path without elements and keys, as a Mask names members.
func (p *path) members() string {
	var names []string
	for _, s := range p.steps {
		if s.field != nil {
			names = append(names, s.field.Declared())
		}
	}
	return strings.Join(names, ".")
}

const longestShown = 200

// shown is v for a message: bounded, and never a secret.
func (t *Type) shown(v Value) string {
	if t.sensitive {
		return "'*****'"
	}
	var b strings.Builder
	v.show(&b)
	if s := b.String(); len(s) > longestShown {
		return "'" + strings.ToValidUTF8(s[:longestShown], "") + "…'"
	}
	return "'" + b.String() + "'"
}

func (v Value) show(b *strings.Builder) {
	switch v.Kind {
	case Array, Object:
		b.WriteString(map[ValueKind]string{Array: "[", Object: "{"}[v.Kind])
		for i, item := range v.Items {
			if b.Len() > longestShown {
				return
			}
			if i > 0 {
				b.WriteString(", ")
			}
			if v.Kind == Object {
				b.WriteString(v.Names[i] + "=")
			}
			item.show(b)
		}
		b.WriteString(map[ValueKind]string{Array: "]", Object: "}"}[v.Kind])
	case True, False:
		b.WriteString(strconv.FormatBool(v.Kind == True))
	case Null:
		b.WriteString("null")
	default:
		b.WriteString(v.Text)
	}
}
