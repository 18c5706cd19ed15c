package spool

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func text(t *testing.T, f File) string {
	t.Helper()
	var out []byte
	err := f.Read(func(r io.Reader) (err error) { out, err = io.ReadAll(r); return err })
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func files(t *testing.T, st *Stream) []File {
	t.Helper()
	all, err := st.Files()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func stream(t *testing.T, s *Spool, name string) *Stream {
	t.Helper()
	st, err := s.Stream(name, map[string]string{"name": name})
	must(t, err)
	return st
}

// TestSpool: lines are in one file an interval, or more when it is big, until they are taken away.
func TestSpool(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Limits{File: 10, Total: 1 << 20})
	must(t, err)
	st := stream(t, s, "a")
	must(t, st.Append([]byte("one\n"), noon), st.Append([]byte("two\n"), noon), st.Append([]byte("three\n"), noon), st.Append([]byte("four\n"), noon.Add(time.Minute)))
	must(t, st.Seal(noon))
	all := files(t, st)
	if len(all) != 2 {
		t.Fatalf("files %+v, want two that have ended", all)
	}
	got := map[string]int{}
	for _, f := range all {
		if !f.End.Equal(noon) || len(f.Random) != 8 {
			t.Errorf("file %+v", f)
		}
		got[text(t, f)] = f.Lines
	}
	if got["one\ntwo\n"] != 2 || got["three\n"] != 1 {
		t.Errorf("lines %v", got)
	}
	must(t, st.Seal(noon.Add(time.Minute)))
	if all = files(t, st); len(all) != 3 || text(t, all[2]) != "four\n" {
		t.Fatalf("files %+v", all)
	}
	must(t, s.Drop(st))
	if len(files(t, st)) != 3 {
		t.Error("a stream with files was dropped")
	}
	for _, f := range all {
		must(t, s.Remove(f), s.Remove(f))
	}
	if s.Size() != 0 || len(files(t, st)) != 0 {
		t.Errorf("%d bytes are left", s.Size())
	}
	must(t, s.Drop(st))
	if len(s.Streams()) != 0 {
		t.Error("the stream is still there")
	}
}

// TestKilled: what was written when the process was killed is there, but for a line that was cut off.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Limits{File: 1 << 20, Total: 1 << 20})
	must(t, err)
	a, b := stream(t, s, "a"), stream(t, s, "b")
	must(t, a.Append([]byte("one\ntwo\nthr"), noon), b.Append([]byte("cut"), noon))
	must(t, os.MkdirAll(filepath.Join(dir, "bare"), 0o700)) // a crash before the description
	s, err = Open(dir, Limits{File: 1 << 20, Total: 1 << 20})
	must(t, err)
	if n := len(s.Streams()); n != 2 {
		t.Fatalf("%d streams", n)
	}
	a, b = stream(t, s, "a"), stream(t, s, "b")
	var is map[string]string
	if err := a.About(&is); err != nil || is["name"] != "a" {
		t.Errorf("about %v, %v", is, err)
	}
	if all := files(t, a); len(all) != 1 || text(t, all[0]) != "one\ntwo\n" || all[0].Lines != 2 || !all[0].End.Equal(noon) {
		t.Errorf("files %+v", all)
	}
	if all := files(t, b); len(all) != 0 || s.Size() != 8 {
		t.Errorf("files %+v, %d bytes", all, s.Size())
	}
	if _, err := os.Stat(filepath.Join(dir, "bare")); !os.IsNotExist(err) {
		t.Error("a directory without a description stays")
	}
}

// TestBound: beyond the bound the oldest files go, and their lines are counted.
func TestBound(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Limits{File: 1 << 20, Total: 20})
	must(t, err)
	a, b := stream(t, s, "a"), stream(t, s, "b")
	must(t, a.Append([]byte("1234567\n1\n"), noon.Add(time.Minute)), b.Append([]byte("123456789\n"), noon), s.End(), s.Bound())
	if len(files(t, a)) != 1 || len(files(t, b)) != 1 || s.Lost() != 0 {
		t.Fatal("files went that had room")
	}
	must(t, a.Append([]byte("x\n"), noon.Add(2*time.Minute)), s.Bound())
	if len(files(t, a)) != 1 || len(files(t, b)) != 0 || s.Lost() != 1 || s.Size() != 12 {
		t.Errorf("a %d, b %d files, %d lines lost, %d bytes", len(files(t, a)), len(files(t, b)), s.Lost(), s.Size())
	}
}
