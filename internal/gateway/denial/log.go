package denial

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// half is how long a file of a Log gets: some 2,000 refusals.
const half = 1 << 20

// Log keeps the last refusals in two files, a line each. When the newer one is
// full, it takes the place of the older one. A crash of the machine may take
// the last lines.
type Log struct {
	dir  string
	max  int64
	mu   sync.Mutex
	file *os.File
	size int64
}

// Open opens the log in a directory, which is made when it isn't there.
func Open(dir string) (*Log, error) {
	l := &Log{dir: dir, max: half}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of refusals: %w", err)
	}
	return l, l.open()
}

func (l *Log) newer() string { return filepath.Join(l.dir, "newer.json") }
func (l *Log) older() string { return filepath.Join(l.dir, "older.json") }

func (l *Log) open() error {
	f, err := os.OpenFile(l.newer(), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the refusals: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the refusals: %w", err), f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Add keeps a refusal.
func (l *Log) Add(r Refusal) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a refusal: %w", err)
	}
	line = append(append([]byte("\n"), line...), '\n') // what a crash cut off is a line of its own
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(line)) > l.max {
		if err := l.turn(); err != nil {
			return err
		}
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	if err != nil {
		return fmt.Errorf("write a refusal: %w", err)
	}
	return nil
}

// turn begins a new file. The one that is open stays so until that is done.
func (l *Log) turn() error {
	full := l.file
	if err := os.Rename(l.newer(), l.older()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("turn over the refusals: %w", err)
	}
	if err := l.open(); err != nil {
		return err
	}
	return full.Close()
}

// Find returns the last refusal of a request.
func (l *Log) Find(request string) (r Refusal, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range []string{l.newer(), l.older()} {
		if r, ok, err = find(name, request); ok || err != nil {
			return r, ok, err
		}
	}
	return r, false, nil
}

func find(name, request string) (r Refusal, ok bool, err error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("read the refusals: %w", err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return r, ok, nil // a line without an end is cut off
		}
		if err != nil {
			return r, false, fmt.Errorf("read the refusals: %w", err)
		}
		var one Refusal
		if bytes.Contains(line, []byte(request)) && json.Unmarshal(line, &one) == nil && one.Request == request {
			r, ok = one, true
		}
	}
}

// Close closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
