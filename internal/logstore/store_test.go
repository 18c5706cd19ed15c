package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func openTest(t *testing.T) *Store {
	t.Helper()
	return openAt(t, t.TempDir())
}

func openAt(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// at is a time ms milliseconds into the tests' day.
func at(ms int64) time.Time { return time.UnixMilli(1_700_000_000_000 + ms) }

func put(t *testing.T, s *Store, st Stream, ms ...int64) {
	t.Helper()
	var events []Event
	for _, m := range ms {
		events = append(events, Event{Time: at(m), Text: fmt.Sprintf("%s@%d", st.Name, m)})
	}
	if err := s.Append(t.Context(), st, events, nil); err != nil {
		t.Fatal(err)
	}
}

func texts(events []Event) string {
	var out []string
	for _, e := range events {
		out = append(out, e.Text)
	}
	return strings.Join(out, " ")
}

func TestReadPages(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	st := Stream{"g", "a"}
	put(t, s, st, 1, 2, 2, 3, 5)
	put(t, s, Stream{"g", "a2"}, 2) // a name that begins with another's
	first, err := s.Read(t.Context(), st, Query{Range: Range{Limit: 2}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		q    Query
		want string
	}{
		{"all", Query{}, "a@1 a@2 a@2 a@3 a@5"},
		{"first page", Query{Range: Range{Limit: 2}}, "a@1 a@2"},
		{"next page splits a millisecond", Query{Range: Range{Limit: 2}, After: first[1].ID}, "a@2 a@3"},
		{"last page", Query{Range: Range{Limit: 2}, Backward: true}, "a@3 a@5"},
		{"the page before", Query{Range: Range{Limit: 2}, After: first[1].ID, Backward: true}, "a@1"},
		{"from and to", Query{Range: Range{From: at(2), To: at(5)}}, "a@2 a@2 a@3"},
		{"after lies behind to", Query{Range: Range{To: at(1)}, After: first[1].ID}, ""},
		{"bytes", Query{Range: Range{Bytes: 40}}, "a@1 a@2"},
		{"one event at least", Query{Range: Range{Bytes: 1}}, "a@1"},
	}
	for _, tt := range tests {
		got, err := s.Read(t.Context(), st, tt.q)
		if err != nil {
			t.Fatal(err)
		}
		if texts(got) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, texts(got), tt.want)
		}
	}
}

func TestReadRefusesABadToken(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	if _, err := s.Read(t.Context(), Stream{"g", "a"}, Query{After: "x"}); err == nil {
		t.Error("read after x: want an error")
	}
}

// TestFilterPages holds Filter to its promise on random streams: paging, in
// whatever steps, gives each event of the range once, in order.
func TestFilterPages(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := openTest(t)
		var want []Event
		for n := range 1 + r.IntN(8) {
			st := Stream{"g", fmt.Sprint("s", n)}
			var events []Event
			for range r.IntN(30) {
				e := Event{Time: at(int64(r.IntN(20))), Text: fmt.Sprint(st.Name, "-", r.Uint32())}
				events = append(events, e)
			}
			if err := s.Append(t.Context(), st, events, nil); err != nil {
				t.Fatal(err)
			}
			want = append(want, events...)
		}
		put(t, s, Stream{"g2", "s0"}, 3, 4)
		lo, hi := at(int64(r.IntN(10))), at(10+int64(r.IntN(10)))
		want = slices.DeleteFunc(want, func(e Event) bool { return e.Time.Before(lo) || !e.Time.Before(hi) })
		slices.SortStableFunc(want, func(a, b Event) int { return cmp.Compare(a.Time.UnixMilli(), b.Time.UnixMilli()) })

		var got []Event
		q := Search{Range: Range{From: lo, To: hi, Limit: 1 + r.IntN(7)}}
		for {
			page, next, err := s.Filter(t.Context(), "g", q)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page...)
			if next == "" {
				break
			}
			q.After = next
		}
		if texts(got) != texts(want) {
			t.Fatalf("seed %d, pages of %d\n got %s\nwant %s", seed, q.Limit, texts(got), texts(want))
		}
		if !slices.IsSortedFunc(got, func(a, b Event) int { return cmp.Compare(a.ID, b.ID) }) {
			t.Fatalf("seed %d: ids are out of order", seed)
		}
	}
}

func TestFilterMatchesAndNamesStreams(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	put(t, s, Stream{"g", "a"}, 1, 4)
	put(t, s, Stream{"g", "b"}, 2, 3)
	put(t, s, Stream{"g", "c"}, 2)
	got, next, err := s.Filter(t.Context(), "g", Search{
		Streams: []string{"a", "b"},
		Match:   func(text string) bool { return !strings.HasSuffix(text, "3") },
	})
	if err != nil || next != "" {
		t.Fatalf("next %q, err %v", next, err)
	}
	if want := "a@1 b@2 a@4"; texts(got) != want || got[1].Stream != "b" {
		t.Errorf("got %q (second of %s), want %q", texts(got), got[1].Stream, want)
	}
	if got, _, _ := s.Filter(t.Context(), "g", Search{Streams: []string{}}); len(got) != 0 {
		t.Errorf("of no streams: got %s", texts(got))
	}
}

func TestInfoFollowsAppendTrimAndDelete(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	a, b := Stream{"g", "a"}, Stream{"g", "b"}
	put(t, s, a, 5, 9)
	put(t, s, a, 1)
	put(t, s, b, 2)
	check := func(when string, st Stream, first, last, bytes int64) {
		t.Helper()
		i, err := s.StreamInfo(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		if !i.First.Equal(at(first)) || !i.Last.Equal(at(last)) || i.Bytes != bytes || i.Ingested.IsZero() {
			t.Errorf("%s: got %+v, want %v to %v, %d bytes", when, i, at(first), at(last), bytes)
		}
	}
	check("appended", a, 1, 9, 3*29)
	if n, err := s.GroupBytes(t.Context(), "g"); n != 4*29 || err != nil {
		t.Errorf("group bytes: got %d, %v, want %d", n, err, 4*29)
	}
	if err := s.Trim(t.Context(), "g", at(5)); err != nil {
		t.Fatal(err)
	}
	check("trimmed", a, 5, 9, 2*29)
	if i, _ := s.StreamInfo(t.Context(), b); !i.First.IsZero() || i.Bytes != 0 {
		t.Errorf("trimmed empty: got %+v", i)
	}
	put(t, s, b, 7)
	check("written again", b, 7, 7, 29)
	if err := s.DeleteStream(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if i, _ := s.StreamInfo(t.Context(), a); i != (Info{}) {
		t.Errorf("deleted: got %+v", i)
	}
	if got, _, _ := s.Filter(t.Context(), "g", Search{}); texts(got) != "b@7" {
		t.Errorf("after delete: got %s", texts(got))
	}
	if err := s.DeleteGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	if groups, err := s.Groups(t.Context()); len(groups) != 0 || err != nil {
		t.Errorf("groups after delete: %v, %v", groups, err)
	}
}

func TestTrimInSteps(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	st := Stream{"g", "a"}
	events := make([]Event, trimStep*2+10)
	for i := range events {
		events[i] = Event{Time: at(int64(i)), Text: "x"}
	}
	if err := s.Append(t.Context(), st, events, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Trim(t.Context(), "g", at(trimStep*2+7)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Read(t.Context(), st, Query{})
	if err != nil || len(got) != 3 || !got[0].Time.Equal(at(trimStep*2+7)) {
		t.Errorf("left: %d events, %v", len(got), err)
	}
	if n, _ := s.GroupBytes(t.Context(), "g"); n != 3*27 {
		t.Errorf("bytes: got %d, want %d", n, 3*27)
	}
}

func TestConcurrentAppends(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			st := Stream{"g", fmt.Sprint("s", w%4)}
			for i := range 20 {
				if err := s.Append(t.Context(), st, []Event{{Time: at(int64(i)), Text: "x"}}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, _, err := s.Filter(t.Context(), "g", Search{})
	if err != nil || len(got) != 400 {
		t.Fatalf("got %d events, %v", len(got), err)
	}
	ids := map[string]bool{}
	for _, e := range got {
		ids[e.ID] = true
	}
	if len(ids) != 400 {
		t.Errorf("%d different ids of 400", len(ids))
	}
	if n, _ := s.GroupBytes(t.Context(), "g"); n != 400*27 {
		t.Errorf("bytes: got %d, want %d", n, 400*27)
	}
}

func TestReopenKeepsEventsAndGivesNewIDs(t *testing.T) {
	t.Parallel()
	dir, st := t.TempDir(), Stream{"g", "a"}
	s := openAt(t, dir)
	put(t, s, st, 1)
	if err := s.Append(t.Context(), st, nil, &Cursor{"src", "7"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: got %v, want ErrLocked", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), st, []Event{{Time: at(1)}}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("append when closed: got %v, want ErrClosed", err)
	}
	s = openAt(t, dir)
	put(t, s, st, 1)
	got, err := s.Read(t.Context(), st, Query{})
	if err != nil || len(got) != 2 || got[0].ID >= got[1].ID {
		t.Errorf("got %+v, %v", got, err)
	}
	if v, err := s.Cursor(t.Context(), "src"); v != "7" || err != nil {
		t.Errorf("cursor: got %q, %v", v, err)
	}
	if err := s.Append(t.Context(), st, nil, &Cursor{"srd", "8"}); err != nil {
		t.Fatal(err)
	}
	if err := s.DropCursors(t.Context(), "src"); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Cursor(t.Context(), "srd"); v != "8" || err != nil {
		t.Errorf("another's cursor: got %q, %v", v, err)
	}
	if v, err := s.Cursor(t.Context(), "src"); v != "" || err != nil {
		t.Errorf("cursor dropped: got %q, %v", v, err)
	}
}

func TestCloseWaitsForReaders(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	put(t, s, Stream{"g", "a"}, 1, 2, 3)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				_, _, err := s.Filter(t.Context(), "g", Search{})
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
