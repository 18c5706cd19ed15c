package docker

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

// freezeWait bounds the wait for processes to stand still: one that waits for a
// disk may take long.
const freezeWait = 2 * time.Second

// Freeze has all tasks stand still until thaw is called, or the engine is opened
// again. Where that can't be done, it does nothing.
func (e *Engine) Freeze(ctx context.Context) (thaw func() error, err error) {
	thaw = func() error { return e.cgroups.freeze(false) }
	if err := e.cgroups.freeze(true); err != nil {
		return nil, errors.Join(err, thaw())
	}
	wait, cancel := context.WithTimeout(ctx, freezeWait)
	defer cancel()
	for !e.cgroups.frozen() {
		select {
		case <-wait.Done(): // most of them do
			return thaw, nil //nolint:nilerr // it bounds the wait only
		case <-time.After(5 * time.Millisecond):
		}
	}
	return thaw, nil
}

// instanceDir is the cgroup of all tasks in the hierarchy that can freeze them.
func (c cgroups) instanceDir() string {
	return filepath.Join(c.hierarchy("freezer"), filepath.Dir(c.path("task")))
}

// freeze freezes the cgroup of all tasks, if there is one, or thaws it.
func (c cgroups) freeze(on bool) error {
	if !c.usable {
		return nil
	}
	file, value := "freezer.state", map[bool]string{true: "FROZEN", false: "THAWED"}[on]
	if c.unified {
		file, value = "cgroup.freeze", map[bool]string{true: "1", false: "0"}[on]
	}
	err := setCgroup(c.instanceDir(), file, value)
	if errors.Is(err, fs.ErrNotExist) { // no task has run yet
		return nil
	}
	if err != nil {
		return fmt.Errorf("freeze tasks (%v): %w", on, err)
	}
	return nil
}

// frozen says whether all tasks stand still, or there are none.
func (c cgroups) frozen() bool {
	if !c.usable {
		return true
	}
	file, word := "freezer.state", "FROZEN"
	if c.unified {
		file, word = "cgroup.events", "frozen 1"
	}
	b, err := os.ReadFile(filepath.Join(c.instanceDir(), file))
	return err != nil || strings.Contains(string(b), word)
}
