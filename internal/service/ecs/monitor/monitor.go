// Package monitor watches over what tasks have on the machine while they run: their storage, the disk that they share,
// their processes and their mounts. It stops a task that has more than it may, and removes what no task owns.
package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// repeat calls f after first, and again pause after each call, until ctx ends. A failure is logged, with what f was doing.
func repeat(ctx context.Context, first, pause time.Duration, doing string, log *slog.Logger, f func(context.Context) error) error {
	for wait := first; ; wait = pause {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		if err := f(ctx); err != nil && ctx.Err() == nil {
			log.Warn("tasks can't be watched over now", "key", doing, "err", err)
		}
	}
}

// onEngine lists the tasks that the engine has and that are to run: the store's
// own records.
func onEngine(ctx context.Context, db store.DB) (tasks []*ecs.Task, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		for t, err := range ecs.Tasks.Peek(tx, "") {
			if err != nil {
				return err
			}
			if t.Created && t.Desired == ecs.Running {
				tasks = append(tasks, t)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	return tasks, nil
}
