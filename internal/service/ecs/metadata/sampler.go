package metadata

import (
	"context"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// How long what was found out stays good. What is older than forgotten is not
// even compared with.
const (
	fresh        = time.Second
	freshStorage = time.Minute
	forgotten    = time.Minute
)

// storageWait bounds how long a task's files are looked at. Where that isn't
// enough, it is not told what they take.
const storageWait = time.Second

// sampler asks the engine about tasks when somebody wants to know, but no more
// often than what it says stays good.
type sampler struct {
	eng    containers
	mu     sync.Mutex
	tasks  map[string]*samples
	pruned time.Time
}

func newSampler(eng containers) *sampler { return &sampler{eng: eng, tasks: map[string]*samples{}} }

// samples is what is known of one task.
type samples struct {
	eng    containers
	taskID string
	asked  time.Time // guarded by the sampler's mu

	state  cached[engine.Status]
	pair   cached[pair]
	stored cached[*int64]
}

// cached is a value that is found out again when it isn't fresh.
type cached[T any] struct {
	mu    sync.Mutex
	value T
	at    time.Time
}

func (c *cached[T]) get(good time.Duration, find func(old T) (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() && time.Since(c.at) < good {
		return c.value, nil
	}
	v, err := find(c.value)
	if err == nil {
		c.value, c.at = v, time.Now()
	}
	return v, err
}

// of returns what is known of a task, and forgets tasks that didn't ask for
// long.
func (s *sampler) of(taskID string) *samples {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.pruned) > forgotten {
		for id, t := range s.tasks {
			if now.Sub(t.asked) > 2*forgotten {
				delete(s.tasks, id)
			}
		}
		s.pruned = now
	}
	t := s.tasks[taskID]
	if t == nil {
		t = &samples{eng: s.eng, taskID: taskID}
		s.tasks[taskID] = t
	}
	t.asked = now
	return t
}

// status is what is true of the task's containers.
func (t *samples) status(ctx context.Context) (engine.Status, error) {
	return t.state.get(fresh, func(engine.Status) (engine.Status, error) { return t.eng.Inspect(ctx, t.taskID) })
}

// sample is what a task used at a time.
type sample struct {
	at time.Time
	engine.Stats
}

// pair is two samples, at least a second apart.
type pair struct{ before, now sample }

// stats measures the task. When it wasn't measured lately, that takes a second:
// what is used a second needs two samples.
func (t *samples) stats(ctx context.Context) (pair, error) {
	return t.pair.get(fresh, func(old pair) (pair, error) {
		before := old.now
		if time.Since(before.at) > forgotten {
			var err error
			if before, err = t.measure(ctx); err != nil {
				return pair{}, err
			}
			select {
			case <-ctx.Done():
				return pair{}, ctx.Err()
			case <-time.After(fresh):
			}
		}
		now, err := t.measure(ctx)
		return pair{before, now}, err
	})
}

func (t *samples) measure(ctx context.Context) (sample, error) {
	s, err := t.eng.Stats(ctx, t.taskID)
	return sample{time.Now(), s}, err
}

// used is how many bytes of disk the task uses, nil when that can't be known
// soon enough. Looking goes on when the caller leaves.
func (t *samples) used(ctx context.Context) *int64 {
	n, _ := t.stored.get(freshStorage, func(*int64) (*int64, error) { // not knowing is an answer, too
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storageWait)
		defer cancel()
		n, err := t.eng.Storage(ctx, t.taskID)
		if err != nil {
			return nil, nil
		}
		return &n, nil
	})
	return n
}
