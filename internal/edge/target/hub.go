package target

import (
	"context"
	"sync"

	"github.com/skylift/skylift/internal/edge/table"
)

// hub tells its followers which targets changed. A target that changed several
// times while a follower was busy is told once.
type hub struct {
	mu        sync.Mutex
	followers map[*follower]struct{}
}

type follower struct {
	pending map[*Target]struct{}
	ready   chan struct{}
}

func (h *hub) publish(t *Target) {
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
	f := &follower{pending: map[*Target]struct{}{}, ready: make(chan struct{}, 1)}
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

// take returns the targets that f hasn't been told of yet.
func (h *hub) take(f *follower) []*Target {
	h.mu.Lock()
	defer h.mu.Unlock()
	ts := make([]*Target, 0, len(f.pending))
	for t := range f.pending {
		ts = append(ts, t)
	}
	clear(f.pending)
	return ts
}

// Changes calls f with the status of every target. Then, until ctx ends or f
// fails, it calls f with those whose state, reason or description changed. A
// target that changed while f ran is told once, as it is then. A target that left
// the table is not told.
func (s *Set) Changes(ctx context.Context, f func([]table.TargetStatus) error) error {
	me := s.hub.join()
	defer s.hub.leave(me)
	if err := f(s.Statuses()); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-me.ready:
		}
		var changed []table.TargetStatus
		for _, t := range s.hub.take(me) {
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
