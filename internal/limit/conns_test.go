package limit

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// link is a connection that rests or doesn't.
type link struct {
	since int64 // 0: busy
	cut   bool
}

func (l *link) Resting() (int64, bool) { return l.since, l.since != 0 && !l.cut }

func (l *link) Cut() bool {
	if l.since == 0 {
		return false
	}
	l.cut = true
	return true
}

var (
	alice = netip.MustParseAddr("203.0.113.1")
	bob   = netip.MustParseAddr("203.0.113.2")
	task  = netip.MustParseAddr("172.31.0.9")
	vpc   = netip.MustParsePrefix("172.31.0.0/16")
	local = netip.MustParseAddr("127.0.0.1")
)

// Each case lets connections in, one after the other, and says which are cut
// for the last one and whether that is let in.
func TestEnter(t *testing.T) {
	t.Parallel()
	type from struct {
		addr  netip.Addr
		since int64
	}
	tests := []struct {
		name string
		in   []from
		next netip.Addr
		cut  []int
		want error
	}{
		{"there is room", []from{{alice, 1}, {bob, 2}}, alice, nil, nil},
		{"the longest idle goes first", []from{{alice, 3}, {bob, 1}, {bob, 2}, {alice, 4}}, bob, []int{1}, nil},
		{"not what is busy", []from{{alice, 0}, {alice, 9}, {bob, 0}, {bob, 0}}, bob, []int{1}, nil},
		{"all are busy", []from{{alice, 0}, {alice, 0}, {bob, 0}, {bob, 0}}, local, nil, ErrFull},
		{"an address with too many loses its own", []from{{bob, 1}, {alice, 5}, {alice, 4}, {alice, 6}}, alice, []int{2}, nil},
		{"or is refused", []from{{bob, 1}, {alice, 0}, {alice, 0}, {alice, 0}}, alice, nil, ErrMany},
		{"a task has fewer", []from{{bob, 1}, {task, 3}, {task, 2}}, task, []int{2}, nil},
		{"or is refused, too", []from{{bob, 1}, {task, 0}, {task, 0}}, task, nil, ErrMany},
		{"loopback is many", []from{{local, 2}, {local, 3}, {local, 4}, {local, 1}}, local, []int{3}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := NewConns(Config{Name: "x", Max: 4, PerClient: 3, PerTask: 2, Tasks: vpc.Contains})
				var all []*link
				for _, f := range tt.in {
					l := &link{since: f.since}
					if err := c.Enter(t.Context().Done(), l, f.addr); err != nil {
						t.Fatalf("%v: %v", f, err)
					}
					all = append(all, l)
				}
				if err := c.Enter(t.Context().Done(), &link{}, tt.next); !errors.Is(err, tt.want) {
					t.Errorf("the next from %s: %v, want %v", tt.next, err, tt.want)
				}
				var cut []int
				for i, l := range all {
					if l.cut {
						cut = append(cut, i)
					}
				}
				if !slices.Equal(cut, tt.cut) {
					t.Errorf("cut %v, want %v", cut, tt.cut)
				}
				if short := c.Problem() != ""; short != (tt.cut != nil || tt.want != nil) {
					t.Errorf("problem %q", c.Problem())
				}
			})
		})
	}
}

// Who comes when all are busy gets the place of the first that ends.
func TestEnterWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := NewConns(Config{Name: "x", Max: 1})
		first := &link{}
		if err := c.Enter(nil, first, alice); err != nil {
			t.Fatal(err)
		}
		in := make(chan error, 1)
		go func() { in <- c.Enter(nil, &link{}, bob) }()
		synctest.Wait()
		if !c.Hungry() || len(in) > 0 {
			t.Fatalf("hungry %v, in %d", c.Hungry(), len(in))
		}
		c.Leave(first)
		c.Leave(first) // counts once
		if err := <-in; err != nil || c.Hungry() {
			t.Errorf("after the end of the first: %v, hungry %v", err, c.Hungry())
		}
		began := time.Now()
		if err := c.Enter(nil, &link{}, bob); !errors.Is(err, ErrFull) || time.Since(began) != waitFor {
			t.Errorf("nobody ends: %v after %v, want ErrFull after %v", err, time.Since(began), waitFor)
		}
		done := make(chan struct{})
		close(done)
		if err := c.Enter(done, &link{}, bob); err == nil {
			t.Error("let in after the end")
		}
	})
}

// An address with busy connections only is looked through now and then, and
// gets in when one of them rests or ends.
func TestEnterWhenBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := NewConns(Config{Max: 9, PerClient: 2})
		first, second := &link{}, &link{}
		for _, l := range []*link{first, second} {
			if err := c.Enter(nil, l, alice); err != nil {
				t.Fatal(err)
			}
		}
		enter := func(want error) {
			t.Helper()
			if err := c.Enter(nil, &link{}, alice); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		enter(ErrMany)
		first.since = 1
		enter(ErrMany)
		time.Sleep(lookFor)
		enter(nil)
		enter(ErrMany)
		c.Leave(second)
		enter(nil)
		if len(c.by[alice].open) != 2 || len(c.open) != 2 {
			t.Errorf("%d are open, %d of them alice's", len(c.open), len(c.by[alice].open))
		}
	})
}

// A flood cuts a batch at once, the oldest, and never lets more in than there
// may be.
func TestFlood(t *testing.T) {
	t.Parallel()
	c := NewConns(Config{Name: "x", Max: 1000})
	var all []*link
	for i := range 5000 {
		l := &link{since: int64(i + 1)}
		if err := c.Enter(nil, l, local); err != nil {
			t.Fatal(err)
		}
		if all = append(all, l); len(c.open) > 1000 {
			t.Fatalf("%d are open", len(c.open))
		}
	}
	left := 0
	for i, l := range all {
		if !l.cut {
			left++
		}
		if l.cut && i > 0 && !all[i-1].cut {
			t.Fatalf("%d was cut, and an older one not", i)
		}
	}
	if left < 1000-1000/batch || left > 1000 {
		t.Errorf("%d are left of 1000", left)
	}
}

// A shortage is told of for a minute.
func TestProblem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := NewConns(Config{Name: "load balancers", Max: 2, PerClient: 1})
		enter := func(from netip.Addr) {
			t.Helper()
			if err := c.Enter(nil, &link{since: time.Now().UnixNano()}, from); err != nil {
				t.Fatal(err)
			}
		}
		enter(alice)
		if p := c.Problem(); p != "" {
			t.Errorf("at first: %q", p)
		}
		enter(alice)
		if p := c.Problem(); !strings.Contains(p, "203.0.113.1 has as many connections to load balancers as one address may have (1)") {
			t.Errorf("one address: %q", p)
		}
		enter(local)
		enter(local)
		if p := c.Problem(); !strings.Contains(p, "connections to load balancers run short: 2 of 2 are open") {
			t.Errorf("all: %q", p)
		}
		time.Sleep(tellFor + time.Second)
		if p := c.Problem(); p != "" {
			t.Errorf("a minute later: %q", p)
		}
	})
}
