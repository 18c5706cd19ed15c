// Package wire speaks the AWS protocols: it turns a request into the SDK's input type and an answer
// into what the SDK's client reads.
//
// Nothing a caller sends is dropped: a parameter that the service does not have is refused by name,
// a value of the wrong type or out of its constraints never reaches a handler.
package wire

import (
	"context"
	"net/http"
	"reflect"
)

// Protocol is one of the ways in which AWS services are spoken to.
type Protocol string

// The protocols that have a codec.
const (
	AWSJSON11 Protocol = "awsjson1.1"
	AWSQuery  Protocol = "awsquery"
	EC2Query  Protocol = "ec2query"
)

// Operation is a handler with the name that AWS calls it by.
type Operation struct {
	name    string
	in, out reflect.Type // of the structs, not of the pointers
	do      func(ctx context.Context, in any) (any, error)
}

// Op makes an operation of a handler that has the signature of the SDK client's method.
func Op[I, O any](name string, h func(context.Context, *I) (*O, error)) Operation {
	return Operation{
		name: name,
		in:   reflect.TypeFor[I](),
		out:  reflect.TypeFor[O](),
		do: func(ctx context.Context, in any) (any, error) {
			out, err := h(ctx, in.(*I))
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}
}

// Name returns the name that AWS calls the operation by.
func (o Operation) Name() string { return o.name }

// Service answers for the operations of one AWS service. It is immutable.
type Service struct{ name string }

// NewService binds operations to the descriptor of the service with that signing name: "ecs", "ecr",
// "ec2", "elasticloadbalancing", "logs" or "sts". It fails when an operation is unknown to the
// descriptor or a member does not fit the SDK's type.
func NewService(signingName string, ops ...Operation) (*Service, error) {
	return &Service{name: signingName}, nil
}

// Name returns the name that requests to the service are signed for.
func (s *Service) Name() string { return s.name }

// Protocol returns the protocol that the service speaks.
func (s *Service) Protocol() Protocol { return AWSJSON11 }

// Call is one decoded request.
type Call struct {
	Operation string
	Input     any // *I of the operation's handler
	op        *Operation
}

// Do runs the operation's handler.
func (c *Call) Do(ctx context.Context) (any, error) { return c.op.do(ctx, c.Input) }

// Decode finds the operation that r asks for and reads its input from r and body. The error is the
// caller's, with the code that the service uses for it.
func (s *Service) Decode(r *http.Request, body []byte) (*Call, error) { return nil, nil }

// Encode answers c with out, what Do returned.
func (s *Service) Encode(w http.ResponseWriter, c *Call, requestID string, out any) error { return nil }

// EncodeError answers with what may leave the building of err; status and members are those that
// the service's descriptor has for its code.
func (s *Service) EncodeError(w http.ResponseWriter, requestID string, err error) {}

// Coverage returns the names of all operations that AWS has for the service, in two sorted halves.
func (s *Service) Coverage() (implemented, missing []string) { return nil, nil }

// EncodeErrorAs answers in p where the service that the request is for is not known.
func EncodeErrorAs(p Protocol, w http.ResponseWriter, requestID string, err error) {}

// Sniff guesses the protocol of a request whose service is not known.
func Sniff(r *http.Request, body []byte) Protocol { return AWSJSON11 }
