package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// Version 1 of an animal has its legs in it, version 2 has a record for each
// leg, version 3 has another index, and version 4 calls the name another way.
type (
	animal1 struct {
		Name string
		Legs []string
	}
	animal struct{ Called string }
	leg    struct{ Animal, Side string }
)

var (
	byFirst = store.Index[animal]{Name: "first", Values: func(a animal) []string { return []string{a.Called[:1]} }}
	bySize  = store.Index[animal]{Name: "size", Values: func(a animal) []string { return []string{fmt.Sprint(len(a.Called))} }}

	legs    = store.NewTable("leg", store.Index[leg]{Name: "animal", Values: func(l leg) []string { return []string{l.Animal} }})
	animals = store.NewTable("animal", byFirst, bySize).Version(2, legsApart).Version(3, nil).Version(4, renamed)

	// firsts are the same animals as the first release has them.
	firsts = store.NewTable("animal",
		store.Index[animal1]{Name: "leg", Values: func(a animal1) []string { return a.Legs }},
		store.Index[animal1]{Name: "first", Values: func(a animal1) []string { return []string{"?" + a.Name[:1]} }})
)

func legsApart(key string, old []byte) (next store.Next, err error) {
	var a animal1
	if err := json.Unmarshal(old, &a); err != nil {
		return next, err
	}
	if len(a.Legs) == 0 { // a snake is no animal any more
		return next, nil
	}
	for _, side := range a.Legs {
		next.Others = append(next.Others, legs.Record(key+"/"+side, leg{key, side}))
	}
	a.Legs = nil
	next.Record, err = json.Marshal(a)
	return next, err
}

// renamed fails for what was renamed before: each record is upgraded once.
func renamed(_ string, old []byte) (next store.Next, err error) {
	var a animal1
	if err := json.Unmarshal(old, &a); err != nil {
		return next, err
	}
	if a.Name == "" || a.Legs != nil {
		return next, fmt.Errorf("not an animal of version 3: %s", old)
	}
	next.Record, err = json.Marshal(animal{a.Name})
	return next, err
}

// first fills a store as the first release does.
func first(t *testing.T) store.DB {
	t.Helper()
	db := memstore.New()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		for i := range 700 {
			key := fmt.Sprintf("a%04d", i)
			if err := firsts.Put(tx, key, animal1{Name: "cow" + strings.Repeat("o", i%3), Legs: []string{"left", "right"}}); err != nil {
				return err
			}
		}
		if err := firsts.Put(tx, "centipede", animal1{Name: "centipede", Legs: strings.Fields(strings.Repeat("1 2 3 4 5 6 7 8 9 10 ", 100))}); err != nil {
			return err
		}
		return firsts.Put(tx, "snake", animal1{Name: "snake"})
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func rows(t *testing.T, db store.DB) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := db.Follow(t.Context(), "", func(b store.Batch) error {
		for _, c := range b.Changes {
			all[c.Key] = c.Value.String()
		}
		return errors.New("enough")
	})
	if err == nil || err.Error() != "enough" {
		t.Fatal(err)
	}
	return all
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	db := first(t)
	var told []string
	tell := func(table string, from, to int) { told = append(told, fmt.Sprintf("%s %d-%d", table, from, to)) }
	for range 2 { // the second time there is nothing to do
		if err := store.Upgrade(t.Context(), db, tell, legs, animals); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"animal 1-4"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	// What there is now is what this release would have written.
	fresh := memstore.New()
	if err := store.Upgrade(t.Context(), fresh, nil, legs, animals); err != nil {
		t.Fatal(err)
	}
	err := fresh.Update(t.Context(), func(tx store.Tx) error {
		var errs []error
		put := func(key, name string, sides ...string) {
			errs = append(errs, animals.Put(tx, key, animal{name}))
			for _, s := range sides {
				errs = append(errs, legs.Put(tx, key+"/"+s, leg{key, s}))
			}
		}
		for i := range 700 {
			put(fmt.Sprintf("a%04d", i), "cow"+strings.Repeat("o", i%3), "left", "right")
		}
		put("centipede", "centipede", strings.Fields("1 2 3 4 5 6 7 8 9 10")...)
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rows(t, fresh), rows(t, db)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// dying is a store whose process is killed: at so many updates from now, and
// each is committed or not as it happens.
type dying struct {
	store.DB
	left      int
	committed bool // the last one
	most      int  // rows that a transaction may write; 0: any number
}

var errKilled = errors.New("killed")

func (d *dying) Update(ctx context.Context, f func(store.Tx) error) error {
	if d.left--; d.left < 0 && !d.committed {
		return errKilled
	}
	err := d.DB.Update(ctx, func(tx store.Tx) error {
		counted := &counting{Tx: tx}
		if err := f(counted); err != nil {
			return err
		}
		if d.most > 0 && counted.writes > d.most {
			return fmt.Errorf("%w: %d rows", store.ErrTooLarge, counted.writes)
		}
		return nil
	})
	if err == nil && d.left < 0 {
		return errKilled
	}
	return err
}

type counting struct {
	store.Tx
	writes int
}

func (c *counting) Put(key string, value []byte) { c.writes++; c.Tx.Put(key, value) }
func (c *counting) Delete(key string)            { c.writes++; c.Tx.Delete(key) }

// TestUpgradeKilled kills an upgrade at each of its transactions, before and
// after the commit: the next one goes on, and ends as one that wasn't.
func TestUpgradeKilled(t *testing.T) {
	t.Parallel()
	whole := first(t)
	if err := store.Upgrade(t.Context(), whole, nil, legs, animals); err != nil {
		t.Fatal(err)
	}
	want := rows(t, whole)
	for _, committed := range []bool{false, true} {
		killed := 0
		for at := 0; ; at++ {
			db := first(t)
			err := store.Upgrade(t.Context(), &dying{DB: db, left: at, committed: committed}, nil, legs, animals)
			if err == nil {
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatalf("at %d: %v", at, err)
			}
			killed++
			if err := store.Upgrade(t.Context(), db, nil, legs, animals); err != nil {
				t.Fatalf("after a kill at %d: %v", at, err)
			}
			if got := rows(t, db); !maps.Equal(want, got) {
				t.Fatalf("after a kill at %d (-want +got):\n%s", at, cmp.Diff(want, got))
			}
		}
		if killed < 10 {
			t.Errorf("killed %d times: the upgrade goes in too few pieces to say anything", killed)
		}
	}
}

// TestUpgradeInSmallPieces upgrades a store that takes small transactions only.
func TestUpgradeInSmallPieces(t *testing.T) {
	t.Parallel()
	whole, db := first(t), first(t)
	for _, each := range []store.DB{whole, &dying{DB: db, left: 1 << 30, most: 40}} {
		if err := store.Upgrade(t.Context(), each, nil, legs, animals); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(rows(t, whole), rows(t, db)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestUpgradeOfIndexes: an index that is new, or was taken away, is made complete
// though nobody has raised the version.
func TestUpgradeOfIndexes(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	one, two := store.NewTable("animal", byFirst), store.NewTable("animal", bySize)
	if err := store.Upgrade(t.Context(), db, nil, one); err != nil {
		t.Fatal(err)
	}
	err := db.Update(t.Context(), func(tx store.Tx) error { return one.Put(tx, "1", animal{"cow"}) })
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Upgrade(t.Context(), db, nil, two); err != nil {
		t.Fatal(err)
	}
	var found []string
	for key := range rows(t, db) {
		if strings.HasPrefix(key, "x/") {
			found = append(found, key)
		}
	}
	if diff := cmp.Diff([]string{"x/animal/size/3\x001"}, found); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestUpgradeOfLaterRelease(t *testing.T) {
	t.Parallel()
	later := store.NewTable("animal", byFirst, bySize).Version(2, legsApart)
	for _, tt := range []struct {
		name  string
		write []store.Schema // by a later release
		read  []store.Schema
		want  string
	}{
		{"a later version", []store.Schema{animals}, []store.Schema{later}, "table animal has version 4, and this release knows versions up to 2"},
		{"a table that is not known", []store.Schema{animals, legs}, []store.Schema{animals}, "table leg has version 1, and this release doesn't know the table"},
	} {
		db := memstore.New()
		if err := store.Upgrade(t.Context(), db, nil, tt.write...); err != nil {
			t.Fatal(err)
		}
		before := rows(t, db)
		err := store.Upgrade(t.Context(), db, nil, tt.read...)
		if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want …%s", tt.name, err, tt.want)
		}
		if !maps.Equal(before, rows(t, db)) {
			t.Errorf("%s: something was written", tt.name)
		}
	}
	// One that was cut off on its way to version 2 is of a later release, too.
	db := first(t)
	if err := store.Upgrade(t.Context(), &dying{DB: db, left: 3, committed: true}, nil, legs, animals); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if err := store.Upgrade(t.Context(), db, nil, legs, firsts); !errors.Is(err, store.ErrNewer) {
		t.Errorf("cut off: %v, want ErrNewer", err)
	}
}
