package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// Options are how a loop works. The zero Options are fine.
type Options struct {
	Workers int // keys worked on at once; 1 when 0
	// Resync is how often every known key is gone over; never when 0. A key is
	// known until all the rows that Rows had it from are gone.
	Resync     time.Duration
	MinBackoff time.Duration // after the first failure of a key; 100 ms when 0
	MaxBackoff time.Duration // after many; 30 s when 0
	Log        *slog.Logger
}

// Loop calls a Reconciler for the keys that its sources name.
type Loop struct {
	name    string
	r       Reconciler
	opts    Options
	sources []Source
}

// New returns a loop; Run runs it.
func New(name string, r Reconciler, opts Options, sources ...Source) *Loop {
	if opts.Workers == 0 {
		opts.Workers = 1
	}
	if opts.MinBackoff == 0 {
		opts.MinBackoff = 100 * time.Millisecond
	}
	if opts.MaxBackoff == 0 {
		opts.MaxBackoff = 30 * time.Second
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Loop{name: name, r: r, opts: opts, sources: sources}
}

// Run works until ctx ends or a source fails, and returns why, when all that
// it started has ended.
func (l *Loop) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	q := newQueue(l.opts.Resync > 0)
	var wg sync.WaitGroup
	for _, source := range l.sources {
		wg.Go(func() {
			err := source(withHolder(ctx, q), q.add)
			if ctx.Err() == nil {
				stop(fmt.Errorf("%s: follow source: %w", l.name, sourceErr(err)))
			}
		})
	}
	for range l.opts.Workers {
		wg.Go(func() { l.work(ctx, q) })
	}
	if l.opts.Resync > 0 {
		wg.Go(func() { l.resync(ctx, q) })
	}
	wg.Wait()
	return context.Cause(ctx)
}

func sourceErr(err error) error {
	if err == nil {
		return errors.New("it ended")
	}
	return err
}

func (l *Loop) work(ctx context.Context, q *queue) {
	for {
		key, ok := q.take(ctx)
		if !ok {
			return
		}
		again, err := l.call(ctx, key)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			q.done(key, again)
			continue
		}
		failures, wait := q.retry(key, l.backoff, l.opts.MinBackoff)
		l.opts.Log.Warn("reconcile", "loop", l.name, "key", key, "err", err, "failures", failures, "again", wait)
	}
}

// call makes a panic an error: one bad record must not end the program.
func (l *Loop) call(ctx context.Context, key string) (again time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			l.opts.Log.Error("reconcile panicked", "loop", l.name, "key", key, "err", err, "stack", string(debug.Stack()))
		}
	}()
	return l.r.Reconcile(ctx, key)
}

// backoff doubles with each failure in a row; half of it is chance, so that
// keys which failed together don't come back together.
func (l *Loop) backoff(failures int) time.Duration {
	d := l.opts.MaxBackoff
	if shift := failures - 1; shift < 30 {
		d = min(d, l.opts.MinBackoff<<shift)
	}
	return d/2 + rand.N(d/2+1)
}

// parts is in how many parts the known keys are gone over, so that it keeps
// nothing else waiting.
const parts = 60

// resync enqueues all keys that are known when a round begins.
func (l *Loop) resync(ctx context.Context, q *queue) {
	t := time.NewTicker(l.opts.Resync / parts)
	defer t.Stop()
	for {
		var keys []string
		for part := range parts {
			select {
			case <-t.C:
			case <-ctx.Done():
				return
			}
			if part == 0 {
				keys = q.known()
			}
			q.addKnown(keys[len(keys)*part/parts : len(keys)*(part+1)/parts])
		}
	}
}
