package output

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
)

const (
	// chunk bounds what is moved at once, and is how much a FIFO holds.
	chunk = 256 << 10
	// patience is how long a capture that can't go on waits before it tries
	// again.
	patience = 20 * time.Millisecond
	// patienceFull is that on a full disk.
	patienceFull = 200 * time.Millisecond
)

// errWait says that nothing can be moved now, though there may be something.
var errWait = errors.New("output waits")

// capture moves one container's output from its FIFOs to its segments. It is the
// only writer of the segments.
type capture struct {
	dir     string
	options Options
	log     *slog.Logger
	fifo    [2]*os.File

	mu        sync.Mutex
	seg       *segment
	since     time.Time // when the segment began
	next      record    // how things are
	records   int64     // in the segment's index
	owed      []byte    // index records that the disk had no room for
	splitters [2]splitter
	skip      [2]bool // by stream: the rest of the line was dropped as its start
	buf       []byte
	released  int64 // bytes of both streams that were released, as last read
	state     State
}

// openFIFOs opens a container's FIFOs to read.
func openFIFOs(dir string) (fifo [2]*os.File, err error) {
	for i, name := range fifoNames {
		if fifo[i], err = os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
			closeAll(fifo)
			return fifo, err
		}
	}
	return fifo, nil
}

func closeAll(files [2]*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// newCapture goes on with a container's output where the last capture left it. It
// closes the FIFOs in the end, also when it fails.
func newCapture(dir string, fifo [2]*os.File, log *slog.Logger) (*capture, error) {
	c := &capture{dir: dir, fifo: fifo, log: log.With("output", filepath.Base(dir))}
	options, err := readOptions(dir)
	if err == nil {
		c.options = options
		err = c.recover()
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("take up output of %s: %w", filepath.Base(dir), err)
	}
	for _, f := range fifo {
		// More than the default lets a fast writer go on while a chunk is
		// written. It is no harm where it can't be had.
		_ = control(f, func(fd int) error {
			_, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, chunk)
			return err
		})
	}
	return c, nil
}

func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}

func (c *capture) close() {
	closeAll(c.fifo)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seg != nil {
		c.seg.close()
	}
}

// recover finds where the output ends. It cuts off a torn record, and makes a
// record for bytes that were moved without one.
func (c *capture) recover() error {
	if text, err := os.ReadFile(filepath.Join(c.dir, stateFile)); err == nil {
		c.state = decodeState(text)
	}
	numbers, err := segments(c.dir)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		return c.begin(1, record{})
	}
	if c.seg, err = openSegment(c.dir, numbers[len(numbers)-1], os.O_RDWR); err != nil {
		return err
	}
	info, err := c.seg.index.Stat()
	if err != nil {
		return err
	}
	c.since = time.Unix(0, c.seg.header.at)
	sizes, err := c.seg.sizes()
	if err != nil {
		return err
	}
	last := c.seg.header
	index := bufio.NewReaderSize(io.NewSectionReader(c.seg.index, 0, info.Size()), 64<<10)
	entry := make([]byte, recordSize)
	for n := 0; ; n++ {
		if _, err := io.ReadFull(index, entry); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		} else if err != nil {
			break
		}
		r, ok := decode(entry)
		if !ok || c.seg.end(r, 0) > sizes[0] || c.seg.end(r, 1) > sizes[1] {
			break // torn, or about bytes that a power failure lost
		}
		last, c.records = r, int64(n)+1
	}
	if info.Size() > c.records*recordSize {
		if err := c.seg.index.Truncate(c.records * recordSize); err != nil {
			return err
		}
	}
	return c.resume(last, sizes)
}

// end is where in the stream's file the bytes of r end.
func (s *segment) end(r record, stream int) int64 {
	end := s.place(stream, r.off[stream])
	if r.kind == kindData && int(r.stream) == stream {
		end += int64(r.size)
	}
	return end
}

// sizes returns the sizes of the data files.
func (s *segment) sizes() (sizes [2]int64, err error) {
	for i, f := range s.data {
		info, err := f.Stat()
		if err != nil {
			return sizes, err
		}
		sizes[i] = info.Size()
	}
	return sizes, nil
}

// resume goes on after the last record.
func (c *capture) resume(last record, sizes [2]int64) error {
	var err error
	if c.splitters, err = c.seg.pendingAt(last); err != nil {
		return err
	}
	if err := c.seg.replay(last, &c.splitters, &c.buf, func(int, piece) error { return nil }); err != nil {
		return err
	}
	c.next = last.after(&c.splitters)
	for stream, size := range sizes {
		if n := size - c.seg.place(stream, c.next.off[stream]); n > 0 {
			if err := c.note(stream, int(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// replay feeds the bytes of r to the splitters.
func (s *segment) replay(r record, splitters *[2]splitter, buf *[]byte, emit func(stream int, p piece) error) error {
	stream := int(r.stream)
	one := func(p piece) error { return emit(stream, p) }
	switch r.kind {
	case kindData:
		text, err := s.bytes(stream, r.off[stream], int(r.size), *buf)
		if err != nil {
			return err
		}
		*buf = text
		return splitters[stream].feed(r.at, text, one)
	case kindEnd:
		return splitters[stream].flush(r.at, one)
	case kindDrop:
		return one(piece{at: r.at, text: []byte(engine.Dropped(int64(r.size)))})
	}
	return nil
}

// begin begins a segment, which ends the one before.
func (c *capture) begin(number int, at record) error {
	at.kind = kindHeader
	at.at = max(at.at, time.Now().UnixNano())
	seg, err := createSegment(c.dir, number, at, [2][]byte{c.splitters[0].pending, c.splitters[1].pending})
	if err != nil {
		return err
	}
	if c.seg != nil {
		c.seg.close()
	}
	c.seg, c.since, c.records = seg, time.Now(), 1
	c.next = at.after(&c.splitters)
	return nil
}

// run moves a stream's output until its FIFO is closed.
func (c *capture) run(stream int) {
	raw, err := c.fifo[stream].SyscallConn()
	if err != nil {
		return
	}
	said := ""
	for {
		var result error
		if err := raw.Read(func(fd uintptr) bool {
			result = c.take(stream, int(fd))
			return !errors.Is(result, unix.EAGAIN)
		}); err != nil {
			return // closed: the container is removed
		}
		pause := patience
		if noRoom(result) {
			pause = patienceFull
		} else if result != nil && !errors.Is(result, errWait) {
			pause = patienceFull
			if said != result.Error() {
				said = result.Error()
				c.log.Error("output can't be kept, and waits", "stream", fifoNames[stream], "err", result)
			}
		}
		if result != nil {
			time.Sleep(pause)
		}
	}
}

// take moves what is in a stream's FIFO. Errors: EAGAIN when there is nothing,
// errWait when the mode says so, a full disk's.
func (c *capture) take(stream, fd int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.takeLocked(stream, fd)
	if noRoom(err) {
		return c.full(stream, fd, err)
	}
	if err == nil && !c.state.DiskFull.IsZero() {
		c.log.Info("disk has room for output again")
		c.state.DiskFull = time.Time{}
		c.writeState()
	}
	return err
}

func (c *capture) takeLocked(stream, fd int) error {
	if err := c.settleOwed(); err != nil {
		return err
	}
	if c.next.total()-c.released > c.options.Unread {
		if proceed, err := c.crowded(stream, fd); !proceed {
			return err
		}
	}
	if c.skip[stream] {
		return c.resumeAfterDrop(stream, fd)
	}
	if err := c.rotate(); err != nil {
		return err
	}
	if err := c.tellDropped(stream); err != nil {
		return err
	}
	at := c.seg.place(stream, c.next.off[stream])
	n, err := unix.Splice(fd, nil, int(c.seg.data[stream].Fd()), &at, chunk, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	switch {
	case errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return err
	case n == 0:
		return c.ended(stream)
	}
	return c.note(stream, int(n))
}

// ended notes that nobody has the FIFO open to write: what is pending is a line.
func (c *capture) ended(stream int) error {
	if len(c.splitters[stream].pending) > 0 {
		if err := c.put(record{kind: kindEnd, stream: uint8(stream)}); err != nil {
			return err
		}
	}
	if err := c.tellDropped(stream); err != nil {
		return err
	}
	return unix.EAGAIN
}

// note writes the record for n bytes that were moved.
func (c *capture) note(stream, n int) error {
	return c.put(record{kind: kindData, stream: uint8(stream), size: uint32(n)})
}

// put writes a record about the bytes that came now. If the disk has no room for
// it, the record is owed: its bytes are there.
func (c *capture) put(r record) error {
	r.at = max(c.next.at, time.Now().UnixNano())
	r.off, r.pending = c.next.off, c.next.pending
	if err := c.seg.replay(r, &c.splitters, &c.buf, func(int, piece) error { return nil }); err != nil {
		return err
	}
	for i := range c.splitters {
		if cap(c.splitters[i].pending) > 64<<10 && len(c.splitters[i].pending) < 4<<10 {
			c.splitters[i].pending = bytes.Clone(c.splitters[i].pending)
		}
	}
	c.next = r.after(&c.splitters)
	c.owed = append(c.owed, r.encode()...)
	return c.settleOwed()
}

func (c *capture) settleOwed() error {
	if len(c.owed) == 0 {
		return nil
	}
	if _, err := c.seg.index.WriteAt(c.owed, c.records*recordSize); err != nil {
		return err
	}
	c.records += int64(len(c.owed) / recordSize)
	c.owed = c.owed[:0]
	return nil
}

// rotate begins a new segment when the present one has its size or age.
func (c *capture) rotate() error {
	if c.records <= 1 {
		return nil
	}
	size := c.next.total() - c.seg.header.total()
	if size < c.options.Segment && time.Since(c.since) < c.options.Age && c.records < 1<<18 {
		return nil
	}
	return c.begin(c.seg.number+1, c.next)
}

// crowded is called when too much is unread. It tells whether that is still so
// and is a reason to stop.
func (c *capture) crowded(stream, fd int) (proceed bool, err error) {
	var b [8]byte
	f, err := os.Open(filepath.Join(c.dir, releasedFile))
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err := io.ReadFull(f, b[:]); err != nil {
		return false, err
	}
	c.released = int64(binary.LittleEndian.Uint64(b[:]))
	if c.next.total()-c.released <= c.options.Unread {
		return true, nil
	}
	switch c.options.Mode {
	case Roll:
		return true, c.rollOff()
	case Drop:
		return false, c.drop(stream, fd)
	default:
		return false, errWait
	}
}

// rollOff removes the oldest segment, unless it is written to.
func (c *capture) rollOff() error {
	numbers, err := segments(c.dir)
	if err != nil {
		return err
	}
	if len(numbers) > 1 {
		if err := removeSegment(c.dir, numbers[0]); err != nil {
			return err
		}
		numbers = numbers[1:]
	}
	oldest, err := openSegment(c.dir, numbers[0], os.O_RDONLY)
	if err != nil {
		return err
	}
	defer oldest.close()
	c.released = max(c.released, oldest.header.total())
	return nil
}
