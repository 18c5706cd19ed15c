package reconcile

import (
	"container/heap"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// queue holds keys and when they are due. A key is in it once, and handed to
// one worker at a time.
type queue struct {
	mu    sync.Mutex
	due   dueHeap
	items map[string]*item
	keep  bool          // items that are done, for the resync, until they are released
	ready chan struct{} // closed, and made anew, when an earlier key came in
}

// item is a known key.
type item struct {
	key      string
	at       time.Time // when it is due, while queued
	index    int       // in the heap; -1: not queued
	working  bool
	again    bool // added while being worked on
	failures int  // in a row
	holders  int  // rows that it depends on
	released bool // it had holders, and has none now
}

func newQueue(keep bool) *queue {
	return &queue{keep: keep, items: make(map[string]*item), ready: make(chan struct{})}
}

// add makes key due now.
func (q *queue) add(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addLocked(key)
}

// known returns the known keys.
func (q *queue) known() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Collect(maps.Keys(q.items))
}

// addKnown makes those of the keys that are still known due now.
func (q *queue) addKnown(keys []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, key := range keys {
		if q.items[key] != nil {
			q.addLocked(key)
		}
	}
}

// item returns the item of key, a new one when there is none.
func (q *queue) item(key string) *item {
	it := q.items[key]
	if it == nil {
		it = &item{key: key, index: -1}
		q.items[key] = it
	}
	return it
}

// hold says that n rows more, or less, have to do with key. When none does any
// more, the key is forgotten as soon as there is nothing to do for it.
func (q *queue) hold(key string, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.item(key)
	it.holders += n
	it.released = it.holders == 0
	q.forget(it)
}

// forget drops it when nothing is to be done for it, or going on.
func (q *queue) forget(it *item) {
	if it.index < 0 && !it.working && it.holders == 0 && (it.released || !q.keep) {
		delete(q.items, it.key)
	}
}

func (q *queue) addLocked(key string) {
	it := q.item(key)
	if it.working {
		it.again = true
		return
	}
	q.schedule(it, time.Now())
}

// schedule queues it for at, or earlier when it is already.
func (q *queue) schedule(it *item, at time.Time) {
	switch {
	case it.index < 0:
		it.at = at
		heap.Push(&q.due, it)
	case at.Before(it.at):
		it.at = at
		heap.Fix(&q.due, it.index)
	default:
		return
	}
	if q.due[0] == it {
		close(q.ready)
		q.ready = make(chan struct{})
	}
}

// take waits for a key that is due, and reserves it for the caller, who must
// call done or retry.
func (q *queue) take(ctx context.Context) (key string, ok bool) {
	for ctx.Err() == nil {
		it, wait, ready := q.next()
		if it != nil {
			return it.key, true
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case <-ready:
		case <-timer:
		case <-ctx.Done():
		}
	}
	return "", false
}

// next reserves a key that is due; when none is, it says how long until one is
// (0: none is queued) and what to wait for besides.
func (q *queue) next() (it *item, wait time.Duration, ready <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.due) == 0 {
		return nil, 0, q.ready
	}
	it = q.due[0]
	if wait := time.Until(it.at); wait > 0 {
		return nil, wait, q.ready
	}
	heap.Pop(&q.due)
	it.working = true
	return it, 0, nil
}

// done ends the work on key, which went well. It is due again after again when
// that is positive, or at once when it was added meanwhile.
func (q *queue) done(key string, again time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.items[key]
	it.failures = 0
	q.release(it, again, 0)
	q.forget(it)
}

// retry ends the work on key, which failed: it is due again after what backoff
// says for so many failures in a row, or after soon when it was added
// meanwhile. It returns both numbers.
func (q *queue) retry(key string, backoff func(failures int) time.Duration, soon time.Duration) (failures int, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.items[key]
	it.failures++
	wait = backoff(it.failures)
	q.release(it, wait, min(wait, soon))
	return it.failures, wait
}

func (q *queue) release(it *item, again, added time.Duration) {
	it.working = false
	switch {
	case it.again:
		it.again = false
		q.schedule(it, time.Now().Add(added))
	case again > 0:
		q.schedule(it, time.Now().Add(again))
	}
}

type dueHeap []*item

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *dueHeap) Push(x any) {
	it := x.(*item)
	it.index = len(*h)
	*h = append(*h, it)
}

func (h *dueHeap) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	it.index = -1
	*h = old[:len(old)-1]
	return it
}
