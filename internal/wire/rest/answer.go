package rest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/wire/bind"
)

// Head sets the headers that members of v, of type t, are, and returns the status that one of them is,
// else 0.
func Head(t *bind.Type, v reflect.Value, h http.Header) (status int) {
	for i := range t.Fields {
		f := &t.Fields[i]
		fv, ok := f.Value(v)
		if !ok {
			continue
		}
		switch f.Place {
		case bind.Status:
			status = int(fv.Int())
		case bind.Header:
			h.Set(f.Name, written(f.Type, fv))
		case bind.Headers:
			for it := fv.MapRange(); it.Next(); {
				h.Set(f.Name+it.Key().String(), written(f.Type.Elem, f.Type.Element(it.Value())))
			}
		}
	}
	return status
}

// written is v as a header has it.
func written(t *bind.Type, v reflect.Value) string {
	switch t.Kind {
	case bind.List:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = written(t.Elem, t.Element(v.Index(i)))
			if t.Elem.Kind == bind.String && strings.ContainsAny(items[i], `,"`) {
				items[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(items[i]) + `"`
			}
		}
		return strings.Join(items, ", ")
	case bind.Bool:
		return strconv.FormatBool(v.Bool())
	case bind.Integer, bind.Long:
		return strconv.FormatInt(v.Int(), 10)
	case bind.Float, bind.Double:
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
	case bind.Blob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case bind.Timestamp:
		return date(t.Format, v.Interface().(time.Time).UTC())
	default:
		return v.String()
	}
}

func date(format bind.Format, at time.Time) string {
	switch format {
	case bind.Epoch:
		return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', -1, 64)
	case bind.ISO8601:
		return at.Format("2006-01-02T15:04:05.999Z07:00")
	}
	return at.Format(http.TimeFormat)
}

// Body writes the body that v, of type t, has: its payload, or the members that stand in the body; nothing when t
// has neither. Whole is what the protocol calls a body that is no payload.
func Body(w *bytes.Buffer, format Format, t *bind.Type, v reflect.Value, whole string) error {
	if f := Payload(t); f != nil {
		return payload(w, format, f, v)
	}
	if !slices.ContainsFunc(t.Fields, func(f bind.Field) bool { return f.Place == bind.Body }) {
		return nil
	}
	return format.Write(w, whole, t, v)
}

// Payload returns the member that is the whole body; nil when there is none.
func Payload(t *bind.Type) *bind.Field {
	at := slices.IndexFunc(t.Fields, func(f bind.Field) bool { return f.Place == bind.Payload })
	if at < 0 {
		return nil
	}
	return &t.Fields[at]
}

func payload(w *bytes.Buffer, format Format, f *bind.Field, v reflect.Value) error {
	fv, ok := f.Value(v)
	if !ok {
		return nil
	}
	switch f.Type.Kind {
	case bind.Blob:
		w.Write(fv.Bytes())
	case bind.String:
		w.WriteString(fv.String())
	case bind.Stream: // whoever has the answer copies it
	default:
		if err := format.Write(w, f.Out, f.Type, fv); err != nil {
			return fmt.Errorf("payload %s: %w", f.Name, err)
		}
	}
	return nil
}

// ContentType is that of an answer of type t; usual is that of the protocol's own bodies.
func ContentType(t *bind.Type, usual string) string {
	if f := Payload(t); f != nil {
		return cmp.Or(plain[f.Type.Kind], usual)
	}
	return usual
}

// plain is the content types of the payloads that are in no format of the protocol.
var plain = map[bind.Kind]string{bind.Blob: "application/octet-stream", bind.Stream: "application/octet-stream", bind.String: "text/plain"}
