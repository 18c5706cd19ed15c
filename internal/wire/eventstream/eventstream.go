// Package eventstream writes the messages of an answer that is a stream of events, application/vnd.amazon.eventstream.
//
// See https://smithy.io/2.0/aws/amazon-eventstream.html.
package eventstream

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/aws/smithy-go/eventstream"

	"github.com/skylift/skylift/internal/wire/bind"
)

// ContentType is that of an answer.
const ContentType = "application/vnd.amazon.eventstream"

// Format is what the protocol has events in.
type Format struct {
	ContentType string
	// Write writes v, a structure of t's Go type.
	Write func(w *bytes.Buffer, t *bind.Type, v reflect.Value) error
}

// Event writes an event: v, a member of t, the union of all events.
func (f Format) Event(w io.Writer, t *bind.Type, v reflect.Value) error {
	field, value, ok := t.Variant(v)
	if !ok {
		return fmt.Errorf("%s has no event in %v", t.Shape, v.Type())
	}
	m := message("event", eventstream.EventTypeHeader, field.Name)
	if err := f.fill(&m, field.Type, value); err != nil {
		return fmt.Errorf("event %s: %w", field.Name, err)
	}
	return send(w, m)
}

// Initial writes the message in which RPC protocols have the members of an answer that are no events; here it has none.
func (f Format) Initial(w io.Writer, t *bind.Type, v reflect.Value) error {
	m := message("event", eventstream.EventTypeHeader, "initial-response")
	if err := f.whole(&m, t, v); err != nil {
		return err
	}
	return send(w, m)
}

// Exception writes a modelled error, which ends the stream. The message is all that it has.
func (f Format) Exception(w io.Writer, name string, body []byte) error {
	m := message("exception", eventstream.ExceptionTypeHeader, name)
	m.Headers.Set(eventstream.ContentTypeHeader, eventstream.StringValue(f.ContentType))
	m.Payload = body
	return send(w, m)
}

// Error writes any other error, which ends the stream.
func Error(w io.Writer, code, text string) error {
	m := message("error", eventstream.ErrorCodeHeader, code)
	m.Headers.Set(eventstream.ErrorMessageHeader, eventstream.StringValue(text))
	return send(w, m)
}

func message(kind, header, name string) (m eventstream.Message) {
	m.Headers.Set(eventstream.MessageTypeHeader, eventstream.StringValue(kind))
	m.Headers.Set(header, eventstream.StringValue(name))
	return m
}

// send writes a message in one piece.
func send(w io.Writer, m eventstream.Message) error {
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// fill gives the message the members of an event, of which one may be the payload and some headers.
func (f Format) fill(m *eventstream.Message, t *bind.Type, v reflect.Value) error {
	for i := range t.Fields {
		field := &t.Fields[i]
		value, ok := field.Value(v)
		switch {
		case !ok:
		case field.Place == bind.EventHeader:
			h, err := header(field.Type, value)
			if err != nil {
				return err
			}
			m.Headers.Set(field.Name, h)
		case field.Place == bind.EventPayload:
			return f.payload(m, field.Type, value)
		}
	}
	for i := range t.Fields {
		if t.Fields[i].Place == bind.Body {
			return f.whole(m, t, v)
		}
	}
	return nil
}

func (f Format) payload(m *eventstream.Message, t *bind.Type, v reflect.Value) error {
	switch t.Kind {
	case bind.Blob:
		m.Headers.Set(eventstream.ContentTypeHeader, eventstream.StringValue("application/octet-stream"))
		m.Payload = v.Bytes()
		return nil
	case bind.String:
		m.Headers.Set(eventstream.ContentTypeHeader, eventstream.StringValue("text/plain"))
		m.Payload = []byte(v.String())
		return nil
	}
	return f.whole(m, t, v)
}

func (f Format) whole(m *eventstream.Message, t *bind.Type, v reflect.Value) error {
	var b bytes.Buffer
	if err := f.Write(&b, t, v); err != nil {
		return err
	}
	m.Headers.Set(eventstream.ContentTypeHeader, eventstream.StringValue(f.ContentType))
	m.Payload = b.Bytes()
	return nil
}

func header(t *bind.Type, v reflect.Value) (eventstream.Value, error) {
	switch t.Kind {
	case bind.String:
		return eventstream.StringValue(v.String()), nil
	case bind.Bool:
		return eventstream.BoolValue(v.Bool()), nil
	case bind.Integer:
		return eventstream.Int32Value(v.Int()), nil
	case bind.Long:
		return eventstream.Int64Value(v.Int()), nil
	case bind.Blob:
		return eventstream.BytesValue(v.Bytes()), nil
	case bind.Timestamp:
		return eventstream.TimestampValue(v.Interface().(time.Time)), nil
	}
	return nil, fmt.Errorf("%s is no header of an event", t.Shape)
}
