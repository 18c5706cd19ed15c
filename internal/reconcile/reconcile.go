// Package reconcile is the one control loop: it calls a Reconciler for every
// key that changed until the world matches the record.
//
// A key is never worked on twice at once, never dropped, and put back with
// backoff when its Reconciler fails.
package reconcile

import (
	"context"
	"time"
)

// Reconciler makes the world match the record at key, and may be called at
// any time, any number of times. It reads what is true now. It starts no
// goroutines and keeps no timers: again, when positive, is the timer.
type Reconciler interface {
	Reconcile(ctx context.Context, key string) (again time.Duration, err error)
}

// Source tells a loop which keys may have changed: it calls enqueue until ctx
// ends or it fails.
type Source func(ctx context.Context, enqueue func(key string)) error
