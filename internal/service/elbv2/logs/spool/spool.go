// Package spool keeps the lines of logs in files until somebody has taken them away.
//
// A stream's lines are appended to one file at a time, which ends with its interval or when it
// is big enough. What was written when the process was killed is there at the next start. All
// files together have a bound: beyond it the oldest goes.
package spool

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/atomicfile"
	"github.com/skylift/skylift/internal/id"
)

const (
	about  = "about.json"
	open   = ".open"
	sealed = ".log"
	form   = "20060102T150405Z"
)

// Limits are the bounds of a Spool.
type Limits struct {
	File  int64 // bytes after which a file ends before its interval
	Total int64 // bytes of all files
}

// Spool is the streams below a directory.
type Spool struct {
	dir    string
	limits Limits

	mu      sync.Mutex
	streams map[string]*Stream // by their directories' names
	size    int64
	lost    uint64 // lines of files that had to go
}

// Stream is the files of a stream. Who appends and who takes them away may be two.
type Stream struct {
	spool *Spool
	name  string
	about json.RawMessage

	mu    sync.Mutex
	file  *os.File // nil: none is open
	until time.Time
	id    string
	size  int64
	lines int
}

// File is a file that has ended.
type File struct {
	Path   string
	End    time.Time // of its interval
	Random string
	Lines  int
	Size   int64
}

// Open finds what is below a directory, which it makes. Files that were open have ended.
func Open(dir string, l Limits) (*Spool, error) {
	s := &Spool{dir: dir, limits: l, streams: map[string]*Stream{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of logs: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the directory of logs: %w", err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name(), about))
		if errors.Is(err, os.ErrNotExist) || err == nil && !json.Valid(text) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil { // a crash came before its first line
				return nil, fmt.Errorf("remove a log without a description: %w", err)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read what a log is: %w", err)
		}
		st := &Stream{spool: s, name: e.Name(), about: text}
		if err := st.recover(); err != nil {
			return nil, err
		}
		s.streams[st.name] = st
	}
	return s, nil
}

// recover ends the files that were open, without a line that was cut off.
func (st *Stream) recover() error {
	entries, err := os.ReadDir(st.path())
	if err != nil {
		return fmt.Errorf("read a log's directory: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(st.path(), e.Name())
		if name, ok := strings.CutSuffix(e.Name(), open); ok {
			text, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("read a log: %w", err)
			}
			whole := text[:bytes.LastIndexByte(text, '\n')+1]
			if len(whole) < len(text) {
				if err := os.Truncate(path, int64(len(whole))); err != nil {
					return fmt.Errorf("cut a log: %w", err)
				}
			}
			to := filepath.Join(st.path(), fmt.Sprintf("%s_%d%s", name, bytes.Count(whole, []byte("\n")), sealed))
			if len(whole) == 0 {
				err = os.Remove(path)
			} else {
				err = os.Rename(path, to)
			}
			if err != nil {
				return fmt.Errorf("end a log: %w", err)
			}
			st.spool.size += int64(len(whole))
			continue
		}
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), sealed) {
			st.spool.size += info.Size()
		}
	}
	return nil
}

func (st *Stream) path() string { return filepath.Join(st.spool.dir, st.name) }

// Stream returns the stream of a name, which it makes with a description when there is none.
func (s *Spool) Stream(name string, what any) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.streams[name]; st != nil {
		return st, nil
	}
	text, err := json.Marshal(what)
	if err != nil {
		return nil, fmt.Errorf("describe a log: %w", err)
	}
	st := &Stream{spool: s, name: name, about: text}
	if err := os.MkdirAll(st.path(), 0o700); err != nil {
		return nil, fmt.Errorf("make a log's directory: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(st.path(), about), text); err != nil {
		return nil, fmt.Errorf("describe a log: %w", err)
	}
	s.streams[name] = st
	return st, nil
}

// Streams returns all streams, in the order of their names.
func (s *Spool) Streams() []*Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Stream, 0, len(s.streams))
	for _, st := range s.streams {
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b *Stream) int { return cmp.Compare(a.name, b.name) })
	return all
}

// Name is the stream's.
func (st *Stream) Name() string { return st.name }

// About reads what the stream was made with.
func (st *Stream) About(into any) error { return json.Unmarshal(st.about, into) }

// Append adds whole lines, to a file whose interval ends at until.
func (st *Stream) Append(text []byte, until time.Time) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.file != nil && (!st.until.Equal(until) || st.size+int64(len(text)) > st.spool.limits.File && st.size > 0) {
		if err := st.seal(); err != nil {
			return err
		}
	}
	if st.file == nil {
		id := until.UTC().Format(form) + "_" + random()
		f, err := os.OpenFile(filepath.Join(st.path(), id+open), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("begin a log: %w", err)
		}
		st.file, st.until, st.id, st.size, st.lines = f, until, id, 0, 0
	}
	if n, err := st.file.Write(text); err != nil {
		if n > 0 {
			err = errors.Join(err, st.file.Truncate(st.size))
		}
		return fmt.Errorf("write a log: %w", err)
	}
	st.size += int64(len(text))
	st.lines += bytes.Count(text, []byte("\n"))
	st.spool.grow(int64(len(text)))
	return nil
}

// Seal ends the stream's file, if its interval is over at that time.
func (st *Stream) Seal(now time.Time) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.file == nil || now.Before(st.until) {
		return nil
	}
	return st.seal()
}

// End ends the stream's file.
func (st *Stream) End() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.file == nil {
		return nil
	}
	return st.seal()
}

func (st *Stream) seal() error {
	from := filepath.Join(st.path(), st.id+open)
	err := st.file.Close()
	st.file = nil
	if st.size == 0 {
		return errors.Join(err, os.Remove(from))
	}
	return errors.Join(err, os.Rename(from, filepath.Join(st.path(), st.id+"_"+strconv.Itoa(st.lines)+sealed)))
}

// Files returns the files that have ended, the oldest first.
func (st *Stream) Files() ([]File, error) {
	entries, err := os.ReadDir(st.path())
	if err != nil {
		return nil, fmt.Errorf("read a log's directory: %w", err)
	}
	var all []File
	for _, e := range entries { // in the order of their names, which begin with the time
		if f, ok := parse(e.Name()); ok {
			if info, err := e.Info(); err == nil {
				f.Path, f.Size = filepath.Join(st.path(), e.Name()), info.Size()
				all = append(all, f)
			}
		}
	}
	return all, nil
}

func parse(name string) (f File, ok bool) {
	name, ok = strings.CutSuffix(name, sealed)
	parts := strings.Split(name, "_")
	if !ok || len(parts) != 3 {
		return f, false
	}
	var err1, err2 error
	f.End, err1 = time.Parse(form, parts[0])
	f.Lines, err2 = strconv.Atoi(parts[2])
	f.Random = parts[1]
	return f, err1 == nil && err2 == nil
}

// Remove removes a file that was taken away.
func (s *Spool) Remove(f File) error {
	err := os.Remove(f.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it had to go meanwhile
	}
	if err != nil {
		return fmt.Errorf("remove a log: %w", err)
	}
	s.grow(-f.Size)
	return nil
}

// Drop removes a stream that has no file.
func (s *Spool) Drop(st *Stream) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if files, err := st.Files(); err != nil || len(files) > 0 || st.file != nil {
		return err
	}
	s.mu.Lock()
	delete(s.streams, st.name)
	s.mu.Unlock()
	return os.RemoveAll(st.path())
}

func (s *Spool) grow(n int64) {
	s.mu.Lock()
	s.size += n
	s.mu.Unlock()
}

// Bound removes the oldest files until all have room.
func (s *Spool) Bound() error {
	for {
		s.mu.Lock()
		over := s.size > s.limits.Total
		s.mu.Unlock()
		if !over {
			return nil
		}
		var oldest *File
		for _, st := range s.Streams() {
			files, err := st.Files()
			if err != nil {
				return err
			}
			if len(files) > 0 && (oldest == nil || files[0].End.Before(oldest.End)) {
				oldest = &files[0]
			}
		}
		if oldest == nil {
			return nil
		}
		if err := s.Remove(*oldest); err != nil {
			return err
		}
		s.mu.Lock()
		s.lost += uint64(oldest.Lines)
		s.mu.Unlock()
	}
}

// Lost is how many lines were in files that had to go.
func (s *Spool) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Size is how many bytes all files have.
func (s *Spool) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// End ends the files of all streams.
func (s *Spool) End() error {
	var errs []error
	for _, st := range s.Streams() {
		errs = append(errs, st.End())
	}
	return errors.Join(errs...)
}

// Read calls f with a file's lines.
func (f File) Read(use func(io.Reader) error) error {
	file, err := os.Open(f.Path)
	if err != nil {
		return fmt.Errorf("open a log: %w", err)
	}
	defer file.Close()
	return use(file)
}

// random is what tells files of one interval apart.
func random() string { return id.Text(8, "0123456789abcdefghijklmnopqrstuvwxyz") }
