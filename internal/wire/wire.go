// Package wire speaks the AWS protocols: it turns a request into the SDK's input type and an answer
// into what the SDK's client reads.
//
// Nothing a caller sends is dropped: a parameter that the service does not have, or that the operation
// does not declare, is refused by name; a value of the wrong type or out of its constraints never
// reaches a handler. A Service is immutable
// once made, and no request looks a Go field up by name.
//
// It is one package of more than 1,500 lines because what an operation declares reaches into what binding and the codecs share.
package wire

import (
	"context"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/wire/authz"
)

// Protocol is one of the ways in which AWS services are spoken to.
type Protocol string

// The protocols that have a codec.
const (
	AWSJSON10 Protocol = "awsjson1.0"
	AWSJSON11 Protocol = "awsjson1.1"
	AWSQuery  Protocol = "awsquery"
	EC2Query  Protocol = "ec2query"
	RESTJSON  Protocol = "restjson"
	RESTXML   Protocol = "restxml"
	RPCv2CBOR Protocol = "rpcv2cbor"
)

// Call is one decoded request.
type Call struct {
	Operation string
	Input     any      // *I of the operation's handler
	Kept      []string // members that say something, and are kept without effect
	op        *operation
	face      *face // that the request came by
}

// Do runs the operation's handler.
func (c *Call) Do(ctx context.Context) (any, error) {
	return c.op.do(context.WithValue(ctx, keptKey{}, c), c.Input)
}

// Questions returns what policy is asked about the call, in ns, the namespace of the caller. The first questions are about the
// operation's own action.
func (c *Call) Questions(ctx context.Context, ns arn.Namespace, known authz.Lookup) ([]authz.Question, error) {
	return c.op.auth.Questions(ctx, ns, known, c.Input)
}

// Open says that anybody who signs may call the operation, whatever policies say.
func (c *Call) Open() bool { return c.op.spec.auth.Open }

// Unsigned says whether nobody need sign the call.
func (c *Call) Unsigned() bool { return c.op.nobody }

type keptKey struct{}

// Keep notes for the call whose handler has ctx that it keeps, without effect, what only the handler can
// tell: one key or value among others that are done.
func Keep(ctx context.Context, what string) {
	if c, ok := ctx.Value(keptKey{}).(*Call); ok {
		c.Kept = append(c.Kept, what)
	}
}
