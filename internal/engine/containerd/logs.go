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

// look returns the status of a container whose output somebody wants.
func (e *Engine) look(ctx context.Context, taskID, name string) (id string, r record.Container, err error) {
	if id, r, err = e.find(taskID, name); err != nil {
		return id, r, err
	}
	if r, _, err = e.observe(e.in(ctx), taskID, id); err != nil {
		return id, r, translate("look at container "+name, err)
	}
	return id, r, nil
}

// Release says that a container's lines are kept elsewhere.
func (e *Engine) Release(ctx context.Context, taskID, name string, upto time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	id, _, err := e.find(taskID, name)
	if err != nil {
		return fmt.Errorf("release output: %w", err)
	}
	return e.output.Release(id, upto)
}

// outputOf says how a container's output is kept.
func outputOf(r record.Container) output.Options {
	o := output.Options{Mode: output.Roll, Unread: r.Output.Buffer, Terminal: r.Terminal}
	switch r.Output.Mode {
	case engine.OutputBlocks:
		o.Mode = output.Block
	case engine.OutputDrops:
		o.Mode = output.Drop
	}
	return o
}
