package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/skylift/skylift/internal/disk"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/efs/volumes"
	"github.com/skylift/skylift/internal/store"
)

// freeing are the first words of the operations that stop something or give room
// back: they are done on a full disk, too.
var freeing = []string{
	"Abort", "BatchDelete", "Cancel", "Delete", "Deregister", "Detach", "Disassociate", "Release", "Remove", "Revoke", "Stop", "Terminate", "Untag",
}

// frees says whether an operation stops something or gives room back.
func frees(action string) bool {
	for _, verb := range freeing {
		if strings.HasPrefix(action, verb) {
			return true
		}
	}
	return false
}

// operationContext is the ctx that an operation is done with.
func operationContext(ctx context.Context, _, action string) context.Context {
	if frees(action) {
		return store.Freeing(ctx)
	}
	return ctx
}

// freed runs r so that it may write on a full disk: it brings to an end what was
// begun.
func freed(r Runner) Runner {
	return runner(func(ctx context.Context) error { return r.Run(store.Freeing(ctx)) })
}

// pressure is the disk of the data directory as the meter of tasks sees it.
type pressure struct {
	*disk.Watch
	*volumes.Volumes
	ephemeral, files bool // are on the disk
}

func (p pressure) Near() bool      { return p.Reached(disk.Low) }
func (p pressure) Over() bool      { return p.Reached(disk.NoGreed) }
func (p pressure) Ephemeral() bool { return p.ephemeral }

// Used is an error for file systems on another disk: they don't fill this one.
func (p pressure) Used(ctx context.Context, id string) (int64, error) {
	if !p.files {
		return 0, fmt.Errorf("file system %s is on another disk: %w", id, errors.ErrUnsupported)
	}
	return p.Volumes.Used(ctx, id)
}

// Stopped tells people.
func (p pressure) Stopped(s string) { p.Note(s) }

// watchDisk begins to look at the disk of the data directory.
func (m *machine) watchDisk() (err error) {
	lent := func() int64 { return 0 }
	if l, ok := m.db.(interface{ Lent() int64 }); ok {
		lent = l.Lent
	}
	if m.disk, err = disk.New(disk.Config{Dir: m.DataDir, Lent: lent, Log: m.Log}); err != nil {
		return err
	}
	if m.encrypted, err = m.isEncrypted(); err != nil {
		return err
	}
	m.events.RefuseWhile(func() bool { return m.disk.Reached(disk.NoLogs) })
	return nil
}

// still makes the tasks stand still when the disk is full, so that they don't
// take the room that the stores need to open. That is for a moment, in which the
// load balancers answer nobody anyway.
func (m *machine) still(ctx context.Context) (thaw func() error, err error) {
	w, err := disk.New(disk.Config{Dir: m.DataDir, Log: slog.New(slog.DiscardHandler)}) // it is told below
	if err != nil {
		return nil, err
	}
	e, ok := m.Engine.(interface {
		Freeze(ctx context.Context) (func() error, error)
	})
	if !ok || !w.Reached(disk.NoGreed) || len(m.EtcdEndpoints) > 0 { // records elsewhere need no room here
		return func() error { return nil }, nil
	}
	wake, err := e.Freeze(ctx)
	if err != nil {
		return nil, err
	}
	once := sync.OnceValue(wake)
	late := time.AfterFunc(longestStill, func() { _ = once() }) // who opens the stores hears of it
	return func() error {
		late.Stop()
		return once()
	}, nil
}

// longestStill is how long tasks stand still at most, however long the stores take
// to open.
const longestStill = 10 * time.Second

// isEncrypted says whether the disk of file systems is encrypted: the kernel
// shows it, or somebody vouches for it.
func (m *machine) isEncrypted() (bool, error) {
	if m.EncryptedAtRest {
		return true, nil
	}
	is, err := disk.Encrypted(m.DataDir)
	if files := filepath.Join(m.DataDir, filesDir); err == nil && is {
		if is, err = disk.Encrypted(files); errors.Is(err, fs.ErrNotExist) { // it may be a disk of its own, when it is there
			is, err = true, nil
		}
	}
	return is, err
}

// plain warns of file systems that should be encrypted and aren't known to be:
// the data directory was moved, or nobody vouches for its disk any more.
func (m *machine) plain(ctx context.Context) (out []string, err error) {
	if m.encrypted {
		return nil, nil
	}
	err = m.db.View(ctx, func(tx store.Tx) error {
		for f, err := range efs.FileSystems.Peek(tx, "") {
			if err != nil {
				return err
			}
			if f.Encrypted {
				out = append(out, fmt.Sprintf("file system %s is to be encrypted, and %s isn't known to be on an encrypted disk: "+
					"move it to one, or start skylift serve with --encrypted-at-rest", f.ID, m.DataDir))
			}
		}
		return nil
	})
	return out, err
}

// pressure is what the meter of tasks is to know of the disk.
func (m *machine) pressure(files *volumes.Volumes) pressure {
	p := pressure{Watch: m.disk, Volumes: files, files: true}
	if same, err := sameDisk(m.DataDir, filepath.Join(m.DataDir, filesDir)); err == nil { // else it is made later, here
		p.files = same
	}
	if e, ok := m.Engine.(interface{ Root() string }); ok {
		same, err := sameDisk(m.DataDir, e.Root())
		if err != nil {
			m.Log.Warn("the disk of the containers' files isn't known: they don't count when the data directory's is full", "err", err)
		}
		p.ephemeral = same
	}
	return p
}

// sameDisk says whether two directories are on one file system.
func sameDisk(a, b string) (bool, error) {
	var of [2]syscall.Stat_t
	for i, dir := range []string{a, b} {
		if err := syscall.Stat(dir, &of[i]); err != nil {
			return false, fmt.Errorf("look at %s: %w", dir, err)
		}
	}
	return of[0].Dev == of[1].Dev, nil
}
