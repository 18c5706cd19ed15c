package containerd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine/containerd/record"
)

// TestAnEndIsSeenOnAFullDisk: how a container ended can't be remembered then, and
// is true all the same.
func TestAnEndIsSeenOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	records, err := record.New(filepath.Join(dir, "tasks"))
	if err != nil {
		t.Fatal(err)
	}
	task := strings.Repeat("a", 32)
	id := containerID(task, "web")
	r := record.Container{Name: "web", Started: time.Now().UTC()}
	if err := errors.Join(records.Make(task), records.Put(task, id, r)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 128<<10), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	e := &Engine{records: records}
	is, err := e.settle(task, id, r, nil)
	if err != nil || is.Exit == nil || is.Exit.Code != killedExitCode {
		t.Fatalf("on a full disk it is %+v, %v; want it ended", is, err)
	}
	if kept, err := records.Get(task, id); err != nil || kept.Exit != nil {
		t.Errorf("the record is %+v, %v; want it as it was", kept, err)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	if is, err = e.settle(task, id, r, nil); err != nil || is.Exit == nil {
		t.Errorf("with room it is %+v, %v; want it ended", is, err)
	}
	if kept, err := records.Get(task, id); err != nil || kept.Exit == nil {
		t.Errorf("then the record is %+v, %v; want the end in it", kept, err)
	}
}
