package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Table is a set of records of one type, kept as JSON under "r/<name>/<key>",
// with its indexes under "x/<name>/<index>/<value>/<key>". It holds no state
// and is safe for concurrent use. The caller owns what it returns, except for what
// Peek, PeekBy and Follow show: that is shared, and must not be changed.
type Table[T any] struct {
	name    string
	indexes []Index[T]
	clone   func(*T) T
	steps   []Step // what makes versions 2, 3, … of the one before
}

// Index finds records by a value derived from them.
type Index[T any] struct {
	Name string
	// Values returns the values that v is found by; they must not contain NUL.
	// They may be v's own, and v must not be changed.
	Values func(v T) []string
}

// NewTable describes a table. Names must not contain a slash.
func NewTable[T any](name string, indexes ...Index[T]) *Table[T] {
	return &Table[T]{name: name, indexes: indexes, clone: cloner[T]()}
}

// Get returns the record at key, or ErrNotFound.
func (t *Table[T]) Get(tx Tx, key string) (T, error) {
	v, err := t.look(tx, key)
	if err != nil {
		return *new(T), err
	}
	return t.clone(v), nil
}

// look returns the record at key, which is shared and must not be changed.
func (t *Table[T]) look(tx Tx, key string) (*T, error) {
	v, ok := tx.Get(t.row(key))
	if !ok {
		return nil, ErrNotFound
	}
	return t.decode(key, v)
}

// List returns the records whose keys start with prefix, in key order.
func (t *Table[T]) List(tx Tx, prefix string) ([]T, error) {
	return Collect(t.Scan(tx, prefix, ""))
}

// Collect returns all that seq yields, or its error.
func Collect[V any](seq iter.Seq2[V, error]) ([]V, error) {
	var out []V
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Scan yields the records whose keys start with prefix and are greater than
// after, in key order.
func (t *Table[T]) Scan(tx Tx, prefix, after string) iter.Seq2[T, error] {
	return t.own(t.peek(tx, prefix, after))
}

// own yields copies of what seq yields.
func (t *Table[T]) own(seq iter.Seq2[*T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range seq {
			if err != nil {
				yield(*new(T), err)
				return
			}
			if !yield(t.clone(v), nil) {
				return
			}
		}
	}
}

// Peek shows the records whose keys start with prefix, in key order.
func (t *Table[T]) Peek(tx Tx, prefix string) iter.Seq2[*T, error] {
	return t.peek(tx, prefix, "")
}

func (t *Table[T]) peek(tx Tx, prefix, after string) iter.Seq2[*T, error] {
	if after != "" {
		after = t.row(after)
	}
	return func(yield func(*T, error) bool) {
		for k, b := range tx.Scan(t.row(prefix), after) {
			v, err := t.decode(strings.TrimPrefix(k, t.row("")), b)
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// PeekBy shows the records that the index called index finds by value, in key
// order.
func (t *Table[T]) PeekBy(tx Tx, index, value string) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for key := range t.Keys(tx, index, value, "") {
			v, err := t.look(tx, key)
			if err != nil {
				err = fmt.Errorf("read %s by %s: %w", t.name, index, err)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// By returns the records that the index called index finds by value, in key
// order.
func (t *Table[T]) By(tx Tx, index, value string) ([]T, error) {
	return Collect(t.own(t.PeekBy(tx, index, value)))
}

// Keys yields the keys, greater than after, of the records that the index called
// index finds by value, in order. It doesn't read the records.
func (t *Table[T]) Keys(tx Tx, index, value, after string) iter.Seq[string] {
	prefix := t.entry(index, value, "")
	if after != "" {
		after = prefix + after
	}
	return func(yield func(string) bool) {
		for k := range tx.Scan(prefix, after) {
			if !yield(k[len(prefix):]) {
				return
			}
		}
	}
}

// Put writes the record at key along with its index entries.
func (t *Table[T]) Put(tx Tx, key string, v T) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", t.name, key, err)
	}
	if len(t.indexes) > 0 {
		if err := t.reindex(tx, key, &v); err != nil {
			return err
		}
	}
	tx.Put(t.row(key), b)
	return nil
}

// Delete removes the record at key and its index entries.
func (t *Table[T]) Delete(tx Tx, key string) error {
	if err := t.reindex(tx, key, nil); err != nil {
		return err
	}
	tx.Delete(t.row(key))
	return nil
}

// Event is one record's latest value as Follow delivers it.
type Event[T any] struct {
	Key   string
	Value *T // nil when the record is gone
}

// Follow shows f all records (reset is true) and then what changes, as
// DB.Follow does.
func (t *Table[T]) Follow(ctx context.Context, db DB, f func(reset bool, events []Event[T]) error) error {
	return db.Follow(ctx, t.row(""), func(b Batch) error {
		events := make([]Event[T], len(b.Changes))
		for i, c := range b.Changes {
			var err error
			if events[i], _, err = t.Event(c); err != nil {
				return err
			}
		}
		return f(b.Reset, events)
	})
}

// Event reads a change, as DB.Follow delivers it for TablesOf; ok is false when
// it is another table's.
func (t *Table[T]) Event(c Change) (e Event[T], ok bool, err error) {
	if e.Key, ok = strings.CutPrefix(c.Key, t.row("")); !ok || c.Value == nil {
		return e, ok, nil
	}
	e.Value, err = t.decode(e.Key, c.Value)
	return e, true, err
}

// TablesOf is what DB.Follow follows all tables by whose names begin so. Rows of
// one commit come together.
func TablesOf(name string) (prefix string) { return "r/" + name }

func (t *Table[T]) row(key string) string { return "r/" + t.name + "/" + key }

// entry separates value from key by NUL, which no value may contain, so that
// one value is never a prefix of another's entries.
func (t *Table[T]) entry(index, value, key string) string {
	return "x/" + t.name + "/" + index + "/" + value + "\x00" + key
}

// decode returns the record that b encodes. It is shared, must not be changed, and
// is decoded only once.
func (t *Table[T]) decode(key string, b *Value) (*T, error) {
	v, err := read[T](b)
	if err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", t.name, key, err)
	}
	return v, nil
}

// reindex replaces the index entries of the record at key by those of v.
func (t *Table[T]) reindex(tx Tx, key string, v *T) error {
	old, err := t.look(tx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	for _, ix := range t.indexes {
		var before, after []string
		if old != nil {
			before = ix.Values(*old)
		}
		if v != nil {
			after = ix.Values(*v)
		}
		for _, s := range before {
			if !slices.Contains(after, s) {
				tx.Delete(t.entry(ix.Name, s, key))
			}
		}
		for _, s := range after {
			if !slices.Contains(before, s) {
				tx.Put(t.entry(ix.Name, s, key), []byte{})
			}
		}
	}
	return nil
}
