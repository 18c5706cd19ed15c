package output

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
)

// reader reads a container's lines in order.
type reader struct {
	dir       string
	terminal  bool
	after     int64 // lines up to here aren't emitted
	seg       *segment
	n         int // the next record
	splitters [2]splitter
	buf       []byte
}

// openReader opens a reader of the lines after since, in ns.
func openReader(dir string, since int64) (*reader, error) {
	o, err := readOptions(dir)
	if err != nil {
		return nil, err
	}
	return &reader{dir: dir, terminal: o.Terminal, after: since}, nil
}

func (r *reader) close() {
	if r.seg != nil {
		r.seg.close()
	}
}

// seek finds the record that the cursor is in. False: there is none yet.
func (r *reader) seek() (bool, error) {
	numbers, err := segments(r.dir)
	if err != nil || len(numbers) == 0 {
		return false, err
	}
	for i, number := range slices.Backward(numbers) {
		seg, err := openSegment(r.dir, number, os.O_RDONLY)
		if errors.Is(err, os.ErrNotExist) {
			continue // rolled off meanwhile
		}
		if err != nil {
			return false, err
		}
		if seg.header.at > r.after && i > 0 {
			seg.close()
			continue
		}
		count, err := seg.records()
		if err != nil {
			seg.close()
			return false, err
		}
		n := sort.Search(count, func(n int) bool {
			at, ok := seg.record(n)
			return !ok || at.at > r.after
		})
		return true, r.enter(seg, max(n-1, 0))
	}
	return false, nil
}

// enter goes on in seg at its n'th record.
func (r *reader) enter(seg *segment, n int) error {
	r.close()
	r.seg, r.n = seg, n
	at, ok := seg.record(n)
	if !ok {
		return fmt.Errorf("segment %d: record %d is torn", seg.number, n)
	}
	var err error
	r.splitters, err = seg.pendingAt(at)
	return err
}

// read emits all lines that there are.
func (r *reader) read(ctx context.Context, emit func(engine.Line) error) error {
	for {
		if r.seg == nil {
			if ok, err := r.seek(); err != nil || !ok {
				return err
			}
		}
		// Whether the segment has ended must be known before its end is read.
		next, err := r.following()
		if err != nil {
			return err
		}
		if err := r.readSegment(ctx, emit); err != nil {
			return err
		}
		if next == 0 {
			return nil
		}
		seg, err := openSegment(r.dir, next, os.O_RDONLY)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err != nil {
			r.close()
			r.seg = nil
			continue
		}
		if err := r.enter(seg, 0); err != nil {
			return err
		}
	}
}

// following returns the number of the segment after this one; 0: there is none.
func (r *reader) following() (int, error) {
	if _, err := os.Stat(indexPath(r.dir, r.seg.number+1)); err == nil {
		return r.seg.number + 1, nil
	}
	numbers, err := segments(r.dir)
	if err != nil {
		return 0, err
	}
	for _, n := range numbers {
		if n > r.seg.number {
			return n, nil
		}
	}
	return 0, nil
}

func (r *reader) readSegment(ctx context.Context, emit func(engine.Line) error) error {
	one := func(stream int, p piece) error {
		if p.at <= r.after {
			return nil
		}
		r.after = p.at
		return emit(r.line(stream, p))
	}
	for {
		at, ok := r.seg.record(r.n)
		if !ok {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.seg.replay(at, &r.splitters, &r.buf, one); err != nil {
			return err
		}
		r.n++
	}
}

func (r *reader) line(stream int, p piece) engine.Line {
	text := string(p.text)
	if r.terminal {
		text = strings.TrimSuffix(text, "\r")
	}
	return engine.Line{Time: time.Unix(0, p.at), Stderr: stream == 1, Text: text}
}

// Read emits the lines after since (zero: from the first that is left) that
// there are now, in order. Errors: engine.ErrNotFound, emit's, ctx's.
func (s *Store) Read(ctx context.Context, id string, since time.Time, emit func(engine.Line) error) error {
	return s.read(ctx, id, since, nil, emit)
}

// Follow emits the lines after since, and those that come, until ended says that
// the container isn't running and all that it wrote was emitted, or ctx ends.
// While it runs it holds the FIFOs open, beside the keepers.
func (s *Store) Follow(ctx context.Context, id string, since time.Time, ended func() bool, emit func(engine.Line) error) error {
	return s.read(ctx, id, since, ended, emit)
}

const (
	// minPoll is how long the reader waits for more after something came.
	minPoll = 5 * time.Millisecond
	// maxPoll is how often an idle container is looked at: its end, if nothing else
	// tells it.
	maxPoll = 2 * time.Second
	// maxBlind is maxPoll for when the kernel tells nothing.
	maxBlind = 250 * time.Millisecond
)

func (s *Store) read(ctx context.Context, id string, since time.Time, ended func() bool, emit func(engine.Line) error) error {
	r, err := openReader(s.dir(id), nanoseconds(since))
	if err != nil {
		return told(id, err)
	}
	defer r.close()
	if ended == nil {
		return s.result(id, r.read(ctx, emit))
	}
	fifo, err := openFIFOs(r.dir)
	if err != nil {
		return told(id, err)
	}
	defer closeAll(fifo)
	wake, stop := s.wakes.follow(r.dir)
	defer stop()
	longest := maxPoll
	if wake == nil {
		longest = maxBlind
	}
	for poll := minPoll; ; poll = min(2*poll, longest) {
		complete := false
		if ended() {
			if complete, err = settled(r.dir); err != nil {
				return told(id, err)
			}
			poll = min(poll, 4*minPoll)
		}
		before := r.after
		if err := r.read(ctx, emit); err != nil || complete {
			return s.result(id, err)
		}
		if r.after != before {
			poll = minPoll
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
			poll = minPoll / 2 // twice that is waited before the next
			if !rest(ctx, minPoll) {
				return ctx.Err()
			}
		case <-time.After(poll):
		}
	}
}

// rest waits; false: ctx ended.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// result turns err into engine.ErrNotFound if the container was removed while it
// was read.
func (s *Store) result(id string, err error) error {
	if _, gone := os.Stat(s.dir(id)); err != nil && gone != nil {
		return told(id, gone)
	}
	return err
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// Settle waits until all output of a container that has ended can be read.
// Errors: engine.ErrNotFound, ctx's.
func (s *Store) Settle(ctx context.Context, id string) error {
	for poll := time.Millisecond; ; poll = min(2*poll, 50*time.Millisecond) {
		if complete, err := settled(s.dir(id)); err != nil || complete {
			return told(id, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("output of %s is not complete: %w", id, ctx.Err())
		case <-time.After(poll):
		}
	}
}

// settled tells whether nobody writes to the FIFOs and all that was in them is
// in the segments and noted.
func settled(dir string) (bool, error) {
	for _, name := range fifoNames {
		if empty, err := drained(filepath.Join(dir, name)); err != nil || !empty {
			return false, err
		}
	}
	numbers, err := segments(dir)
	if err != nil || len(numbers) == 0 {
		return err == nil, err
	}
	seg, err := openSegment(dir, numbers[len(numbers)-1], os.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer seg.close()
	sizes, err := seg.sizes()
	if err != nil {
		return false, err
	}
	count, err := seg.records()
	if err != nil {
		return false, err
	}
	last, ok := seg.record(count - 1)
	if !ok || seg.end(last, 0) != sizes[0] || seg.end(last, 1) != sizes[1] {
		return false, nil
	}
	return seg.nothingPending(last)
}

// nothingPending tells whether every line is complete after the record r.
func (s *segment) nothingPending(r record) (bool, error) {
	splitters, err := s.pendingAt(r)
	if err != nil {
		return false, err
	}
	var buf []byte
	err = s.replay(r, &splitters, &buf, func(int, piece) error { return nil })
	return len(splitters[0].pending)+len(splitters[1].pending) == 0, err
}

// drained tells whether a FIFO is empty and nobody has it open to write. It looks
// with tee(2), which takes nothing.
func drained(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return false, err
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	n := int64(0)
	err = control(f, func(fd int) error {
		n, err = unix.Tee(fd, p[1], 1, unix.SPLICE_F_NONBLOCK)
		return err
	})
	if errors.Is(err, unix.EAGAIN) {
		return false, nil
	}
	return n == 0, err
}

// Tail returns the last lines, n at most, in order. Errors: engine.ErrNotFound.
func (s *Store) Tail(ctx context.Context, id string, n int) ([]engine.Line, error) {
	dir := s.dir(id)
	numbers, err := segments(dir)
	if err != nil || n <= 0 {
		return nil, told(id, err)
	}
	for i, number := range slices.Backward(numbers) {
		seg, err := openSegment(dir, number, os.O_RDONLY)
		if err != nil {
			return nil, told(id, err)
		}
		count, err := seg.records()
		seg.close()
		if err != nil {
			return nil, told(id, err)
		}
		for back := n + 1; ; back *= 4 {
			lines, err := s.lastFrom(ctx, dir, number, max(count-back, 0), n)
			if err != nil {
				return nil, told(id, err)
			}
			if len(lines) >= n || i == 0 && back >= count {
				return lines, nil
			}
			if back >= count {
				break
			}
		}
	}
	return nil, nil
}

// lastFrom returns the last n lines after a record.
func (s *Store) lastFrom(ctx context.Context, dir string, number, from, n int) ([]engine.Line, error) {
	r, err := openReader(dir, 0)
	if err != nil {
		return nil, err
	}
	defer r.close()
	seg, err := openSegment(dir, number, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	if err := r.enter(seg, from); err != nil {
		return nil, err
	}
	var lines []engine.Line
	err = r.read(ctx, func(l engine.Line) error {
		if lines = append(lines, l); len(lines) > 2*n {
			lines = append(lines[:0], lines[len(lines)-n:]...)
		}
		return nil
	})
	return lines[max(0, len(lines)-n):], err
}

// Release says that the lines up to a line's time are kept elsewhere. A container
// that waits to write may go on, and segments without later lines are deleted.
// Errors: engine.ErrNotFound.
func (s *Store) Release(id string, upto time.Time) error {
	return told(id, release(s.dir(id), nanoseconds(upto)))
}

func release(dir string, upto int64) error {
	r, err := openReader(dir, upto)
	if err != nil {
		return err
	}
	defer r.close()
	if ok, err := r.seek(); err != nil || !ok {
		return err
	}
	at, ok := r.seg.record(r.n)
	if !ok {
		return nil
	}
	done := at.total()
	if at.kind == kindData {
		done += min(max(upto-at.at+1, 0), int64(at.size))
	}
	f, err := os.OpenFile(filepath.Join(dir, releasedFile), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(done))
	if _, err := f.WriteAt(b[:], 0); err != nil {
		return err
	}
	numbers, err := segments(dir)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		if number < r.seg.number {
			if err := removeSegment(dir, number); err != nil {
				return err
			}
		}
	}
	return nil
}
