package fake

import (
	"context"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// StartAgain starts a container that ended again, by the script that it has then.
func (e *Engine) StartAgain(ctx context.Context, taskID, name string) error {
	if err := e.enter(ctx, "StartAgain"); err != nil {
		return err
	}
	return e.leave("StartAgain", e.startAgain(taskID, name))
}

func (e *Engine) startAgain(taskID, name string) error {
	wait, err := e.rescript(taskID, name)
	if err != nil {
		return err
	}
	time.Sleep(wait)
	e.mu.Lock()
	defer e.mu.Unlock()
	t, c, err := e.find(taskID, name)
	if err != nil || c.status.State != engine.Exited {
		return err
	}
	c.status.Restarts++
	return e.begin(t, c)
}

// rescript gives an ended container the script of its next run, and returns how
// long that takes to start.
func (e *Engine) rescript(taskID, name string) (time.Duration, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, c, err := e.find(taskID, name)
	if err != nil || c.status.State != engine.Exited {
		return 0, err
	}
	c.script = e.config.Behave(c.spec)
	return c.script.StartTime, nil
}
