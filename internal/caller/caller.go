// Package caller carries who made a call, from the gateway to the handlers.
package caller

import (
	"context"
	"errors"
)

// Why nobody is known by an access key.
var (
	ErrUnknownKey = errors.New("there is no such access key, or the session token does not go with it")
	ErrBadToken   = errors.New("the session token is none of this instance's")
	ErrExpired    = errors.New("the session token is expired")
)

// Caller is the identity whose signature a request bears.
type Caller struct {
	Account     string // 12 digits
	ARN         string // arn:aws:iam::<account>:root for the root key
	UserID      string // the account for the root key
	AccessKeyID string
	Session     *Session // nil: the key is a long-term one
}

type key struct{}

// With returns a context that carries c.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, key{}, c)
}

// From returns the caller in ctx; the zero Caller when there is none.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(key{}).(Caller)
	return c
}
