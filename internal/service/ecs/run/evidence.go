package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/monitor"
	"github.com/skylift/skylift/internal/store"
)

// What is kept of each container's output, and of what its health check said.
const (
	keptLines = 20
	keptBytes = 8 << 10
	keptLine  = 1 << 10
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
	var e ecs.Evidence
	for _, c := range state.Containers {
		lines, err := r.Engine.Tail(ctx, t.ID, c.Name, keptLines)
		switch {
		case errors.Is(err, engine.ErrUnavailable), ctx.Err() != nil:
			return fmt.Errorf("read the last output of task %s: %w", t.ID, err)
		case err != nil: // the task must be removed all the same
			r.Log.Warn("the last output of a container can't be read", "task", t.ID, "container", c.Name, "err", err)
		}
		left := ecs.Remains{Name: c.Name, Lines: excerpt(lines), HealthLog: clip(c.HealthLog, keptBytes), OOM: c.OOMKilled}
		if len(left.Lines) > 0 || left.HealthLog != "" || left.OOM {
			e.Containers = append(e.Containers, left)
		}
	}
	if len(e.Containers) == 0 {
		return nil
	}
	err = r.DB.Update(ctx, func(tx store.Tx) error { return ecs.Evidences.Put(tx, t.Key(), e) })
	if err != nil {
		return fmt.Errorf("write the evidence of task %s: %w", t.ID, err)
	}
	return nil
}

// excerpt returns the last lines that fit what is kept.
func excerpt(lines []engine.Line) []string {
	var out []string
	size := 0
	for i := len(lines) - 1; i >= 0 && size < keptBytes; i-- {
		text := clip(lines[i].Text, min(keptLine, keptBytes-size))
		size += len(text)
		out = append([]string{text}, out...)
	}
	return out
}

// clip cuts text that is longer than n bytes, between characters, and makes it
// text where it is something else.
func clip(text string, n int) string {
	const more = "…"
	if len(text) > n {
		text = text[:max(0, n-len(more))] + more
	}
	return strings.ToValidUTF8(text, "")
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
