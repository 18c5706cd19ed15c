// Package logstore keeps log events on disk, in time order.
//
// Events that Append acknowledged survive kill -9. A source's cursor is written
// in the same commit as the events that it covers. So whoever copies events here
// goes on from Cursor, and no event is lost or doubled. A full disk is an error
// (ErrFull) and no more: stored events stay readable, and writing goes on when
// there is room. A reader may see events a moment before they are acknowledged.
package logstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

var (
	// ErrFull says that the disk has no room for more events now.
	ErrFull = errors.New("log store: the disk is full")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("log store: closed")
	// ErrFailed says that the disk refused a write in a way that only a restart
	// can mend. What is stored can still be read.
	ErrFailed = errors.New("log store: failed, restart to recover")
	// ErrLocked says that another process has the directory open.
	ErrLocked = errors.New("log store: in use by another process")
)

// What the store may use of the machine.
const (
	memTableSize = 4 << 20
	cacheSize    = 8 << 20
	maxOpenFiles = 128
)

// Stream names a stream. Both names are opaque, not empty and without NUL.
type Stream struct{ Group, Name string }

// Event is one log event. Times are kept to the millisecond.
type Event struct {
	Time time.Time
	// Ingested and ID are set by the store. IDs are unique and order the events
	// of a whole group by time, then by arrival.
	Ingested time.Time
	ID       string
	Stream   string // the name of its stream, as read
	Text     string
}

// Cursor is how far a source's output has been stored.
type Cursor struct{ Source, Value string }

// Store is an open log store. It is safe for concurrent use.
type Store struct {
	db    *pebble.DB
	lock  *pebble.Lock
	disk  *disk
	cache *pebble.Cache
	log   *slog.Logger

	ops       chan *op
	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	writer    sync.WaitGroup // the one goroutine that commits
	readers   sync.RWMutex   // held by who reads, so that Close waits for them

	seq uint64 // owned by the writer

	follow followers

	readOnly atomic.Bool // there was no room to open it otherwise
	writable chan struct{}
}

// Open opens the store in dir, and makes it if there is none. Only one process at
// a time can have it open; others get ErrLocked.
func Open(dir string, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make log store directory: %w", err)
	}
	return open(vfs.Default, dir, log)
}

func open(fs vfs.FS, dir string, log *slog.Logger) (*Store, error) {
	s := &Store{
		disk:     newDisk(fs, dir, log),
		cache:    pebble.NewCache(cacheSize),
		log:      log,
		ops:      make(chan *op),
		closing:  make(chan struct{}),
		writable: make(chan struct{}),
	}
	var err error
	defer func() {
		if err != nil {
			s.cache.Unref()
		}
	}()
	if s.lock, err = lockDir(dir, s.disk); err != nil {
		return nil, err
	}
	if err = s.openAny(); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	s.writer.Go(s.write)
	return s, nil
}

func lockDir(dir string, fs vfs.FS) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fs)
	if no, ok := errors.AsType[syscall.Errno](err); ok && no != syscall.EAGAIN {
		return nil, fmt.Errorf("lock log store %s: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLocked, dir, err)
	}
	return lock, nil
}

func (s *Store) options() *pebble.Options {
	return &pebble.Options{
		ReadOnly:                    s.readOnly.Load(),
		FS:                          s.disk,
		Lock:                        s.lock,
		Logger:                      s.disk,
		EventListener:               s.disk.listener(),
		FormatMajorVersion:          pebble.FormatNewest,
		Cache:                       s.cache,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: 3,
		MaxOpenFiles:                maxOpenFiles,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
	}
}

// Close waits for reads and writes that are under way, and closes the store. The
// files of a store that failed stay open until the process ends.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.disk.close()
		closed := make(chan error, 1)
		go func() { closed <- s.shut() }() // is stuck for ever where the store fails
		select {
		case s.closeErr = <-closed:
		case <-s.disk.failed:
			s.closeErr = s.disk.failure()
		}
	})
	return s.closeErr
}

func (s *Store) shut() error {
	s.writer.Wait()
	s.readers.Lock()
	defer s.readers.Unlock()
	defer s.cache.Unref()
	if s.db == nil { // it failed
		return s.lock.Close()
	}
	return errors.Join(s.db.Close(), s.lock.Close())
}

// Cursor returns what source's cursor was last set to, "" when it has none.
func (s *Store) Cursor(ctx context.Context, source string) (string, error) {
	done, err := s.reading(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	v, err := s.get(cursorKey(source))
	if err != nil {
		return "", fmt.Errorf("read cursor of %s: %w", source, err)
	}
	return string(v), nil
}

// get returns a copy of the value at key, nil when there is none.
func (s *Store) get(key []byte) ([]byte, error) {
	v, c, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, v...)
	return out, c.Close()
}

// reading lets the caller read until it calls done.
func (s *Store) reading(ctx context.Context) (done func(), err error) {
	s.readers.RLock()
	select {
	case <-s.closing:
		err = ErrClosed
	default:
		err = ctx.Err()
	}
	if err == nil && s.db == nil {
		err = s.disk.failure()
	}
	if err != nil {
		s.readers.RUnlock()
		return nil, err
	}
	return s.readers.RUnlock, nil
}
