package logstore

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Range says which events are asked for and how many at once.
type Range struct {
	From, To time.Time // From ≤ event < To; zero: no bound
	Limit    int       // events in a page; 0: no limit
	Bytes    int       // of text in a page, but one event at least; 0: no limit
}

// Query asks for a page of one stream.
type Query struct {
	Range
	// After is the ID of the event that the page starts behind, or with Backward
	// ends before. Without it the page is the first, with Backward the last.
	After    string
	Backward bool
}

// Info is what a stream holds. First and Last are zero when it has no events.
type Info struct {
	First, Last, Ingested time.Time
	Bytes                 int64
}

// Read returns a page of a stream, oldest event first, whichever way the
// pages go.
func (s *Store) Read(ctx context.Context, st Stream, q Query) ([]Event, error) {
	done, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	lo, hi, err := q.bounds(q.After, q.Backward)
	if err != nil {
		return nil, err
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: eventKey(st, lo), UpperBound: eventKey(st, hi)})
	if err != nil {
		return nil, fmt.Errorf("read stream %s of %s: %w", st.Name, st.Group, err)
	}
	defer it.Close()
	first, next := it.First, it.Next
	if q.Backward {
		first, next = it.Last, it.Prev
	}
	page := page{Range: q.Range}
	for ok := first(); ok; ok = next() {
		e, err := event(st.Name, it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		if !page.add(e) {
			break
		}
	}
	if q.Backward {
		slices.Reverse(page.events)
	}
	return page.events, it.Error()
}

// bounds are the first position asked for and the first one not.
func (r Range) bounds(after string, backward bool) (lo, hi pos, err error) {
	lo, hi = pos{ms: math.MinInt64}, pos{math.MaxInt64, math.MaxUint64}
	if !r.From.IsZero() {
		lo.ms = r.From.UnixMilli()
	}
	if !r.To.IsZero() {
		hi = pos{ms: r.To.UnixMilli()}
	}
	if after != "" {
		p, err := parseID(after)
		if err != nil {
			return lo, hi, err
		}
		if backward && p.less(hi) {
			hi = p
		}
		if !backward && lo.less(pos{p.ms, p.seq + 1}) {
			lo = pos{p.ms, p.seq + 1}
		}
	}
	if hi.less(lo) {
		hi = lo
	}
	return lo, hi, nil
}

// page gathers events up to a range's limits.
type page struct {
	Range
	events []Event
	bytes  int
}

// add takes e unless the page is full.
func (p *page) add(e Event) bool {
	if p.Limit > 0 && len(p.events) >= p.Limit {
		return false
	}
	if p.Bytes > 0 && len(p.events) > 0 && p.bytes+len(e.Text) > p.Bytes {
		return false
	}
	p.events = append(p.events, e)
	p.bytes += len(e.Text) + eventOverhead
	return true
}

// Search asks for a page of several streams, in time order.
type Search struct {
	Range
	Streams []string               // nil: all of the group
	After   string                 // what the page before gave as next
	Match   func(text string) bool // nil: every event
}

// searchStep is how many events a page may look at: a search that finds
// little answers in time and goes on in the next page.
const searchStep = 200_000

// Filter returns a page of the events that q asks for, and where the next
// page starts; "" when there is none. A page may be empty although there is a
// next one.
func (s *Store) Filter(ctx context.Context, group string, q Search) (events []Event, next string, err error) {
	done, err := s.reading(ctx)
	if err != nil {
		return nil, "", err
	}
	defer done()
	lo, hi, err := q.bounds(q.After, false)
	if err != nil {
		return nil, "", err
	}
	snap := s.db.NewSnapshot()
	defer snap.Close()
	m := merge{snap: snap, group: group, lo: lo, hi: hi}
	defer m.close()
	if err := m.plan(q.Streams); err != nil {
		return nil, "", err
	}
	return m.page(ctx, q)
}

// merge goes through streams in the order of pos. A stream is opened when the
// merge gets to its first event.
type merge struct {
	snap    *pebble.Snapshot
	group   string
	lo, hi  pos
	waiting []source // by start
	open    sources
}

// source is a stream being read; start is when its events begin, its position
// once it is open.
type source struct {
	name  string
	start pos
	it    *pebble.Iterator
}

type sources []source

func (h sources) Len() int           { return len(h) }
func (h sources) Less(i, j int) bool { return h[i].start.less(h[j].start) }
func (h sources) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *sources) Push(x any)        { *h = append(*h, x.(source)) }
func (h *sources) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// plan finds the streams that have events between lo and hi.
func (m *merge) plan(names []string) error {
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	err := eachStat(m.snap, prefix(statKind, m.group), func(st Stream, v stat) error {
		if (names != nil && !want[st.Name]) || v.Count == 0 || v.Last < m.lo.ms || v.First > m.hi.ms {
			return nil
		}
		start := pos{ms: v.First}
		if start.less(m.lo) {
			start = m.lo
		}
		m.waiting = append(m.waiting, source{name: st.Name, start: start})
		return nil
	})
	slices.SortFunc(m.waiting, func(a, b source) int { return cmp.Compare(a.start.ms, b.start.ms) })
	return err
}

// page reads on until q's limits are reached.
func (m *merge) page(ctx context.Context, q Search) ([]Event, string, error) {
	page, seen, last := page{Range: q.Range}, 0, q.After
	for {
		more, err := m.settle()
		if err != nil {
			return nil, "", err
		}
		if !more {
			return page.events, "", nil
		}
		src := &m.open[0]
		e, err := event(src.name, src.it.Key(), src.it.Value())
		if err != nil {
			return nil, "", err
		}
		if seen++; seen > searchStep || (q.Match == nil || q.Match(e.Text)) && !page.add(e) {
			return page.events, last, nil
		}
		last = e.ID
		if err := m.advance(ctx, seen); err != nil {
			return nil, "", err
		}
	}
}

// settle opens what must be open for open[0] to be the next event, and says
// whether there is one.
func (m *merge) settle() (bool, error) {
	for len(m.waiting) > 0 && (len(m.open) == 0 || m.waiting[0].start.ms <= m.open[0].start.ms) {
		src := m.waiting[0]
		m.waiting = m.waiting[1:]
		st := Stream{m.group, src.name}
		it, err := m.snap.NewIter(&pebble.IterOptions{LowerBound: eventKey(st, m.lo), UpperBound: eventKey(st, m.hi)})
		if err != nil {
			return false, fmt.Errorf("read stream %s of %s: %w", src.name, m.group, err)
		}
		src.it = it
		if !it.First() {
			if err := it.Close(); err != nil {
				return false, err
			}
			continue
		}
		src.start = keyPos(it.Key())
		heap.Push(&m.open, src)
	}
	return len(m.open) > 0, nil
}

// advance moves on from open[0]'s event.
func (m *merge) advance(ctx context.Context, seen int) error {
	if seen%1024 == 0 && ctx.Err() != nil {
		return ctx.Err()
	}
	src := &m.open[0]
	if src.it.Next() {
		src.start = keyPos(src.it.Key())
		heap.Fix(&m.open, 0)
		return nil
	}
	return heap.Pop(&m.open).(source).it.Close()
}

func (m *merge) close() {
	for _, src := range m.open {
		_ = src.it.Close() // its error was seen when it was read
	}
}

// eachStat calls f with the streams whose stat keys start with p.
func eachStat(r pebble.Reader, p []byte, f func(Stream, stat) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: p, UpperBound: after(p)})
	if err != nil {
		return fmt.Errorf("list log streams: %w", err)
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		v, err := decodeStat(it.Value())
		if err != nil {
			return err
		}
		if err := f(keyStream(it.Key()), v); err != nil {
			return err
		}
	}
	return it.Error()
}
