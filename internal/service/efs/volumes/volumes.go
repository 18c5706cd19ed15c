// Package volumes keeps the files of file systems: a directory each, below one
// of its own.
//
// A directory is on disk before its file system is available, and is removed
// only when the file system's record says so. One that has disappeared is never
// made again: its file system is in error until the directory is back.
package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/store"
)

const (
	// meterEvery is how often a file system is metered, at least.
	meterEvery = 10 * time.Minute
	// meterShare is how much longer than metering itself that takes, at least.
	meterShare = 100
	// lostAgain is how often a directory that vanished is looked for.
	lostAgain = 15 * time.Second
	// batch is how many records a transaction deletes.
	batch = 50
)

// Config is what volumes need.
type Config struct {
	DB        store.DB
	Dir       string // absolute; made when it is not there
	Mounts    string // likewise: where directories appear that tasks mount
	Namespace arn.Namespace
	Log       *slog.Logger
}

// Volumes makes the directory of a file system, its key, what it should be.
type Volumes struct {
	db     store.DB
	dir    string
	mounts string
	ns     arn.Namespace
	log    *slog.Logger

	rooting sync.Mutex // while an access point's root is made

	fuse    string // the kernel's device for file servers
	serving sync.Mutex
	servers []int // the file servers that are children of this process
}

// New returns the volumes in c.Dir.
func New(c Config) *Volumes {
	return &Volumes{db: c.DB, dir: c.Dir, mounts: c.Mounts, ns: c.Namespace, fuse: "/dev/fuse", log: c.Log.With("service", "efs")}
}

// Sources name the file systems that changed.
func (v *Volumes) Sources() []reconcile.Source {
	return []reconcile.Source{reconcile.Rows(v.db, efs.FileSystems, nil)}
}

// Reconcile implements reconcile.Reconciler.
func (v *Volumes) Reconcile(ctx context.Context, id string) (again time.Duration, err error) {
	var f efs.FileSystem
	var is *efs.Volume
	err = v.db.View(ctx, func(tx store.Tx) (err error) {
		if f, err = efs.FileSystems.Get(tx, id); err != nil {
			return err
		}
		found, err := efs.Volumes.Get(tx, id)
		if is = &found; errors.Is(err, store.ErrNotFound) {
			is, err = nil, nil
		}
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read file system: %w", err)
	case f.Deleted:
		return 0, v.remove(ctx, id)
	case is == nil:
		return v.create(ctx, id)
	}
	return v.watch(ctx, *is)
}

// create makes the directory and then records that it exists.
func (v *Volumes) create(ctx context.Context, id string) (time.Duration, error) {
	root, err := v.open()
	if err != nil {
		return 0, err
	}
	defer root.Close()
	if err := root.Mkdir(id, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("make directory: %w", err)
	}
	if err := root.Chmod(id, 0o755); err != nil { // whatever the umask is
		return 0, fmt.Errorf("make directory: %w", err)
	}
	if err := errors.Join(flush(root, id), flush(root, ".")); err != nil {
		return 0, err
	}
	return v.meter(ctx, efs.Volume{FileSystem: id})
}

// open makes the directory of all file systems, which nobody else of this
// machine may look into, and opens it.
func (v *Volumes) open() (*os.Root, error) {
	err := os.Mkdir(v.dir, 0o700)
	if err == nil {
		err = flushDir(filepath.Dir(v.dir))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make directory of file systems: %w", err)
	}
	root, err := os.OpenRoot(v.dir)
	if err != nil {
		return nil, fmt.Errorf("open directory of file systems: %w", err)
	}
	return root, nil
}

// watch meters a file system whose directory exists, and records when it doesn't.
func (v *Volumes) watch(ctx context.Context, is efs.Volume) (time.Duration, error) {
	_, err := os.Lstat(filepath.Join(v.dir, is.FileSystem))
	lost := errors.Is(err, fs.ErrNotExist)
	if err != nil && !lost {
		return 0, fmt.Errorf("look for directory: %w", err)
	}
	if lost != is.Lost {
		if lost {
			v.log.Error("the directory of a file system is gone: put it back", "key", is.FileSystem, "err", err)
		}
		is.Lost = lost
		if err := v.put(ctx, is); err != nil {
			return 0, err
		}
	}
	if lost {
		return lostAgain, nil
	}
	if due := time.Until(is.Metered.Add(meterEvery)); due > 0 {
		return due, nil
	}
	return v.meter(ctx, is)
}

// meter records how many bytes the file system takes, and says when to meter it
// again.
func (v *Volumes) meter(ctx context.Context, is efs.Volume) (time.Duration, error) {
	start := time.Now()
	bytes, err := usage(ctx, filepath.Join(v.dir, is.FileSystem))
	if err != nil {
		return 0, fmt.Errorf("meter: %w", err)
	}
	is.Bytes, is.Metered = bytes, time.Now().UTC()
	if err := v.put(ctx, is); err != nil {
		return 0, err
	}
	return max(meterEvery, meterShare*time.Since(start)), nil
}

// put writes a file system's volume, unless the file system was deleted meanwhile.
func (v *Volumes) put(ctx context.Context, is efs.Volume) error {
	err := v.db.Update(ctx, func(tx store.Tx) error {
		if _, err := efs.FileSystems.Get(tx, is.FileSystem); err != nil {
			return err
		}
		return efs.Volumes.Put(tx, is.FileSystem, is)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// remove removes the directory, then the access points, then the records that ask
// for it, so it can be repeated after a crash.
func (v *Volumes) remove(ctx context.Context, id string) error {
	root, err := v.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.RemoveAll(id); err != nil {
		return fmt.Errorf("remove directory: %w", err)
	}
	if err := flush(root, "."); err != nil {
		return err
	}
	for {
		done := false
		err := v.db.Update(ctx, func(tx store.Tx) (err error) {
			done, err = forget(tx, id)
			return err
		})
		if err != nil || done {
			return err
		}
	}
}

// forget deletes some of the records of a file system, that of itself last.
func forget(tx store.Tx, id string) (done bool, err error) {
	points, err := efs.PointsOf(tx, id)
	if err != nil {
		return false, err
	}
	for _, p := range points[:min(batch, len(points))] {
		if err := efs.AccessPoints.Delete(tx, p.ID); err != nil {
			return false, err
		}
	}
	if len(points) > batch {
		return false, nil
	}
	if err := efs.Volumes.Delete(tx, id); err != nil {
		return false, err
	}
	return true, efs.FileSystems.Delete(tx, id)
}
