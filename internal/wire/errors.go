package wire

import (
	"cmp"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
	"github.com/skylift/skylift/internal/wire/dialect"
)

// EncodeError answers with what may leave the building of err; status and members are those that
// the service's descriptor has for its code, and a fault of ours has the code that the service
// uses for its own. p is the protocol of the request, as Protocol tells it.
func (s *Service) EncodeError(p Protocol, w http.ResponseWriter, requestID string, err error) {
	codec := s.faces[max(0, slices.IndexFunc(s.faces, func(f *face) bool { return f.protocol == p }))].codec
	f := failureOf(p, err)
	if _, modelled := s.errors[f.code]; f.code == opaque && !modelled {
		f.code = s.words.Internal
	}
	if p == RESTJSON {
		f.codeName, f.messageName = s.errorNames(f.code)
	}
	e, ok := s.errors[f.code]
	if !ok {
		e, ok = s.shapes[f.code] // the SDK's types of errors call themselves so
	}
	if status := s.words.Statuses[f.code]; status != 0 {
		f.status = status
	}
	if ok {
		f.status = e.Status
		f.members, f.value = s.errorMembers(p, e, awserr.ForCaller(err))
	}
	if s.desc.QueryCompatible {
		f.translate(p, e)
	}
	if own, is := errors.AsType[awserr.Detailed](err); is {
		head, details := own.Details()
		for name, value := range head {
			w.Header().Set(name, value)
		}
		f.details = details
	}
	sendFailure(codec, w, s.desc.Namespace, requestID, f)
}

// translate gives the error the name that p has for it, in a service that once spoke awsQuery: e, if it
// is modelled, has one code for that, and is called by its shape elsewhere.
func (f *failure) translate(p Protocol, e descriptor.Error) {
	fault := "Sender"
	if f.status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	f.queryError = cmp.Or(e.Code, f.code) + ";" + fault
	if f.code = cmp.Or(e.Shape, f.code); p == AWSQuery {
		f.code, _, _ = strings.Cut(f.queryError, ";")
	}
}

// opaque is the code that awserr.ForCaller gives to a fault of ours.
const opaque = "ServerException"

// EncodeErrorAs answers in p where the service that the request is for is not known.
func EncodeErrorAs(p Protocol, w http.ResponseWriter, requestID string, err error) {
	c, ok := codecs[p]
	if !ok {
		p, c = AWSJSON11, codecs[AWSJSON11]
	}
	sendFailure(c, w, "", requestID, failureOf(p, err))
}

func sendFailure(c codec, w http.ResponseWriter, namespace, requestID string, f failure) {
	b, err := c.failure(w.Header(), namespace, requestID, f)
	if err != nil { // the error's own members cannot be written; its code and message can
		f.members = nil
		b, _ = c.failure(w.Header(), namespace, requestID, f)
	}
	w.Header().Set("Content-Type", c.contentType())
	if f.queryError != "" {
		w.Header().Set("X-Amzn-Query-Error", f.queryError)
	}
	send(w, f.status, requestID, b)
}

// errorNames returns the members in which an error of a REST service has its code, if in any, and its
// message. A code that is not modelled goes where those of the service's other errors do.
func (s *Service) errorNames(code string) (codeName, messageName string) {
	e, ok := s.errors[code]
	if !ok && len(s.desc.Errors) > 0 {
		e = s.desc.Errors[0]
	}
	return s.desc.Shapes[e.Shape].ErrorNames()
}

func failureOf(p Protocol, err error) failure {
	api := awserr.ForCaller(err)
	f := failure{code: api.ErrorCode(), message: api.ErrorMessage(), status: http.StatusBadRequest}
	if api.ErrorFault() == smithy.FaultServer {
		f.status = http.StatusInternalServerError
	}
	if status, ok := dialect.Statuses[f.code]; ok && p != AWSJSON11 && p != AWSJSON10 && p != RPCv2CBOR {
		f.status = status
	}
	return f
}

// errorMembers ties a modelled error's members, but for its message, to the SDK's type of it. An error
// that is not of that type has none. Errors are rare, so this is not kept.
func (s *Service) errorMembers(p Protocol, e descriptor.Error, api smithy.APIError) (*bind.Type, reflect.Value) {
	v := reflect.ValueOf(api)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Type().Name() != e.Shape {
		return nil, reflect.Value{}
	}
	t, err := bind.New(s.desc, string(p)).Bind(e.Shape, v.Elem().Type())
	if err != nil {
		return nil, reflect.Value{}
	}
	var own []bind.Field
	for _, f := range t.Fields {
		if !strings.EqualFold(f.Out, "message") && (f.Out != descriptor.ErrorCode || p != RESTJSON) {
			own = append(own, f)
		}
	}
	t.Fields = own
	return t, v.Elem()
}
