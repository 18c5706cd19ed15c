// Package wire speaks the AWS protocols: it turns a request into the SDK's input type and an answer
// into what the SDK's client reads.
//
// Nothing a caller sends is dropped: a parameter that the service does not have is refused by name,
// a value of the wrong type or out of its constraints never reaches a handler. A Service is immutable
// once made, and no request looks a Go field up by name.
package wire

import (
	"context"
	"reflect"
)

// Protocol is one of the ways in which AWS services are spoken to.
type Protocol string

// The protocols that have a codec.
const (
	AWSJSON11 Protocol = "awsjson1.1"
	AWSQuery  Protocol = "awsquery"
	EC2Query  Protocol = "ec2query"
	RESTJSON  Protocol = "restjson"
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

// Call is one decoded request.
type Call struct {
	Operation string
	Input     any // *I of the operation's handler
	op        *operation
}

// Do runs the operation's handler.
func (c *Call) Do(ctx context.Context) (any, error) { return c.op.do(ctx, c.Input) }
