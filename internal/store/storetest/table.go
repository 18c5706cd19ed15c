package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/store"
)

type record struct {
	ID    string
	State string
	Tags  []string
}

func records() *store.Table[record] {
	return store.NewTable("records",
		store.Index[record]{Name: "state", Values: func(r record) []string { return []string{r.State} }},
		store.Index[record]{Name: "tag", Values: func(r record) []string { return r.Tags }},
	)
}

func table(t *testing.T, db store.DB) {
	tab := records()
	a, b := record{ID: "p/a", State: "new"}, record{ID: "p/b", State: "old"}
	update(t, db, func(tx store.Tx) error {
		return errors.Join(tab.Put(tx, a.ID, a), tab.Put(tx, b.ID, b), tab.Put(tx, "q/c", record{ID: "q/c"}))
	})
	view(t, db, func(tx store.Tx) error {
		got, err := tab.Get(tx, "p/a")
		if diff := cmp.Diff(a, got); err != nil || diff != "" {
			t.Errorf("Get: %v\n%s", err, diff)
		}
		if _, err := tab.Get(tx, "p/z"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get of a missing record: %v, want ErrNotFound", err)
		}
		list, err := tab.List(tx, "p/")
		if diff := cmp.Diff([]record{a, b}, list); err != nil || diff != "" {
			t.Errorf("List: %v\n%s", err, diff)
		}
		for r, err := range tab.Scan(tx, "", "p/a") {
			if err != nil || r.ID != "p/b" {
				t.Errorf("Scan after p/a starts with %q, %v", r.ID, err)
			}
			break
		}
		var shown []record
		for r, err := range tab.Peek(tx, "p/") {
			if err != nil {
				return err
			}
			shown = append(shown, *r)
		}
		if diff := cmp.Diff([]record{a, b}, shown); diff != "" {
			t.Errorf("Peek: %s", diff)
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := tab.Follow(ctx, db, func(reset bool, events []store.Event[record]) error {
		if !reset || len(events) != 3 || events[0].Key != "p/a" || events[0].Value.State != "new" {
			t.Errorf("Follow: reset %v, %+v", reset, events)
		}
		return errBoom
	})
	if !errors.Is(err, errBoom) {
		t.Errorf("Follow returned %v", err)
	}
}

func view(t *testing.T, db store.DB, f func(store.Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), f); err != nil {
		t.Fatalf("View: %v", err)
	}
}

func found(t *testing.T, db store.DB, index, value string) []string {
	t.Helper()
	var ids []string
	view(t, db, func(tx store.Tx) error {
		list, err := records().By(tx, index, value)
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		return err
	})
	return ids
}

func index(t *testing.T, db store.DB) {
	tab := records()
	put := func(r record) {
		t.Helper()
		update(t, db, func(tx store.Tx) error { return tab.Put(tx, r.ID, r) })
	}
	check := func(index, value string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, found(t, db, index, value)); diff != "" {
			t.Errorf("By(%s, %s) (-want +got):\n%s", index, value, diff)
		}
		view(t, db, func(tx store.Tx) error {
			for i := range len(want) + 1 {
				after := append([]string{""}, want...)[i]
				if keys := slices.Collect(tab.Keys(tx, index, value, after)); !slices.Equal(keys, want[i:]) {
					t.Errorf("Keys(%s, %s) after %q: got %v, want %v", index, value, after, keys, want[i:])
				}
			}
			return nil
		})
	}
	put(record{ID: "a", State: "new", Tags: []string{"x", "y"}})
	put(record{ID: "b", State: "new", Tags: []string{"y"}})
	put(record{ID: "c", State: "newer"})
	check("state", "new", "a", "b")
	check("tag", "y", "a", "b")
	put(record{ID: "a", State: "old", Tags: []string{"x"}})
	check("state", "new", "b")
	check("state", "old", "a")
	check("tag", "x", "a")
	check("tag", "y", "b")
	update(t, db, func(tx store.Tx) error { return tab.Delete(tx, "b") })
	check("state", "new")
	update(t, db, func(tx store.Tx) error {
		for _, id := range []string{"a", "c", "never there"} {
			if err := tab.Delete(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	want(t, db, map[string]string{})
}

// indexContention moves records between two states, each worker taking the
// first it finds, and expects that no two take the same.
func indexContention(t *testing.T, db store.DB) {
	const n = 30
	tab := records()
	update(t, db, func(tx store.Tx) error {
		for i := range n {
			r := record{ID: fmt.Sprintf("%02d", i), State: "free"}
			if err := tab.Put(tx, r.ID, r); err != nil {
				return err
			}
		}
		return nil
	})
	var wg sync.WaitGroup
	taken := make(chan string, n)
	for w := range 3 {
		wg.Go(func() {
			for range n / 3 {
				var id string
				err := db.Update(t.Context(), func(tx store.Tx) error {
					free, err := tab.By(tx, "state", "free")
					if err != nil {
						return err
					}
					r := free[0]
					r.State, id = fmt.Sprintf("taken by %d", w), r.ID
					return tab.Put(tx, r.ID, r)
				})
				if err != nil {
					t.Error(err)
					return
				}
				taken <- id
			}
		})
	}
	wg.Wait()
	close(taken)
	seen := make(map[string]bool)
	for id := range taken {
		if seen[id] {
			t.Errorf("%s was taken twice", id)
		}
		seen[id] = true
	}
	if free := found(t, db, "state", "free"); len(seen) != n || free != nil {
		t.Errorf("%d of %d taken, free still: %v", len(seen), n, free)
	}
}
