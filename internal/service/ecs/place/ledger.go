package place

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Holding is what a task holds of the machine: a size from when it is made
// until its containers are gone.
type Holding struct {
	Task string
	Size Size
	Gone bool // it holds nothing any more
}

// Source tells what tasks hold: first f is called with all that do (reset is
// true), then with what changes.
type Source func(ctx context.Context, f func(reset bool, changes []Holding)) error

// Ledger is what tasks hold of a machine. It is made from their records, and
// holds besides what was reserved for tasks that are about to be made.
type Ledger struct {
	total  Size
	source Source
	read   chan struct{} // closed when the records were read once

	mu      sync.Mutex
	held    map[string]hold
	used    Size
	doubts  []doubt
	waiting []Waiting
	enqueue func(string)
}

type hold struct {
	Size
	promised bool // for a task whose record wasn't seen yet
}

// doubt is tasks that may have been made, or not: what was reserved for those
// that don't show up is given back.
type doubt struct {
	until time.Time
	tasks []string
}

// doubted is how long a commit may take of which nobody knows whether it came
// about.
const doubted = 30 * time.Second

// Wait is what somebody waits for: capacity for so many tasks of a size.
type Wait struct {
	Each  Size
	Tasks int
	Since time.Time // what the one who waits wants to remember of it
}

// Waiting is who waits, and for what.
type Waiting struct {
	Key string
	Wait
}

// New returns a ledger of a machine that has so much for tasks.
func New(total Size, source Source) *Ledger {
	return &Ledger{total: total, source: source, read: make(chan struct{}), held: map[string]hold{}}
}

// Run keeps the ledger up to date until ctx ends.
func (l *Ledger) Run(ctx context.Context) error { return l.source(ctx, l.take) }

// Total is what the machine has for tasks.
func (l *Ledger) Total() Size { return l.total }

// Used is what is taken.
func (l *Ledger) Used() Size {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used
}

// Waiting returns who waits, the longest first.
func (l *Ledger) Waiting() []Waiting {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.waiting)
}

// Reserve reserves capacity for as many of the tasks as fit, the first first,
// and returns how many those are. It waits until the ledger knows what
// is taken. Whoever reserves for tasks that are not made in the end says so:
// Release, or Doubt.
func (l *Ledger) Reserve(ctx context.Context, tasks []string, each Size) (int, error) {
	if err := l.ready(ctx); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire()
	n := Fit(l.total.Minus(l.used), each, len(tasks))
	for _, t := range tasks[:n] {
		l.put(t, hold{Size: each, promised: true})
	}
	return n, nil
}

// ready waits until the records were read once.
func (l *Ledger) ready(ctx context.Context) error {
	select {
	case <-l.read:
		return nil
	default:
	}
	select {
	case <-l.read:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Release gives back what was set aside for tasks that were not made.
func (l *Ledger) Release(tasks ...string) {
	l.mu.Lock()
	freed := l.giveBack(tasks)
	keys := l.due(freed)
	l.mu.Unlock()
	l.wake(keys)
}

// Doubt says that nobody knows whether the tasks were made: the store did not
// answer, say.
func (l *Ledger) Doubt(tasks ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubts = append(l.doubts, doubt{time.Now().Add(doubted), tasks})
}

// Waits returns what key waits for: no tasks when it doesn't.
func (l *Ledger) Waits(key string) Wait {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.place(key); i >= 0 {
		return l.waiting[i].Wait
	}
	return Wait{}
}

// place is where key waits in the row; -1 when it doesn't.
func (l *Ledger) place(key string) int {
	return slices.IndexFunc(l.waiting, func(w Waiting) bool { return w.Key == key })
}

// Wait says what key waits for: no tasks end the wait.
func (l *Ledger) Wait(key string, w Wait) {
	l.mu.Lock()
	i := l.place(key)
	switch {
	case i < 0 && w.Tasks == 0:
		l.mu.Unlock()
		return
	case i < 0:
		l.waiting = append(l.waiting, Waiting{key, w})
	case w.Tasks == 0:
		l.waiting = slices.Delete(l.waiting, i, i+1)
	default:
		l.waiting[i].Wait = w
	}
	keys := l.due(true) // capacity may have come before key waited, or may have been meant for it
	l.mu.Unlock()
	l.wake(keys)
}

// Freed is a source for the control loop of those who wait: it names them when
// there is capacity for them. The loop's beginning is also theirs.
func (l *Ledger) Freed(ctx context.Context, enqueue func(string)) error {
	l.mu.Lock()
	l.waiting, l.enqueue = nil, enqueue
	l.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// take takes over what the records say.
func (l *Ledger) take(reset bool, changes []Holding) {
	l.mu.Lock()
	freed := false
	if reset {
		freed = l.forget(changes)
	}
	for _, c := range changes {
		if c.Gone {
			freed = l.drop(c.Task) || freed
			continue
		}
		l.put(c.Task, hold{Size: c.Size})
	}
	keys := l.due(freed)
	l.mu.Unlock()
	if reset {
		l.open()
	}
	l.wake(keys)
}

// open lets decisions through.
func (l *Ledger) open() {
	select {
	case <-l.read:
	default:
		close(l.read)
	}
}

// forget drops the tasks that no record speaks of any more.
func (l *Ledger) forget(all []Holding) (freed bool) {
	there := make(map[string]bool, len(all))
	for _, c := range all {
		there[c.Task] = true
	}
	for task, h := range l.held {
		if !there[task] && !h.promised {
			freed = l.drop(task) || freed
		}
	}
	return freed
}

func (l *Ledger) put(task string, h hold) {
	l.used = l.used.Minus(l.held[task].Size).Plus(h.Size)
	l.held[task] = h
}

func (l *Ledger) drop(task string) (held bool) {
	h, held := l.held[task]
	l.used = l.used.Minus(h.Size)
	delete(l.held, task)
	return held
}

// giveBack drops the tasks that no record was seen of.
func (l *Ledger) giveBack(tasks []string) (freed bool) {
	for _, t := range tasks {
		if l.held[t].promised {
			freed = l.drop(t) || freed
		}
	}
	return freed
}

// expire gives back what was in doubt for too long.
func (l *Ledger) expire() {
	now := time.Now()
	for len(l.doubts) > 0 && now.After(l.doubts[0].until) {
		l.giveBack(l.doubts[0].tasks)
		l.doubts = l.doubts[1:]
	}
}

// due returns those who wait and for whom there is capacity, the longest first. What
// fits isn't kept from them by what doesn't.
func (l *Ledger) due(freed bool) (keys []string) {
	if !freed || l.enqueue == nil {
		return nil
	}
	free := l.total.Minus(l.used)
	for _, w := range l.waiting {
		if n := Fit(free, w.Each, w.Tasks); n > 0 {
			free = free.Minus(w.Each.Times(n))
			keys = append(keys, w.Key)
		}
	}
	return keys
}

func (l *Ledger) wake(keys []string) {
	l.mu.Lock()
	enqueue := l.enqueue
	l.mu.Unlock()
	for _, k := range keys {
		enqueue(k)
	}
}
