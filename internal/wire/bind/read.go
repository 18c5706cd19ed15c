package bind

import (
	"encoding/base64"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"time"
)

// Reading is what a request says.
type Reading struct {
	Value  any      // a pointer to a new value of the type's Go type; to be used only when there are no faults
	Kept   []string // members that say something and are kept without effect, as Mask.Keep names them
	Faults Faults
}

// Read makes a value of t's Go type out of v, and checks the descriptor's constraints and what m
// takes; a nil m takes everything. An optional member that is empty, and would violate its
// constraints by that, counts as not set; a list or map then is empty, not nil. In plain paths an
// element is ".1", as ec2query writes it; else ".1.member".
func (t *Type) Read(v Value, m *Mask, plainPaths bool) *Reading {
	r := reader{path: path{plain: plainPaths}}
	dst := reflect.New(t.Go)
	if v.Kind == Null {
		v = Value{Kind: Object}
	}
	r.read(t, m, dst.Elem(), v)
	r.Value = dst.Interface()
	return &r.Reading
}

type reader struct {
	Reading
	path path
}

// read sets dst, which is of t's Go type, to v.
func (r *reader) read(t *Type, m *Mask, dst reflect.Value, v Value) {
	ok := false
	switch t.Kind {
	case Struct:
		ok = r.structure(t, m, dst, v)
	case Union:
		ok = r.union(t, m, dst, v)
	case List:
		ok = r.list(t, m, dst, v)
	case Map:
		ok = r.dict(t, m, dst, v)
	case Stream: // whoever has the body sets it
		ok = v.Kind == Streamed
	case Document:
		dst.Set(reflect.ValueOf(documents[t.Go](v.plain())))
		return
	default:
		ok = scalar(t, dst, v)
	}
	if !ok {
		r.Faults.Malformed = append(r.Faults.Malformed, Fault{r.path.String(), t.shown(v), wanted[t.Kind]})
		return
	}
	r.check(t, dst, v)
}

// optional reads v into a new value when dst is a pointer, else into dst.
func (r *reader) optional(t *Type, m *Mask, ptr bool, dst reflect.Value, v Value) {
	if ptr {
		dst.Set(reflect.New(t.Go))
		dst = dst.Elem()
	}
	r.read(t, m, dst, v)
}

func (r *reader) structure(t *Type, m *Mask, dst reflect.Value, v Value) bool {
	if v.Kind != Object {
		return false
	}
	var few [64]bool
	seen := few[:]
	if len(t.Fields) > len(few) {
		seen = make([]bool, len(t.Fields))
	}
	for i, name := range v.Names {
		n, ok := t.byName[name]
		if !ok {
			r.path.push(step{name: name})
			r.Faults.Unknown = append(r.Faults.Unknown, r.path.String())
			r.path.pop()
			continue
		}
		if v.Items[i].Kind == Null {
			continue
		}
		f := &t.Fields[n]
		seen[n] = true
		r.path.push(step{field: f})
		if inner, ok := r.taken(m, n, v.Items[i]); ok {
			r.member(f, inner, dst.Field(f.Index), v.Items[i])
		}
		r.path.pop()
	}
	for i := range t.Fields {
		if f := &t.Fields[i]; f.Required && !seen[i] {
			r.path.push(step{field: f})
			r.violation("null", Required, "")
			r.path.pop()
		}
	}
	return true
}

// member sets a field to v. A name that comes twice counts as it came last.
func (r *reader) member(f *Field, m *Mask, dst reflect.Value, v Value) {
	dst.SetZero()
	if f.Required || !v.empty() {
		r.optional(f.Type, m, f.Ptr, dst, v)
		return
	}
	if v.Kind == Plain && !f.Type.holdsEmpty() {
		return // how a form says that a number or structure is not set
	}
	if f.Type.Kind == String && len(r.path.steps) == 1 {
		return // no operation's own parameter means anything when it is empty
	}
	before := len(r.Faults.Violations)
	r.optional(f.Type, m, f.Ptr, dst, v)
	if len(r.Faults.Violations) > before && f.Type.Kind != Struct {
		r.Faults.Violations = r.Faults.Violations[:before]
		if f.Type.Kind == String {
			dst.SetZero()
		}
	}
}

func (r *reader) list(t *Type, m *Mask, dst reflect.Value, v Value) bool {
	if v.Kind == Plain && v.Text == "" {
		v = Value{Kind: Array} // how awsquery says that a list is empty
	}
	if v.Kind != Array {
		return false
	}
	dst.Set(reflect.MakeSlice(t.Go, len(v.Items), len(v.Items)))
	for i, item := range v.Items {
		r.path.push(step{index: i + 1, item: &v.Items[i]})
		r.optional(t.Elem, m, t.ElemPtr, dst.Index(i), item)
		r.path.pop()
	}
	return true
}

func (r *reader) dict(t *Type, m *Mask, dst reflect.Value, v Value) bool {
	if v.Kind == Plain && v.Text == "" {
		v = Value{Kind: Object}
	}
	if v.Kind != Object {
		return false
	}
	dst.Set(reflect.MakeMapWithSize(t.Go, len(v.Items)))
	for i, item := range v.Items {
		r.path.push(step{name: v.Names[i]})
		k := reflect.New(t.Go.Key()).Elem()
		r.read(t.Key, nil, k, Value{Kind: Text, Text: v.Names[i]})
		e := reflect.New(t.Go.Elem()).Elem()
		r.optional(t.Elem, m, t.ElemPtr, e, item)
		dst.SetMapIndex(k, e)
		r.path.pop()
	}
	return true
}

var wanted = map[Kind]string{
	String: "a string", Bool: "a boolean", Integer: "an integer", Long: "a long integer", Float: "a number",
	Double: "a number", Timestamp: "a timestamp", Blob: "base64", List: "a list", Map: "a map", Struct: "a structure", Union: "one member of a union",
}

// scalar sets dst to v when v is of its type.
func scalar(t *Type, dst reflect.Value, v Value) bool {
	switch t.Kind {
	case String:
		dst.SetString(v.Text)
		return v.Kind == Text || v.Kind == Plain
	case Bool:
		dst.SetBool(v.Kind == True || v.Kind == Plain && v.Text == "true")
		return v.Kind == True || v.Kind == False || v.Kind == Plain && (v.Text == "true" || v.Text == "false")
	case Integer, Long:
		n, ok := integer(v, dst.Type().Bits())
		dst.SetInt(n)
		return ok
	case Float, Double:
		f, ok := float(v, dst.Type().Bits())
		dst.SetFloat(f)
		return ok
	case Timestamp:
		at, ok := timestamp(v, t.Format)
		dst.Set(reflect.ValueOf(at))
		return ok
	case Blob:
		b, err := base64.StdEncoding.DecodeString(v.Text)
		dst.SetBytes(b)
		return err == nil && (v.Kind == Text || v.Kind == Plain)
	}
	return false
}

// integer takes 3 and 3.0 and 3e2, never 3.5.
func integer(v Value, bits int) (int64, bool) {
	if v.Kind != Number && v.Kind != Plain {
		return 0, false
	}
	if n, err := strconv.ParseInt(v.Text, 10, bits); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(v.Text, 64)
	whole := err == nil && v.Kind == Number && f == math.Trunc(f)
	if limit := math.Ldexp(1, min(bits-1, 53)); !whole || f >= limit || f < -limit {
		return 0, false
	}
	return int64(f), true
}

func float(v Value, bits int) (float64, bool) {
	switch {
	case v.Kind == Number || v.Kind == Plain:
		f, err := strconv.ParseFloat(v.Text, bits)
		return f, err == nil
	case v.Kind == Text && (v.Text == "NaN" || v.Text == "Infinity" || v.Text == "-Infinity"):
		f, err := strconv.ParseFloat(v.Text, bits)
		return f, err == nil
	}
	return 0, false
}

// timestamp takes seconds since 1970, to the millisecond, and ISO 8601; and the date of an HTTP header
// where that is the format.
func timestamp(v Value, format Format) (time.Time, bool) {
	if v.Kind == Number {
		f, err := strconv.ParseFloat(v.Text, 64)
		if err != nil || math.Abs(f) > 253402300799 { // the year 9999
			return time.Time{}, false
		}
		return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true
	}
	if v.Kind != Text && v.Kind != Plain {
		return time.Time{}, false
	}
	layout := time.RFC3339Nano
	if format == HTTPDate {
		layout = http.TimeFormat
	}
	at, err := time.Parse(layout, v.Text)
	return at.UTC(), err == nil
}
