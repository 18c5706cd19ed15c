package reconcile

import (
	"context"
	"slices"

	"github.com/skylift/skylift/internal/store"
)

// Rows is a source of the keys that depend on the rows of a table: keys says
// which those are, and returns the row's own key when it is nil. It is called
// with a row as it was and as it is, so that what depended on it is looked at,
// too, also when the row is gone.
func Rows[T any](db store.DB, t *store.Table[T], keys func(key string, v *T) []string) Source {
	if keys == nil {
		keys = func(key string, _ *T) []string { return []string{key} }
	}
	return func(ctx context.Context, enqueue func(string)) error {
		known := make(map[string][]string) // row: what depends on it
		hold := holderOf(ctx)
		change := func(e store.Event[T]) {
			old := known[e.Key]
			delete(known, e.Key)
			if e.Value != nil {
				known[e.Key] = keys(e.Key, e.Value)
			}
			for _, k := range known[e.Key] {
				hold(k, 1)
				enqueue(k)
			}
			for _, k := range old {
				if !slices.Contains(known[e.Key], k) {
					enqueue(k)
				}
				hold(k, -1)
			}
		}
		return t.Follow(ctx, db, func(reset bool, events []store.Event[T]) error {
			if reset {
				for k := range gone(known, events) {
					change(store.Event[T]{Key: k})
				}
			}
			for _, e := range events {
				change(e)
			}
			return nil
		})
	}
}

// gone returns the known rows that aren't in events, which hold all there are.
func gone[T any](known map[string][]string, events []store.Event[T]) map[string]bool {
	out := make(map[string]bool)
	for k := range known {
		out[k] = true
	}
	for _, e := range events {
		delete(out, e.Key)
	}
	return out
}

// holderKey is where a loop's queue is in the context of its sources, so that
// Rows can tell it which keys are still in use.
type holderKey struct{}

func withHolder(ctx context.Context, q *queue) context.Context {
	return context.WithValue(ctx, holderKey{}, q)
}

func holderOf(ctx context.Context) func(key string, n int) {
	if q, ok := ctx.Value(holderKey{}).(*queue); ok {
		return q.hold
	}
	return func(string, int) {}
}
