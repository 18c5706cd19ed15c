package ecstest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/skylift/skylift/internal/service/ecs/run"
)

// Data and Shared are file systems that there are, too.
const (
	Data   = "fs-0123456789abcdef0"
	Shared = "fs-0123456789abcdef1"
)

// Files has the file system fs-1, and knows which tasks have mounts of it.
type Files struct {
	mu    sync.Mutex
	Tasks map[string][]run.FileMount
	gone  map[string]bool // tasks whose mounts work no more
}

// Mount notes the mounts of a task.
func (f *Files) Mount(_ context.Context, task string, all []run.FileMount) (at []run.Mounted, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, m := range all {
		if !slices.Contains([]string{"fs-1", Data, Shared}, m.FileSystem) {
			return nil, &run.MountError{Reason: "failed to invoke EFS utils commands: no " + m.FileSystem}
		}
		at = append(at, run.Mounted{Path: fmt.Sprint("/mounts/", task, "/", i)})
	}
	f.Tasks[task] = all
	return at, nil
}

// Lost says whether Lose was called for the task.
func (f *Files) Lost(task string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone[task]
}

// Unmount forgets the mounts of a task.
func (f *Files) Unmount(task string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.Tasks, task)
	return nil
}

// Mounts returns what the task has mounted.
func (f *Files) Mounts(task string) []run.FileMount {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Tasks[task]
}

// Lose ends what serves the mounts of a task.
func (f *Files) Lose(task string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone[task] = true
}
