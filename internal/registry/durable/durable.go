// Package durable keeps the registry's files as distribution's file system driver
// does, and promises more: what it acknowledged, with its name, is on stable
// storage, and a request knows whether it met a full disk.
package durable

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

	"github.com/skylift/skylift/internal/atomicfile"
)

// Driver is distribution's file system driver, which syncs the files it
// writes, with the promise that the names it gives them are on stable storage
// too; and it notes in a request's context that the disk is full.
type Driver struct {
	storagedriver.StorageDriver
	root string
	full func() bool // the disk has no room for more
}

// Name is what distribution's configuration calls the driver. Its parameter
// "instance" is the *Driver.
const Name = "skylift"

// New returns the driver of the files below root. full says that the disk has no
// room for more.
func New(root string, full func() bool) *Driver {
	register()
	return &Driver{filesystem.New(filesystem.DriverParameters{RootDirectory: root, MaxThreads: 100}), root, full}
}

// register makes the driver known to distribution's application, which takes
// drivers only by name.
var register = sync.OnceFunc(func() { factory.Register(Name, instances{}) })

// instances hands out the driver that the configuration holds.
type instances struct{}

func (instances) Create(_ context.Context, parameters map[string]any) (storagedriver.StorageDriver, error) {
	d, ok := parameters["instance"].(*Driver)
	if !ok {
		return nil, errors.New("the registry's driver is missing in its configuration")
	}
	return d, nil
}

// PutContent implements distribution's StorageDriver.
func (d *Driver) PutContent(ctx context.Context, path string, content []byte) error {
	return d.named(ctx, path, func() error { return d.StorageDriver.PutContent(ctx, path, content) })
}

// Move implements distribution's StorageDriver.
func (d *Driver) Move(ctx context.Context, source, dest string) error {
	return d.named(ctx, dest, func() error { return d.StorageDriver.Move(ctx, source, dest) })
}

// named runs f, which makes path and the directories above that are missing,
// and then syncs every directory in which a name is new.
func (d *Driver) named(ctx context.Context, path string, f func() error) error {
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
		if err := atomicfile.Sync(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return note(ctx, err)
		}
	}
	return nil
}

// Writer implements distribution's StorageDriver.
func (d *Driver) Writer(ctx context.Context, path string, extend bool) (storagedriver.FileWriter, error) {
	w, err := d.StorageDriver.Writer(ctx, path, extend)
	if err != nil {
		return nil, note(ctx, err)
	}
	out := &writer{FileWriter: w, ctx: ctx, full: d.full}
	if s, ok := ctx.Value(sessionKey{}).(*Session); ok {
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

// Session is what one request did: whether it met a full disk, and the writers
// it opened. distribution forgets to close one that fails, which would keep
// the space of a file that is deleted.
type Session struct {
	full atomic.Bool
	mu   sync.Mutex
	open []*writer
}

type sessionKey struct{}

// In returns the context of the request whose session this is.
func (s *Session) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

// Full reports whether the request met a full disk.
func (s *Session) Full() bool { return s.full.Load() }

func (s *Session) add(w *writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, w)
}

// Close closes what is still open; closing again is refused by the driver and
// does no harm.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.open {
		w.FileWriter.Close()
	}
	s.open = nil
}

func note(ctx context.Context, err error) error {
	if s, ok := ctx.Value(sessionKey{}).(*Session); ok && IsFull(err) {
		s.full.Store(true)
	}
	return err
}

// IsFull reports whether an error says that the disk is full.
func IsFull(err error) bool {
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
