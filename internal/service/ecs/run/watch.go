package run

import (
	"context"
	"log/slog"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// Watch enqueues the keys of tasks of which the engine says that they may have
// changed; it is a reconcile.Source.
func Watch(db store.DB, eng engine.Engine, log *slog.Logger) func(ctx context.Context, enqueue func(string)) error {
	return func(ctx context.Context, enqueue func(string)) error {
		return eng.Watch(ctx, func(id string) {
			err := db.View(ctx, func(tx store.Tx) error {
				if id != "" {
					for key := range ecs.Tasks.Keys(tx, "id", id, "") {
						enqueue(key)
					}
					return nil
				}
				for t, err := range ecs.Tasks.Peek(tx, "") {
					if err != nil {
						return err
					}
					if t.Status != ecs.Stopped {
						enqueue(t.Key())
					}
				}
				return nil
			})
			if err != nil && ctx.Err() == nil {
				log.Error("look up a task that changed", "task", id, "err", err)
			}
		})
	}
}
