// Package handler holds what the handlers of every service do alike: run in a transaction, read a record or fail
// with the service's own error, list page by page, check and change tags, and judge client tokens.
//
// It is functions and small values, no framework: a service says its limits, codes and words once, as a value
// (Pages, TagRules), and calls what it needs.
package handler

import (
	"context"
	"errors"
	"fmt"

	"github.com/skylift/skylift/internal/store"
)

// View returns what f makes of one snapshot. An answer is zero beside an error.
func View[T any](ctx context.Context, db store.DB, f func(tx store.Tx) (T, error)) (T, error) {
	return run(ctx, db.View, f)
}

// Update returns what f makes of a transaction, once that is committed. F may run more than once, so it reads and
// writes records and does nothing else. An answer is zero beside an error.
func Update[T any](ctx context.Context, db store.DB, f func(tx store.Tx) (T, error)) (T, error) {
	return run(ctx, db.Update, f)
}

func run[T any](ctx context.Context, in func(context.Context, func(store.Tx) error) error, f func(tx store.Tx) (T, error)) (T, error) {
	var out, zero T
	err := in(ctx, func(tx store.Tx) (err error) {
		out, err = f(tx)
		return err
	})
	if err != nil {
		return zero, err
	}
	return out, nil
}

// Find returns the record at key; ok is false when there is none.
func Find[T any](tx store.Tx, t *store.Table[T], key string) (v T, ok bool, err error) {
	v, err = t.Get(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return v, false, nil
	}
	if err != nil {
		return v, false, fmt.Errorf("read %s: %w", key, err)
	}
	return v, true, nil
}

// Get returns the record at key. None makes the service's error for a key that has no record.
func Get[T any](tx store.Tx, t *store.Table[T], key string, none func(key string) error) (T, error) {
	v, ok, err := Find(tx, t, key)
	if err == nil && !ok {
		err = none(key)
	}
	return v, err
}

// Change reads the record at key, changes it and writes it, and returns what it wrote. None makes the service's error
// for a key that has no record. Nothing is written when change fails.
func Change[T any](tx store.Tx, t *store.Table[T], key string, none func(key string) error, change func(*T) error) (T, error) {
	v, err := Get(tx, t, key, none)
	if err != nil {
		return v, err
	}
	if err := change(&v); err != nil {
		return v, err
	}
	return v, t.Put(tx, key, v)
}

// Optional returns a text as answers have it: nil when it is empty, so that it is left out.
func Optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
