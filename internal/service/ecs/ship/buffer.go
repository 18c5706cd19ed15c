package ship

import (
	"context"
	"fmt"
	"sync"

	"github.com/skylift/skylift/internal/engine"
)

// buffer holds lines that wait to be stored, up to a size; what doesn't fit is
// dropped, and a line says so. It never keeps who writes waiting.
type buffer struct {
	max int64

	mu      sync.Mutex
	lines   []engine.Line
	size    int64
	dropped int
	last    engine.Line // that was dropped
	more    chan struct{}
}

func newBuffer(size int64) *buffer { return &buffer{max: size, more: make(chan struct{}, 1)} }

// put adds a line, or drops it.
func (b *buffer) put(l engine.Line) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.size > 0 && b.size+int64(len(l.Text)) > b.max {
		b.dropped++
		b.last = l
		return
	}
	b.confess()
	b.push(l)
}

// confess puts the line that says what was dropped. It has the time of the last
// of those lines, so that who goes on from it doesn't read them again.
func (b *buffer) confess() {
	if b.dropped == 0 {
		return
	}
	b.push(engine.Line{Time: b.last.Time, Stderr: b.last.Stderr, Text: fmt.Sprintf("[%d lines were dropped here: the buffer of max-buffer-size was full]", b.dropped)})
	b.dropped = 0
}

func (b *buffer) push(l engine.Line) {
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
func (b *buffer) take() []engine.Line {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.lines
	b.lines = nil
	return lines
}

// sent gives a line's room back.
func (b *buffer) sent(l engine.Line) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.size -= int64(len(l.Text))
}

// pump sends what comes into the buffer to lines, until it is closed.
func (b *buffer) pump(ctx context.Context, lines chan<- engine.Line) {
	for open := true; open; {
		select {
		case _, open = <-b.more:
		case <-ctx.Done():
			return
		}
		for _, l := range b.take() {
			select {
			case lines <- l:
				b.sent(l)
			case <-ctx.Done():
				return
			}
		}
	}
}
