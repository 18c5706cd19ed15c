package reconcile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

type reconciler func(ctx context.Context, key string) (time.Duration, error)

func (f reconciler) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	return f(ctx, key)
}

// journal notes what ran when, in seconds since it was made.
type journal struct {
	mu    sync.Mutex
	start time.Time
	runs  []run
}

type run struct {
	Key string
	At  time.Duration
}

func newJournal() *journal { return &journal{start: time.Now()} }

func (j *journal) note(key string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.runs = append(j.runs, run{key, time.Since(j.start)})
	return len(j.runs)
}

func (j *journal) take() []run {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer func() { j.runs = nil }()
	return j.runs
}

// manual is a source that a test feeds.
type manual chan string

func (m manual) source(ctx context.Context, enqueue func(string)) error {
	for {
		select {
		case k := <-m:
			enqueue(k)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loop runs f in a bubble while test goes on, and checks that all ends with it.
func loop(t *testing.T, opts Options, f reconciler, test func(t *testing.T, m manual)) {
	synctest.Test(t, func(t *testing.T) {
		m := make(manual)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- New("test", f, opts, m.source).Run(ctx) }()
		test(t, m)
		cancel()
		ended(t, done)
	})
}

// ended waits for a Run or a Source that was told to end.
func ended(t *testing.T, done <-chan error) {
	t.Helper()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestKeyIsWorkedOnOnceAtATime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	working, runs := make(map[string]bool), 0
	f := func(_ context.Context, key string) (time.Duration, error) {
		mu.Lock()
		if working[key] {
			t.Errorf("%s is worked on twice", key)
		}
		working[key] = true
		runs++
		mu.Unlock()
		time.Sleep(time.Second)
		mu.Lock()
		working[key] = false
		mu.Unlock()
		return 0, nil
	}
	loop(t, Options{Workers: 4}, f, func(t *testing.T, m manual) {
		start := time.Now()
		for range 5 {
			m <- "a"
			m <- "b"
			synctest.Wait()
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if runs != 4 { // each at once, and once more for all that came meanwhile
			t.Errorf("ran %d times in %v, want 4", runs, time.Since(start))
		}
	})
}

func TestAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		f := reconciler(func(_ context.Context, key string) (time.Duration, error) {
			if j.note(key) > 2 {
				return 0, nil
			}
			return time.Minute, nil
		})
		m := make(manual)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- New("test", f, Options{}, m.source).Run(ctx) }()
		m <- "a"
		time.Sleep(20 * time.Second)
		m <- "a" // earlier than its timer, which it replaces
		time.Sleep(time.Hour)
		want := []run{{"a", 0}, {"a", 20 * time.Second}, {"a", 80 * time.Second}}
		if diff := cmp.Diff(want, j.take()); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		cancel()
		ended(t, done)
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		var fail atomic.Bool
		f := reconciler(func(_ context.Context, key string) (time.Duration, error) {
			j.note(key)
			if key == "panics" && fail.Load() {
				panic("oh no")
			}
			if fail.Load() {
				return 0, errors.New("not yet")
			}
			return 0, nil
		})
		m := make(manual)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		opts := Options{MinBackoff: time.Second, MaxBackoff: 8 * time.Second}
		go func() { done <- New("test", f, opts, m.source).Run(ctx) }()
		for _, key := range []string{"fails", "panics"} {
			fail.Store(true)
			m <- key
			time.Sleep(100 * time.Second)
			synctest.Wait()
			runs := j.take()
			for i, least := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
				if gap := runs[i+1].At - runs[i].At; gap < least || gap > 2*least {
					t.Errorf("%s: failure %d was followed by %v, want %v to %v", key, i+1, gap, least, 2*least)
				}
			}
			fail.Store(false)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			j.take()
			time.Sleep(time.Hour)
			if runs := j.take(); len(runs) != 0 {
				t.Errorf("%s: ran %v after it went well", key, runs)
			}
		}
		cancel()
		ended(t, done)
	})
}

func TestResync(t *testing.T) {
	t.Parallel()
	j := &journal{}
	f := func(_ context.Context, key string) (time.Duration, error) {
		j.note(key)
		return 0, nil
	}
	loop(t, Options{Resync: time.Minute}, f, func(t *testing.T, m manual) {
		j.start = time.Now()
		m <- "a"
		m <- "b"
		time.Sleep(140 * time.Second)
		var keys []string
		for _, r := range j.take() {
			keys = append(keys, r.Key)
		}
		slices.Sort(keys)
		if want := []string{"a", "a", "a", "b", "b", "b"}; !slices.Equal(keys, want) {
			t.Errorf("ran %v, want %v", keys, want)
		}
	})
}

func TestSourceFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	l := New("test", reconciler(nil), Options{Workers: 3, Resync: time.Hour},
		func(context.Context, func(string)) error { return boom },
		func(ctx context.Context, _ func(string)) error { <-ctx.Done(); return ctx.Err() })
	if err := l.Run(t.Context()); !errors.Is(err, boom) {
		t.Errorf("Run returned %v, want why the source failed", err)
	}
}

func TestDoneKeysAreForgotten(t *testing.T) {
	t.Parallel()
	q := newQueue(false)
	q.add("a")
	if k, ok := q.take(t.Context()); !ok || k != "a" {
		t.Fatalf("took %q, %v", k, ok)
	}
	q.done("a", 0)
	if len(q.items) != 0 {
		t.Errorf("%d keys are kept", len(q.items))
	}
}

func TestKeysOfVanishedRowsAreForgotten(t *testing.T) {
	t.Parallel()
	q := newQueue(true)
	work := func(again time.Duration) {
		t.Helper()
		k, ok := q.take(t.Context())
		if !ok {
			t.Fatal("nothing to do")
		}
		q.done(k, again)
	}
	q.hold("a", 1)
	q.add("a")
	q.hold("a", 1) // another row's
	work(0)
	q.hold("a", -1)
	if len(q.items) != 1 {
		t.Error("forgotten although a row has to do with it")
	}
	q.add("a")
	q.hold("a", -1)
	if len(q.items) != 1 {
		t.Error("forgotten although there is something to do")
	}
	work(0)
	if len(q.items) != 0 {
		t.Error("kept although no row has to do with it")
	}
	q.add("b") // of a source that holds nothing
	work(0)
	q.addKnown(q.known())
	work(0)
}

type row struct{ Owner string }

func TestRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, tab := memstore.New(), store.NewTable[row]("rows")
		put := func(key, owner string) {
			err := db.Update(t.Context(), func(tx store.Tx) error {
				if owner == "" {
					return tab.Delete(tx, key)
				}
				return tab.Put(tx, key, row{owner})
			})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		var got []string
		check := func(what string, want ...string) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%s enqueued %v, want %v", what, got, want)
			}
			got = nil
		}
		put("1", "a")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		source := Rows(db, tab, func(_ string, r *row) []string { return []string{r.Owner} })
		go func() { done <- source(ctx, func(k string) { got = append(got, k) }) }()
		synctest.Wait()
		check("what is there", "a")
		put("2", "b")
		check("a new row", "b")
		put("1", "c")
		check("a change of owner", "c", "a")
		put("1", "")
		check("a row that is gone", "c")
		cancel()
		ended(t, done)
	})
}
