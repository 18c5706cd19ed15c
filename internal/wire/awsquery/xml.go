package awsquery

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/skylift/skylift/internal/wire/bind"
)

// WriteFields writes the members of v that are set, each as an element; v is a struct of t's type.
func WriteFields(w *bytes.Buffer, t *bind.Type, v reflect.Value) error {
	for i := range t.Fields {
		f := &t.Fields[i]
		fv, ok := f.Value(v)
		if !ok {
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

func write(w *bytes.Buffer, name string, t *bind.Type, v reflect.Value) error {
	open(w, name)
	defer closing(w, name)
	switch t.Kind {
	case bind.Struct:
		return WriteFields(w, t, v)
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
		text(w, v.String())
	case bind.Bool:
		w.WriteString(strconv.FormatBool(v.Bool()))
	case bind.Integer, bind.Long:
		w.Write(strconv.AppendInt(w.AvailableBuffer(), v.Int(), 10))
	case bind.Float, bind.Double:
		w.WriteString(float(v.Float(), v.Type().Bits()))
	case bind.Timestamp:
		w.WriteString(v.Interface().(time.Time).UTC().Format("2006-01-02T15:04:05.000Z"))
	case bind.Blob:
		w.WriteString(base64.StdEncoding.EncodeToString(v.Bytes()))
	default:
		return fmt.Errorf("%s has no form in XML", t.Go)
	}
	return nil
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
	text(w, s)
	closing(w, name)
}

func text(w *bytes.Buffer, s string) {
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
