package awsjson

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/aws/smithy-go/document"

	"github.com/skylift/skylift/internal/wire/bind"
)

// Append writes v, which is of t's Go type. What is not set is left out.
func Append(b []byte, t *bind.Type, v reflect.Value) ([]byte, error) {
	switch t.Kind {
	case bind.Struct:
		b = append(b, '{')
		b, _, err := AppendFields(b, t, v, false)
		return append(b, '}'), err
	case bind.Union:
		return appendUnion(b, t, v)
	case bind.List:
		return appendList(b, t, v)
	case bind.Map:
		return appendMap(b, t, v)
	case bind.String:
		return AppendText(b, v.String()), nil
	case bind.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case bind.Integer, bind.Long:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case bind.Float, bind.Double:
		return appendFloat(b, v.Float(), v.Type().Bits()), nil
	case bind.Timestamp:
		return appendTimestamp(b, t.Format, v.Interface().(time.Time)), nil
	case bind.Blob:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"'), nil
	default:
		return appendDocument(b, v)
	}
}

// AppendFields writes the members of a body that are set, without braces. more says that some stand
// before them; it returns whether some stand there now.
func AppendFields(b []byte, t *bind.Type, v reflect.Value, more bool) ([]byte, bool, error) {
	for i := range t.Fields {
		f := &t.Fields[i]
		fv, ok := f.Value(v)
		if !ok || f.Place != bind.Body {
			continue
		}
		if more {
			b = append(b, ',')
		}
		more = true
		b = append(append(append(b, '"'), f.Out...), '"', ':')
		var err error
		if b, err = Append(b, f.Type, fv); err != nil {
			return b, more, fmt.Errorf("%s.%s: %w", t.Shape, f.Out, err)
		}
	}
	return b, more, nil
}

func appendUnion(b []byte, t *bind.Type, v reflect.Value) (_ []byte, err error) {
	f, fv, ok := t.Variant(v)
	if !ok {
		return b, fmt.Errorf("%s has no member in %v", t.Shape, v.Type())
	}
	b = append(AppendText(append(b, '{'), f.Out), ':')
	b, err = Append(b, f.Type, fv)
	return append(b, '}'), err
}

func appendList(b []byte, t *bind.Type, v reflect.Value) (_ []byte, err error) {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = Append(b, t.Elem, t.Element(v.Index(i))); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// appendMap writes keys in order, so that the same answer is the same bytes.
func appendMap(b []byte, t *bind.Type, v reflect.Value) (_ []byte, err error) {
	values := make(map[string]reflect.Value, v.Len())
	for it := v.MapRange(); it.Next(); {
		values[it.Key().String()] = it.Value()
	}
	b = append(b, '{')
	for i, k := range slices.Sorted(maps.Keys(values)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendText(b, k), ':')
		if b, err = Append(b, t.Elem, t.Element(values[k])); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendDocument(b []byte, v reflect.Value) ([]byte, error) {
	m, ok := reflect.TypeAssert[document.Marshaler](v)
	if !ok {
		return b, fmt.Errorf("%s is not a document", v.Type())
	}
	d, err := m.MarshalSmithyDocument()
	return append(b, d...), err
}

func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}

func appendTimestamp(b []byte, format bind.Format, at time.Time) []byte {
	switch format {
	case bind.ISO8601:
		return append(at.UTC().AppendFormat(append(b, '"'), "2006-01-02T15:04:05.999Z07:00"), '"')
	case bind.HTTPDate:
		return append(at.UTC().AppendFormat(append(b, '"'), http.TimeFormat), '"')
	}
	return appendTime(b, at)
}

// appendTime writes seconds since 1970, to the millisecond.
func appendTime(b []byte, at time.Time) []byte {
	ms := at.UnixMilli()
	if ms < 0 {
		return strconv.AppendFloat(b, float64(ms)/1000, 'f', -1, 64)
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if ms %= 1000; ms == 0 {
		return b
	}
	return append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

const hex = "0123456789abcdef"

// AppendText writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if r, size := utf8.DecodeRuneInString(s[i:]); c >= utf8.RuneSelf && (r != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		b = appendEscape(append(b, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, `\n`...)
	case c == '\r':
		return append(b, `\r`...)
	case c == '\t':
		return append(b, `\t`...)
	case c >= utf8.RuneSelf:
		return append(b, `\ufffd`...)
	default:
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}

// Format is bodies in JSON, which have no name.
type Format struct{}

// Parse reads a body.
func (Format) Parse(body []byte, _ *bind.Type, _ string) (bind.Value, error) { return Parse(body) }

// Write writes a body.
func (Format) Write(w *bytes.Buffer, _ string, t *bind.Type, v reflect.Value) error {
	b, err := Append(w.AvailableBuffer(), t, v)
	w.Write(b)
	return err
}
