package logstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

type urgentKey struct{}

// Urgent returns a ctx for an Append that RefuseWhile doesn't apply to: its
// events are refused only when there is no room at all.
func Urgent(ctx context.Context) context.Context { return context.WithValue(ctx, urgentKey{}, true) }

// IsUrgent says whether ctx is, or comes from, one of Urgent.
func IsUrgent(ctx context.Context) bool { return ctx.Value(urgentKey{}) != nil }

// RefuseWhile has Append refuse events, as on a full disk, while full says so.
func (s *Store) RefuseWhile(full func() bool) { s.disk.held.Store(&full) }

// openAny opens the database. If the disk has no room for what opening writes, it
// opens it for reading only.
func (s *Store) openAny() error {
	s.disk.opening.Store(true)
	defer s.disk.opening.Store(false)
	err := s.disk.room(true)
	if err == nil {
		err = s.openAs(false)
	}
	if !errors.Is(err, ErrFull) && !isFull(err) {
		return err
	}
	if only := s.openAs(true); only != nil {
		return errors.Join(err, only)
	}
	s.log.Warn("log store: the disk is full, and events can be read only", "key", s.disk.dir, "err", err)
	return nil
}

func (s *Store) openAs(readOnly bool) (err error) {
	s.readOnly.Store(readOnly)
	if s.db, err = pebble.Open(s.disk.dir, s.options()); err != nil {
		s.db = nil
		return fmt.Errorf("open log store %s: %w", s.disk.dir, err)
	}
	if s.seq, err = s.lastSeq(); err != nil {
		err = errors.Join(err, s.db.Close())
		s.db = nil
	}
	return err
}

// widen waits until a store that is open for reading only can be opened for
// writing, and opens it. It returns false when the store was closed or failed
// first.
func (s *Store) widen() bool {
	tick := time.NewTicker(fullRetry)
	defer tick.Stop()
	for s.readOnly.Load() {
		select {
		case <-s.closing:
			return false
		case <-tick.C:
		}
		if s.disk.room(true) != nil {
			continue
		}
		if err := s.reopen(); err != nil {
			s.disk.fail(err)
			return false
		}
	}
	s.log.Info("log store: the disk has room again", "key", s.disk.dir)
	return true
}

func (s *Store) reopen() error {
	s.readers.Lock()
	defer s.readers.Unlock()
	err := s.db.Close()
	s.db = nil
	if err != nil {
		return fmt.Errorf("close log store: %w", err)
	}
	return s.openAny()
}
