package session

import "context"

type key struct{}

// With returns a context that carries who calls, for an operation that asks policy by itself.
func With(ctx context.Context, c Caller) context.Context { return context.WithValue(ctx, key{}, c) }

// From returns who calls; the zero Caller, who is nobody, when ctx doesn't say.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(key{}).(Caller)
	return c
}
