package restjson

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/wire/awsjson"
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

// Body writes the body that v, of type t, has: its payload, or an object of the members that stand in
// the body; nothing when t has neither.
func Body(w *bytes.Buffer, t *bind.Type, v reflect.Value) error {
	at := slices.IndexFunc(t.Fields, func(f bind.Field) bool { return f.Place == bind.Payload })
	if at >= 0 {
		return payload(w, &t.Fields[at], v)
	}
	if !slices.ContainsFunc(t.Fields, func(f bind.Field) bool { return f.Place == bind.Body }) {
		return nil
	}
	b, err := awsjson.Append(w.AvailableBuffer(), t, v)
	w.Write(b)
	return err
}

func payload(w *bytes.Buffer, f *bind.Field, v reflect.Value) error {
	fv, ok := f.Value(v)
	if !ok {
		return nil
	}
	switch f.Type.Kind {
	case bind.Blob:
		w.Write(fv.Bytes())
	case bind.String:
		w.WriteString(fv.String())
	default:
		b, err := awsjson.Append(w.AvailableBuffer(), f.Type, fv)
		if err != nil {
			return fmt.Errorf("payload %s: %w", f.Name, err)
		}
		w.Write(b)
	}
	return nil
}

// ContentType is that of an answer of type t.
func ContentType(t *bind.Type) string {
	for _, f := range t.Fields {
		if other, ok := plain[f.Type.Kind]; ok && f.Place == bind.Payload {
			return other
		}
	}
	return "application/json"
}

// plain is the content types of the payloads that are no JSON.
var plain = map[bind.Kind]string{bind.Blob: "application/octet-stream", bind.String: "text/plain"}
