package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// watcher holds what a Watch has not told yet; an id is in it once.
type watcher struct {
	pending []string
	known   map[string]bool
	more    chan struct{}
}

// tell queues id for every watcher; e.mu is held.
func (e *Engine) tell(id string) {
	if e.away {
		return // all is told when the engine is back
	}
	for w := range e.watchers {
		w.add(id)
	}
}

func (w *watcher) add(id string) {
	if !w.known[id] {
		w.known[id] = true
		w.pending = append(w.pending, id)
	}
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// Watch tells of changes until ctx ends, and returns ctx's error.
func (e *Engine) Watch(ctx context.Context, changed func(taskID string)) error {
	w := &watcher{known: make(map[string]bool), more: make(chan struct{}, 1)}
	e.mu.Lock()
	e.watchers[w] = struct{}{}
	if !e.away {
		w.add("")
	}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.watchers, w)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.more:
		}
		for _, id := range e.take(w) {
			changed(id)
		}
	}
}

// take empties w.
func (e *Engine) take(w *watcher) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	ids := w.pending
	w.pending = nil
	clear(w.known)
	return ids
}

// print appends a line to a container's log; the engine's lock is held.
func (c *container) print(stderr bool, text string) {
	at := time.Now()
	if n := len(c.lines); n > 0 && !at.After(c.lines[n-1].Time) {
		at = c.lines[n-1].Time.Add(time.Nanosecond)
	}
	c.lines = append(c.lines, engine.Line{Time: at, Stderr: stderr, Text: text})
}

// Tail returns a container's last n lines.
func (e *Engine) Tail(ctx context.Context, taskID, name string, n int) ([]engine.Line, error) {
	if err := e.enter(ctx, "Tail"); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, c, err := e.find(taskID, name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(c.lines[max(0, len(c.lines)-n):]), nil
}

// Logs emits a container's lines after since.
func (e *Engine) Logs(ctx context.Context, taskID, name string, since time.Time, follow bool, emit func(engine.Line) error) error {
	if err := e.enter(ctx, "Logs"); err != nil {
		return err
	}
	e.mu.Lock()
	_, c, err := e.find(taskID, name)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	for next := 0; ; {
		lines, ended, changed, away, err := e.linesOf(c, next)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if !l.Time.After(since) {
				continue
			}
			if err := emit(l); err != nil {
				return err
			}
		}
		next += len(lines)
		if ended || !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-away:
		}
	}
}

// linesOf returns a container's lines from the next one on, whether there can be
// more, and what to wait for.
func (e *Engine) linesOf(c *container, next int) (lines []engine.Line, ended bool, changed, away <-chan struct{}, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away {
		return nil, false, nil, nil, fmt.Errorf("logs: %w", engine.ErrUnavailable)
	}
	return c.lines[next:], c.status.State == engine.Exited, c.changed, e.changed, nil
}

// Release returns errors.ErrUnsupported: memory has room for all output.
func (e *Engine) Release(context.Context, string, string, time.Time) error {
	return fmt.Errorf("release output: %w", errors.ErrUnsupported)
}
