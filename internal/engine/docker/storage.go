package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/diskuse"
)

// Storage returns how many bytes of disk a task has written.
//
// Docker measures a container only, counts holes as if they were written, and
// looks at all volumes of the host to tell the size of one; so the files are
// looked at here, which needs a daemon on this host with the overlay2 driver.
func (e *Engine) Storage(ctx context.Context, taskID string) (bytes int64, err error) {
	found, err := e.containersOf(ctx, taskID)
	if err != nil {
		return 0, err
	}
	dirs := map[string]bool{}
	for name, c := range found {
		if name == "" {
			continue // the sandbox has nothing to write to
		}
		is, err := e.look(ctx, c.ID)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if err := written(is, dirs); err != nil {
			return 0, fmt.Errorf("storage of task %s: %w", taskID, err)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		n, err := diskuse.Of(ctx, dir)
		if err != nil {
			return 0, fmt.Errorf("storage of task %s: %w", taskID, err)
		}
		bytes += n
	}
	return bytes, nil
}

// Root returns the directory where the daemon keeps what containers write.
func (e *Engine) Root() string { return e.root }

// written adds the directories to which a container writes to dirs: the layer
// above its image, and its volumes. What several mount is in it once.
func written(is *container.InspectResponse, dirs map[string]bool) error {
	if is.GraphDriver == nil || is.GraphDriver.Data["UpperDir"] == "" {
		return fmt.Errorf("docker doesn't say where a container's files are: %w", errors.ErrUnsupported)
	}
	upper := is.GraphDriver.Data["UpperDir"]
	if _, err := os.Stat(filepath.Dir(filepath.Dir(upper))); err != nil { // the driver's own: the container's may be gone
		return fmt.Errorf("the files of docker's containers can't be seen from here: %w: %w", errors.ErrUnsupported, err)
	}
	dirs[upper] = true
	for _, m := range is.Mounts {
		if m.Type == mount.TypeVolume {
			dirs[m.Source] = true
		}
	}
	return nil
}
