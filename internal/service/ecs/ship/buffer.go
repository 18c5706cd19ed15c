package ship

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/skylift/skylift/internal/engine"
)

// maxBuffered is how many bytes wait in all buffers together. Beyond them lines
// wait where they are, in the engine.
const maxBuffered = 64 << 20

// buffer holds lines that wait to be stored, up to a size; what doesn't fit is
// dropped, and a line says so. It never keeps who writes waiting.
type buffer struct {
	max int64
	all *semaphore.Weighted // of the bytes in all buffers

	mu      sync.Mutex
	lines   []waiting
	size    int64
	dropped int64
	last    engine.Line // that was dropped
	more    chan struct{}
}

// waiting is a line in a buffer, and how many of the bytes of all it holds.
type waiting struct {
	engine.Line
	held int64
}

func newBuffer(size int64, all *semaphore.Weighted) *buffer {
	return &buffer{max: size, all: all, more: make(chan struct{}, 1)}
}

// put adds a line, or drops it. While all buffers together are full it waits.
func (b *buffer) put(ctx context.Context, l engine.Line) error {
	if b.drop(l) {
		return ctx.Err()
	}
	held := int64(len(l.Text))
	if err := b.all.Acquire(ctx, held); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.confess()
	b.push(waiting{l, held})
	return nil
}

// drop counts a line that doesn't fit.
func (b *buffer) drop(l engine.Line) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.size == 0 || b.size+int64(len(l.Text)) <= b.max {
		return false
	}
	b.dropped++
	b.last = l
	return true
}

// confess puts the line that says what was dropped. It has the time of the last
// of those lines, so that who goes on from it doesn't read them again.
func (b *buffer) confess() {
	if b.dropped == 0 {
		return
	}
	b.push(waiting{Line: engine.Line{
		Time: b.last.Time, Stderr: b.last.Stderr,
		Text: engine.Dropped(b.dropped),
	}})
	b.dropped = 0
}

func (b *buffer) push(l waiting) {
	b.lines = append(b.lines, l)
	b.size += int64(len(l.Text))
	select {
	case b.more <- struct{}{}:
	default:
	}
}

// close says that no line comes any more.
func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.confess()
	close(b.more)
}

// take empties the buffer.
func (b *buffer) take() []waiting {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.lines
	b.lines = nil
	return lines
}

// gone gives the room of a line back that left the buffer.
func (b *buffer) gone(l waiting) {
	b.all.Release(l.held)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.size -= int64(len(l.Text))
}

// pump sends what comes into the buffer to lines, until it is closed. When ctx
// ends, what comes is thrown away.
func (b *buffer) pump(ctx context.Context, lines chan<- engine.Line) {
	for open := true; open; {
		_, open = <-b.more
		for _, l := range b.take() {
			select {
			case lines <- l.Line:
			case <-ctx.Done():
			}
			b.gone(l)
		}
	}
}
