package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/cgroup"
	"github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/engine/diskuse"
)

// Stats returns what a task uses now.
func (e *Engine) Stats(ctx context.Context, taskID string) (engine.Stats, error) {
	s, err := e.Inspect(ctx, taskID)
	if err != nil {
		return engine.Stats{}, err
	}
	var stats engine.Stats
	for _, c := range s.Containers {
		if c.State != engine.Running {
			continue
		}
		p, err := e.processOf(e.in(ctx), c.RuntimeID)
		if err != nil {
			return engine.Stats{}, translate("measure container "+c.Name, err)
		}
		if !running(p) {
			continue
		}
		if stats.Networks == nil {
			stats.Networks = cgroup.Networks(int(p.Pid))
		}
		is, err := e.cgroups.Measure(taskID, c.RuntimeID)
		if errors.Is(err, os.ErrNotExist) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return engine.Stats{}, fmt.Errorf("measure container %s: %w", c.Name, err)
		}
		is.Name, is.RuntimeID = c.Name, c.RuntimeID
		stats.Containers = append(stats.Containers, is)
	}
	return stats, nil
}

// Processes returns what a task has of the host's processes.
func (e *Engine) Processes(_ context.Context, taskID string) (engine.ProcessStats, error) {
	return e.cgroups.Processes(taskID)
}

// Storage returns how many bytes of disk a task has written: to the layers above
// its images, and to its volumes.
func (e *Engine) Storage(ctx context.Context, taskID string) (bytes int64, err error) {
	ctx = e.in(ctx)
	if !taskForm.MatchString(taskID) || !e.records.Has(taskID) {
		return 0, fmt.Errorf("storage of task %s: %w", taskID, engine.ErrNotFound)
	}
	records, err := e.records.All(taskID)
	if err != nil {
		return 0, err
	}
	dirs := []string{filepath.Join(e.records.Dir(taskID), "volumes")}
	for _, id := range keys(records) {
		upper, err := e.upperDir(ctx, id)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("storage of task %s: %w", taskID, err)
		}
		dirs = append(dirs, upper)
	}
	for _, dir := range dirs {
		n, err := diskuse.Of(ctx, dir)
		if err != nil {
			return 0, fmt.Errorf("storage of task %s: %w", taskID, err)
		}
		bytes += n
	}
	return bytes, nil
}

// upperDir is the directory that has what a container wrote.
func (e *Engine) upperDir(ctx context.Context, id string) (string, error) {
	mounts, err := e.client.SnapshotService(image.Snapshotter).Mounts(ctx, id)
	if err != nil {
		return "", translate("look at the files of container "+id, err)
	}
	for _, m := range mounts {
		at := slices.IndexFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, "upperdir=") })
		if at >= 0 {
			return strings.TrimPrefix(m.Options[at], "upperdir="), nil
		}
	}
	return "", fmt.Errorf("the snapshotter doesn't say where a container's files are: %w", errors.ErrUnsupported)
}
