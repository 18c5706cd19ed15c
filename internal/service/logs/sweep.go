package logs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/logstore"
	"github.com/skylift/skylift/internal/store"
)

const (
	// sweepEvery is the time between two sweeps for expired events.
	sweepEvery = time.Hour
	// sweepAgain is the time until a failed sweep is tried again.
	sweepAgain = 30 * time.Second
	// sweepBatch is how many records a transaction deletes.
	sweepBatch = 50
)

// Run frees the disk space of deleted and expired events, until ctx ends. It looks
// for events that have no record, so a crash at any moment leaves nothing behind.
func (a *API) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	changed := make(chan struct{}, 1)
	wg.Go(func() { stop(a.follow(ctx, changed)) })
	for {
		wait := sweepEvery
		if err := a.sweep(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("sweep log events", "err", err)
			wait = sweepAgain
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// follow signals on changed when a record is deleted or a group changes.
func (a *API) follow(ctx context.Context, changed chan<- struct{}) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	poke := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		stop(groups.Follow(ctx, a.db, func(bool, []store.Event[Group]) error { poke(); return nil }))
	})
	wg.Go(func() {
		stop(streams.Follow(ctx, a.db, func(_ bool, events []store.Event[Stream]) error {
			for _, e := range events {
				if e.Value == nil {
					poke()
				}
			}
			return nil
		}))
	})
	wg.Wait()
	return context.Cause(ctx)
}

// sweep deletes the stored events that no record allows any more.
func (a *API) sweep(ctx context.Context) error {
	stored, err := a.stored(ctx) // before the records, because a record is made before its events
	if err != nil {
		return err
	}
	recs, err := a.records(ctx)
	if err != nil {
		return err
	}
	for group, names := range stored {
		if err := a.sweepGroup(ctx, group, names, recs); err != nil {
			return err
		}
	}
	return a.deleteStreams(ctx, recs.orphans)
}

// stored returns the names of all streams that the log store has, by group.
func (a *API) stored(ctx context.Context) (map[string][]string, error) {
	names, err := a.events.Groups(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, g := range names {
		if all[g], err = a.events.Streams(ctx, g); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// records are all groups and streams by their IDs, and the keys of the streams whose
// group was deleted.
type records struct {
	groups  map[string]Group
	streams map[string]bool
	orphans []string
}

func (a *API) records(ctx context.Context) (records, error) {
	var r records
	err := a.db.View(ctx, func(tx store.Tx) error {
		r = records{groups: map[string]Group{}, streams: map[string]bool{}}
		for g, err := range groups.Scan(tx, "", "") {
			if err != nil {
				return err
			}
			r.groups[g.ID] = g
		}
		for s, err := range streams.Scan(tx, "", "") {
			if err != nil {
				return err
			}
			r.streams[s.ID] = true
			if _, ok := r.groups[s.Group]; !ok {
				r.orphans = append(r.orphans, s.key())
			}
		}
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("list log groups and streams: %w", err)
	}
	return r, nil
}

func (a *API) sweepGroup(ctx context.Context, group string, names []string, recs records) error {
	g, ok := recs.groups[group]
	if !ok {
		return a.events.DeleteGroup(ctx, group)
	}
	for _, n := range names {
		if recs.streams[n] {
			continue
		}
		if err := a.events.DeleteStream(ctx, logstore.Stream{Group: group, Name: n}); err != nil {
			return err
		}
	}
	if g.Retention == 0 {
		return nil
	}
	return a.events.Trim(ctx, group, g.expiry(time.Now()))
}

// deleteStreams deletes the records at keys. No handler can reach them any more.
func (a *API) deleteStreams(ctx context.Context, keys []string) error {
	for len(keys) > 0 {
		batch := keys[:min(sweepBatch, len(keys))]
		keys = keys[len(batch):]
		err := a.db.Update(ctx, func(tx store.Tx) error {
			for _, k := range batch {
				if err := streams.Delete(tx, k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("delete streams of deleted log groups: %w", err)
		}
	}
	return nil
}
