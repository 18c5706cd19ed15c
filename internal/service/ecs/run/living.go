package run

import (
	"context"
	"fmt"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

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
