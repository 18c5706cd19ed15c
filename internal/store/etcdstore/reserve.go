package etcdstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/store"
)

// What stops something or gives room back must be written when the disk is full,
// and somebody may fill it faster than anything can be stopped. So the store has
// room that nobody else can take: etcd's files are allocated ahead of what is
// written to them. Beside them lies a file that is given up little by little, for
// the small files that etcd makes by the way.
const (
	reserveFile = "reserve"
	// reserveMost and reserveLeast bound the file's size: a 32nd of the disk.
	reserveMost, reserveLeast = 64 * mib, 16 * mib
	// slice is how much of it is given up at once, and sliceEvery how often at
	// most: who fills the disk takes that, too.
	slice      = mib
	sliceEvery = time.Second
	// lastRoom is what is enough for what frees something, when nothing is allocated
	// ahead.
	lastRoom = 8 * mib
	// startSlice is given up when the store is opened on a full disk: etcd allocates
	// the rest of its log anew then.
	startSlice = 4 * mib
	// segmentEnd is what a segment of etcd's log has behind its end, for what is
	// written when it is nearly full.
	segmentEnd = mib
	// databaseAhead is what the database's file has allocated behind its end.
	databaseAhead = 8 * mib
)

// reserveSize is how large the reserve of a disk of that many bytes is.
func reserveSize(disk int64) int64 {
	return min(max(disk/32, reserveLeast), reserveMost) / slice * slice
}

// reserve is the file that is given up. Its methods may be called by several.
type reserve struct {
	path string
	size int64 // when it is whole

	mu   sync.Mutex
	left int64
	lent time.Time // when the last slice was given up
}

// openReserve finds what there is of the file.
func openReserve(dir string, size int64) *reserve {
	r := &reserve{path: filepath.Join(dir, reserveFile), size: size}
	if info, err := os.Stat(r.path); err == nil {
		r.left = info.Size()
	}
	return r
}

// missing is how many bytes of the reserve are given up: they are free, and not
// for everybody.
func (r *reserve) missing() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.size-r.left, 0)
}

// lend gives up n bytes, or what there is, if the last were long enough ago.
func (r *reserve) lend(n int64, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 || now.Sub(r.lent).Abs() < sliceEvery {
		return nil
	}
	left := max(r.left-n, 0)
	if err := os.Truncate(r.path, left); err != nil {
		return fmt.Errorf("give up some of the reserve: %w", err)
	}
	r.left, r.lent = left, now
	return nil
}

// restore makes the file whole where free bytes of the disk are enough for that.
func (r *reserve) restore(free int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left >= r.size || free-(r.size-r.left) < 2*minFree {
		return nil
	}
	err := allocate(r.path, 0, r.size)
	r.left = min(allocated(r.path), r.size)
	if err != nil {
		return fmt.Errorf("make the reserve: %w", err)
	}
	if r.left == 0 {
		r.size = 0 // there can be none
	}
	return nil
}

// allocate gives a file, made where it isn't there, size bytes on the disk.
func allocate(path string, mode uint32, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), mode, 0, size); !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return nil // some file systems have no such thing
}

// allocated returns how many bytes a file has on the disk; 0 when it isn't there.
func allocated(path string) int64 {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0
	}
	return st.Blocks * 512
}

// ahead gives a file, where there is one, n bytes on the disk behind its end.
func ahead(path string, n int64) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || allocated(path) >= info.Size()+n {
		return err
	}
	return allocate(path, unix.FALLOC_FL_KEEP_SIZE, info.Size()+n)
}

// spares are the names that etcd makes the next segments of its log under, in
// turn: it takes one that is there as it is.
func (s *server) spares() []string {
	wal := filepath.Join(s.dir, "member", "wal")
	return []string{filepath.Join(wal, "0.tmp"), filepath.Join(wal, "1.tmp")}
}

// written is the segment of etcd's log that is written, "" before there is one.
func (s *server) written() string {
	all, err := filepath.Glob(filepath.Join(s.dir, "member", "wal", "*.wal")) // in order
	if err != nil || len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

func (s *server) database() string { return filepath.Join(s.dir, "member", "snap", "db") }

// dropSpoiled removes segments that etcd had begun to write when it ended: it
// would go on behind what is in them. Call it before etcd starts.
func (s *server) dropSpoiled() error {
	for _, name := range s.spares() {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at the next segment of etcd's log: %w", err)
		}
		head := make([]byte, 4096)
		n, _ := f.Read(head) // an empty one has nothing to read
		f.Close()
		for _, b := range head[:n] {
			if b == 0 {
				continue
			}
			if err := os.Remove(name); err != nil {
				return fmt.Errorf("remove a segment of etcd's log that was not begun whole: %w", err)
			}
			break
		}
	}
	return nil
}

// provide allocates ahead, and makes the reserve whole, as far as there is room.
func (s *server) provide() error {
	free, err := s.free()
	if err != nil || free < 2*minFree+s.reserve.missing() {
		return err
	}
	var errs []error
	for _, name := range s.spares() {
		if allocated(name) < segment {
			errs = append(errs, allocate(name, 0, segment))
		}
	}
	for _, name := range append(s.spares(), s.written()) {
		errs = append(errs, ahead(name, segmentEnd))
	}
	errs = append(errs, ahead(s.database(), databaseAhead))
	if free, err = s.free(); err == nil {
		err = s.reserve.restore(free)
	}
	return errors.Join(append(errs, err)...)
}

// provideAlways is provide, which tells of a failure once.
func (s *server) provideAlways() {
	err := s.provide()
	if err != nil && err.Error() != s.lacking {
		s.log.Warn("allocate etcd's files ahead", "err", err)
	}
	s.lacking = ""
	if err != nil {
		s.lacking = err.Error()
	}
}

// hasSegment says whether etcd's log can go on when the segment that it writes
// is full, whatever the disk has left.
func (s *server) hasSegment() bool {
	for _, name := range s.spares() {
		if allocated(name) >= segment {
			return true
		}
	}
	return false
}

// free returns how many bytes of the disk are left.
func (s *server) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(*s.on.Load(), &st); err != nil {
		return 0, fmt.Errorf("see how much space %s has: %w", s.dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // not 64 bits everywhere
}

// disk returns how many bytes the disk has.
func (s *server) disk() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return 0, fmt.Errorf("see how large the disk of %s is: %w", s.dir, err)
	}
	return int64(st.Blocks) * int64(st.Bsize), nil //nolint:unconvert // likewise
}

// room says whether a transaction may be written. One that frees something may
// where others may not.
func (s *server) room(freeing bool) error {
	free, err := s.free()
	if err != nil {
		return err
	}
	if free -= s.reserve.missing(); free >= minFree {
		return nil
	}
	if freeing {
		if free+s.reserve.missing() < slice {
			if err := s.reserve.lend(slice, time.Now()); err != nil {
				s.log.Error("give up some of the store's reserve", "err", err)
			}
		}
		if s.hasSegment() || free+s.reserve.missing() >= lastRoom {
			return nil
		}
	}
	return fmt.Errorf("%w: the disk of %s has %d MiB left and %d are needed: free some space", store.ErrFull, s.dir, max(free, 0)/mib, minFree/mib)
}

// Lent returns how many bytes of the store's reserve are given up: the disk has
// so much less for everybody else than it seems.
func (db *DB) Lent() int64 {
	if db.server == nil {
		return 0
	}
	return db.server.reserve.missing()
}
