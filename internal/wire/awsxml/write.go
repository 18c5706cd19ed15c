package awsxml

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/skylift/skylift/internal/wire/bind"
)

// WriteFields writes the members of a body that are set, each as an element; v is a struct of t's type.
func WriteFields(w *bytes.Buffer, t *bind.Type, v reflect.Value) error {
	for i := range t.Fields {
		f := &t.Fields[i]
		fv, ok := f.Value(v)
		if !ok || f.Attribute || f.Place != bind.Body {
			continue
		}
		if err := writeField(w, f, fv); err != nil {
			return fmt.Errorf("%s.%s: %w", t.Shape, f.Out, err)
		}
	}
	return nil
}

func writeField(w *bytes.Buffer, f *bind.Field, v reflect.Value) error {
	if !f.Flattened {
		return write(w, f.Out, f.Type, v)
	}
	if f.Type.Kind == bind.Map {
		return writeEntries(w, f.Out, f.Type, v)
	}
	return writeElements(w, f.Out, f.Type, v)
}

// Write writes v, which is of t's Go type, as the element that a document is.
func Write(w *bytes.Buffer, name, namespace string, t *bind.Type, v reflect.Value) error {
	w.WriteString(Declaration)
	Open(w, name, namespace)
	defer closing(w, name)
	return inside(w, t, v)
}

// Declaration is what a document begins with.
const Declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// Open writes the start of the element that a document is.
func Open(w *bytes.Buffer, name, namespace string) {
	w.WriteString("<" + name)
	if namespace != "" {
		attribute(w, "xmlns", namespace)
	}
	w.WriteByte('>')
}

func write(w *bytes.Buffer, name string, t *bind.Type, v reflect.Value) error {
	w.WriteString("<" + name)
	writeAttributes(w, t, v)
	w.WriteByte('>')
	defer closing(w, name)
	return inside(w, t, v)
}

// writeAttributes writes the members that are attributes, and declares their namespace.
func writeAttributes(w *bytes.Buffer, t *bind.Type, v reflect.Value) {
	if t.Kind != bind.Struct {
		return
	}
	if t.Namespace != "" {
		attribute(w, "xmlns:"+t.Prefix, t.Namespace)
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if !f.Attribute {
			continue
		}
		if fv, ok := f.Value(v); ok {
			attribute(w, f.Out, fv.String())
		}
	}
}

func attribute(w *bytes.Buffer, name, value string) {
	w.WriteString(" " + name + `="`)
	escaped(w, value)
	w.WriteByte('"')
}

// inside writes what an element holds.
func inside(w *bytes.Buffer, t *bind.Type, v reflect.Value) error {
	switch t.Kind {
	case bind.Struct:
		return WriteFields(w, t, v)
	case bind.Union:
		f, fv, ok := t.Variant(v)
		if !ok {
			return fmt.Errorf("%s has no member in %v", t.Shape, v.Type())
		}
		return writeField(w, f, fv)
	case bind.List:
		return writeElements(w, cmp.Or(t.ElemName, "member"), t, v)
	case bind.Map:
		return writeEntries(w, "entry", t, v)
	default:
		return writeScalar(w, t, v)
	}
}

func writeElements(w *bytes.Buffer, name string, t *bind.Type, v reflect.Value) error {
	for i := range v.Len() {
		if err := write(w, name, t.Elem, t.Element(v.Index(i))); err != nil {
			return err
		}
	}
	return nil
}

// writeEntries writes keys in order, so that the same answer is the same bytes.
func writeEntries(w *bytes.Buffer, name string, t *bind.Type, v reflect.Value) error {
	values := make(map[string]reflect.Value, v.Len())
	for it := v.MapRange(); it.Next(); {
		values[it.Key().String()] = it.Value()
	}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		open(w, name)
		Element(w, cmp.Or(t.KeyName, "key"), k)
		if err := write(w, cmp.Or(t.ElemName, "value"), t.Elem, t.Element(values[k])); err != nil {
			return err
		}
		closing(w, name)
	}
	return nil
}

func writeScalar(w *bytes.Buffer, t *bind.Type, v reflect.Value) error {
	switch t.Kind {
	case bind.String:
		escaped(w, v.String())
	case bind.Bool:
		w.WriteString(strconv.FormatBool(v.Bool()))
	case bind.Integer, bind.Long:
		w.Write(strconv.AppendInt(w.AvailableBuffer(), v.Int(), 10))
	case bind.Float, bind.Double:
		w.WriteString(float(v.Float(), v.Type().Bits()))
	case bind.Timestamp:
		w.WriteString(date(t.Format, v.Interface().(time.Time).UTC()))
	case bind.Blob:
		w.WriteString(base64.StdEncoding.EncodeToString(v.Bytes()))
	default:
		return fmt.Errorf("%s has no form in XML", t.Go)
	}
	return nil
}

func date(format bind.Format, at time.Time) string {
	switch format {
	case bind.Epoch:
		return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', -1, 64)
	case bind.HTTPDate:
		return at.Format(http.TimeFormat)
	}
	return at.Format("2006-01-02T15:04:05.000Z")
}

func float(f float64, bits int) string {
	if math.IsInf(f, 0) {
		return map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0]
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

// Element writes an element that holds nothing but text.
func Element(w *bytes.Buffer, name, s string) {
	open(w, name)
	escaped(w, s)
	closing(w, name)
}

func escaped(w *bytes.Buffer, s string) {
	_ = xml.EscapeText(w, []byte(s)) // a Buffer takes everything
}

func open(w *bytes.Buffer, name string) {
	w.WriteByte('<')
	w.WriteString(name)
	w.WriteByte('>')
}

func closing(w *bytes.Buffer, name string) {
	w.WriteString("</")
	w.WriteString(name)
	w.WriteByte('>')
}
