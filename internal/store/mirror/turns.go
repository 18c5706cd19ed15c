package mirror

import (
	"context"
	"sync"
)

// Turns gives out leadership within one process: one at a time for each name.
// The zero Turns is ready to use.
type Turns struct {
	mu sync.Mutex
	by map[string]chan struct{}
}

// Lead runs f when it is its turn to be the leader called name.
func (t *Turns) Lead(ctx context.Context, name string, f func(context.Context) error) error {
	turn := t.turn(name)
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-turn }()
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return f(ctx)
}

func (t *Turns) turn(name string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = make(map[string]chan struct{})
	}
	if t.by[name] == nil {
		t.by[name] = make(chan struct{}, 1)
	}
	return t.by[name]
}
