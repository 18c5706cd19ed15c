// Package memstore keeps records in memory, for tests and for whatever may be
// forgotten. It promises what store.DB promises, save that nothing outlives
// the process.
package memstore

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/mirror"
)

// DB is a store in memory.
type DB struct {
	rows  *mirror.Mirror
	turns mirror.Turns
	full  atomic.Bool
}

var _ store.DB = (*DB)(nil)

// New returns an empty store.
func New() *DB { return &DB{rows: mirror.New()} }

// Fill makes the store as one that has no room left, or ends that.
func (db *DB) Fill(full bool) { db.full.Store(full) }

// Update implements store.DB.
func (db *DB) Update(ctx context.Context, f func(store.Tx) error) error {
	for {
		if err := db.usable(ctx); err != nil {
			return err
		}
		tx := db.rows.Latest().Begin()
		if err := f(tx); err != nil {
			return err
		}
		if db.full.Load() && len(tx.Changes()) > 0 && !store.IsFreeing(ctx) {
			return fmt.Errorf("%w: it was filled", store.ErrFull)
		}
		if db.rows.Commit(tx) {
			return nil
		}
	}
}

// View implements store.DB.
func (db *DB) View(ctx context.Context, f func(store.Tx) error) error {
	if err := db.usable(ctx); err != nil {
		return err
	}
	return db.rows.Latest().View(f)
}

// Follow implements store.DB.
func (db *DB) Follow(ctx context.Context, prefix string, f func(store.Batch) error) error {
	if err := db.usable(ctx); err != nil {
		return err
	}
	return db.rows.Follow(ctx, prefix, f)
}

// Lead implements store.DB.
func (db *DB) Lead(ctx context.Context, name string, f func(context.Context) error) error {
	return db.turns.Lead(ctx, name, f)
}

// Close implements store.DB.
func (db *DB) Close() error {
	db.rows.Close(store.ErrClosed)
	return nil
}

func (db *DB) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return db.rows.Err()
}
