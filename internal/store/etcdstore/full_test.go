package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/storetest"
)

// smallDisk mounts a file system of that size, or skips the test.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "docker") {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// fill leaves that much of the disk of dir, or less: etcd writes meanwhile.
func fill(t *testing.T, dir string, left uint64) (file string) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "ballast")
	err := os.WriteFile(file, make([]byte, st.Bavail*uint64(st.Bsize)-left), 0o600)
	if err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return file
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 256*mib)
	db := embedded(t, filepath.Join(disk, "store"))
	storetest.Put(t, db, "r/t/before", "1")
	ballast := fill(t, disk, mib)

	err := db.Update(t.Context(), func(tx store.Tx) error { tx.Put("r/t/full", []byte("1")); return nil })
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("Update on a full disk returned %v, want ErrFull", err)
	}
	if rows := storetest.Rows(t, db, ""); len(rows) != 1 {
		t.Errorf("rows on a full disk: %v", rows)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	storetest.Put(t, db, "r/t/after", "1")
	if rows := storetest.Rows(t, db, ""); len(rows) != 2 {
		t.Errorf("rows when there is space again: %v", rows)
	}
}

// TestDiskFillsUnderEtcd fills the disk behind the check for room, so that etcd
// itself fails: the store says why, and what it acknowledged is there when it
// is opened again.
func TestDiskFillsUnderEtcd(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 384*mib)
	dir := filepath.Join(disk, "store")
	db := embedded(t, dir)
	db.server.on.Store(new("/")) // where there is room
	ballast := fill(t, disk, 0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	acknowledged := 0
	var err error
	for err == nil {
		err = db.Update(ctx, func(tx store.Tx) error {
			tx.Put(fmt.Sprintf("r/t/%06d", acknowledged), make([]byte, 1<<20))
			return nil
		})
		if err == nil {
			acknowledged++
		}
	}
	t.Logf("%d acknowledged, then: %v", acknowledged, err)
	if !errors.Is(err, store.ErrClosed) || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("got %v, want why etcd failed", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	// The locks of the failed etcd are this process's: open what it left behind
	// as the next process would.
	next := filepath.Join(disk, "next")
	if err := os.CopyFS(next, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if rows := storetest.Rows(t, embedded(t, next), "r/t/"); len(rows) < acknowledged {
		t.Errorf("%d rows, %d were acknowledged", len(rows), acknowledged)
	}
}
