package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/wire/awsjson"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/eventstream"
	"github.com/skylift/skylift/internal/wire/rpccbor"
)

// Events takes the events of an answer; E is the SDK's union of them. It is for one sender at a time.
type Events[E any] struct {
	RequestID string // of the call
	send      func(event any) error
}

// Send sends an event at once. Its error is that of the connection, or says that the event can't be written.
func (e Events[E]) Send(event E) error { return e.send(event) }

// eventRun is what an operation whose answer is a stream of events does.
type eventRun func(requestID string, send func(event any) error) error

// OpEvents makes an operation whose answer is a stream of events, which ends with the handler. An error before the first
// event is the answer; a later one ends the stream. Each event is a pointer to the SDK's type of one of the union's
// members, all of which must be given.
func OpEvents[I, E any](name string, h func(context.Context, *I, Events[E]) error, events ...E) Declared[I] {
	u := bind.UnionOf(events...)
	return Declared[I]{&spec{
		name: name, in: reflect.TypeFor[I](), out: reflect.TypeFor[struct{}](), events: &u, unions: []bind.Variants{u},
		do: func(ctx context.Context, in any) (any, error) {
			return eventRun(func(requestID string, send func(any) error) error {
				return h(ctx, in.(*I), Events[E]{requestID, send})
			}), nil
		},
	}}
}

// Lasts says whether the answer is a stream of events, which may last for hours.
func (c *Call) Lasts() bool { return c.op.events != nil }

// evented is a codec that has a form for events.
type evented interface {
	// events returns it, and whether an answer begins with what is no event.
	events() (f eventstream.Format, initial bool)
}

func (jsonCodec) events() (eventstream.Format, bool) {
	return eventstream.Format{ContentType: "application/json", Write: func(w *bytes.Buffer, t *bind.Type, v reflect.Value) error {
		return awsjson.Format{}.Write(w, "", t, v)
	}}, true
}

func (cborCodec) events() (eventstream.Format, bool) {
	return eventstream.Format{ContentType: "application/cbor", Write: rpccbor.Write}, true
}

func (c restCodec) events() (eventstream.Format, bool) {
	return eventstream.Format{ContentType: c.content, Write: func(w *bytes.Buffer, t *bind.Type, v reflect.Value) error {
		return c.format.Write(w, t.Shape, t, v)
	}}, false
}

// bindEvents ties the events of an operation's answer, whose shape is output.
func (s *face) bindEvents(b *bind.Binder, stream string, o *operation) (err error) {
	if _, ok := s.codec.(evented); !ok {
		return fmt.Errorf("%s: %s has no form for events", o.name, s.protocol)
	}
	if o.events, err = b.BindUnion(stream, o.spec.events.Go); err != nil {
		return fmt.Errorf("events of %s: %w", o.name, err)
	}
	return nil
}

// patience is for how long a client may take none of an event before it counts as gone.
const patience = 2 * time.Minute

// encodeEvents runs the handler and sends what it sends.
func (s *Service) encodeEvents(w http.ResponseWriter, c *Call, requestID string, run eventRun) error {
	format, initial := c.face.codec.(evented).events()
	started := false
	start := func() error {
		started = true
		if p, ok := c.face.codec.(cborCodec); ok {
			p.head(w.Header(), c.op, reflect.Value{})
		}
		w.Header().Set("Content-Type", eventstream.ContentType)
		w.Header().Set("X-Amzn-Requestid", requestID)
		w.WriteHeader(http.StatusOK)
		if !initial {
			return nil
		}
		return format.Initial(w, c.op.output, reflect.New(c.op.out).Elem())
	}
	ctl := http.NewResponseController(w)
	defer func() { _ = ctl.SetWriteDeadline(time.Time{}) }()
	err := run(requestID, func(event any) error {
		_ = ctl.SetWriteDeadline(time.Now().Add(patience)) // a server that knows no deadlines (httptest's recorder) sets none
		if !started {
			if err := start(); err != nil {
				return err
			}
		}
		if err := format.Event(w, c.op.events, reflect.ValueOf(event)); err != nil {
			return err
		}
		return ctl.Flush()
	})
	switch {
	case err == nil && started:
		return nil
	case err == nil:
		return start()
	case !started:
		return err
	}
	return s.endEvents(w, c, format, err)
}

// endEvents says why a stream ends that has begun. An error that is none of the model is a fault of ours.
func (s *Service) endEvents(w http.ResponseWriter, c *Call, format eventstream.Format, why error) error {
	api, ok := errors.AsType[smithy.APIError](why)
	if !ok {
		_ = eventstream.Error(w, s.words.Internal, "internal error") // whoever is still there reads it
		return fmt.Errorf("%w: %w", ErrCut, why)
	}
	if !slices.Contains(c.op.events.Exceptions, api.ErrorCode()) {
		return eventstream.Error(w, api.ErrorCode(), api.ErrorMessage())
	}
	f := failure{code: api.ErrorCode(), message: api.ErrorMessage()}
	body, err := c.face.codec.failure(http.Header{}, s.desc.Namespace, "", f)
	if err == nil {
		err = format.Exception(w, f.code, body)
	}
	return err
}
