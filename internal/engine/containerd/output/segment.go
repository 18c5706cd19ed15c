package output

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A segment is three files: NUMBER.0 and NUMBER.1 have the bytes of the two
// streams as the container wrote them, NUMBER.index has a record for each time
// that some came. A segment begins with a copy of the lines whose end hadn't come
// in the one before. Its index is put in place last, and that ends the one before.

// kind says what a record is about.
type kind uint8

const (
	kindHeader kind = iota + 1 // a segment begins
	kindData                   // bytes came
	kindEnd                    // all writers of the stream closed it: what is pending is a line
	kindDrop                   // so many lines were dropped here
)

// record is an entry of an index. All but size is how things were before it.
type record struct {
	kind    kind
	stream  uint8
	at      int64     // ns: when its first byte came
	size    uint32    // bytes, or lines
	off     [2]int64  // by stream: bytes since the container's first
	pending [2]uint32 // by stream: bytes just before off of a line without end
}

const recordSize = 48

func (r record) encode() []byte {
	b := make([]byte, recordSize)
	b[0], b[1] = byte(r.kind), r.stream
	binary.LittleEndian.PutUint32(b[4:], r.size)
	binary.LittleEndian.PutUint64(b[8:], uint64(r.at))
	for i := range 2 {
		binary.LittleEndian.PutUint64(b[16+8*i:], uint64(r.off[i]))
		binary.LittleEndian.PutUint32(b[32+4*i:], r.pending[i])
	}
	binary.LittleEndian.PutUint32(b[40:], crc32.ChecksumIEEE(b[:40]))
	return b
}

// decode tells whether b is a whole record.
func decode(b []byte) (record, bool) {
	if len(b) < recordSize || crc32.ChecksumIEEE(b[:40]) != binary.LittleEndian.Uint32(b[40:]) || b[0] == 0 || b[1] > 1 {
		return record{}, false
	}
	r := record{kind: kind(b[0]), stream: b[1], size: binary.LittleEndian.Uint32(b[4:]), at: int64(binary.LittleEndian.Uint64(b[8:]))}
	for i := range 2 {
		r.off[i] = int64(binary.LittleEndian.Uint64(b[16+8*i:]))
		r.pending[i] = binary.LittleEndian.Uint32(b[32+4*i:])
	}
	return r, true
}

// total is how many bytes both streams had before the record.
func (r record) total() int64 { return r.off[0] + r.off[1] }

// segment is an open segment.
type segment struct {
	number int
	header record
	index  *os.File
	data   [2]*os.File
}

func indexPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%08d.index", number))
}

func dataPath(dir string, number, stream int) string {
	return filepath.Join(dir, fmt.Sprintf("%08d.%d", number, stream))
}

// segments returns the numbers of the segments in dir, in order.
func segments(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".index")
		if n, err := strconv.Atoi(name); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// openSegment opens a segment that exists, to read (os.O_RDONLY) or write.
func openSegment(dir string, number, flag int) (*segment, error) {
	s := &segment{number: number}
	err := s.open(dir, flag)
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *segment) open(dir string, flag int) (err error) {
	if s.index, err = os.OpenFile(indexPath(dir, s.number), flag, 0); err != nil {
		return err
	}
	for i := range s.data {
		if s.data[i], err = os.OpenFile(dataPath(dir, s.number, i), flag, 0); err != nil {
			return err
		}
	}
	var ok bool
	if s.header, ok = s.record(0); !ok || s.header.kind != kindHeader {
		return fmt.Errorf("segment %d has no header", s.number)
	}
	return nil
}

func (s *segment) close() {
	for _, f := range []*os.File{s.index, s.data[0], s.data[1]} {
		if f != nil {
			f.Close()
		}
	}
}

// createSegment makes a segment that begins with what is pending.
func createSegment(dir string, number int, header record, pending [2][]byte) (*segment, error) {
	for i, text := range pending {
		if err := os.WriteFile(dataPath(dir, number, i), text, 0o600); err != nil {
			return nil, err
		}
	}
	temp := filepath.Join(dir, "index.new")
	if err := os.WriteFile(temp, header.encode(), 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, indexPath(dir, number)); err != nil {
		return nil, err
	}
	return openSegment(dir, number, os.O_RDWR)
}

// removeSegment removes a segment's files, the index first.
func removeSegment(dir string, number int) error {
	var errs []error
	for _, path := range []string{indexPath(dir, number), dataPath(dir, number, 0), dataPath(dir, number, 1)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// records returns how many whole records the index may have.
func (s *segment) records() (int, error) {
	info, err := s.index.Stat()
	if err != nil {
		return 0, err
	}
	return int(info.Size() / recordSize), nil
}

// record returns the n'th record, if it is whole.
func (s *segment) record(n int) (record, bool) {
	b := make([]byte, recordSize)
	if _, err := s.index.ReadAt(b, int64(n)*recordSize); err != nil {
		return record{}, false
	}
	return decode(b)
}

// place is where in the stream's file of this segment the byte off is.
func (s *segment) place(stream int, off int64) int64 {
	return off - s.header.off[stream] + int64(s.header.pending[stream])
}

// bytes reads n bytes of a stream from off on into buf, which grows.
func (s *segment) bytes(stream int, off int64, n int, buf []byte) ([]byte, error) {
	buf = slices.Grow(buf[:0], n)[:n]
	if _, err := s.data[stream].ReadAt(buf, s.place(stream, off)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("segment %d: %w", s.number, err)
	}
	return buf, nil
}

// pendingAt reads what the streams had pending before r.
func (s *segment) pendingAt(r record) (splitters [2]splitter, err error) {
	for i := range splitters {
		n := int64(r.pending[i])
		if splitters[i].pending, err = s.bytes(i, r.off[i]-n, int(n), nil); err != nil {
			return splitters, err
		}
	}
	return splitters, nil
}

// after is how things are after r, whose streams then have the splitters' text pending.
func (r record) after(splitters *[2]splitter) record {
	next := record{at: r.at + max(int64(r.size), 1), off: r.off}
	if r.kind == kindData {
		next.off[r.stream] += int64(r.size)
	}
	for i := range splitters {
		next.pending[i] = uint32(len(splitters[i].pending))
	}
	return next
}

func noRoom(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
