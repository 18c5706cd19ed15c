package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/store"
)

// follower is a Follow in the background whose state as delivered is read
// between batches.
type follower struct {
	batches chan store.Batch
	state   map[string]string
	stop    context.CancelFunc
	done    chan error
}

func follow(t *testing.T, db store.DB, prefix string) *follower {
	ctx, stop := context.WithCancel(t.Context())
	f := &follower{make(chan store.Batch), make(map[string]string), stop, make(chan error, 1)}
	go func() {
		f.done <- db.Follow(ctx, prefix, func(b store.Batch) error {
			select {
			case f.batches <- b:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-f.done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ended with %v", err)
		}
	})
	return f
}

func (f *follower) next(t *testing.T) store.Batch {
	t.Helper()
	select {
	case b := <-f.batches:
		if b.Reset {
			clear(f.state)
		}
		for _, c := range b.Changes {
			if c.Value == nil {
				delete(f.state, c.Key)
				continue
			}
			f.state[c.Key] = c.Value.String()
		}
		return b
	case <-time.After(20 * time.Second):
		t.Fatal("Follow delivers nothing")
		return store.Batch{}
	}
}

// until reads batches until the state is want.
func (f *follower) until(t *testing.T, want map[string]string) {
	t.Helper()
	for !maps.Equal(f.state, want) {
		f.next(t)
	}
}

func followEmpty(t *testing.T, db store.DB) {
	if b := follow(t, db, "r/t/").next(t); !b.Reset || len(b.Changes) != 0 {
		t.Errorf("got %+v, want an empty reset", b)
	}
}

func followLatest(t *testing.T, db store.DB) {
	Put(t, db, "r/t/a", "1")
	f := follow(t, db, "r/t/")
	f.until(t, map[string]string{"r/t/a": "1"})
	Put(t, db, "r/t/b", "2")
	Put(t, db, "r/other/b", "2")
	f.until(t, map[string]string{"r/t/a": "1", "r/t/b": "2"})
	Put(t, db, "r/t/a", "")
	f.until(t, map[string]string{"r/t/b": "2"})

	var wg sync.WaitGroup
	final := map[string]string{"r/t/b": "2"}
	for w := range 4 {
		key := fmt.Sprintf("r/t/w%d", w)
		final[key] = "25"
		wg.Go(func() {
			for range 25 {
				if err := db.Update(t.Context(), increment(key)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	f.until(t, final)
	wg.Wait()
}

func followCoalesces(t *testing.T, db store.DB) {
	f := follow(t, db, "r/t/")
	f.next(t)
	for i := range 100 {
		Put(t, db, "r/t/a", strconv.Itoa(i+1))
	}
	Put(t, db, "r/t/b", "1")
	n := 0
	for !maps.Equal(f.state, map[string]string{"r/t/a": "100", "r/t/b": "1"}) {
		b := f.next(t)
		n += len(b.Changes)
	}
	if n > 4 { // one may be on its way already
		t.Errorf("a slow follower of two keys got %d changes", n)
	}
}

func followError(t *testing.T, db store.DB) {
	err := db.Follow(t.Context(), "", func(store.Batch) error { return errBoom })
	if !errors.Is(err, errBoom) {
		t.Errorf("got %v, want the error of f", err)
	}
}
