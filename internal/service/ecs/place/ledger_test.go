package place

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var small = Size{CPU: 256, Memory: 512}

// records stands for the tasks' records.
type records struct{ feed chan batch }

type batch struct {
	reset   bool
	changes []Holding
}

func (r records) follow(ctx context.Context, f func(bool, []Holding)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b := <-r.feed:
			f(b.reset, b.changes)
		}
	}
}

// play runs f on a ledger in a bubble of simulated time.
func play(t *testing.T, total Size, f func(l *Ledger, say func(reset bool, changes ...Holding))) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := records{make(chan batch)}
		l := New(total, r.follow)
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		wg.Go(func() { _ = l.Run(ctx) })
		f(l, func(reset bool, changes ...Holding) {
			r.feed <- batch{reset, changes}
			synctest.Wait()
		})
	})
}

func (l *Ledger) reserve(t *testing.T, each Size, tasks ...string) int {
	t.Helper()
	n, err := l.Reserve(context.Background(), tasks, each)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNothingIsGivenBeforeTheRecordsAreRead(t *testing.T) {
	play(t, small.Times(2), func(l *Ledger, say func(bool, ...Holding)) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := l.Reserve(ctx, []string{"a"}, small); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("reserved with %v", err)
		}
		say(true, Holding{Task: "old", Size: small})
		if n := l.reserve(t, small, "a", "b"); n != 1 {
			t.Errorf("room for %d beside the old task, want 1", n)
		}
	})
}

func TestRoomIsHeldUntilItIsGivenBack(t *testing.T) {
	play(t, small.Times(3), func(l *Ledger, say func(bool, ...Holding)) {
		say(true)
		if n := l.reserve(t, small, "a", "b", "c", "d"); n != 3 {
			t.Fatalf("room for %d, want 3", n)
		}
		say(false, Holding{Task: "a", Size: small})
		l.Release("a", "b") // a was made
		if got := l.Used(); got != small.Times(2) {
			t.Errorf("used %v after a release", got)
		}
		say(false, Holding{Task: "a", Gone: true}, Holding{Task: "never seen", Gone: true})
		if got := l.Used(); got != small {
			t.Errorf("used %v after a stopped", got)
		}
		l.Doubt("c")
		time.Sleep(doubted + time.Second) // simulated
		if n := l.reserve(t, small, "e", "f", "g"); n != 3 {
			t.Errorf("room for %d after c did not show up, want 3", n)
		}
	})
}

func TestWhatIsInDoubtCountsOnceItShowsUp(t *testing.T) {
	play(t, small, func(l *Ledger, say func(bool, ...Holding)) {
		say(true)
		l.reserve(t, small, "a")
		l.Doubt("a")
		say(false, Holding{Task: "a", Size: small})
		time.Sleep(doubted + time.Second) // simulated
		if n := l.reserve(t, small, "b"); n != 0 {
			t.Error("a's room was given away")
		}
	})
}

func TestAResetForgetsWhatIsGone(t *testing.T) {
	play(t, small.Times(4), func(l *Ledger, say func(bool, ...Holding)) {
		say(true, Holding{Task: "a", Size: small}, Holding{Task: "b", Size: small})
		l.reserve(t, small, "c")
		say(true, Holding{Task: "b", Size: small})
		if got := l.Used(); got != small.Times(2) { // b, and c that is about to be made
			t.Errorf("used %v", got)
		}
	})
}

func TestThoseWhoWaitAreNamedWhenThereIsRoom(t *testing.T) {
	play(t, small.Times(2), func(l *Ledger, say func(bool, ...Holding)) {
		ctx, stop := context.WithCancel(context.Background())
		var named []string
		var wg sync.WaitGroup
		wg.Go(func() { _ = l.Freed(ctx, func(k string) { named = append(named, k) }) })
		defer wg.Wait()
		defer stop()
		synctest.Wait()
		expect := func(what string, want ...string) {
			t.Helper()
			if !slices.Equal(named, want) {
				t.Errorf("%s: named %v, want %v", what, named, want)
			}
			named = nil
		}
		say(true, Holding{Task: "a", Size: small}, Holding{Task: "b", Size: small})
		l.Wait("large", Wait{Each: small.Times(2), Tasks: 1})
		l.Wait("web", Wait{Each: small, Tasks: 2})
		l.Wait("api", Wait{Each: small, Tasks: 1})
		expect("while it is full")
		say(false, Holding{Task: "a", Gone: true})
		expect("room for one", "web")
		l.Wait("web", Wait{Each: small, Tasks: 0}) // it wants none any more
		expect("who comes next", "api")
		l.reserve(t, small, "c")
		l.Wait("api", Wait{Each: small, Tasks: 0})
		expect("it is full again")
		say(false, Holding{Task: "b", Gone: true}, Holding{Task: "c", Gone: true})
		expect("room for the large one", "large")
		if w := l.Waiting(); len(w) != 1 || w[0].Key != "large" {
			t.Errorf("waiting: %v", w)
		}
		l.Wait("late", Wait{Each: small, Tasks: 1})
		expect("room that came before the wait", "large")
	})
}

// TestLedgerNeverOversells has many make and stop tasks at once: what is held is
// never more than there is, and ends where the records are.
func TestLedgerNeverOversells(t *testing.T) {
	total := Size{CPU: 4096, Memory: 8192}
	play(t, total, func(l *Ledger, say func(bool, ...Holding)) {
		say(true)
		var mu sync.Mutex
		made := map[string]Size{}
		check := func() {
			mu.Lock()
			defer mu.Unlock()
			sum := Size{}
			for _, s := range made {
				sum = sum.Plus(s)
			}
			if !sum.Within(total) || !l.Used().Within(total) {
				t.Errorf("%v are made and %v reserved of %v", sum, l.Used(), total)
			}
		}
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(worker), 3))
				for round := range 200 {
					each := Size{CPU: 256 << r.IntN(3), Memory: 512 << r.IntN(3)}
					var ids []string
					for i := range 1 + r.IntN(4) {
						ids = append(ids, fmt.Sprintf("%d-%d-%d", worker, round, i))
					}
					n := l.reserve(t, each, ids...)
					if r.IntN(4) == 0 { // the transaction failed
						l.Release(ids[:n]...)
						continue
					}
					for _, id := range ids[:n] {
						mu.Lock()
						made[id] = each
						mu.Unlock()
						l.take(false, []Holding{{Task: id, Size: each}})
					}
					check()
					for _, id := range ids[:n] {
						mu.Lock()
						delete(made, id)
						mu.Unlock()
						l.take(false, []Holding{{Task: id, Gone: true}})
					}
				}
			})
		}
		wg.Wait()
		if got := l.Used(); got != (Size{}) {
			t.Errorf("%v are still held", got)
		}
	})
}

func BenchmarkReserve(b *testing.B) {
	for _, n := range []int{10, 1000, 20000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := New(Size{CPU: 1 << 40, Memory: 1 << 40}, nil)
			all := make([]Holding, n)
			for i := range all {
				all[i] = Holding{Task: fmt.Sprintf("%032d", i), Size: small}
			}
			l.take(true, all)
			for b.Loop() {
				_, _ = l.Reserve(context.Background(), []string{"new"}, small)
				l.Release("new")
			}
		})
	}
}
