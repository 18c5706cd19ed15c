package monitor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// lookEvery is how often the mounts of tasks are looked at.
const lookEvery = 15 * time.Second

// Files is what Lookout needs of file systems.
type Files interface {
	// Lost reports whether a mount that Mount made for a task works no more.
	Lost(taskID string) bool
}

// Lookout stops the tasks whose file systems are gone from under them. They can't
// have them back, so a service starts others.
type Lookout struct {
	db    store.DB
	files Files
	log   *slog.Logger
}

// NewLookout returns a Lookout.
func NewLookout(db store.DB, files Files, log *slog.Logger) *Lookout {
	return &Lookout{db: db, files: files, log: log}
}

// Run looks until ctx ends.
func (l *Lookout) Run(ctx context.Context) error {
	return repeat(ctx, lookEvery, lookEvery, "look at the mounts of tasks", l.log, l.look)
}

func (l *Lookout) look(ctx context.Context) error {
	tasks, err := onEngine(ctx, l.db)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tasks {
		if l.files.Lost(t.ID) {
			l.log.Error("a file system of a task is gone", "task", t.ID)
			errs = append(errs, l.stop(ctx, t.Key()))
		}
	}
	return errors.Join(errs...)
}

func (l *Lookout) stop(ctx context.Context, key string) error {
	return l.db.Update(store.Freeing(ctx), func(tx store.Tx) error {
		t, err := ecs.Tasks.Get(tx, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if !t.Stop(types.TaskStopCodeEssentialContainerExited, "Task lost an EFS volume: the process that served it was ended") {
			return nil
		}
		t.Lost = true
		return ecs.Tasks.Put(tx, key, t)
	})
}
