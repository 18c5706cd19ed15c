package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// freezeWait bounds the wait for processes to stand still: a process that waits
// for a disk may take long.
const freezeWait = 2 * time.Second

// Freeze makes all tasks stand still until thaw or Thaw is called. On a host
// where that can't be done, it does nothing.
func (g Groups) Freeze(ctx context.Context) (thaw func() error, err error) {
	thaw = func() error { return g.freeze(false) }
	if err := g.freeze(true); err != nil {
		return nil, errors.Join(err, thaw())
	}
	wait, cancel := context.WithTimeout(ctx, freezeWait)
	defer cancel()
	for !g.frozen() {
		select {
		case <-wait.Done(): // most of them do
			return thaw, nil //nolint:nilerr // it bounds the wait only
		case <-time.After(5 * time.Millisecond):
		}
	}
	return thaw, nil
}

// Thaw lets all tasks go on, also those that a process froze which was killed.
func (g Groups) Thaw() error { return g.freeze(false) }

// instanceDir is the cgroup of all tasks in the hierarchy that can freeze them.
func (g Groups) instanceDir() string {
	return filepath.Join(g.hierarchy("freezer"), filepath.Dir(g.path("task")))
}

// freeze freezes the cgroup of all tasks, if there is one, or thaws it.
func (g Groups) freeze(on bool) error {
	if !g.usable {
		return nil
	}
	file, value := "freezer.state", map[bool]string{true: "FROZEN", false: "THAWED"}[on]
	if g.unified {
		file, value = "cgroup.freeze", map[bool]string{true: "1", false: "0"}[on]
	}
	err := set(g.instanceDir(), file, value)
	if errors.Is(err, fs.ErrNotExist) { // no task has run yet
		return nil
	}
	if err != nil {
		return fmt.Errorf("freeze tasks (%v): %w", on, err)
	}
	return nil
}

// frozen says whether all tasks stand still, or there are none.
func (g Groups) frozen() bool {
	if !g.usable {
		return true
	}
	file, word := "freezer.state", "FROZEN"
	if g.unified {
		file, word = "cgroup.events", "frozen 1"
	}
	b, err := os.ReadFile(filepath.Join(g.instanceDir(), file))
	return err != nil || strings.Contains(string(b), word)
}
