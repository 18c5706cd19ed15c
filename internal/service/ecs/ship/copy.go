package ship

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/logstore"
)

const (
	// batchTime is how long a line waits for others to be stored with it.
	batchTime = 200 * time.Millisecond
	// batchLines and batchBytes are how many are stored at once.
	batchLines = 1000
	batchBytes = 512 << 10
	// maxText is what AWS's log driver puts in one event: 256 KiB with the 26
	// bytes that an event costs.
	maxText = 256<<10 - 26
	// firstRetry and lastRetry bound how long a failure is waited out.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 15 * time.Second
)

// copy copies until all of c's output is stored or ctx ends.
func (s *Shipper) copy(ctx context.Context, c *copying) {
	wait := backoff{}
	for {
		stored, err := s.pass(ctx, c)
		if ctx.Err() != nil {
			return
		}
		if err == nil || errors.Is(err, engine.ErrNotFound) {
			close(c.done)
			return
		}
		if stored {
			wait = backoff{}
		}
		s.log.Warn("copy container output", "task", c.TaskID, "container", c.Container, "err", err)
		if !wait.sleep(ctx) {
			return
		}
	}
}

// pass goes on from the cursor as long as the engine gives lines, and says
// whether it stored any.
func (s *Shipper) pass(ctx context.Context, c *copying) (stored bool, err error) {
	since, err := s.since(ctx, c)
	if err != nil {
		return false, err
	}
	lines := make(chan engine.Line, 64)
	var wg sync.WaitGroup
	var logs error
	wg.Go(func() {
		defer close(lines)
		logs = s.engine.Logs(ctx, c.TaskID, c.Container, since, c.follow, func(l engine.Line) error {
			select {
			case lines <- l:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	defer wg.Wait()
	for {
		batch := gather(lines)
		if len(batch) == 0 {
			break
		}
		if err := s.store(ctx, c, batch); err != nil {
			return stored, err // ctx has ended, so the engine's stream ends too
		}
		stored = true
	}
	wg.Wait()
	return stored, logs
}

// since is the time of the last line that was stored.
func (s *Shipper) since(ctx context.Context, c *copying) (time.Time, error) {
	cursor, err := s.sink.Cursor(ctx, c.source())
	if err != nil || cursor == "" {
		return time.Time{}, err
	}
	ns, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("cursor of %s: %w", c.source(), err)
	}
	return time.Unix(0, ns), nil
}

// gather waits for a line and takes what follows it for batchTime; nothing
// when lines is closed.
func gather(lines <-chan engine.Line) []engine.Line {
	first, ok := <-lines
	if !ok {
		return nil
	}
	batch, size := []engine.Line{first}, len(first.Text)
	full := time.NewTimer(batchTime)
	defer full.Stop()
	for len(batch) < batchLines && size < batchBytes {
		select {
		case l, ok := <-lines:
			if !ok {
				return batch
			}
			batch, size = append(batch, l), size+len(l.Text)
		case <-full.C:
			return batch
		}
	}
	return batch
}

// store ships a batch with the cursor behind it, however long it takes; only
// the end of ctx is an error.
func (s *Shipper) store(ctx context.Context, c *copying, batch []engine.Line) error {
	cursor := strconv.FormatInt(batch[len(batch)-1].Time.UnixNano(), 10)
	events := toEvents(batch)
	wait := backoff{}
	for {
		err := s.ship(ctx, c, events, cursor)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case isGone(err):
			s.log.Warn("drop container output: the log group is gone",
				"task", c.TaskID, "container", c.Container, "group", c.Group, "lines", len(batch))
			return nil
		}
		s.log.Warn("store container output", "task", c.TaskID, "container", c.Container, "err", err)
		if !wait.sleep(ctx) {
			return ctx.Err()
		}
		if at, err := s.sink.Cursor(ctx, c.source()); err == nil && at == cursor {
			return nil // it was stored, and the answer was lost
		}
	}
}

// ship stores events in their stream, which is made again when it was
// deleted.
func (s *Shipper) ship(ctx context.Context, c *copying, events []logstore.Event, cursor string) error {
	err := s.sink.Ship(ctx, c.Group, c.Stream, events, c.source(), cursor)
	if !isGone(err) {
		return err
	}
	if err := s.sink.EnsureStream(ctx, c.Group, c.Stream, false); err != nil {
		return err
	}
	return s.sink.Ship(ctx, c.Group, c.Stream, events, c.source(), cursor)
}

func isGone(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	return ok && e.ErrorCode() == "ResourceNotFoundException"
}

// toEvents makes events of lines: an empty line is none, a long one several.
func toEvents(lines []engine.Line) []logstore.Event {
	events := make([]logstore.Event, 0, len(lines))
	for _, l := range lines {
		for text := l.Text; text != ""; {
			n := cut(text)
			events = append(events, logstore.Event{Time: l.Time, Text: text[:n]})
			text = text[n:]
		}
	}
	return events
}

// cut is how much of text fits an event without cutting a character in two.
func cut(text string) int {
	if len(text) <= maxText {
		return len(text)
	}
	for n := maxText; n > maxText-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return maxText
}

// backoff is a wait that doubles.
type backoff struct{ last time.Duration }

// sleep waits; false: ctx ended.
func (b *backoff) sleep(ctx context.Context) bool {
	b.last = min(max(firstRetry, 2*b.last), lastRetry)
	t := time.NewTimer(b.last)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
