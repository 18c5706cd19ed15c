package ship

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

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
	release, err := s.release(ctx, c, since)
	if err != nil {
		return false, err
	}
	events := assembler{}
	if c.First != "" {
		if events.first, err = regexp.Compile(c.First); err != nil { // each line is an event, then
			s.log.Warn("read the pattern of an event's first line", "task", c.TaskID, "container", c.Container, "err", err)
		}
	}
	lines, ended := s.read(ctx, c, since, release == nil)
	send := func(parts shipment) error {
		if len(parts.events) == 0 && parts.cursor.IsZero() {
			return nil
		}
		stored = true
		if err := s.store(ctx, c, parts); err != nil || release == nil {
			return err
		}
		return release(parts.cursor)
	}
	for {
		batch, open := gather(lines, events.timer())
		parts := shipment{}
		if len(batch) > 0 {
			parts = events.add(batch, time.Now())
		} else if open {
			events.flush(&parts)
		}
		if err := send(parts); err != nil {
			return stored, errors.Join(err, <-ended) // ctx has ended, so the engine's stream ends too
		}
		if !open {
			break
		}
	}
	if err := <-ended; err != nil {
		return stored, err // what is pending is read again
	}
	parts := shipment{}
	events.flush(&parts)
	return stored, send(parts)
}

// release says to the engine that lines up to since are stored, and returns how to
// say it of later ones; nil: the engine doesn't want to know. That a container is
// gone is found by who reads its lines.
func (s *Shipper) release(ctx context.Context, c *copying, since time.Time) (func(upto time.Time) error, error) {
	release := func(upto time.Time) error {
		err := s.engine.Release(ctx, c.TaskID, c.Container, upto)
		if err == nil || errors.Is(err, engine.ErrNotFound) {
			return nil
		}
		return fmt.Errorf("release stored output: %w", err)
	}
	err := release(since)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	return release, err
}

// read sends the container's lines after since to lines, and its end to ended.
// With buffered, they go through a buffer if the container has one.
func (s *Shipper) read(ctx context.Context, c *copying, since time.Time, buffered bool) (<-chan engine.Line, <-chan error) {
	lines, ended := make(chan engine.Line, 64), make(chan error, 1)
	emit := func(l engine.Line) error {
		select {
		case lines <- l:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var pump sync.WaitGroup
	var b *buffer
	if buffered && c.Buffer > 0 {
		b = newBuffer(c.Buffer, s.buffered)
		pump.Go(func() { b.pump(ctx, lines) })
		emit = func(l engine.Line) error { return b.put(ctx, l) }
	}
	go func() {
		err := s.engine.Logs(ctx, c.TaskID, c.Container, since, c.follow, emit)
		if b != nil {
			b.close()
		}
		pump.Wait()
		close(lines)
		ended <- err
	}()
	return lines, ended
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

// gather waits for a line, or until late, and takes what follows it for
// batchTime; open says that more may come.
func gather(lines <-chan engine.Line, late <-chan time.Time) (batch []engine.Line, open bool) {
	var first engine.Line
	select {
	case first, open = <-lines:
	case <-late:
		return nil, true
	}
	if !open {
		return nil, false
	}
	batch, size := []engine.Line{first}, len(first.Text)
	full := time.NewTimer(batchTime)
	defer full.Stop()
	for len(batch) < batchLines && size < batchBytes {
		select {
		case l, ok := <-lines:
			if !ok {
				return batch, false
			}
			batch, size = append(batch, l), size+len(l.Text)
		case <-full.C:
			return batch, true
		}
	}
	return batch, true
}

// store ships events with the cursor behind them, however long it takes; only
// the end of ctx is an error.
func (s *Shipper) store(ctx context.Context, c *copying, parts shipment) error {
	cursor := strconv.FormatInt(parts.cursor.UnixNano(), 10)
	events := parts.events
	wait := backoff{}
	for full := false; ; {
		to := ctx
		if c.urgent.Load() { // it keeps a task on the machine
			to = logstore.Urgent(ctx)
		}
		err := s.ship(to, c, events, cursor)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case isGone(err):
			s.log.Warn("drop container output: the log group is gone",
				"task", c.TaskID, "container", c.Container, "group", c.Group, "events", len(events))
			return nil
		case is(err, "AccessDeniedException"):
			s.log.Warn("drop container output: the execution role doesn't allow to store it",
				"task", c.TaskID, "container", c.Container, "group", c.Group, "events", len(events), "err", err)
			return nil
		}
		if !full || !errors.Is(err, logstore.ErrFull) { // that is said once: each container has its turn
			s.log.Warn("store container output", "task", c.TaskID, "container", c.Container, "err", err)
		}
		full = errors.Is(err, logstore.ErrFull)
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
	if c.Role != "" && s.as != nil {
		var err error
		if ctx, err = s.as(ctx, c.Job); err != nil {
			return err
		}
	}
	err := s.sink.Ship(ctx, c.Group, c.Stream, events, c.source(), cursor)
	if !isGone(err) {
		return err
	}
	if err := s.sink.EnsureStream(ctx, c.Group, c.Stream, false); err != nil {
		return err
	}
	return s.sink.Ship(ctx, c.Group, c.Stream, events, c.source(), cursor)
}

func isGone(err error) bool { return is(err, "ResourceNotFoundException") }

func is(err error, code string) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	return ok && e.ErrorCode() == code
}

// toEvents makes events of lines: an empty line is none, a long one several.
func toEvents(lines []engine.Line) []logstore.Event {
	events := make([]logstore.Event, 0, len(lines))
	for _, l := range lines {
		for text := l.Text; text != ""; {
			n := len(text)
			if n > engine.MaxLine {
				n = engine.CutAt([]byte(text[:engine.MaxLine+1]))
			}
			events = append(events, logstore.Event{Time: l.Time, Text: text[:n]})
			text = text[n:]
		}
	}
	return events
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
