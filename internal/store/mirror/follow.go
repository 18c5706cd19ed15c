package mirror

import (
	"context"
	"strings"
	"sync"

	"github.com/skylift/skylift/internal/store"
)

// Follow does what store.DB promises.
func (m *Mirror) Follow(ctx context.Context, prefix string, f func(store.Batch) error) error {
	fl, first := m.register(prefix)
	defer m.forget(fl)
	if err := f(store.Batch{Reset: true, Changes: first}); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		select {
		case <-fl.wake:
		case <-m.closed:
			return m.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
		changes := fl.take()
		if len(changes) == 0 {
			continue
		}
		if err := f(store.Batch{Changes: changes}); err != nil {
			return err
		}
	}
}

// register adds a follower of the rows under prefix and returns those of now:
// what comes later is pending for it.
func (m *Mirror) register(prefix string) (*follower, []store.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fl := &follower{prefix: prefix, wake: make(chan struct{}, 1), at: make(map[string]int)}
	m.followers[fl] = struct{}{}
	var all []store.Change
	for k, r := range m.Latest().scan(prefix, "") {
		all = append(all, store.Change{Key: k, Value: r.Value})
	}
	return fl, all
}

func (m *Mirror) forget(fl *follower) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.followers, fl)
}

// follower collects what changed under prefix since it was last asked: the
// latest value of each key, in the order of those values' commits. It holds
// no more than two changes a key, however slow its owner is.
type follower struct {
	prefix string
	wake   chan struct{}

	mu      sync.Mutex
	pending []store.Change
	at      map[string]int // key: where in pending its latest change is
}

func (f *follower) add(changes []store.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.pending)
	for _, c := range changes {
		if strings.HasPrefix(c.Key, f.prefix) {
			f.at[c.Key] = len(f.pending)
			f.pending = append(f.pending, c)
		}
	}
	if len(f.pending) == n {
		return
	}
	if len(f.pending) > 2*len(f.at) {
		f.coalesce()
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take returns what is pending, which then is nothing.
func (f *follower) take() []store.Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.coalesce()
	changes := f.pending
	f.pending = nil
	clear(f.at)
	return changes
}

// coalesce drops the changes that later ones replace.
func (f *follower) coalesce() {
	if len(f.pending) == len(f.at) {
		return
	}
	kept := f.pending[:0]
	for i, c := range f.pending {
		if f.at[c.Key] == i {
			f.at[c.Key] = len(kept)
			kept = append(kept, c)
		}
	}
	clear(f.pending[len(kept):])
	f.pending = kept
}
