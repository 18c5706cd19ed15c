package monitor

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
	return repeat(ctx, 0, sweepEvery, "sweep of the engine", s.log, s.Sweep)
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
