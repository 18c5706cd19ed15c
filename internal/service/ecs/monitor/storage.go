package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// meterEvery is how long after the storage of all tasks was measured it is
// measured again.
const meterEvery = 20 * time.Second

// Meter stops the tasks that have written more than their ephemeral storage,
// and those that fill the disk.
type Meter struct {
	db    store.DB
	eng   engine.Engine
	press *press
	log   *slog.Logger
}

// NewMeter returns a Meter.
func NewMeter(db store.DB, eng engine.Engine, p Pressure, log *slog.Logger) *Meter {
	return &Meter{db: db, eng: eng, press: newPress(p, db), log: log}
}

// Run measures until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	for wait := meterEvery; ; {
		if !m.press.wait(ctx, wait) {
			return ctx.Err()
		}
		start := time.Now()
		if err := m.measure(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("measure the storage of tasks", "err", err)
		}
		wait = meterEvery
		if m.press.near() { // to look at their files must not keep the disk busy
			wait = max(pressEvery, 2*time.Since(start))
		}
	}
}

// measure measures the tasks that run one after the other: to look at their
// files must not keep the disk busy.
func (m *Meter) measure(ctx context.Context) error {
	tasks, err := onEngine(ctx, m.db)
	if err != nil {
		return err
	}
	var errs []error
	written := map[string]int64{}
	for _, t := range tasks {
		used, err := m.eng.Storage(ctx, t.ID)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, engine.ErrNotFound):
		case errors.Is(err, engine.ErrUnavailable):
			return err
		case err != nil:
			errs = append(errs, err)
		case used > int64(t.StorageSize())<<30:
			errs = append(errs, m.stop(ctx, t, fmt.Sprintf("Task used %.1f GiB of its ephemeral storage of %d GiB: no space left on device",
				float64(used)/(1<<30), t.StorageSize())))
		default:
			written[t.ID] = used
		}
	}
	if m.press != nil {
		errs = append(errs, m.relieve(ctx, tasks, written))
	}
	return errors.Join(errs...)
}

// stop stops a task that has used more than it may. On Fargate the disk would
// be full; here its size can't be given to a directory, so the task ends.
func (m *Meter) stop(ctx context.Context, t *ecs.Task, reason string) error {
	return m.db.Update(store.Freeing(ctx), func(tx store.Tx) error {
		now, err := ecs.Tasks.Get(tx, t.Key())
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if !now.Stop(types.TaskStopCodeEssentialContainerExited, reason) {
			return nil
		}
		return ecs.Tasks.Put(tx, t.Key(), now)
	})
}
