// Package moving runs the tasks of an instance that goes over from one engine to
// another.
//
// The old engine keeps the tasks that it had, and gets no new one: an instance
// goes over as its services are deployed anew, and no task is stopped for it. Which
// engine has a task never changes.
package moving

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/image"
)

// Source is the old engine, which the instance leaves.
type Source interface {
	engine.Engine
	Freeze(ctx context.Context) (thaw func() error, err error)
	Close() error
}

// Target is the new engine, which the instance goes over to.
type Target interface {
	Source
	Root() string
	ResolvConf(task string) string
	UseRegistry(host string, r image.Registry)
	About() string
	Problems() []string
}

// Engine is both engines as one.
type Engine struct {
	Target
	old  Source
	name string // of the old engine, for people

	mu   sync.Mutex
	left map[string]struct{} // tasks that the old engine has
	done func() error        // what is due when it has none; nil: it was done
	gone chan struct{}       // closed then
}

var _ engine.Engine = (*Engine)(nil)

// New returns both engines as one. name is what people call the old one. done is
// called once the old engine has no task, now or later; if it fails it is called
// again. Close closes both.
func New(ctx context.Context, old Source, name string, to Target, done func() error) (*Engine, error) {
	list, err := old.List(ctx)
	if err != nil {
		return nil, err
	}
	e := &Engine{Target: to, old: old, name: name, left: map[string]struct{}{}, done: done, gone: make(chan struct{})}
	for _, s := range list {
		e.left[s.ID] = struct{}{}
	}
	return e, e.settle()
}

// settle does what is due when the old engine has no task. mu is held, or nobody
// else has e.
func (e *Engine) settle() error {
	if len(e.left) > 0 || e.done == nil {
		return nil
	}
	if err := e.done(); err != nil {
		return err
	}
	e.done = nil
	close(e.gone)
	return nil
}

// Left is how many tasks the old engine has.
func (e *Engine) Left() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.left)
}

// of returns the engine that has a task, or will have it.
func (e *Engine) of(task string) engine.Engine {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.left[task]; ok {
		return e.old
	}
	return e.Target
}

// Create makes a task where it is.
func (e *Engine) Create(ctx context.Context, t engine.Task) (netns string, err error) {
	return e.of(t.ID).Create(ctx, t)
}

// Start starts containers of a task where it is.
func (e *Engine) Start(ctx context.Context, taskID string, containers ...string) error {
	return e.of(taskID).Start(ctx, taskID, containers...)
}

// StartAgain starts a container again where its task is.
func (e *Engine) StartAgain(ctx context.Context, taskID, container string) error {
	return e.of(taskID).StartAgain(ctx, taskID, container)
}

// Signal signals a container where its task is.
func (e *Engine) Signal(ctx context.Context, taskID, container, sig string) error {
	return e.of(taskID).Signal(ctx, taskID, container, sig)
}

// Inspect looks at a task where it is.
func (e *Engine) Inspect(ctx context.Context, taskID string) (engine.Status, error) {
	return e.of(taskID).Inspect(ctx, taskID)
}

// Stats measures a task where it is.
func (e *Engine) Stats(ctx context.Context, taskID string) (engine.Stats, error) {
	return e.of(taskID).Stats(ctx, taskID)
}

// Processes counts a task's processes where it is.
func (e *Engine) Processes(ctx context.Context, taskID string) (engine.ProcessStats, error) {
	return e.of(taskID).Processes(ctx, taskID)
}

// Storage measures a task's files where it is.
func (e *Engine) Storage(ctx context.Context, taskID string) (bytes int64, err error) {
	return e.of(taskID).Storage(ctx, taskID)
}

// Tail returns the last output of a container where its task is.
func (e *Engine) Tail(ctx context.Context, taskID, container string, n int) ([]engine.Line, error) {
	return e.of(taskID).Tail(ctx, taskID, container, n)
}

// Logs emits the output of a container where its task is.
func (e *Engine) Logs(ctx context.Context, taskID, container string, since time.Time, follow bool, emit func(engine.Line) error) error {
	return e.of(taskID).Logs(ctx, taskID, container, since, follow, emit)
}

// Release releases the output of a container where its task is.
func (e *Engine) Release(ctx context.Context, taskID, container string, upto time.Time) error {
	return e.of(taskID).Release(ctx, taskID, container, upto)
}

// List returns the tasks of both engines.
func (e *Engine) List(ctx context.Context) ([]engine.Status, error) {
	list, err := e.Target.List(ctx)
	if err != nil || e.Left() == 0 {
		return list, err
	}
	old, err := e.old.List(ctx)
	return append(list, old...), err
}

// Remove removes a task where it is.
func (e *Engine) Remove(ctx context.Context, taskID string) error {
	if err := e.of(taskID).Remove(ctx, taskID); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.left, taskID)
	return e.settle()
}

// Watch tells of changes in both engines, as long as the old one has tasks.
// Both tell by turns, since an engine makes one call at a time.
func (e *Engine) Watch(ctx context.Context, changed func(taskID string)) error {
	var turn sync.Mutex
	told := func(taskID string) {
		turn.Lock()
		defer turn.Unlock()
		changed(taskID)
	}
	old, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _ = e.old.Watch(old, told) }) // until its context ends
	wg.Go(func() {
		select {
		case <-e.gone:
		case <-old.Done():
		}
		stop()
	})
	err := e.Target.Watch(ctx, told)
	stop()
	return err
}

// Freeze makes the tasks of both stand still.
func (e *Engine) Freeze(ctx context.Context) (thaw func() error, err error) {
	one, err := e.Target.Freeze(ctx)
	if err != nil {
		return nil, err
	}
	other, err := e.old.Freeze(ctx)
	if err != nil {
		return nil, errors.Join(err, one())
	}
	return func() error { return errors.Join(one(), other()) }, nil
}

// About says for people which engines they are.
func (e *Engine) About() string {
	if n := e.Left(); n > 0 {
		return fmt.Sprintf("%s; %d tasks are on %s until they are replaced", e.Target.About(), n, e.name)
	}
	return e.Target.About()
}

// Close closes both engines.
func (e *Engine) Close() error { return errors.Join(e.Target.Close(), e.old.Close()) }
