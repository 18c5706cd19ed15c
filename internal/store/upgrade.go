package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNewer says that a later release has written records that this one can't
// read.
var ErrNewer = errors.New("the records are of a later release")

// form is what is known of the records of a table. Its key is the table's name.
type form struct {
	Version int      // of its records
	Indexes []string // the names of those that are complete, in order of their declaration

	// During an upgrade, the records up to the key After have the next version.
	// Begun is true from the first piece of an upgrade to its last.
	Begun bool   `json:",omitempty"`
	After string `json:",omitempty"`
}

// forms has a row for each table. A table without one is as release 0.1.0 wrote
// it, which is version 1, or has no records yet.
var forms = NewTable[form]("table-version")

// Outdated says whether Upgrade has something to do. It returns ErrNewer when there
// are records that this program can't read.
func Outdated(ctx context.Context, db DB, tables ...Schema) (bool, error) {
	unknown, old, err := survey(ctx, db, tables)
	return len(unknown)+len(old) > 0, err
}

// survey finds the tables whose form isn't noted yet, and those that aren't as
// this program wants them.
func survey(ctx context.Context, db DB, tables []Schema) (unknown, old []Schema, err error) {
	err = db.View(ctx, func(tx Tx) error {
		unknown, old = nil, nil
		if err := knowsAll(tx, tables); err != nil {
			return err
		}
		for _, t := range tables {
			f, known, err := formOf(tx, t)
			if err != nil {
				return err
			}
			if !known {
				unknown = append(unknown, t)
			}
			if !f.done(t) {
				old = append(old, t)
			}
		}
		return nil
	})
	return unknown, old, err
}

// Upgraded waits until another process has done what Upgrade would do.
func Upgraded(ctx context.Context, db DB, tables ...Schema) error {
	done := errors.New("done")
	err := forms.Follow(ctx, db, func(bool, []Event[form]) error {
		if outdated, err := Outdated(ctx, db, tables...); err != nil || outdated {
			return err
		}
		return done
	})
	if errors.Is(err, done) {
		return nil
	}
	return err
}

// Upgrade brings the records of all tables, which are all there are, to the form
// that this program knows, and makes their indexes complete. It goes in pieces
// that any store takes, and may be cut off at any moment: the next one goes on
// from there. Nothing else may read or write records meanwhile. Tell, if any, is
// called before a table is changed. Its error is ErrNewer when there are records
// that this program can't read; nothing was changed then.
func Upgrade(ctx context.Context, db DB, tell func(table string, from, to int), tables ...Schema) error {
	unknown, old, err := survey(ctx, db, tables)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(unknown, smallPiece) {
		if err := db.Update(ctx, func(tx Tx) error { return settle(tx, some) }); err != nil {
			return fmt.Errorf("note the versions of tables: %w", err)
		}
	}
	for _, t := range old {
		if err := (&upgrade{db: db, table: t, piece: largePiece}).run(ctx, tell); err != nil {
			return fmt.Errorf("upgrade table %s: %w", t.Name(), err)
		}
	}
	return nil
}

// knowsAll refuses records of a later release.
func knowsAll(tx Tx, tables []Schema) error {
	known := make(map[string]int)
	for _, t := range tables {
		known[t.Name()] = t.current()
	}
	for key := range tx.Scan(forms.row(""), "") {
		name := strings.TrimPrefix(key, forms.row(""))
		f, err := forms.Get(tx, name)
		switch mine, ok := known[name]; {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("%w: table %s has version %d, and this release doesn't know the table", ErrNewer, name, f.Version)
		case f.Version > mine || f.Version == mine && f.Begun:
			return fmt.Errorf("%w: table %s has version %d, and this release knows versions up to %d", ErrNewer, name, f.reached(), mine)
		}
	}
	return nil
}

// settle notes the forms of tables that have none noted.
func settle(tx Tx, tables []Schema) error {
	for _, t := range tables {
		f, _, err := formOf(tx, t)
		if err != nil {
			return err
		}
		if err := forms.Put(tx, t.Name(), f); err != nil {
			return err
		}
	}
	return nil
}

// formOf returns the form of a table; known is false when that isn't noted.
func formOf(tx Tx, t Schema) (f form, known bool, err error) {
	f, err = forms.Get(tx, t.Name())
	if !errors.Is(err, ErrNotFound) {
		return f, true, err
	}
	for range tx.Scan(t.prefix(), "") {
		return form{Version: 1}, false, nil
	}
	return form{Version: t.current(), Indexes: t.indexNames()}, false, nil
}

// done says that nothing is to be done for a table of that form.
func (f form) done(t Schema) bool {
	return f.Version == t.current() && !f.Begun && slices.Equal(f.Indexes, t.indexNames())
}

// reached is the version that some of the records have.
func (f form) reached() int {
	if f.Begun {
		return f.Version + 1
	}
	return f.Version
}
