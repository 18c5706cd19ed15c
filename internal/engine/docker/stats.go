package docker

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/cgroup"
	"github.com/skylift/skylift/internal/engine/docker/convert"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
	"github.com/skylift/skylift/internal/engine/parallel"
)

// Stats returns what a task uses now.
func (e *Engine) Stats(ctx context.Context, taskID string) (engine.Stats, error) {
	found, err := e.containersOf(ctx, taskID)
	if err != nil {
		return engine.Stats{}, err
	}
	var stats engine.Stats
	if stats.Networks, err = e.networkStats(ctx, found[""]); err != nil {
		return engine.Stats{}, err
	}
	limit := e.cgroups.MemoryLimit(taskID)
	for name, c := range found {
		if name != "" && live(c.State) {
			stats.Containers = append(stats.Containers, engine.ContainerStats{Name: name, RuntimeID: c.ID})
		}
	}
	slices.SortFunc(stats.Containers, func(a, b engine.ContainerStats) int { return strings.Compare(a.Name, b.Name) })
	err = parallel.Do(len(stats.Containers), func(i int) error {
		return e.measure(ctx, &stats.Containers[i], limit)
	})
	if err != nil {
		return engine.Stats{}, err
	}
	stats.Containers = slices.DeleteFunc(stats.Containers, func(c engine.ContainerStats) bool { return c.Time.IsZero() })
	return stats, nil
}

// measure fills s, or leaves it when the container has ended meanwhile.
func (e *Engine) measure(ctx context.Context, s *engine.ContainerStats, taskLimit int64) error {
	answer, err := e.cli.ContainerStats(ctx, s.RuntimeID, client.ContainerStatsOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return daemon.Translate("measure container "+s.Name, err)
	}
	defer answer.Body.Close()
	var is container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&is); err != nil {
		return daemon.Translate("measure container "+s.Name, err)
	}
	if is.Read.IsZero() || is.CPUStats.OnlineCPUs == 0 {
		return nil
	}
	s.Time = is.Read
	s.CPU = convert.CPUStats(is.CPUStats)
	s.Memory = convert.MemoryStats(is.MemoryStats, taskLimit)
	s.Disk = convert.DiskStats(is.BlkioStats)
	s.Processes = int(is.PidsStats.Current)
	return nil
}

// networkStats reads the interfaces of the sandbox. They were moved into it, and
// Docker knows nothing of them; the kernel shows them for its process.
func (e *Engine) networkStats(ctx context.Context, sandbox container.Summary) (map[string]engine.NetworkStats, error) {
	if !live(sandbox.State) || !strings.HasPrefix(e.cli.DaemonHost(), "unix://") {
		return nil, nil
	}
	seen, err := e.cli.ContainerInspect(ctx, sandbox.ID, client.ContainerInspectOptions{})
	if err != nil {
		return nil, daemon.Translate("inspect sandbox", err)
	}
	if netnsOf(seen.Container.State) == "" {
		return nil, nil
	}
	return cgroup.Networks(seen.Container.State.Pid), nil
}
