package expire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// Launches reconciles launches: it forgets those whose client token stands for
// nothing any more.
type Launches struct{ db store.DB }

// NewLaunches returns a reconciler of launches.
func NewLaunches(db store.DB) *Launches { return &Launches{db} }

// Sources name all launches.
func (l *Launches) Sources() []reconcile.Source {
	return []reconcile.Source{reconcile.Rows(l.db, ecs.Launches, nil)}
}

// Reconcile removes the launch at key when it is old enough.
func (l *Launches) Reconcile(ctx context.Context, key string) (again time.Duration, err error) {
	at := time.Now()
	err = l.db.Update(ctx, func(tx store.Tx) error {
		is, err := ecs.Launches.Get(tx, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if again = is.CreatedAt.Add(ecs.LaunchTTL).Sub(at); err != nil || again > 0 {
			return err
		}
		again = 0
		return ecs.Launches.Delete(tx, key)
	})
	if err != nil {
		return 0, fmt.Errorf("forget launch %s: %w", key, err)
	}
	return again, nil
}
