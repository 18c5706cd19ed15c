package docker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/storage"
)

func TestDiskUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	empty, err := diskUse(t.Context(), dir)
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
	bytes, err := diskUse(t.Context(), dir)
	if got := bytes - empty; err != nil || got < 1<<20 || got > 1<<20+64<<10 {
		t.Errorf("%d bytes, %v, want a megabyte: one file with two names, and a hole", got, err)
	}
	if _, err := diskUse(t.Context(), in("gone")); err != nil {
		t.Errorf("what is gone: %v", err)
	}
}

func TestStorageThatCantBeSeen(t *testing.T) {
	t.Parallel()
	for name, driver := range map[string]*storage.DriverData{
		"no driver":      nil,
		"another driver": {Name: "btrfs"},
		"another host":   {Name: "overlay2", Data: map[string]string{"UpperDir": "/no/such/overlay2/layer/diff"}},
	} {
		err := written(&container.InspectResponse{GraphDriver: driver}, map[string]bool{})
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", name, err)
		}
	}
}
