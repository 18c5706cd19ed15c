package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// How many rows are written in one transaction: many at first, and by halves
// fewer when that is more than the store takes. Any takes the small piece.
const (
	largePiece = 512
	smallPiece = 16
	pieceBytes = 512 << 10 // of rows that are read for one transaction, but for the last of them
)

// upgrade is the upgrade of one table.
type upgrade struct {
	db    DB
	table Schema
	form  form
	piece int
}

func (u *upgrade) run(ctx context.Context, tell func(table string, from, to int)) error {
	err := u.db.View(ctx, func(tx Tx) (err error) {
		u.form, err = forms.Get(tx, u.table.Name())
		return err
	})
	if err != nil {
		return fmt.Errorf("read its version: %w", err)
	}
	if tell != nil {
		tell(u.table.Name(), u.form.Version, u.table.current())
	}
	for u.form.Version < u.table.current() {
		if err := u.step(ctx); err != nil {
			return fmt.Errorf("to version %d: %w", u.form.Version+1, err)
		}
	}
	return u.reindex(ctx)
}

// step brings all records to the next version.
func (u *upgrade) step(ctx context.Context) error {
	if step := u.table.step(u.form.Version); step != nil {
		for more := true; more; {
			var err error
			if more, err = u.some(ctx, step); err != nil {
				return err
			}
		}
	}
	return u.note(ctx, form{Version: u.form.Version + 1}, nil)
}

// note writes the table's form, and what write does with it.
func (u *upgrade) note(ctx context.Context, f form, write func(Tx) error) error {
	err := u.db.Update(ctx, func(tx Tx) error {
		if write != nil {
			if err := write(tx); err != nil {
				return err
			}
		}
		return forms.Put(tx, u.table.Name(), f)
	})
	if err == nil {
		u.form = f
	}
	return err
}

// some brings some more records to the next version. What they give rise to is
// written before them: it is the same again after a crash between the two.
func (u *upgrade) some(ctx context.Context, step Step) (more bool, err error) {
	keys, next, err := u.read(ctx, step)
	if err != nil || len(keys) == 0 {
		return false, err
	}
	var others []func(Tx) error
	for _, n := range next {
		for _, r := range n.Others {
			others = append(others, r.put)
		}
	}
	if err := u.pieces(ctx, others); err != nil {
		return false, err
	}
	f := u.form
	f.Begun, f.After, f.Indexes = true, keys[len(keys)-1], nil
	err = u.note(ctx, f, func(tx Tx) error {
		for i, key := range keys {
			if next[i].Record == nil {
				tx.Delete(u.table.prefix() + key)
				continue
			}
			tx.Put(u.table.prefix()+key, next[i].Record)
		}
		return nil
	})
	if u.smaller(err) {
		return true, nil
	}
	return true, err
}

// read returns the next records to be brought to the next version, and what
// becomes of each.
func (u *upgrade) read(ctx context.Context, step Step) (keys []string, next []Next, err error) {
	prefix, after := u.table.prefix(), ""
	if u.form.Begun {
		after = u.table.prefix() + u.form.After
	}
	err = u.db.View(ctx, func(tx Tx) error {
		size := 0
		for row, v := range tx.Scan(prefix, after) {
			key, old := row[len(prefix):], []byte(v.String())
			n, err := step(key, old)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			keys, next = append(keys, key), append(next, n)
			if size += len(old) + len(n.Record); len(keys) == u.piece || size >= pieceBytes {
				break
			}
		}
		return nil
	})
	return keys, next, err
}

// pieces makes all writes, in as many transactions as it takes.
func (u *upgrade) pieces(ctx context.Context, writes []func(Tx) error) error {
	for len(writes) > 0 {
		n := min(len(writes), u.piece)
		err := u.db.Update(ctx, func(tx Tx) error {
			for _, w := range writes[:n] {
				if err := w(tx); err != nil {
					return err
				}
			}
			return nil
		})
		switch {
		case u.smaller(err):
		case err != nil:
			return err
		default:
			writes = writes[n:]
		}
	}
	return nil
}

// smaller makes pieces smaller where err says that one was too large, if it can.
func (u *upgrade) smaller(err error) bool {
	if !errors.Is(err, ErrTooLarge) || u.piece == 1 {
		return false
	}
	u.piece /= 2
	return true
}

// reindex makes the table's index entries those that its records want.
func (u *upgrade) reindex(ctx context.Context) error {
	var writes []func(Tx) error
	err := u.db.View(ctx, func(tx Tx) error {
		wanted := make(map[string]bool)
		for row, v := range tx.Scan(u.table.prefix(), "") {
			entries, err := u.table.entries(row[len(u.table.prefix()):], v)
			if err != nil {
				return err
			}
			for _, e := range entries {
				wanted[e] = true
			}
		}
		for entry := range tx.Scan(u.table.indexPrefix(), "") {
			if !wanted[entry] {
				writes = append(writes, func(tx Tx) error { tx.Delete(entry); return nil })
			}
			delete(wanted, entry)
		}
		for _, entry := range slices.Sorted(maps.Keys(wanted)) {
			writes = append(writes, func(tx Tx) error { tx.Put(entry, []byte{}); return nil })
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read its records: %w", err)
	}
	if err := u.pieces(ctx, writes); err != nil {
		return fmt.Errorf("write its indexes: %w", err)
	}
	return u.note(ctx, form{Version: u.form.Version, Indexes: u.table.indexNames()}, nil)
}
