package fake

import (
	"context"
	"fmt"

	"github.com/skylift/skylift/internal/engine"
)

// Exec runs a command as the script says. The script returns the exit code, or
// why the command can't run, and should end with ctx, which ends with the
// container too.
func (e *Engine) Exec(ctx context.Context, taskID, name string, x engine.Exec) (exitCode int, err error) {
	if err := e.enter(ctx, "Exec"); err != nil {
		return 0, err
	}
	c, changed, err := e.runningContainer(taskID, name)
	if err != nil {
		return 0, err
	}
	if e.config.Exec == nil {
		return 0, &engine.StartError{Container: name, Reason: "exec: no such file or directory"}
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for {
			select {
			case <-run.Done():
				return
			case <-changed:
			}
			if _, changed, err = e.runningContainer(taskID, name); err != nil {
				stop()
				return
			}
		}
	}()
	exitCode, err = e.config.Exec(run, c, x)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case run.Err() != nil:
		return 128 + 9, nil
	}
	return exitCode, e.leave("Exec", err)
}

// runningContainer returns what was said of a container that runs, and a channel
// that is closed when that may change.
func (e *Engine) runningContainer(taskID, name string) (engine.Container, <-chan struct{}, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := e.tasks[taskID]; t != nil {
		for _, c := range t.containers {
			if c.spec.Name == name && c.status.State == engine.Running {
				return c.spec, c.changed, nil
			}
		}
	}
	return engine.Container{}, nil, fmt.Errorf("exec: container %q of task %s doesn't run: %w", name, taskID, engine.ErrNotFound)
}
