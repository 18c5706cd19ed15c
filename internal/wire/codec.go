package wire

import (
	"bytes"
	"net/http"
	"reflect"

	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// codec is one protocol. It has no state. A further protocol is a further codec in codecs: one that
// reads a request into a bind.Value and writes what a bind.Type says of an output.
type codec interface {
	// speaks says whether a request is in the protocol, for a service that has several.
	speaks(r *http.Request, body []byte) bool
	// open reads as much of a request as says which operation it is for.
	open(s *descriptor.Service, r *http.Request, body []byte) (request, error)
	// unnamed is the error code for a request that names no operation.
	unnamed() string
	contentType() string
	answer(b *bytes.Buffer, s *descriptor.Service, op *operation, requestID string, out reflect.Value) error
	// failure sets the headers that errors have beside the body, and returns the body.
	failure(h http.Header, namespace, requestID string, f failure) ([]byte, error)
}

// bound is a codec that needs to know the service that it is for.
type bound interface {
	bound(s *descriptor.Service) (codec, error)
}

// headed is a codec whose answers say something beside the body.
type headed interface {
	// head sets headers and returns the status.
	head(h http.Header, op *operation, out reflect.Value) int
}

// request is a request on its way in.
type request interface {
	operation() string
	input(t *bind.Type) (bind.Value, error)
}

// failure is an error on its way out.
type failure struct {
	code, message string
	// What a service that once spoke awsQuery called the error then, and by whose fault, for the header
	// that its clients in other protocols read it from; "" where it never spoke that.
	queryError string
	// What the body calls them, where the service has names of its own for them.
	codeName, messageName string

	details [][2]string // elements of an XML body
	status  int
	members *bind.Type    // of the error's own members; nil when it has none
	value   reflect.Value // the struct that holds them
}

var codecs = map[Protocol]codec{
	AWSJSON10: jsonCodec{"application/x-amz-json-1.0"},
	AWSJSON11: jsonCodec{"application/x-amz-json-1.1"},
	AWSQuery:  queryCodec{},
	EC2Query:  ec2Codec{},
	RESTJSON:  restJSONCodec{},
	RESTXML:   restXMLCodec{},
	RPCv2CBOR: cborCodec{},
}
