package image

import (
	"context"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/engine/keylock"
)

// shared makes one of several pulls that need a layer fetch and unpack it, while
// the others wait. It is one pull's part of the locks that all of them use.
type shared struct {
	layers *keylock.Locks
	wait   func() // called now and then while the pull waits for another

	mu   sync.Mutex
	held map[string]func() // unlocks, by key
}

func (s *Store) shared(wait func()) *shared {
	return &shared{layers: &s.layers, wait: wait, held: map[string]func(){}}
}

// waitTick is how often a pull that waits for another one reports progress: if a
// pull stalls, it is the other one.
const waitTick = 30 * time.Second

// Lock waits for what key names. Error: ctx's.
func (s *shared) Lock(ctx context.Context, key string) error {
	locked := make(chan func(), 1)
	go func() { locked <- s.layers.Lock(key) }()
	tick := time.NewTicker(waitTick)
	defer tick.Stop()
	for {
		select {
		case unlock := <-locked:
			s.mu.Lock()
			s.held[key] = unlock
			s.mu.Unlock()
			return nil
		case <-tick.C:
			s.wait()
		case <-ctx.Done():
			go func() { (<-locked)() }()
			return ctx.Err()
		}
	}
}

// Unlock lets the next pull have what key names.
func (s *shared) Unlock(key string) {
	s.mu.Lock()
	unlock := s.held[key]
	delete(s.held, key)
	s.mu.Unlock()
	unlock()
}
