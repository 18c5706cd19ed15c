package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/skylift/skylift/internal/instance"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/vpc"
)

// Down ends the instance of the data directory dir, which need not run: its
// process, its containers, its interfaces and rules and, with purge, its data.
// It may be repeated after a failure.
func Down(ctx context.Context, dir string, purge bool, step func(string)) error {
	_, err := instance.Load(dir)
	if errors.Is(err, instance.ErrNone) {
		return fmt.Errorf("no Skylift has run with data directory %s: name the right one with --data-dir", dir)
	}
	if err != nil {
		return err
	}
	lock, err := takeOver(ctx, dir, step)
	if err != nil {
		return err
	}
	defer lock.Release()
	is, err := instance.Load(dir) // as the process left it
	if err != nil {
		return err
	}
	step("removing containers")
	if err := removeTasks(ctx, Config{DataDir: dir, Log: slog.New(slog.DiscardHandler)}, is, purge); err != nil {
		return err
	}
	for _, s := range services {
		if s.release == nil {
			continue
		}
		if err := s.release(dir); err != nil {
			return err
		}
	}
	step("removing network interfaces and rules")
	if err := vpc.Purge(ctx, is.ID); err != nil {
		return err
	}
	if !purge {
		step("done; the data is in " + dir)
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, storeDir)); errors.Is(err, os.ErrNotExist) {
		step("the records are in an external etcd, and stay there: remove them with etcdctl del --prefix skylift/")
	}
	if removed, err := removeCA(ctx, is.ID); err != nil {
		return err
	} else if removed {
		step("its certificates are trusted no more")
	}
	step("removing " + dir)
	return removeData(dir)
}

// takeOver takes the data directory from the process that runs on it, which
// gets SIGTERM.
func takeOver(ctx context.Context, dir string, step func(string)) (*instance.Lock, error) {
	asked := false
	for end := time.Now().Add(time.Minute); ; {
		lock, err := instance.Acquire(dir)
		held, ok := errors.AsType[*instance.ErrHeld](err)
		if !ok {
			return lock, err
		}
		if !asked {
			asked = true
			step(fmt.Sprintf("stopping Skylift (process %d)", held.PID))
			if err := syscall.Kill(held.PID, syscall.SIGTERM); err != nil {
				return nil, fmt.Errorf("stop Skylift (process %d): %w", held.PID, err)
			}
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("process %d did not end within a minute of SIGTERM: end it, then try again", held.PID)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// removeData removes what Skylift keeps in dir, and dir when nothing else is
// in it and it isn't where a disk is mounted.
func removeData(dir string) error {
	names := []string{storeDir, refusalsDir}
	for _, s := range services {
		names = append(names, s.dirs...)
	}
	// The last ones say what the instance is: a removal that ends early can be repeated.
	for _, name := range append(names, seal.File, seal.NextFile, "credentials.json", "instance.json", "lock") {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("remove the data: %w", err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the data: %w", err)
	}
	return nil
}
