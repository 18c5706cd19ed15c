package store

import "context"

type freeingKey struct{}

// Freeing returns a ctx for what stops something or gives room back. An Update
// with it may write what the store keeps a reserve for, when others get ErrFull.
func Freeing(ctx context.Context) context.Context {
	return context.WithValue(ctx, freeingKey{}, true)
}

// IsFreeing says whether ctx is, or comes from, one of Freeing.
func IsFreeing(ctx context.Context) bool {
	is, _ := ctx.Value(freeingKey{}).(bool)
	return is
}
