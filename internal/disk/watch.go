package disk

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"
)

const (
	// lookEvery is how often the disk is looked at.
	lookEvery = time.Second
	// noteKept is how long status tells what was stopped; notesKept is the most
	// that it tells.
	noteKept  = time.Hour
	notesKept = 10
)

// Config is what a Watch needs.
type Config struct {
	Dir string // on the disk
	// Lent returns how many of the free bytes belong to a reserve that was given
	// up, and so are not for everybody; nil means none.
	Lent func() int64
	Log  *slog.Logger
}

// Watch knows how full a disk is. It is safe for concurrent use.
type Watch struct {
	c Config

	mu    sync.Mutex
	level Level
	free  int64
	notes []note
}

type note struct {
	at   time.Time
	text string
}

// New returns a Watch that has looked once.
func New(c Config) (*Watch, error) {
	if c.Lent == nil {
		c.Lent = func() int64 { return 0 }
	}
	w := &Watch{c: c}
	return w, w.look()
}

// Run looks at the disk until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := w.look(); err != nil {
			w.c.Log.Warn("look at the disk", "key", w.c.Dir, "err", err)
		}
	}
}

// look looks at the disk, and says so when there is another level.
func (w *Watch) look() error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(w.c.Dir, &fs); err != nil {
		return fmt.Errorf("see how much space %s has: %w", w.c.Dir, err)
	}
	unit := int64(fs.Bsize) //nolint:unconvert // not 64 bits everywhere
	w.saw(int64(fs.Bavail)*unit-w.c.Lent(), int64(fs.Blocks)*unit)
	return nil
}

func (w *Watch) saw(free, total int64) {
	w.mu.Lock()
	was := w.level
	w.free, w.level = free, LevelAt(free, total, was)
	now := w.level
	w.mu.Unlock()
	switch {
	case now > was:
		w.c.Log.Warn("the disk gets full", "key", w.c.Dir, "left", max(free, 0)/mib, "says", now.what())
	case now == Roomy && was > Roomy:
		w.c.Log.Info("the disk has room again", "key", w.c.Dir, "left", free/mib)
	case now < was:
		w.c.Log.Info("the disk has more room", "key", w.c.Dir, "left", free/mib, "says", now.what())
	}
}

// Level returns how full the disk is now, so that space that was just freed
// counts at once.
func (w *Watch) Level() Level {
	if w.seen() > Roomy {
		if err := w.look(); err != nil {
			w.c.Log.Warn("look at the disk", "key", w.c.Dir, "err", err)
		}
	}
	return w.seen()
}

func (w *Watch) seen() Level {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.level
}

// Free returns the bytes that are left for everybody.
func (w *Watch) Free() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.free, 0)
}

// Reached says whether the disk is as full as that, or fuller.
func (w *Watch) Reached(l Level) bool { return w.Level() >= l }

// Note makes Problems tell what was stopped for lack of space.
func (w *Watch) Note(text string) {
	w.c.Log.Warn("stopped for lack of room on the disk", "key", w.c.Dir, "says", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, note{time.Now(), text})
	w.notes = w.notes[max(len(w.notes)-notesKept, 0):]
}

// Problems says how full the disk is, if it is nearly full, and what was stopped
// lately because of it.
func (w *Watch) Problems() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.level > Roomy {
		out = append(out, w.level.sentence(w.c.Dir, w.free))
	}
	for _, n := range w.notes {
		if time.Since(n.at) < noteKept {
			out = append(out, n.text)
		}
	}
	return out
}
