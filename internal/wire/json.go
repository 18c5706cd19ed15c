package wire

import (
	"bytes"
	"net/http"
	"reflect"
	"strings"

	"github.com/skylift/skylift/internal/wire/awsjson"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// jsonCodec is awsJson 1.0 or 1.1, which differ in the content type alone: the operation in a header,
// JSON in both directions.
type jsonCodec struct{ content string }

type jsonRequest struct {
	name string
	body []byte
}

func (jsonCodec) speaks(r *http.Request, _ []byte) bool { return r.Header.Get("X-Amz-Target") != "" }

func (jsonCodec) open(s *descriptor.Service, r *http.Request, body []byte) (request, error) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), s.Target+".")
	if !ok {
		name = ""
	}
	return jsonRequest{name, body}, nil
}

func (r jsonRequest) operation() string { return r.name }

func (r jsonRequest) input(*bind.Type) (bind.Value, error) { return awsjson.Parse(r.body) }

func (jsonCodec) unnamed() string { return "UnknownOperationException" }

func (c jsonCodec) contentType() string { return c.content }

func (jsonCodec) answer(w *bytes.Buffer, _ *descriptor.Service, op *operation, _ string, out reflect.Value) error {
	b, err := awsjson.Append(w.AvailableBuffer(), op.output, out)
	w.Write(b)
	return err
}

func (jsonCodec) failure(h http.Header, _, _ string, f failure) (b []byte, err error) {
	h.Set("X-Amzn-Errortype", f.code)
	b = append(b, `{"__type":`...)
	b = awsjson.AppendText(b, f.code)
	b = append(b, `,"message":`...)
	b = awsjson.AppendText(b, f.message)
	if f.members != nil {
		if b, _, err = awsjson.AppendFields(b, f.members, f.value, true); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}
