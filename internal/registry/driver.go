package registry

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

// driver is distribution's file system driver, which syncs the files it
// writes, with the promise that the names it gives them are on stable storage
// too; and it notes in a request's context that the disk is full.
type driver struct {
	storagedriver.StorageDriver
	root string
	full func() bool // the disk has no room for more
}

const driverName = "skylift"

func newDriver(root string, full func() bool) *driver {
	register()
	return &driver{filesystem.New(filesystem.DriverParameters{RootDirectory: root, MaxThreads: 100}), root, full}
}

// register makes the driver known to distribution's application, which takes
// drivers only by name.
var register = sync.OnceFunc(func() { factory.Register(driverName, instances{}) })

// instances hands out the driver that the configuration holds.
type instances struct{}

func (instances) Create(_ context.Context, parameters map[string]any) (storagedriver.StorageDriver, error) {
	d, ok := parameters["instance"].(*driver)
	if !ok {
		return nil, errors.New("the registry's driver is missing in its configuration")
	}
	return d, nil
}

func (d *driver) PutContent(ctx context.Context, path string, content []byte) error {
	return d.named(ctx, path, func() error { return d.StorageDriver.PutContent(ctx, path, content) })
}

func (d *driver) Move(ctx context.Context, source, dest string) error {
	return d.named(ctx, dest, func() error { return d.StorageDriver.Move(ctx, source, dest) })
}

// named runs f, which makes path and the directories above that are missing,
// and then syncs every directory in which a name is new.
func (d *driver) named(ctx context.Context, path string, f func() error) error {
	dir := filepath.Dir(filepath.Join(d.root, path))
	dirs := []string{dir}
	for !exists(dir) && dir != d.root {
		dir = filepath.Dir(dir)
		dirs = append(dirs, dir)
	}
	if err := f(); err != nil {
		return note(ctx, err)
	}
	for _, dir := range dirs {
		if err := syncPath(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return note(ctx, err)
		}
	}
	return nil
}

func (d *driver) Writer(ctx context.Context, path string, extend bool) (storagedriver.FileWriter, error) {
	w, err := d.StorageDriver.Writer(ctx, path, extend)
	if err != nil {
		return nil, note(ctx, err)
	}
	out := &writer{FileWriter: w, ctx: ctx, full: d.full}
	if s, ok := ctx.Value(sessionKey{}).(*session); ok {
		s.add(out)
	}
	return out, nil
}

// writer notes failures; it lives for one request, whose context it keeps
// because Write has none.
type writer struct {
	storagedriver.FileWriter
	ctx  context.Context //nolint:containedctx // see above
	full func() bool
}

func (w *writer) Write(p []byte) (int, error) {
	if w.full() {
		return 0, note(w.ctx, syscall.ENOSPC)
	}
	n, err := w.FileWriter.Write(p)
	return n, note(w.ctx, err)
}

func (w *writer) Close() error { return note(w.ctx, w.FileWriter.Close()) }

func (w *writer) Commit(ctx context.Context) error { return note(w.ctx, w.FileWriter.Commit(ctx)) }

// session is what one request did: whether it met a full disk, and the writers
// it opened. distribution forgets to close one that fails, which would keep
// the space of a file that is deleted.
type session struct {
	full atomic.Bool
	mu   sync.Mutex
	open []*writer
}

type sessionKey struct{}

func (s *session) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

func (s *session) add(w *writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, w)
}

// close closes what is still open; closing again is refused by the driver and
// does no harm.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.open {
		w.FileWriter.Close()
	}
	s.open = nil
}

func note(ctx context.Context, err error) error {
	if s, ok := ctx.Value(sessionKey{}).(*session); ok && isFull(err) {
		s.full.Store(true)
	}
	return err
}

func isFull(err error) bool {
	// distribution's own error type hides its cause from errors.Is.
	if e, ok := errors.AsType[storagedriver.Error](err); ok {
		err = e.Detail
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// syncPath brings a file or a directory to stable storage.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
