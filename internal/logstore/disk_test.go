package logstore

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// badDisk gives operations the error that fault holds, and says on hit that
// it did.
type badDisk struct {
	fault atomic.Pointer[fault]
	hit   chan struct{}
}

type fault struct {
	kinds []errorfs.OpKind
	err   error
}

func (b *badDisk) String() string { return "bad disk" }

func (b *badDisk) MaybeError(op errorfs.Op) error {
	f := b.fault.Load()
	if f == nil {
		return nil
	}
	if !slices.Contains(f.kinds, op.Kind) {
		return nil
	}
	select {
	case b.hit <- struct{}{}:
	default:
	}
	return f.err
}

func openBad(t *testing.T) (*Store, *badDisk) {
	t.Helper()
	bad := &badDisk{hit: make(chan struct{}, 1)}
	s, err := open(errorfs.Wrap(vfs.Default, bad), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		bad.fault.Store(nil)
		if err := s.Close(); err != nil && !errors.Is(err, ErrFailed) {
			t.Error(err)
		}
	})
	return s, bad
}

var writes = []errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpCreate, errorfs.OpReuseForWrite}

func TestAWriteUnderWayWaitsForRoom(t *testing.T) {
	t.Parallel()
	s, bad := openBad(t)
	st := Stream{"g", "a"}
	put(t, s, st, 1)
	bad.fault.Store(&fault{writes, &os.PathError{Op: "write", Err: syscall.ENOSPC}})
	done := make(chan error, 1)
	go func() { done <- s.Append(t.Context(), st, []Event{{Time: at(2), Text: "a@2"}}, nil) }()
	<-bad.hit
	if got, err := s.Read(t.Context(), st, Query{}); err != nil || !strings.HasPrefix(texts(got), "a@1") {
		t.Errorf("read while full: %q, %v", texts(got), err)
	}
	bad.fault.Store(nil)
	if err := <-done; err != nil {
		t.Errorf("append when there was room again: %v", err)
	}
	if got, err := s.Read(t.Context(), st, Query{}); err != nil || texts(got) != "a@1 a@2" {
		t.Errorf("read: %q, %v", texts(got), err)
	}
}

func TestABrokenDiskFailsTheStoreNotTheProcess(t *testing.T) {
	t.Parallel()
	s, bad := openBad(t)
	st := Stream{"g", "a"}
	put(t, s, st, 1)
	bad.fault.Store(&fault{[]errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData}, syscall.EIO})
	for range 2 {
		if err := s.Append(t.Context(), st, []Event{{Time: at(2)}}, nil); !errors.Is(err, ErrFailed) {
			t.Errorf("append: got %v, want ErrFailed", err)
		}
	}
	if got, err := s.Read(t.Context(), st, Query{}); err != nil || !strings.HasPrefix(texts(got), "a@1") {
		t.Errorf("read: %q, %v", texts(got), err)
	}
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("close: got %v, want ErrFailed", err)
	}
}

func TestCloseDoesNotWaitForRoom(t *testing.T) {
	t.Parallel()
	s, bad := openBad(t)
	bad.fault.Store(&fault{writes, syscall.ENOSPC})
	done := make(chan error, 1)
	go func() { done <- s.Append(t.Context(), Stream{"g", "a"}, []Event{{Time: at(2)}}, nil) }()
	<-bad.hit
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("close: got %v, want ErrFailed", err)
	}
	if err := <-done; !errors.Is(err, ErrFailed) {
		t.Errorf("append: got %v, want ErrFailed", err)
	}
}

func TestAFlushIsDoneAgainWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	s, bad := openBad(t)
	st := Stream{"g", "a"}
	put(t, s, st, 1)
	bad.fault.Store(&fault{writes, syscall.ENOSPC})
	flushed := make(chan error, 1)
	go func() { flushed <- s.db.Flush() }()
	for range 4 {
		<-bad.hit
	}
	bad.fault.Store(nil)
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	put(t, s, st, 2)
	if got, err := s.Read(t.Context(), st, Query{}); err != nil || texts(got) != "a@1 a@2" {
		t.Errorf("read: %q, %v", texts(got), err)
	}
}

// TestFullDisk fills a small file system, first with events, then to the
// last byte.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := openAt(t, filepath.Join(dir, "logs"))
	st, stored := Stream{"g", "a"}, fill(t, s)

	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 64<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	if err := s.Append(t.Context(), st, []Event{{Time: at(0)}}, nil); !errors.Is(err, ErrFull) {
		t.Errorf("append to a full disk: got %v, want ErrFull", err)
	}
	if got, err := s.Read(t.Context(), st, Query{}); err != nil || len(got) != stored {
		t.Errorf("read from a full disk: %d events of %d, %v", len(got), stored, err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=256m"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	put(t, s, st, 1)
}

// fill appends text that does not compress until the disk is full.
func fill(t *testing.T, s *Store) (stored int) {
	t.Helper()
	for {
		text := make([]byte, 256<<10)
		x := uint32(stored + 1)
		for i := range text {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
			text[i] = byte(x)
		}
		err := s.Append(t.Context(), Stream{"g", "a"}, []Event{{Time: at(int64(stored)), Text: string(text)}}, nil)
		if errors.Is(err, ErrFull) {
			return stored
		}
		if err != nil {
			t.Fatal(err)
		}
		stored++
	}
}
