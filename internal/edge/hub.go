package edge

import (
	"context"
	"sync"
)

// hub tells its followers which targets changed, each target once however
// often it changed while the follower was busy.
type hub struct {
	mu        sync.Mutex
	followers map[*follower]struct{}
}

type follower struct {
	pending map[*target]struct{}
	ready   chan struct{}
}

func (h *hub) publish(t *target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.followers {
		f.pending[t] = struct{}{}
		select {
		case f.ready <- struct{}{}:
		default:
		}
	}
}

func (h *hub) join() *follower {
	f := &follower{pending: map[*target]struct{}{}, ready: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.followers == nil {
		h.followers = map[*follower]struct{}{}
	}
	h.followers[f] = struct{}{}
	return f
}

func (h *hub) leave(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers, f)
}

// take empties what f hasn't been told yet.
func (h *hub) take(f *follower) []*target {
	h.mu.Lock()
	defer h.mu.Unlock()
	ts := make([]*target, 0, len(f.pending))
	for t := range f.pending {
		ts = append(ts, t)
	}
	clear(f.pending)
	return ts
}

// Changes calls f with the status of every target, then, until ctx ends or f
// fails, with those that changed: state, reason or description. A target that
// changed while f ran is told once, as it is then; one that left the table is
// not told.
func (e *Edge) Changes(ctx context.Context, f func([]TargetStatus) error) error {
	me := e.hub.join()
	defer e.hub.leave(me)
	if err := f(e.Statuses()); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-me.ready:
		}
		var changed []TargetStatus
		for _, t := range e.hub.take(me) {
			if t.registered() {
				changed = append(changed, t.status())
			}
		}
		if len(changed) == 0 {
			continue
		}
		sortStatuses(changed)
		if err := f(changed); err != nil {
			return err
		}
	}
}
