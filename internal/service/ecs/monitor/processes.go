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
	return repeat(ctx, countEvery, countEvery, "count the processes of tasks", c.log, c.count)
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
		limit, err := ProcessLimit(ctx, c.eng, t.ID)
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

// ProcessLimit returns a task's limit of processes if it was refused one for it, and
// 0 if not, or if nobody knows.
func ProcessLimit(ctx context.Context, eng engine.Engine, taskID string) (limit int, err error) {
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
