package blob

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, s *Store, key, content []byte) string {
	t.Helper()
	w, err := s.Create(key)
	if err != nil {
		t.Fatal(err)
	}
	for b := range bytesIn(content, 7001) {
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return w.ID()
}

func bytesIn(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func read(t *testing.T, s *Store, id string, key []byte, size, from, to int64) []byte {
	t.Helper()
	r, err := s.Open(id, key, size, from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadBack(t *testing.T) {
	t.Parallel()
	s, key := open(t, t.TempDir()), NewKey()
	for _, n := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 3 * pieceSize, 3*pieceSize + 17} {
		want := content(n)
		id := write(t, s, key, want)
		size := int64(n)
		for _, r := range [][2]int64{{0, size}, {size / 2, size}, {0, size / 3}, {size / 3, size / 2}, {max(size-1, 0), size}} {
			if got := read(t, s, id, key, size, r[0], r[1]); !bytes.Equal(got, want[r[0]:r[1]]) {
				t.Errorf("%d bytes, %v: got %d other bytes", n, r, len(got))
			}
		}
		linked, err := s.Link(id)
		if err != nil {
			t.Fatal(err)
		}
		s.Release(id, linked)
		s.Remove(id)
		if got := read(t, s, linked, key, size, 0, size); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: a link has others", n)
		}
		if _, err := s.Open(id, key, size, 0, size); !errors.Is(err, ErrGone) {
			t.Errorf("a removed file: %v", err)
		}
	}
}

func TestAChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	s, key := open(t, t.TempDir()), NewKey()
	want := content(2*pieceSize + 5)
	id := write(t, s, key, want)
	bad := func(what string, size int64, key []byte) {
		t.Helper()
		r, err := s.Open(id, key, size, 0, size)
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if err == nil {
			t.Errorf("%s: nothing was noticed", what)
		}
	}
	size := int64(len(want))
	bad("another key", size, NewKey())
	bad("cut off at a piece", 2*pieceSize, key)
	b, err := os.ReadFile(s.path(id))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, want[:64]) {
		t.Error("the file is readable")
	}
	b[head+pieceSize+tagSize+9] ^= 1
	if err := os.WriteFile(s.path(id), b, 0o600); err != nil {
		t.Fatal(err)
	}
	bad("a changed byte", size, key)
}

func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, key := open(t, dir), NewKey()
	kept, orphan, held := write(t, s, key, nil), write(t, s, key, nil), write(t, s, key, nil)
	s.Release(kept, orphan)
	w, err := s.Create(key)
	if err != nil {
		t.Fatal(err)
	}
	late := write(t, s, key, nil) // is referred to from the second sweep on
	s.Release(late)
	referred := map[string]bool{kept: true}
	for _, want := range []int{0, 1, 0} {
		n, err := s.Sweep(func() (func(string) bool, error) { return func(id string) bool { return referred[id] }, nil })
		if n != want || err != nil {
			t.Errorf("removed %d, %v; want %d", n, err, want)
		}
		referred[late] = true
	}
	for id, want := range map[string]bool{kept: true, late: true, orphan: false, held: true} {
		if _, err := os.Stat(s.path(id)); (err == nil) != want {
			t.Errorf("%s: %v, want it to be there: %t", id, err, want)
		}
	}
	s.Remove(held)
	if _, err := os.Stat(s.path(held)); err != nil {
		t.Errorf("a held file went: %v", err)
	}
	s.Release(held)
	if _, err := os.Stat(s.path(held)); err == nil {
		t.Error("a removed file stays after it was let go")
	}
	open(t, dir) // as after a crash
	if left, err := filepath.Glob(filepath.Join(dir, tmpDir, "*")); len(left) > 0 || err != nil {
		t.Errorf("%v left of unfinished files, %v", left, err)
	}
	w.Abort()
}

func TestFull(t *testing.T) {
	t.Parallel()
	full := false
	s, err := Open(t.TempDir(), func() bool { return full })
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	full = true
	if _, err = w.Write(make([]byte, 300*pieceSize)); !errors.Is(err, ErrFull) {
		t.Errorf("write: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, ErrFull) {
		t.Errorf("commit: %v", err)
	}
	if _, err := s.Create(NewKey()); !errors.Is(err, ErrFull) {
		t.Errorf("create: %v", err)
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	s, key := open(t, t.TempDir()), NewKey()
	a, b := content(pieceSize+3), content(11)
	one, two := write(t, s, key, a), write(t, s, key, b)
	s.Release(one, two)
	parts := []Part{{one, int64(len(a)), 5, int64(len(a))}, {two, int64(len(b)), 0, 4}}
	c, err := s.Chain(key, parts)
	if err != nil {
		t.Fatal(err)
	}
	s.Remove(one, two)
	got, err := io.ReadAll(c)
	if want := append(bytes.Clone(a[5:]), b[:4]...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.path(two)); err == nil {
		t.Error("a removed file stays after it was read")
	}
	three := write(t, s, key, a)
	s.Release(three)
	for _, gone := range [][]Part{parts, {{three, int64(len(a)), 0, 9}, parts[1]}} {
		if _, err := s.Chain(key, gone); !errors.Is(err, ErrGone) {
			t.Errorf("a part is gone: %v", err)
		}
	}
	if len(s.held) > 0 {
		t.Errorf("%v are held by nobody", s.held)
	}
}

// TestWhoComesTooLate: whoever reads what is being removed reads all of it, or is told at once.
func TestWhoComesTooLate(t *testing.T) {
	t.Parallel()
	s, key := open(t, t.TempDir()), NewKey()
	a, b := content(7), content(11)
	for range 300 {
		one, two := write(t, s, key, a), write(t, s, key, b)
		s.Release(one, two)
		removed := make(chan struct{})
		go func() {
			defer close(removed)
			s.Remove(one, two)
		}()
		c, err := s.Chain(key, []Part{{one, int64(len(a)), 0, int64(len(a))}, {two, int64(len(b)), 0, int64(len(b))}})
		if err == nil {
			<-removed // while it is read
			got, err := io.ReadAll(c)
			if want := append(bytes.Clone(a), b...); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(want))
			}
			err = c.Close()
			if err != nil {
				t.Fatal(err)
			}
		} else if !errors.Is(err, ErrGone) {
			t.Fatal(err)
		}
		<-removed
	}
	if len(s.held)+len(s.doomed)+len(s.going) > 0 {
		t.Errorf("left: %v, %v, %v", s.held, s.doomed, s.going)
	}
	three := write(t, s, key, a)
	s.Release(three)
	s.going[three] = true // Remove has decided, and hasn't got to it
	if _, err := s.Chain(key, []Part{{three, int64(len(a)), 0, 1}}); !errors.Is(err, ErrGone) {
		t.Errorf("what is about to go: %v", err)
	}
}
