package logstore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// reserve is the room that Append leaves on the disk, so that what was
	// accepted can be flushed and compacted and old events deleted.
	reserve = 32 << 20
	// fullRetry is how often a write that found the disk full is tried again.
	fullRetry = 500 * time.Millisecond
)

// disk is the file system as pebble sees it: one that is never full. Pebble
// ends the process when its WAL or MANIFEST can't be written, so such a write
// waits here until there is room. It is also pebble's logger, whose Fatalf
// fails the store and not the process.
type disk struct {
	vfs.FS
	dir  string
	log  *slog.Logger
	done chan struct{} // closed with the store

	full    atomic.Bool // as far as writes have told
	opening atomic.Bool // a write that finds no room fails
	held    atomic.Pointer[func() bool]

	failOnce sync.Once
	failed   chan struct{} // closed when the store failed
	cause    error
}

func newDisk(fs vfs.FS, dir string, log *slog.Logger) *disk {
	return &disk{FS: fs, dir: dir, log: log, done: make(chan struct{}), failed: make(chan struct{})}
}

func (d *disk) close() { close(d.done) }

// room is ErrFull while the disk is too full to accept events.
func (d *disk) room(urgent bool) error {
	use, err := d.GetDiskUsage(d.dir)
	if err != nil {
		return fmt.Errorf("ask for the log store's room: %w", err)
	}
	if use.AvailBytes < reserve {
		return fmt.Errorf("%w: %d MiB left at %s, %d MiB needed", ErrFull, use.AvailBytes>>20, d.dir, reserve>>20)
	}
	if held := d.held.Load(); held != nil && !urgent && (*held)() {
		return fmt.Errorf("%w: %d MiB left at %s, which others need more", ErrFull, use.AvailBytes>>20, d.dir)
	}
	return nil
}

// Infof implements pebble's logger.
func (d *disk) Infof(string, ...any) {}

// Errorf implements pebble's logger.
func (d *disk) Errorf(format string, args ...any) {
	d.log.Warn("log store", "err", fmt.Sprintf(format, args...))
}

// Fatalf implements pebble's logger. Pebble counts on it not to return: the
// caller's state is broken.
func (d *disk) Fatalf(format string, args ...any) {
	d.fail(fmt.Errorf(format, args...))
	select {}
}

func (d *disk) fail(cause error) {
	d.failOnce.Do(func() {
		d.cause = fmt.Errorf("%w: %w", ErrFailed, cause)
		d.log.Error("log store failed", "err", cause)
		close(d.failed)
	})
}

// failure is why the store failed, nil when it has not.
func (d *disk) failure() error {
	select {
	case <-d.failed:
		return d.cause
	default:
		return nil
	}
}

func (d *disk) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if !isFull(err) {
				d.log.Warn("log store: background work", "err", err)
			}
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			d.log.Error("log store: damaged file", "key", i.Path, "err", i.Details)
		},
	}
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// wait waits before a write to name that found the disk full is tried again. It
// returns false when the write must not be tried again. It doesn't wait for a
// table: pebble throws the unfinished table away, which makes room, and writes it
// again later.
func (d *disk) wait(name string) bool {
	if d.opening.Load() {
		return false
	}
	t := time.NewTimer(fullRetry)
	defer t.Stop()
	select {
	case <-t.C:
		return !strings.HasSuffix(name, ".sst")
	case <-d.done:
		return false
	}
}

// retry does f until the disk has room for it.
func (d *disk) retry(name string, f func() error) error {
	for {
		err := f()
		if err == nil && d.full.Load() && d.full.CompareAndSwap(true, false) {
			d.log.Info("log store: the disk has room again", "key", d.dir)
		}
		if err == nil || !isFull(err) {
			return err
		}
		if d.full.CompareAndSwap(false, true) {
			d.log.Warn("log store: the disk is full", "key", d.dir, "err", err)
		}
		if !d.wait(name) {
			return err
		}
	}
}

func (d *disk) opened(name string, f func() (vfs.File, error)) (file vfs.File, err error) {
	err = d.retry(name, func() error {
		file, err = f()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &diskFile{File: file, d: d, name: name}, nil
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.opened(name, func() (vfs.File, error) { return d.FS.Create(name, c) })
}

func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return d.opened(name, func() (vfs.File, error) { return d.FS.OpenReadWrite(name, c, opts...) })
}

func (d *disk) ReuseForWrite(from, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.opened(name, func() (vfs.File, error) { return d.FS.ReuseForWrite(from, name, c) })
}

func (d *disk) Link(from, to string) error {
	return d.retry(to, func() error { return d.FS.Link(from, to) })
}

func (d *disk) Rename(from, to string) error {
	return d.retry(to, func() error { return d.FS.Rename(from, to) })
}

func (d *disk) MkdirAll(dir string, perm os.FileMode) error {
	return d.retry(dir, func() error { return d.FS.MkdirAll(dir, perm) })
}

// Unwrap implements vfs.FS.
func (d *disk) Unwrap() vfs.FS { return d.FS }

// diskFile is a file whose writes wait for room. A failed sync is never tried
// again: what it should have written may be gone.
type diskFile struct {
	vfs.File
	d    *disk
	name string
}

func (f *diskFile) Write(p []byte) (written int, err error) {
	err = f.d.retry(f.name, func() error {
		n, err := f.File.Write(p[written:])
		written += n
		return err
	})
	return written, err
}

func (f *diskFile) WriteAt(p []byte, off int64) (written int, err error) {
	err = f.d.retry(f.name, func() error {
		n, err := f.File.WriteAt(p[written:], off+int64(written))
		written += n
		return err
	})
	return written, err
}
