package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/storetest"
)

func TestReserveSize(t *testing.T) {
	t.Parallel()
	for disk, want := range map[int64]int64{0: 16 * mib, 128 * mib: 16 * mib, 1 << 30: 32 * mib, 1<<30 + 7: 32 * mib, 8 << 30: 64 * mib, 1 << 40: 64 * mib} {
		if got := reserveSize(disk); got != want {
			t.Errorf("of %d: %d, want %d", disk, got, want)
		}
	}
}

// brim fills a disk to its last byte, again and again: somebody takes whatever
// becomes free.
func brim(t *testing.T, dir string) (empty func()) {
	t.Helper()
	file := filepath.Join(dir, "ballast")
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, mib)
	stop, stopped := make(chan struct{}), make(chan struct{})
	full := make(chan struct{})
	go func() {
		defer close(stopped)
		defer f.Close()
		for first := true; ; {
			_, err := f.Write(chunk)
			if errors.Is(err, unix.ENOSPC) && first {
				first = false
				close(full)
			}
			select {
			case <-stop:
				return
			default:
			}
			if err != nil && !errors.Is(err, unix.ENOSPC) {
				t.Error(err)
				return
			}
			if err != nil {
				time.Sleep(100 * time.Microsecond) // the machine isn't this test's alone
			}
		}
	}()
	<-full
	return func() {
		close(stop)
		<-stopped
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}

// TestFullWhileSomebodyFillsIt: the disk has no byte left, and what becomes free
// is taken at once.
func TestFullWhileSomebodyFillsIt(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 256*mib)
	db := embedded(t, filepath.Join(disk, "store"))
	whole := db.Lent() == 0
	empty := func() {}
	storetest.Full(t, db, func() { empty = brim(t, disk) }, func() {
		empty()
		if err := db.server.provide(); err != nil {
			t.Error(err)
		}
	})
	if !whole || db.Lent() != 0 {
		t.Errorf("the reserve was whole: %v, and lacks %d bytes now", whole, db.Lent())
	}
}

// TestOpensOnAFullDisk: a store that is there opens, is read and takes what
// frees something, over and over; one that isn't says what it lacks.
func TestOpensOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 256*mib)
	dir := filepath.Join(disk, "store")
	db := embedded(t, dir)
	for i := range 20 {
		storetest.Put(t, db, fmt.Sprintf("r/t/%d", i), "1")
	}
	ballast := fill(t, disk, 0)
	for i := range 3 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = embedded(t, dir)
		if rows := storetest.Rows(t, db, "r/t/"); len(rows) != 20-i {
			t.Fatalf("%d rows, want %d", len(rows), 20-i)
		}
		err := db.Update(store.Freeing(t.Context()), func(tx store.Tx) error { tx.Delete(fmt.Sprintf("r/t/%d", i)); return nil })
		if err != nil {
			t.Fatalf("delete after opening: %v", err)
		}
		if err := db.Update(t.Context(), func(tx store.Tx) error { tx.Put("r/t/new", nil); return nil }); !errors.Is(err, store.ErrFull) {
			t.Errorf("Update after opening: %v, want ErrFull", err)
		}
	}
	if _, err := Open(t.Context(), Config{Dir: filepath.Join(disk, "other")}); !errors.Is(err, store.ErrFull) {
		t.Errorf("a new store on a full disk: %v, want ErrFull", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	storetest.Put(t, db, "r/t/new", "1")
}

// TestLogGoesOnOnAFullDisk: the segment of etcd's log that is written ends while
// the disk is full, which would end etcd without another one.
func TestLogGoesOnOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 256*mib)
	db := embedded(t, filepath.Join(disk, "store"))
	put := func(ctx context.Context, bytes int) {
		t.Helper()
		if err := db.Update(ctx, func(tx store.Tx) error { tx.Put("r/t/one", make([]byte, bytes)); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	written := db.server.written()
	for i := range 30 { // half a MiB each: nearly a segment
		put(t.Context(), mib/2+i)
	}
	if db.server.written() != written {
		t.Fatal("the segment has ended already")
	}
	if err := db.server.provide(); err != nil {
		t.Fatal(err)
	}
	defer brim(t, disk)()
	for i := range 40 {
		put(store.Freeing(t.Context()), 64<<10+i)
	}
	if db.server.written() == written {
		t.Error("the segment has not ended")
	}
}

// TestASpoiledSegmentGoes: etcd began the next segment of its log and was killed.
func TestASpoiledSegmentGoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := embedded(t, dir)
	storetest.Put(t, db, "r/t/a", "1")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := &server{dir: dir}
	spoiled, fine := s.spares()[0], s.spares()[1]
	for name, head := range map[string]string{spoiled: "\x00\x00x", fine: "\x00"} {
		if err := os.WriteFile(name, []byte(head), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.dropSpoiled(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(spoiled); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the spoiled one is there: %v", err)
	}
	if _, err := os.Stat(fine); err != nil {
		t.Error(err)
	}
	if rows := storetest.Rows(t, embedded(t, dir), "r/t/"); len(rows) != 1 {
		t.Errorf("rows: %v", rows)
	}
}

func TestReserveIsGivenUpLittleByLittle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := openReserve(dir, 16*mib)
	if err := r.restore(4 * minFree); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, tt := range []struct {
		after time.Duration
		want  int64
	}{{0, mib}, {0, mib}, {sliceEvery / 2, mib}, {sliceEvery, 2 * mib}, {time.Hour, 3 * mib}} {
		now = now.Add(tt.after)
		if err := r.lend(slice, now); err != nil {
			t.Fatal(err)
		}
		if got := r.missing(); got != tt.want {
			t.Errorf("%d: %d bytes are given up, want %d", i, got, tt.want)
		}
	}
	if again := openReserve(dir, 16*mib).missing(); again != 3*mib {
		t.Errorf("opened again, %d bytes are given up", again)
	}
	if err := r.restore(2*minFree + 3*mib - 1); err != nil || r.missing() != 3*mib {
		t.Errorf("made whole without room for it: %v", err)
	}
	if err := r.restore(2*minFree + 3*mib); err != nil || r.missing() != 0 {
		t.Errorf("%d bytes are missing after it was made whole: %v", r.missing(), err)
	}
}
