package bind

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// empty stands for the input or output that an operation does not have.
var empty = &descriptor.Shape{Type: "structure"}

// Bind ties the named structure to a Go struct. Every member must have its field.
func (b *Binder) Bind(shape string, goes reflect.Type) (*Type, error) {
	if goes.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s: %s is not a struct", shape, goes)
	}
	if shape == "" {
		return b.build(shape, empty, goes)
	}
	return b.bind(shape, goes)
}

func (b *Binder) bind(shape string, goes reflect.Type) (*Type, error) {
	if t, ok := b.made[key{shape, goes}]; ok {
		return t, nil
	}
	sh, ok := b.service.Shapes[shape]
	if !ok {
		return nil, fmt.Errorf("no shape %s", shape)
	}
	return b.build(shape, sh, goes)
}

func (b *Binder) build(name string, sh *descriptor.Shape, goes reflect.Type) (*Type, error) {
	kind, err := kindOf(sh)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	t := &Type{
		Kind: kind, Go: goes, Shape: name, Flattened: sh.Flattened, sensitive: sh.Sensitive, Prefix: sh.Prefix, Namespace: sh.Namespace, Exceptions: sh.Exceptions,
		min: sh.Min, max: sh.Max, source: sh.Pattern, enum: sh.Enum, Format: Format(sh.Format),
	}
	b.made[key{name, goes}] = t // before its parts, which may be made of it
	if !fits(kind, goes) {
		return nil, fmt.Errorf("shape %s (%s) does not fit %s", name, sh.Type, goes)
	}
	if sh.Pattern != "" {
		if t.pattern, err = regexp.Compile(`\A(?:` + sh.Pattern + `)\z`); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return t, b.parts(t, sh)
}

// parts ties what t is made of.
func (b *Binder) parts(t *Type, sh *descriptor.Shape) (err error) {
	switch t.Kind {
	case List:
		return b.element(t, sh)
	case Map:
		if t.Key, err = b.bind(sh.Key.Shape, t.Go.Key()); err != nil {
			return err
		}
		t.KeyName = b.refName(sh.Key)
		return b.element(t, sh)
	case Struct:
		return b.fields(t, sh)
	case Union:
		return b.variants(t, sh.Members)
	}
	return nil
}

func (b *Binder) element(t *Type, sh *descriptor.Shape) (err error) {
	t.ElemName = b.refName(sh.Element)
	elem := t.Go.Elem()
	if t.ElemPtr = elem.Kind() == reflect.Pointer; t.ElemPtr {
		elem = elem.Elem()
	}
	if t.Elem, err = b.bind(sh.Element.Shape, elem); err != nil {
		return fmt.Errorf("element of %s: %w", t.Shape, err)
	}
	return nil
}

func (b *Binder) fields(t *Type, sh *descriptor.Shape) error {
	t.byName = make(map[string]int, len(sh.Members))
	var errs []error
	for _, m := range sh.Members {
		if member, ok := b.service.Shapes[m.Shape]; ok && member.Events {
			continue // the events of an answer are no member in the SDK's output
		}
		f, err := b.field(t.Go, m)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.%s: %w", t.Shape, m.Name, err))
			continue
		}
		if m.Name == sh.Payload {
			f.Place = Payload
		}
		t.byName[f.In] = len(t.Fields)
		t.Fields = append(t.Fields, f)
	}
	return errors.Join(errs...)
}

func (b *Binder) field(goes reflect.Type, m descriptor.Member) (Field, error) {
	sf, ok := goes.FieldByName(upperFirst(m.Name))
	if !ok { // an error's ErrorCode is also the name of a method
		sf, ok = goes.FieldByName(upperFirst(m.Name) + "_")
	}
	if !ok || len(sf.Index) != 1 {
		return Field{}, fmt.Errorf("%s has no such field", goes)
	}
	f := Field{Index: sf.Index[0], Required: m.Required, Flattened: m.Flattened, Attribute: m.Attribute, Place: Place(m.In), Name: cmp.Or(m.Location, m.Name)}
	f.In, f.Out, f.Label = b.names(m)
	ft := sf.Type
	if f.Ptr = ft.Kind() == reflect.Pointer; f.Ptr {
		ft = ft.Elem()
	}
	var err error
	if m.Streaming {
		f.Type, err = stream(m.Shape, ft)
	} else {
		f.Type, err = b.bind(m.Shape, ft)
	}
	if err == nil {
		f.Flattened = f.Flattened || f.Type.Flattened
	}
	if err == nil && m.Format != "" {
		formatted := *f.Type
		formatted.Format = Format(m.Format)
		f.Type = &formatted
	}
	return f, err
}

// stream is the type of a body that is not held in memory.
func stream(shape string, goes reflect.Type) (*Type, error) {
	if goes != reflect.TypeFor[io.Reader]() && goes != reflect.TypeFor[io.ReadCloser]() {
		return nil, fmt.Errorf("shape %s, which streams, does not fit %s", shape, goes)
	}
	return &Type{Kind: Stream, Go: goes, Shape: shape}, nil
}

func usualNames(m descriptor.Member) (in, out, label string) {
	name := cmp.Or(m.Location, m.Name)
	return name, name, strings.ToLower(m.Name[:1]) + m.Name[1:]
}

// refName is the name that the elements of a list, or the keys or values of a map, have.
func (b *Binder) refName(r *descriptor.Ref) string {
	if b.query {
		return cmp.Or(r.Query, r.Name)
	}
	return r.Name
}

func queryNames(m descriptor.Member) (in, out, label string) {
	in, out, label = usualNames(m)
	return cmp.Or(m.Query, in), cmp.Or(m.Query, out), label
}

func ec2Names(m descriptor.Member) (in, out, label string) {
	out = cmp.Or(m.Location, m.Name)
	in = cmp.Or(m.Query, upperFirst(out))
	return in, out, in
}

// restNames gives the members beside the body names that none in the body has.
func restNames(m descriptor.Member) (in, out, label string) {
	in, out, label = usualNames(m)
	switch Place(m.In) {
	case Body:
	case Query:
		in = "?" + in
	default:
		in = m.In + ":" + in
	}
	return in, out, label
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

var kinds = map[string]Kind{
	"string": String, "boolean": Bool, "integer": Integer, "long": Long, "float": Float, "double": Double,
	"timestamp": Timestamp, "blob": Blob, "list": List, "map": Map, "structure": Struct,
}

func kindOf(sh *descriptor.Shape) (Kind, error) {
	if sh.Document {
		return Document, nil
	}
	if sh.Union || sh.Events {
		return Union, nil
	}
	k, ok := kinds[sh.Type]
	if !ok {
		return 0, fmt.Errorf("shapes of type %q are not read", sh.Type)
	}
	return k, nil
}

var timeType = reflect.TypeFor[time.Time]()

// fits says whether a value of kind k lives in goes without loss.
func fits(k Kind, goes reflect.Type) bool {
	switch k {
	case String:
		return goes.Kind() == reflect.String
	case Bool:
		return goes.Kind() == reflect.Bool
	case Integer:
		return goes.Kind() == reflect.Int32
	case Long:
		return goes.Kind() == reflect.Int64
	case Float:
		return goes.Kind() == reflect.Float32
	case Double:
		return goes.Kind() == reflect.Float64
	case Timestamp:
		return goes == timeType
	case Blob:
		return goes.Kind() == reflect.Slice && goes.Elem().Kind() == reflect.Uint8
	case Document:
		return documents[goes] != nil
	case Union:
		return goes.Kind() == reflect.Interface
	case List:
		return goes.Kind() == reflect.Slice
	case Map:
		return goes.Kind() == reflect.Map && goes.Key().Kind() == reflect.String
	default:
		return goes.Kind() == reflect.Struct && goes != timeType
	}
}
