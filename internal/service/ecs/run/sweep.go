package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// sweepEvery is how often the engine is searched for what nobody asked for.
const sweepEvery = 30 * time.Second

// Sweeper removes from the engine what no task owns: containers that were
// started while the answer was lost, or whose task was stopped meanwhile.
type Sweeper struct {
	db  store.DB
	eng engine.Engine
	log *slog.Logger
}

// NewSweeper returns a Sweeper.
func NewSweeper(db store.DB, eng engine.Engine, log *slog.Logger) *Sweeper {
	return &Sweeper{db: db, eng: eng, log: log}
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("sweep of the engine", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Sweep removes what no task owns. A task's record is written before the
// engine hears of it, so what is in the engine and has none is nobody's.
func (s *Sweeper) Sweep(ctx context.Context) error {
	there, err := s.eng.List(ctx)
	if err != nil {
		return fmt.Errorf("list tasks of the engine: %w", err)
	}
	var errs []error
	for _, t := range there {
		owned := false
		err := s.db.View(ctx, func(tx store.Tx) error {
			for range ecs.Tasks.Keys(tx, "id", t.ID, "") {
				owned = true
			}
			return nil
		})
		if err == nil && !owned {
			s.log.Info("removing containers that no task owns", "task", t.ID)
			err = s.eng.Remove(ctx, t.ID)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

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
