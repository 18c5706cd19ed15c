package wire

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"reflect"

	"github.com/skylift/skylift/internal/wire/awsjson"
	"github.com/skylift/skylift/internal/wire/awsxml"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
	"github.com/skylift/skylift/internal/wire/rest"
)

// restCodec is what the REST protocols share: method and path name the operation, and members stand in the path, the
// query string, headers and a body.
type restCodec struct {
	router  *rest.Router
	routes  map[string]descriptor.Route
	format  rest.Format
	content string // type of bodies
}

func newRESTCodec(s *descriptor.Service, format rest.Format, content string) (restCodec, error) {
	r, err := rest.NewRouter(s.Routes)
	return restCodec{r, s.Routes, format, content}, err
}

func (c restCodec) contentType() string { return c.content }

type restRequest struct{ rest.Request }

// speaks takes what no other protocol of the service does.
func (restCodec) speaks(*http.Request, []byte) bool { return true }

func (c restCodec) open(s *descriptor.Service, r *http.Request, body []byte) (request, error) {
	q, h, err := rest.ParseQuery(r.URL.RawQuery, r.Header)
	if err != nil {
		return nil, err
	}
	m := c.router.Match(r.Method, rawPath(r.URL), q, h)
	return restRequest{rest.Request{Match: m, Params: q, Header: h, Body: body, Open: body == nil && r.ContentLength != 0, Format: c.format, Whole: s.Operations[m.Operation].Input}}, nil
}

// rawPath returns the path as it came: an escaped slash is part of a label.
func rawPath(u *url.URL) string { return cmp.Or(u.RawPath, u.EscapedPath()) }

func (r restRequest) operation() string { return r.Operation }

func (r restRequest) input(t *bind.Type) (bind.Value, error) { return r.Value(t) }

// status sets the headers that members are and returns the status of the answer.
func (c restCodec) status(h http.Header, op *operation, out reflect.Value) int {
	if h.Get("Content-Type") != "" {
		h.Set("Content-Type", rest.ContentType(op.output, c.content))
	}
	status := cmp.Or(rest.Head(op.output, out, h), c.routes[op.name].Status, http.StatusOK)
	if h.Get("Content-Range") != "" { // RFC 9110, 15.3.7; the models don't say so
		status = http.StatusPartialContent
	}
	return status
}

// restJSONCodec is restJson1.
type restJSONCodec struct{ restCodec }

func (restJSONCodec) bound(s *descriptor.Service) (codec, error) {
	c, err := newRESTCodec(s, awsjson.Format{}, "application/json")
	return restJSONCodec{c}, err
}

func (restJSONCodec) unnamed() string { return "UnknownOperationException" }

func (c restJSONCodec) answer(w *bytes.Buffer, _ *descriptor.Service, op *operation, _ string, out reflect.Value) error {
	return rest.Body(w, c.format, op.output, out, "")
}

func (c restJSONCodec) head(h http.Header, op *operation, out reflect.Value) int {
	return c.status(h, op, out)
}

func (restJSONCodec) failure(h http.Header, _, _ string, f failure) (b []byte, err error) {
	h.Set("X-Amzn-Errortype", f.code)
	b = append(b, '{')
	if f.codeName != "" {
		b = awsjson.AppendText(append(awsjson.AppendText(b, f.codeName), ':'), f.code)
		b = append(b, ',')
	}
	b = append(awsjson.AppendText(b, cmp.Or(f.messageName, "message")), ':')
	b = awsjson.AppendText(b, f.message)
	if f.members != nil {
		rest.Head(f.members, f.value, h)
		if b, _, err = awsjson.AppendFields(b, f.members, f.value, true); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// restXMLCodec is restXml.
type restXMLCodec struct {
	restCodec
	bare bool // errors have nothing around them
}

func (restXMLCodec) bound(s *descriptor.Service) (codec, error) {
	c, err := newRESTCodec(s, awsxml.Format{Namespace: s.Namespace}, "application/xml")
	return restXMLCodec{c, s.BareErrors}, err
}

func (c restXMLCodec) unnamed() string {
	if c.bare {
		return "MethodNotAllowed"
	}
	return "InvalidAction"
}

func (c restXMLCodec) answer(w *bytes.Buffer, s *descriptor.Service, op *operation, _ string, out reflect.Value) error {
	d := s.Operations[op.name]
	if d.Bare {
		f := &op.output.Fields[0]
		v, ok := f.Value(out)
		if !ok {
			v = reflect.Zero(f.Type.Go)
		}
		return c.format.Write(w, f.Out, f.Type, v)
	}
	return rest.Body(w, c.format, op.output, out, cmp.Or(d.Root, op.output.Shape))
}

func (c restXMLCodec) head(h http.Header, op *operation, out reflect.Value) int {
	return c.status(h, op, out)
}

func (c restXMLCodec) failure(h http.Header, namespace, requestID string, f failure) ([]byte, error) {
	if f.members != nil {
		rest.Head(f.members, f.value, h)
	}
	if !c.bare {
		return queryCodec{}.failure(h, namespace, requestID, f)
	}
	var w bytes.Buffer
	w.WriteString(awsxml.Declaration + "<Error>")
	if err := writeFailure(&w, f); err != nil {
		return nil, err
	}
	for _, d := range f.details {
		awsxml.Element(&w, d[0], d[1])
	}
	awsxml.Element(&w, "RequestId", requestID)
	awsxml.Element(&w, "HostId", requestID)
	w.WriteString("</Error>")
	return w.Bytes(), nil
}
