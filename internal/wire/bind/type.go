// Package bind ties the shapes of a descriptor to the SDK's Go types.
//
// A Type is made once, when a service is set up, and holds all that reading or writing a value takes:
// no request looks a field up by reflection. What cannot be tied is an error then, not at a request.
package bind

import (
	"reflect"
	"regexp"
	"slices"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// Kind says how a value is read and written.
type Kind uint8

// The kinds. An enum is a String.
const (
	String Kind = iota
	Bool
	Integer
	Long
	Float
	Double
	Timestamp
	Blob
	Document
	List
	Map
	Struct
	Union  // one of its fields, in a Go interface
	Stream // a payload that is read or written as it comes: an io.Reader or an io.ReadCloser
)

// Type is a shape tied to a Go type. It is immutable once made.
type Type struct {
	Kind   Kind
	Go     reflect.Type // never a pointer
	Shape  string
	Fields []Field // of a Struct, or the members of a Union

	Elem       *Type  // of a List, and the values of a Map
	ElemPtr    bool   // Go holds pointers to the elements
	ElemName   string // on the wire; "" is the protocol's usual
	Key        *Type  // of a Map
	KeyName    string
	Flattened  bool
	Format     Format   // of a Timestamp
	Exceptions []string // of a Union of events: the errors that may end them
	// The namespace that an attribute of the structure's element is in, as XML declares it there.
	Prefix, Namespace string

	sensitive bool
	min, max  *float64
	pattern   *regexp.Regexp
	source    string // of the pattern, as AWS writes it
	enum      []string
	byName    map[string]int // index in Fields by In
}

// Format is how a timestamp is written.
type Format string

// The formats, in the words of API models. The zero Format is the usual one of the protocol.
const (
	Epoch    Format = "unixTimestamp"
	ISO8601  Format = "iso8601"
	HTTPDate Format = "rfc822"
)

// Place is where a member stands in a REST request or answer.
type Place string

// The places, in the words of API models.
const (
	Body    Place = ""
	URI     Place = "uri"
	Query   Place = "querystring"
	Header  Place = "header"
	Headers Place = "headers" // all whose names have a prefix
	Status  Place = "statusCode"
	Payload Place = "payload" // the whole body

	EventPayload Place = "eventpayload" // the whole of an event
	EventHeader  Place = "eventheader"
)

// Field is a member of a structure.
type Field struct {
	In, Out   string // name in requests and in answers
	Label     string // name in messages
	Place     Place
	Name      string       // of a label, query parameter or header
	Index     int          // of the Go field
	Case      reflect.Type // the struct that holds the member of a union
	Ptr       bool
	Required  bool
	Flattened bool
	Attribute bool // of the structure's element in XML
	Always    bool // written when it is empty or nil: a list at the top of an answer
	Type      *Type
}

// Declared is the member's name as declarations and the API reference have it.
func (f *Field) Declared() string {
	if f.Place == Body || f.Place == Payload {
		return f.In
	}
	return f.Name
}

// Binder makes the types of one service.
type Binder struct {
	service *descriptor.Service
	names   func(descriptor.Member) (in, out, label string)
	made    map[key]*Type
	query   bool                                     // names are those that awsQuery has
	unions  map[reflect.Type]map[string]reflect.Type // structs of members by their names, by interface
}

type key struct {
	shape string
	goes  reflect.Type
}

// New returns a binder that names members as the protocol does.
func New(s *descriptor.Service, protocol string) *Binder {
	b := &Binder{service: s, names: usualNames, made: map[key]*Type{}, unions: map[reflect.Type]map[string]reflect.Type{}}
	switch protocol {
	case "ec2query":
		b.names = ec2Names
	case "awsquery":
		b.names, b.query = queryNames, true
	case "restjson", "restxml":
		b.names = restNames
	}
	return b
}

// Field returns the member that requests call name.
func (t *Type) Field(name string) (*Field, bool) {
	n, ok := t.byName[name]
	if !ok {
		return nil, false
	}
	return &t.Fields[n], true
}

// Value returns f's value in a struct of f's type; ok is false when it is not set: a nil pointer, list or
// map, or an enum without value.
func (f *Field) Value(in reflect.Value) (v reflect.Value, ok bool) {
	v = in.Field(f.Index)
	if f.Ptr {
		return v.Elem(), !v.IsNil()
	}
	switch f.Type.Kind {
	case List, Map, Blob, Document, Stream, Union:
		return v, f.Always || !v.IsNil()
	case String:
		return v, v.Len() > 0
	case Timestamp:
		return v, !v.IsZero()
	default:
		return v, true
	}
}

// Answer returns t, an operation's output, for writing: its lists are written when they are empty, too,
// so that a client finds each of them. Lists further down are written when they are not nil.
func (t *Type) Answer() *Type {
	out := *t
	out.Fields = slices.Clone(t.Fields)
	for i := range out.Fields {
		f := &out.Fields[i]
		f.Always = f.Type.Kind == List && f.Place == Body && !f.Flattened
	}
	return &out
}

// Stream returns the member that is the whole body and is read or written as it comes; nil when there is none.
func (t *Type) Stream() *Field {
	for i := range t.Fields {
		if f := &t.Fields[i]; f.Type.Kind == Stream && f.Place == Payload {
			return f
		}
	}
	return nil
}

// Element returns v, an element of a list or map of type t, without its pointer.
func (t *Type) Element(v reflect.Value) reflect.Value {
	if t.ElemPtr {
		return v.Elem()
	}
	return v
}
