// Package wiretest sends inputs of the SDK to a service's operations as a client would, so that a test
// of a handler sees what the operation's declaration refuses, too.
package wiretest

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
	"github.com/skylift/skylift/internal/wire/awsjson"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// Service is a service whose operations requests are sent to.
type Service struct {
	wire *wire.Service
	desc *descriptor.Service
}

// New returns the service with that signing name, which speaks JSON or a query protocol.
func New(signingName string, ops []wire.Operation) (*Service, error) {
	w, err := wire.NewService(signingName, ops...)
	if err != nil {
		return nil, err
	}
	desc, err := descriptor.Load(signingName)
	return &Service{w, desc}, err
}

// Decode sends in, a pointer to the SDK's input of an operation, and returns what the handler would get,
// or the error that the caller gets instead.
func (s *Service) Decode(t testing.TB, in any) (*wire.Call, error) {
	t.Helper()
	v := reflect.ValueOf(in).Elem()
	name := strings.TrimSuffix(v.Type().Name(), "Input")
	typ, err := bind.New(s.desc, s.desc.Protocols[0]).Bind(s.desc.Operations[name].Input, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	body, err := encode(s.desc, name, typ, v)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("X-Amz-Target", s.desc.Target+"."+name)
	return s.wire.Decode(r, body)
}

// On returns the resources that a call from ns is about.
func On(t testing.TB, c *wire.Call, ns arn.Namespace) []string {
	t.Helper()
	asked, err := c.Questions(t.Context(), ns, nil)
	if err != nil {
		t.Fatal(err)
	}
	return authz.Resources(asked)
}

// Refusal is the error of Decode when it says that something is not supported; else nil. It is for tests
// whose inputs go to the handler itself.
func (s *Service) Refusal(t testing.TB, in any) error {
	t.Helper()
	if _, err := s.Decode(t, in); err != nil && strings.Contains(err.Error(), "is not supported by Skylift.") {
		return err
	}
	return nil
}

// Refusal is that of a service which is made for this one input.
func Refusal(t testing.TB, signingName string, ops []wire.Operation, in any) error {
	t.Helper()
	s, err := New(signingName, ops)
	if err != nil {
		t.Fatal(err)
	}
	return s.Refusal(t, in)
}

func encode(desc *descriptor.Service, operation string, t *bind.Type, v reflect.Value) ([]byte, error) {
	if wire.Protocol(desc.Protocols[0]) == wire.AWSJSON11 {
		return awsjson.Append(nil, t, v)
	}
	f := form{url.Values{"Action": {operation}, "Version": {desc.Version}}, wire.Protocol(desc.Protocols[0]) == wire.EC2Query}
	err := f.members(t, "", v)
	return []byte(f.Encode()), err
}

// form is the body of a query request; in a flat one, an element of a list is ".1" and not ".member.1".
type form struct {
	url.Values
	flat bool
}

func (f form) members(t *bind.Type, prefix string, v reflect.Value) error {
	for i := range t.Fields {
		field := &t.Fields[i]
		value, set := field.Value(v)
		if !set {
			continue
		}
		if err := f.write(field.Type, prefix+field.In, value); err != nil {
			return err
		}
	}
	return nil
}

func (f form) write(t *bind.Type, name string, v reflect.Value) error {
	switch t.Kind {
	case bind.Struct:
		return f.members(t, name+".", v)
	case bind.List:
		return f.list(t, name, v)
	case bind.String:
		f.Set(name, v.String())
	case bind.Bool:
		f.Set(name, strconv.FormatBool(v.Bool()))
	case bind.Integer, bind.Long:
		f.Set(name, strconv.FormatInt(v.Int(), 10))
	case bind.Timestamp:
		f.Set(name, v.Interface().(time.Time).Format(time.RFC3339Nano))
	default:
		return fmt.Errorf("%s: no form for %s", name, t.Shape)
	}
	return nil
}

func (f form) list(t *bind.Type, name string, v reflect.Value) error {
	if v.Len() == 0 {
		f.Set(name, "")
	}
	if !f.flat {
		name += ".member"
	}
	for i := range v.Len() {
		if err := f.write(t.Elem, fmt.Sprint(name, ".", i+1), t.Element(v.Index(i))); err != nil {
			return err
		}
	}
	return nil
}

// Told checks that a client which sends in is told all of words at once, in order, under that code.
func Told(t testing.TB, signingName string, ops []wire.Operation, in any, code string, words ...string) {
	t.Helper()
	s, err := New(signingName, ops)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Decode(t, in)
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code {
		t.Errorf("%T: got %v, want %s", in, err, code)
		return
	}
	rest := api.ErrorMessage()
	for _, want := range words {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Errorf("%T: %q isn't told in its place, of: %s", in, want, api.ErrorMessage())
			continue
		}
		rest = after
	}
}
