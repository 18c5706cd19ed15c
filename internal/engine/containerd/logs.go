package containerd

import (
	"context"
	"fmt"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/output"
	"github.com/skylift/skylift/internal/engine/containerd/record"
)

// Logs emits a container's lines after since.
func (e *Engine) Logs(ctx context.Context, taskID, name string, since time.Time, follow bool, emit func(engine.Line) error) error {
	id, r, err := e.look(ctx, taskID, name)
	if err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	if follow {
		ended := func() bool {
			r, err := e.records.Get(taskID, id)
			return err != nil || r.Exit != nil // one that is gone writes nothing more
		}
		return e.output.Follow(ctx, id, since, ended, emit)
	}
	if r.Exit != nil {
		if err := e.output.Settle(ctx, id); err != nil {
			return err
		}
	}
	return e.output.Read(ctx, id, since, emit)
}

// Tail returns a container's last n lines.
func (e *Engine) Tail(ctx context.Context, taskID, name string, n int) ([]engine.Line, error) {
	id, r, err := e.look(ctx, taskID, name)
	if err != nil {
		return nil, fmt.Errorf("tail: %w", err)
	}
	if r.Exit != nil {
		if err := e.output.Settle(ctx, id); err != nil {
			return nil, err
		}
	}
	return e.output.Tail(ctx, id, n)
}

// look returns what is true of a container that one may want the output of.
func (e *Engine) look(ctx context.Context, taskID, name string) (id string, r record.Container, err error) {
	if id, r, err = e.find(taskID, name); err != nil {
		return id, r, err
	}
	if r, _, err = e.observe(e.in(ctx), taskID, id); err != nil {
		return id, r, translate("look at container "+name, err)
	}
	return id, r, nil
}

// outputOf says how a container's output is kept: as a log that loses its oldest
// lines, since nobody may read it.
func outputOf(r record.Container) output.Options {
	return output.Options{Mode: output.Roll, Terminal: r.Terminal}
}
