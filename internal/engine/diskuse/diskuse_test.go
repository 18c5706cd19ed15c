package diskuse

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	empty, err := Of(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("file"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(in("file"), in("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("hole"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(in("hole"), 1<<30); err != nil {
		t.Fatal(err)
	}
	bytes, err := Of(t.Context(), dir)
	if got := bytes - empty; err != nil || got < 1<<20 || got > 1<<20+64<<10 {
		t.Errorf("%d bytes, %v, want a megabyte: one file with two names, and a hole", got, err)
	}
	if _, err := Of(t.Context(), in("gone")); err != nil {
		t.Errorf("what is gone: %v", err)
	}
}
