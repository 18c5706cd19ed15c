package bind

// Mask says which members of a structure a service honours. It stands beside a Type; what it does not
// name is refused when it says something. It is immutable once made.
type Mask struct {
	members []stance // by index in the Type's Fields
}

// stance is how a service stands to a member.
type stance struct {
	kind   stanceKind
	inner  *Mask    // of the structure that is the member, its elements or its values; nil takes all of it
	usual  []string // values of a refused member that say nothing
	why    string   // a kept member has no effect
	filled bool     // inner was declared
}

type stanceKind uint8

const (
	refused stanceKind = iota
	taken
	kept
)

// taken says whether the member with index n is to be read, and by which mask. It notes what is
// refused, and what is kept. Of a refused member, false and the usual values are read, and what is
// empty is not.
func (r *reader) taken(m *Mask, n int, v Value) (*Mask, bool) {
	if m == nil {
		return nil, true
	}
	s := &m.members[n]
	switch {
	case s.kind == refused:
		if !s.silent(v) {
			r.Faults.Unsupported = append(r.Faults.Unsupported, r.path.declared())
			return nil, false
		}
		return nil, v.Kind == False || !v.blank() // said, so that it comes back as it was said
	case s.kind == kept && !s.silent(v):
		r.Kept = append(r.Kept, r.path.members())
	}
	return s.inner, true
}

// silent says whether v of a refused or kept member says nothing.
func (s *stance) silent(v Value) bool {
	for _, usual := range s.usual {
		if v.scalar() == usual {
			return true
		}
	}
	if len(s.usual) > 0 && (v.Kind == False || v.Kind == Plain && v.Text == "false") {
		return false // where another value is the default, false says something
	}
	return v.blank()
}

// blank says whether v says nothing: it is null, false, empty, or a structure of nothing else.
func (v Value) blank() bool {
	switch v.Kind {
	case Null, False:
		return true
	case Text:
		return v.Text == ""
	case Plain:
		return v.Text == "" || v.Text == "false"
	case Array:
		return len(v.Items) == 0
	case Object:
		for _, item := range v.Items {
			if !item.blank() {
				return false
			}
		}
		return true
	}
	return false
}

// empty says whether v is an empty string, list or map.
func (v Value) empty() bool {
	switch v.Kind {
	case Text, Plain:
		return v.Text == ""
	case Array, Object:
		return len(v.Items) == 0
	}
	return false
}

// scalar is v as a declaration writes it.
func (v Value) scalar() string {
	switch v.Kind {
	case True:
		return "true"
	case False:
		return "false"
	}
	return v.Text
}

// holdsEmpty says whether an empty value of a form is one of t.
func (t *Type) holdsEmpty() bool {
	return t.Kind == String || t.Kind == List || t.Kind == Map || t.Kind == Blob
}
