package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/monitor"
	"github.com/skylift/skylift/internal/service/ecs/run/witness"
	"github.com/skylift/skylift/internal/store"
)

// keepEvidence writes down what is there to see of a task that has ended, before
// its containers are removed.
func (r *Runner) keepEvidence(ctx context.Context, t task) error {
	state, err := r.Engine.Inspect(ctx, t.ID)
	if errors.Is(err, engine.ErrNotFound) {
		return nil // nothing was made, or all was removed
	}
	if err != nil {
		return fmt.Errorf("inspect task %s: %w", t.ID, err)
	}
	if err := r.keepLimit(ctx, t); err != nil {
		return err
	}
	left, err := witness.Containers(ctx, r.Engine, state, r.Log)
	if err != nil || len(left) == 0 {
		return err
	}
	return r.keep(ctx, t, func(e *ecs.Evidence) { e.Containers = left })
}

// keepScene writes down how a task that failed was doing, before it is told to stop.
func (r *Runner) keepScene(ctx context.Context, t task) error {
	if r.Scene == nil || !t.Failed() {
		return nil
	}
	scene := r.Scene(ctx, t.Task)
	return r.keep(ctx, t, func(e *ecs.Evidence) { e.Scene = &scene })
}

// keep adds to a task's evidence.
func (r *Runner) keep(ctx context.Context, t task, add func(*ecs.Evidence)) error {
	err := r.DB.Update(ctx, func(tx store.Tx) error {
		e, err := ecs.Evidences.Get(tx, t.Key())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		add(&e)
		return ecs.Evidences.Put(tx, t.Key(), e)
	})
	if err != nil {
		return fmt.Errorf("write the evidence of task %s: %w", t.ID, err)
	}
	return nil
}

// keepLimit notes at the end of a task whether it reached its limit.
func (r *Runner) keepLimit(ctx context.Context, t task) error {
	limit, err := monitor.ProcessLimit(ctx, r.Engine, t.ID)
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
