package daemon

import (
	"context"
	"time"

	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/store"
)

// due does what is due for the record at a key, and says when to come back.
type due func(ctx context.Context, key string) (again time.Duration, err error)

// Reconcile implements reconcile.Reconciler.
func (d due) Reconcile(ctx context.Context, key string) (again time.Duration, err error) {
	return d(ctx, key)
}

// whenDue is the loop that looks after all records of a table.
func whenDue[T any](m *machine, name string, t *store.Table[T], d due) Runner {
	return freed(m.loop(name, d, 4, reconcile.Rows(m.db, t, nil)))
}
