package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sweepWait bounds the wait for the end of processes that were killed.
const sweepWait = 10 * time.Second

// Sweep kills whatever process is left in the cgroups of a task's containers, and
// removes these cgroups: their runtime may have been killed before it did.
func (g Groups) Sweep(task string) error {
	if !g.usable {
		return nil
	}
	deadline := time.Now().Add(sweepWait)
	for _, dir := range g.Dirs(task) {
		if err := sweep(dir, deadline); err != nil {
			return fmt.Errorf("sweep the cgroups of task %s: %w", task, err)
		}
	}
	return nil
}

func sweep(dir string, deadline time.Time) error {
	var below []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) { // beside the cgroups there are files
			return nil
		}
		if err == nil && d.IsDir() && path != dir {
			below = append(below, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, inner := range slices.Backward(below) { // the deepest first
		if err := clearOut(inner, deadline); err != nil {
			return err
		}
	}
	return nil
}

// clearOut kills the processes of a cgroup until it can be removed.
func clearOut(dir string, deadline time.Time) error {
	for {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil
		}
		if err != nil {
			return err
		}
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			if err == nil && pid > 0 {
				_ = unix.Kill(pid, unix.SIGKILL) // it may be gone
			}
		}
		err = os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
