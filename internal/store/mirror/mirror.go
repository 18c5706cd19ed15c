// Package mirror holds a store's rows in memory, as of its latest revision.
//
// A snapshot is taken in constant time and never changes; whoever follows
// sees every key's latest value. Both stores are built on it: memstore keeps
// nothing else, etcdstore feeds it from a watch.
package mirror

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"

	"github.com/skylift/skylift/internal/store"
)

// Row is a value and the revision that wrote it.
type Row struct {
	Value *store.Value
	Rev   int64
}

type rows = btree.Map[string, Row]

// Snapshot is every row as of one revision. It never changes.
type Snapshot struct {
	Rev  int64
	rows *rows
}

// Mirror is the latest snapshot and those who follow it.
type Mirror struct {
	latest atomic.Pointer[Snapshot]

	mu        sync.Mutex // serializes changes of the fields below and of latest
	followers map[*follower]struct{}
	advanced  chan struct{} // closed when latest moves on
	closed    chan struct{}
	err       error // why closed
}

// New returns an empty mirror at revision 0.
func New() *Mirror {
	m := &Mirror{
		followers: make(map[*follower]struct{}),
		advanced:  make(chan struct{}),
		closed:    make(chan struct{}),
	}
	m.latest.Store(&Snapshot{rows: new(rows)})
	return m
}

// Latest returns the snapshot of the last revision applied.
func (m *Mirror) Latest() *Snapshot { return m.latest.Load() }

// Apply makes changes, which all belong to revision rev, visible at once. A
// revision that was applied already is left out.
func (m *Mirror) Apply(rev int64, changes []store.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apply(rev, changes)
}

// Commit applies what tx wrote as the next revision, unless what it read is no
// longer true.
func (m *Mirror) Commit(tx *Tx) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.Latest()
	if !tx.holds(now) {
		return false
	}
	if changes := tx.Changes(); len(changes) > 0 {
		m.apply(now.Rev+1, changes)
	}
	return true
}

// Replace makes the mirror equal to all, the whole contents at revision rev;
// those who follow see the differences.
func (m *Mirror) Replace(rev int64, all map[string]Row) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.Latest()
	if rev <= now.Rev {
		return
	}
	next := now.rows.Copy()
	var changes []store.Change
	now.rows.Scan(func(k string, _ Row) bool {
		if _, ok := all[k]; !ok {
			next.Delete(k)
			changes = append(changes, store.Change{Key: k})
		}
		return true
	})
	for k, r := range all {
		if old, ok := now.rows.Get(k); ok && old.Rev == r.Rev {
			continue
		}
		next.Set(k, r)
		changes = append(changes, store.Change{Key: k, Value: r.Value})
	}
	m.publish(&Snapshot{Rev: rev, rows: next}, changes)
}

func (m *Mirror) apply(rev int64, changes []store.Change) {
	now := m.Latest()
	if rev <= now.Rev {
		return
	}
	next := now.rows.Copy()
	for _, c := range changes {
		if c.Value == nil {
			next.Delete(c.Key)
			continue
		}
		next.Set(c.Key, Row{Value: c.Value, Rev: rev})
	}
	m.publish(&Snapshot{Rev: rev, rows: next}, changes)
}

func (m *Mirror) publish(s *Snapshot, changes []store.Change) {
	m.latest.Store(s)
	close(m.advanced)
	m.advanced = make(chan struct{})
	for f := range m.followers {
		f.add(changes)
	}
}

// Wait returns when revision rev has been applied.
func (m *Mirror) Wait(ctx context.Context, rev int64) error {
	for {
		m.mu.Lock()
		advanced := m.advanced
		m.mu.Unlock()
		if m.Latest().Rev >= rev {
			return nil
		}
		select {
		case <-advanced:
		case <-m.closed:
			return m.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends every Wait and Follow with err. The first close counts.
func (m *Mirror) Close(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
		close(m.closed)
	}
}

// Closed is closed when the mirror is.
func (m *Mirror) Closed() <-chan struct{} { return m.closed }

// Err says why the mirror is closed; nil when it isn't.
func (m *Mirror) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}
