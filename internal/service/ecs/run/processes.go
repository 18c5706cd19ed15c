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

// countEvery is how often the processes of tasks are counted.
const countEvery = 20 * time.Second

// Counter notes which tasks could not start a process since they had as many as
// they may have. They run on: what they do about it is theirs.
type Counter struct {
	db  store.DB
	eng engine.Engine
	log *slog.Logger
}

// NewCounter returns a Counter.
func NewCounter(db store.DB, eng engine.Engine, log *slog.Logger) *Counter {
	return &Counter{db: db, eng: eng, log: log}
}

// Run counts until ctx ends.
func (c *Counter) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(countEvery):
		}
		if err := c.count(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("count the processes of tasks", "err", err)
		}
	}
}

func (c *Counter) count(ctx context.Context) error {
	tasks, err := onEngine(ctx, c.db)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tasks {
		if t.ProcessLimit != 0 {
			continue // it is noted
		}
		limit, err := reached(ctx, c.eng, t.ID)
		if err == nil && limit > 0 {
			c.log.Warn("a task can't start more processes: it has as many as it may have", "task", t.ID, "limit", limit)
			err = c.note(ctx, t.Key(), limit)
		}
		if errors.Is(err, engine.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *Counter) note(ctx context.Context, key string, limit int) error {
	return c.db.Update(ctx, func(tx store.Tx) error {
		t, err := ecs.Tasks.Get(tx, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		t.ProcessLimit = limit
		return ecs.Tasks.Put(tx, key, t)
	})
}

// keepLimit notes at the end of a task whether it reached its limit.
func (r *Runner) keepLimit(ctx context.Context, t task) error {
	limit, err := reached(ctx, r.Engine, t.ID)
	switch {
	case errors.Is(err, engine.ErrUnavailable), ctx.Err() != nil:
		return err
	case err != nil: // the task must be removed all the same
		r.Log.Warn("the processes of a task can't be counted", "task", t.ID, "err", err)
		return nil
	case limit == 0 || limit == t.ProcessLimit:
		return nil
	}
	return r.change(ctx, t, func(t *ecs.Task) { t.ProcessLimit = limit })
}

// reached returns a task's limit of processes if it was refused one for it, and
// 0 if not, or if nobody knows.
func reached(ctx context.Context, eng engine.Engine, taskID string) (limit int, err error) {
	s, err := eng.Processes(ctx, taskID)
	switch {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, engine.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("count the processes of task %s: %w", taskID, err)
	case s.Refused == 0:
		return 0, nil
	}
	return s.Limit, nil
}
