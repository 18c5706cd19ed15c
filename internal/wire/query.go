package wire

import (
	"bytes"
	"fmt"
	"net/http"
	"reflect"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/awsquery"
	"github.com/skylift/skylift/internal/wire/awsxml"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// queryCodec is awsQuery: a form in, XML out.
type queryCodec struct{}

// ec2Codec is ec2Query: the same, but for lists in forms and what stands around an answer.
type ec2Codec struct{ queryCodec }

type queryRequest struct {
	name    string
	form    *awsquery.Form
	dialect awsquery.Dialect
}

func openForm(s *descriptor.Service, r *http.Request, body []byte, d awsquery.Dialect) (request, error) {
	form, err := awsquery.Parse(r.URL.RawQuery, string(body))
	if err != nil {
		return nil, err
	}
	name := form.Take("Action")
	if v := form.Take("Version"); v != "" && v != s.Version {
		return nil, awserr.New("InvalidAction", "Could not find operation %s for version %s: %s has version %s here.", name, v, s.Title, s.Version)
	}
	return queryRequest{name, form, d}, nil
}

// speaks asks for the action: what has a body in another form has none.
func (queryCodec) speaks(r *http.Request, body []byte) bool {
	form, err := awsquery.Parse(r.URL.RawQuery, string(body))
	return err == nil && form.Take("Action") != ""
}

func (queryCodec) open(s *descriptor.Service, r *http.Request, body []byte) (request, error) {
	return openForm(s, r, body, awsquery.Dialect{})
}

func (ec2Codec) open(s *descriptor.Service, r *http.Request, body []byte) (request, error) {
	return openForm(s, r, body, awsquery.Dialect{FlatLists: true})
}

func (r queryRequest) operation() string { return r.name }

func (r queryRequest) input(t *bind.Type) (bind.Value, error) {
	return r.form.Value(t, r.dialect), nil
}

func (queryCodec) unnamed() string { return "MissingAction" }

func (queryCodec) contentType() string { return "text/xml;charset=UTF-8" }

func (queryCodec) answer(w *bytes.Buffer, s *descriptor.Service, op *operation, requestID string, out reflect.Value) error {
	fmt.Fprintf(w, `<%sResponse`, op.name)
	if s.Namespace != "" {
		fmt.Fprintf(w, ` xmlns="%s"`, s.Namespace)
	}
	w.WriteByte('>')
	if op.wrapper != "" {
		w.WriteString("<" + op.wrapper + ">")
	}
	if err := awsxml.WriteFields(w, op.output, out); err != nil {
		return err
	}
	if op.wrapper != "" {
		w.WriteString("</" + op.wrapper + ">")
	}
	w.WriteString("<ResponseMetadata>")
	awsxml.Element(w, "RequestId", requestID)
	fmt.Fprintf(w, "</ResponseMetadata></%sResponse>", op.name)
	return nil
}

func (ec2Codec) answer(w *bytes.Buffer, s *descriptor.Service, op *operation, requestID string, out reflect.Value) error {
	fmt.Fprintf(w, awsxml.Declaration+`<%sResponse xmlns="%s/">`, op.name, s.Namespace)
	awsxml.Element(w, "requestId", requestID)
	if err := awsxml.WriteFields(w, op.output, out); err != nil {
		return err
	}
	fmt.Fprintf(w, "</%sResponse>", op.name)
	return nil
}

func (queryCodec) failure(_ http.Header, namespace, requestID string, f failure) ([]byte, error) {
	var w bytes.Buffer
	w.WriteString("<ErrorResponse")
	if namespace != "" {
		fmt.Fprintf(&w, ` xmlns="%s"`, namespace)
	}
	w.WriteString("><Error>")
	fault := "Sender"
	if f.status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	awsxml.Element(&w, "Type", fault)
	if err := writeFailure(&w, f); err != nil {
		return nil, err
	}
	w.WriteString("</Error>")
	awsxml.Element(&w, "RequestId", requestID)
	w.WriteString("</ErrorResponse>")
	return w.Bytes(), nil
}

func (ec2Codec) failure(_ http.Header, _, requestID string, f failure) ([]byte, error) {
	var w bytes.Buffer
	w.WriteString(awsxml.Declaration + "<Response><Errors><Error>")
	if err := writeFailure(&w, f); err != nil {
		return nil, err
	}
	w.WriteString("</Error></Errors>")
	awsxml.Element(&w, "RequestID", requestID)
	w.WriteString("</Response>")
	return w.Bytes(), nil
}

func writeFailure(w *bytes.Buffer, f failure) error {
	awsxml.Element(w, "Code", f.code)
	awsxml.Element(w, "Message", f.message)
	if f.members == nil {
		return nil
	}
	return awsxml.WriteFields(w, f.members, f.value)
}
