package logstore

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOpensOnAFullDisk: the process was killed when the disk was full. What is
// stored is read, and writing goes on by itself when there is room.
func TestOpensOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(disk, "logs")
	s := openAt(t, dir)
	st := Stream{"g", "a"}
	put(t, s, st, 1)
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 64<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	after := filepath.Join(disk, "after") // what a killed process left
	if err := os.Mkdir(after, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filler, 40<<20); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(after, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filler+"2", make([]byte, 64<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}

	s, err := Open(after, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Read(t.Context(), st, Query{}); err != nil || texts(got) != "a@1" {
		t.Errorf("read: %q, %v", texts(got), err)
	}
	if err := s.Append(t.Context(), st, []Event{{Time: at(2), Text: "a@2"}}, nil); !errors.Is(err, ErrFull) {
		t.Errorf("append: got %v, want ErrFull", err)
	}
	if err := s.DropCursors(t.Context(), "x"); !errors.Is(err, ErrFull) {
		t.Errorf("drop cursors: got %v, want ErrFull", err)
	}
	if err := errors.Join(os.Remove(filler), os.Remove(filler+"2")); err != nil {
		t.Fatal(err)
	}
	<-s.writable // it looks by itself
	put(t, s, st, 2)
	if got, err := s.Read(t.Context(), st, Query{}); err != nil || texts(got) != "a@1 a@2" {
		t.Errorf("read when there was room again: %q, %v", texts(got), err)
	}
}

func TestRefuseWhile(t *testing.T) {
	t.Parallel()
	s := openAt(t, t.TempDir())
	full := true
	s.RefuseWhile(func() bool { return full })
	event := []Event{{Time: at(1), Text: "a@1"}}
	if err := s.Append(t.Context(), Stream{"g", "a"}, event, nil); !errors.Is(err, ErrFull) {
		t.Errorf("append while others need the room more: got %v, want ErrFull", err)
	}
	if err := s.Append(Urgent(t.Context()), Stream{"g", "a"}, event, nil); err != nil {
		t.Errorf("append what is urgent: %v", err)
	}
	full = false
	if err := s.Append(t.Context(), Stream{"g", "a"}, event, nil); err != nil {
		t.Error(err)
	}
}
