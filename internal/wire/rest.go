package wire

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"reflect"

	"github.com/skylift/skylift/internal/wire/awsjson"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
	"github.com/skylift/skylift/internal/wire/restjson"
)

// restCodec is restJson1: method and path name the operation, and members stand in the path, the query
// string, headers and a JSON body.
type restCodec struct {
	router *restjson.Router
	status map[string]int // of an operation's answer, where it is not 200
}

// routed returns the codec for a service with those routes.
func (restCodec) routed(routes map[string]descriptor.Route) (codec, error) {
	c := restCodec{status: map[string]int{}}
	for name, r := range routes {
		c.status[name] = r.Status
	}
	var err error
	c.router, err = restjson.NewRouter(routes)
	return c, err
}

type restRequest struct{ restjson.Request }

// speaks takes what no other protocol of the service does.
func (restCodec) speaks(*http.Request, []byte) bool { return true }

func (c restCodec) open(_ *descriptor.Service, r *http.Request, body []byte) (request, error) {
	q, err := restjson.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	m := c.router.Match(r.Method, rawPath(r.URL), q)
	return restRequest{restjson.Request{Match: m, Params: q, Header: r.Header, Body: body}}, nil
}

// rawPath returns the path as it came: an escaped slash is part of a label.
func rawPath(u *url.URL) string { return cmp.Or(u.RawPath, u.EscapedPath()) }

func (r restRequest) operation() string { return r.Operation }

func (r restRequest) input(t *bind.Type) (bind.Value, error) { return r.Value(t) }

func (restCodec) unnamed() string { return "UnknownOperationException" }

func (restCodec) contentType() string { return "application/json" }

func (restCodec) answer(w *bytes.Buffer, _ *descriptor.Service, op *operation, _ string, out reflect.Value) error {
	return restjson.Body(w, op.output, out)
}

func (c restCodec) head(h http.Header, op *operation, out reflect.Value) int {
	h.Set("Content-Type", restjson.ContentType(op.output))
	return cmp.Or(restjson.Head(op.output, out, h), c.status[op.name], http.StatusOK)
}

func (restCodec) failure(h http.Header, _, _ string, f failure) (b []byte, err error) {
	h.Set("X-Amzn-Errortype", f.code)
	b = append(b, '{')
	if f.codeName != "" {
		b = awsjson.AppendText(append(awsjson.AppendText(b, f.codeName), ':'), f.code)
		b = append(b, ',')
	}
	b = append(awsjson.AppendText(b, cmp.Or(f.messageName, "message")), ':')
	b = awsjson.AppendText(b, f.message)
	if f.members != nil {
		restjson.Head(f.members, f.value, h)
		if b, _, err = awsjson.AppendFields(b, f.members, f.value, true); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}
