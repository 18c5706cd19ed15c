// Package storetest holds every store to the promises of store.DB.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/store"
)

// Run runs the suite. open returns an empty store and closes it when the test
// ends.
func Run(t *testing.T, open func(*testing.T) store.DB) {
	for name, test := range map[string]func(*testing.T, store.DB){
		"Update is all or nothing":                      atomicity,
		"Update reads what it wrote":                    ownWrites,
		"Update is read by the next View":               readYourWrites,
		"Updates of one key do not lose any":            increments,
		"a key that appears is a conflict":              phantom,
		"a key that vanishes is a conflict":             vanished,
		"Update of many rows":                           bulk,
		"Update that writes what is there":              sameValue,
		"View sees one snapshot":                        snapshot,
		"View cannot write":                             viewWrites,
		"Scan yields from after, in order":              scan,
		"Scan may be written under":                     scanAndDelete,
		"Follow sends an empty reset":                   followEmpty,
		"Follow sends every key's latest value":         followLatest,
		"Follow coalesces for the slow":                 followCoalesces,
		"Follow ends with f's error":                    followError,
		"Lead is exclusive, and handed over":            lead,
		"Lead ends with ctx":                            leadCtx,
		"a closed store says so":                        closed,
		"Table":                                         table,
		"Table.By follows changes":                      index,
		"Table indexes and rows agree under contention": indexContention,
		"Upgrade": upgrade,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// Put writes one row, or deletes it when value is empty.
func Put(t *testing.T, db store.DB, key, value string) {
	t.Helper()
	update(t, db, func(tx store.Tx) error {
		if value == "" {
			tx.Delete(key)
			return nil
		}
		tx.Put(key, []byte(value))
		return nil
	})
}

func update(t *testing.T, db store.DB, f func(store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), f); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// Rows returns what is under prefix.
func Rows(t *testing.T, db store.DB, prefix string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := db.View(t.Context(), func(tx store.Tx) error {
		for k, v := range tx.Scan(prefix, "") {
			out[k] = v.String()
		}
		return nil
	})
	if err != nil {
		t.Fatalf("View: %v", err)
	}
	return out
}

func want(t *testing.T, db store.DB, rows map[string]string) {
	t.Helper()
	if diff := cmp.Diff(rows, Rows(t, db, "")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

var errBoom = errors.New("boom")

func atomicity(t *testing.T, db store.DB) {
	Put(t, db, "r/t/keep", "1")
	err := db.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("r/t/a", []byte("1"))
		tx.Delete("r/t/keep")
		return errBoom
	})
	if err != errBoom { //nolint:errorlint // the promise is that it is this very error
		t.Errorf("Update returned %v, want the error of f", err)
	}
	want(t, db, map[string]string{"r/t/keep": "1"})
}

func ownWrites(t *testing.T, db store.DB) {
	Put(t, db, "r/t/b", "old")
	Put(t, db, "r/t/d", "old")
	update(t, db, func(tx store.Tx) error {
		tx.Put("r/t/a", []byte("new"))
		tx.Put("r/t/b", []byte("new"))
		tx.Put("r/t/c", nil)
		tx.Delete("r/t/d")
		tx.Put("r/t/e", []byte("new"))
		var got []string
		for k, v := range tx.Scan("r/t/", "") {
			got = append(got, k+"="+v.String())
		}
		if diff := cmp.Diff([]string{"r/t/a=new", "r/t/b=new", "r/t/c=", "r/t/e=new"}, got); diff != "" {
			t.Errorf("Scan (-want +got):\n%s", diff)
		}
		if _, ok := tx.Get("r/t/d"); ok {
			t.Error("Get finds a key that was deleted")
		}
		if v, ok := tx.Get("r/t/c"); !ok || v == nil {
			t.Errorf("Get of an empty value: %v, %v", v, ok)
		}
		return nil
	})
	want(t, db, map[string]string{"r/t/a": "new", "r/t/b": "new", "r/t/c": "", "r/t/e": "new"})
}

func readYourWrites(t *testing.T, db store.DB) {
	for i := range 50 {
		v := strconv.Itoa(i + 1)
		Put(t, db, "r/t/k", v)
		if got := Rows(t, db, "r/t/")["r/t/k"]; got != v {
			t.Fatalf("View after Update sees %q, want %q", got, v)
		}
	}
}

func increments(t *testing.T, db store.DB) {
	const workers, each = 8, 20
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if err := db.Update(t.Context(), increment("r/t/n")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want(t, db, map[string]string{"r/t/n": strconv.Itoa(workers * each)})
}

func increment(key string) func(store.Tx) error {
	return func(tx store.Tx) error {
		v, _ := tx.Get(key)
		n, _ := strconv.Atoi(v.String())
		tx.Put(key, []byte(strconv.Itoa(n+1)))
		return nil
	}
}

// between runs change after the first run of f has read and before it commits,
// and returns how often f ran.
func between(t *testing.T, db store.DB, read func(store.Tx) string, change func()) (runs int, last string) {
	t.Helper()
	update(t, db, func(tx store.Tx) error {
		last = read(tx)
		if runs++; runs == 1 {
			change()
		}
		tx.Put("r/result/x", []byte(last))
		return nil
	})
	return runs, last
}

func count(prefix, after string) func(store.Tx) string {
	return func(tx store.Tx) string {
		n := 0
		for range tx.Scan(prefix, after) {
			n++
		}
		return strconv.Itoa(n)
	}
}

func phantom(t *testing.T, db store.DB) {
	Put(t, db, "r/t/b", "1")
	for i, prefix := range []string{"r/t/", "r/t/a", "r/", "", "r/t"} {
		key := fmt.Sprintf("r/t/a%d", i)
		before := Rows(t, db, prefix)
		runs, got := between(t, db, count(prefix, ""), func() { Put(t, db, key, "1") })
		if n := strconv.Itoa(len(before) + 1); runs < 2 || got != n {
			t.Errorf("prefix %q: ran %d times and counted %s, want more than one and %s", prefix, runs, got, n)
		}
	}
	if runs, _ := between(t, db, count("r/other/", ""), func() { Put(t, db, "r/t/z", "1") }); runs != 1 {
		t.Errorf("a key in another table made it run %d times", runs)
	}
}

func vanished(t *testing.T, db store.DB) {
	for i, prefix := range []string{"r/t/", "r/t/a", "r/", "", "r/t", "x/t/i/v\x00", "x/t/"} {
		key := fmt.Sprintf("r/t/a%d", i)
		if len(prefix) > 0 && prefix[0] == 'x' {
			key = fmt.Sprintf("x/t/i/v\x00%d", i)
		}
		Put(t, db, key, "1")
		n := strconv.Itoa(len(Rows(t, db, prefix)) - 1)
		runs, got := between(t, db, count(prefix, ""), func() { Put(t, db, key, "") })
		if runs < 2 || got != n {
			t.Errorf("prefix %q: ran %d times and counted %s, want more than one and %s", prefix, runs, got, n)
		}
	}
	Put(t, db, "r/t/k", "1")
	exists := func(tx store.Tx) string { _, ok := tx.Get("r/t/k"); return strconv.FormatBool(ok) }
	if runs, got := between(t, db, exists, func() { Put(t, db, "r/t/k", "") }); runs < 2 || got != "false" {
		t.Errorf("Get: ran %d times and found %s, want more than one and false", runs, got)
	}
}

func bulk(t *testing.T, db store.DB) {
	rows := make(map[string]string)
	for batch := range 5 {
		update(t, db, func(tx store.Tx) error {
			for i := range 100 {
				k := fmt.Sprintf("r/t/%03d", 100*batch+i)
				tx.Get(k)
				tx.Put(k, []byte("v"))
				rows[k] = "v"
			}
			return nil
		})
	}
	want(t, db, rows)
	// Each of 100 rows is read by itself, and one of them changes meanwhile.
	runs, _ := between(t, db, func(tx store.Tx) string {
		for i := range 100 {
			tx.Get(fmt.Sprintf("r/t/%03d", i))
		}
		return ""
	}, func() { Put(t, db, "r/t/050", "") })
	if runs < 2 {
		t.Error("the change of one of many rows read was not a conflict")
	}
}

func sameValue(t *testing.T, db store.DB) {
	Put(t, db, "r/t/k", "1")
	runs := 0
	update(t, db, func(tx store.Tx) error {
		if runs++; runs == 1 {
			Put(t, db, "r/t/k", "2")
		}
		tx.Put("r/t/k", []byte("1"))
		return nil
	})
	want(t, db, map[string]string{"r/t/k": "1"})
}

func snapshot(t *testing.T, db store.DB) {
	Put(t, db, "r/t/a", "1")
	err := db.View(t.Context(), func(tx store.Tx) error {
		Put(t, db, "r/t/a", "2")
		Put(t, db, "r/t/b", "2")
		if v, _ := tx.Get("r/t/a"); v.String() != "1" {
			t.Errorf("Get sees %q, want the value of when the View began", v)
		}
		if got := count("r/t/", "")(tx); got != "1" {
			t.Errorf("Scan sees %s rows, want 1", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func viewWrites(t *testing.T, db store.DB) {
	err := db.View(t.Context(), func(tx store.Tx) error {
		tx.Put("r/t/a", []byte("1"))
		return nil
	})
	if !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("got %v, want ErrReadOnly", err)
	}
	want(t, db, map[string]string{})
}

func scan(t *testing.T, db store.DB) {
	for _, k := range []string{"r/s/z", "r/t/a", "r/t/aa", "r/t/b", "r/t/c", "r/tt/a"} {
		Put(t, db, k, "1")
	}
	for _, tt := range []struct {
		prefix, after string
		want          []string
	}{
		{"r/t/", "", []string{"r/t/a", "r/t/aa", "r/t/b", "r/t/c"}},
		{"r/t/", "r/t/a", []string{"r/t/aa", "r/t/b", "r/t/c"}},
		{"r/t/", "r/t/ab", []string{"r/t/b", "r/t/c"}},
		{"r/t/a", "", []string{"r/t/a", "r/t/aa"}},
		{"r/t/", "r/t/c", nil},
		{"r/t/", "r/a", []string{"r/t/a", "r/t/aa", "r/t/b", "r/t/c"}},
		{"r/t/", "s", nil},
		{"q", "", nil},
	} {
		var got []string
		err := db.View(t.Context(), func(tx store.Tx) error {
			for k := range tx.Scan(tt.prefix, tt.after) {
				got = append(got, k)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("Scan(%q, %q) yields %q, want %q", tt.prefix, tt.after, got, tt.want)
		}
	}
}

func scanAndDelete(t *testing.T, db store.DB) {
	for _, k := range []string{"r/t/a", "r/t/b", "r/t/c"} {
		Put(t, db, k, "1")
	}
	update(t, db, func(tx store.Tx) error {
		for k := range tx.Scan("r/t/", "") {
			tx.Delete(k)
			tx.Put("r/u/"+k[4:], []byte("1"))
		}
		return nil
	})
	want(t, db, map[string]string{"r/u/a": "1", "r/u/b": "1", "r/u/c": "1"})
}

func lead(t *testing.T, db store.DB) {
	var leading atomic.Int32
	var wg sync.WaitGroup
	terms := make(chan int, 3)
	for i := range 3 {
		wg.Go(func() {
			err := db.Lead(t.Context(), "x", func(context.Context) error {
				if n := leading.Add(1); n != 1 {
					t.Errorf("%d lead at once", n)
				}
				terms <- i
				time.Sleep(time.Millisecond) // give the others a chance to break in
				leading.Add(-1)
				return errBoom
			})
			if !errors.Is(err, errBoom) {
				t.Errorf("Lead returned %v, want the error of f", err)
			}
		})
	}
	wg.Wait()
	if len(terms) != 3 {
		t.Errorf("%d of 3 have led", len(terms))
	}
}

func leadCtx(t *testing.T, db store.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Lead(ctx, "x", func(leader context.Context) error {
		inner, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer stop()
		if err := db.Lead(inner, "x", func(context.Context) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second leader got %v, want to wait in vain", err)
		}
		if err := db.Lead(ctx, "y", func(context.Context) error { return nil }); err != nil {
			t.Errorf("a leader of something else got %v", err)
		}
		cancel()
		<-leader.Done()
		return leader.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if err := db.Lead(ctx, "x", func(context.Context) error { return nil }); err == nil {
		t.Error("led although ctx was over")
	}
}

func closed(t *testing.T, db store.DB) {
	f := follow(t, db, "")
	f.next(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-f.done; !errors.Is(err, store.ErrClosed) {
		t.Errorf("Follow ended with %v, want ErrClosed", err)
	}
	f.done <- nil // for the clean-up
	if err := db.Update(t.Context(), increment("r/t/a")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Update returned %v, want ErrClosed", err)
	}
	if err := db.View(t.Context(), func(store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("View returned %v, want ErrClosed", err)
	}
}
