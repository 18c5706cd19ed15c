package docker

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/cgroup"
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
		return translate("measure container "+s.Name, err)
	}
	defer answer.Body.Close()
	var is container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&is); err != nil {
		return translate("measure container "+s.Name, err)
	}
	if is.Read.IsZero() || is.CPUStats.OnlineCPUs == 0 {
		return nil
	}
	s.Time = is.Read
	s.CPU = cpuStats(is.CPUStats)
	s.Memory = memoryStats(is.MemoryStats, taskLimit)
	s.Disk = diskStats(is.BlkioStats)
	s.Processes = int(is.PidsStats.Current)
	return nil
}

func cpuStats(is container.CPUStats) engine.CPUStats {
	return engine.CPUStats{
		Total:            time.Duration(is.CPUUsage.TotalUsage),
		User:             time.Duration(is.CPUUsage.UsageInUsermode),
		Kernel:           time.Duration(is.CPUUsage.UsageInKernelmode),
		System:           time.Duration(is.SystemUsage),
		Online:           int(is.OnlineCPUs),
		Periods:          int64(is.ThrottlingData.Periods),
		ThrottledPeriods: int64(is.ThrottlingData.ThrottledPeriods),
		Throttled:        time.Duration(is.ThrottlingData.ThrottledTime),
	}
}

// memoryStats takes the task's limit where it is below the container's, which
// Docker gives as all of the host's memory when there is none.
func memoryStats(is container.MemoryStats, taskLimit int64) engine.MemoryStats {
	m := engine.MemoryStats{
		Usage:    int64(is.Usage),
		MaxUsage: int64(is.MaxUsage),
		Limit:    int64(is.Limit),
		Detail:   make(map[string]int64, len(is.Stats)),
	}
	if taskLimit > 0 {
		m.Limit = min(m.Limit, taskLimit)
	}
	for name, value := range is.Stats {
		m.Detail[name] = int64(value)
	}
	return m
}

func diskStats(is container.BlkioStats) engine.DiskStats {
	sum := func(entries []container.BlkioStatEntry, op string) (n int64) {
		for _, e := range entries {
			if strings.EqualFold(e.Op, op) {
				n += int64(e.Value)
			}
		}
		return n
	}
	return engine.DiskStats{
		ReadBytes:  sum(is.IoServiceBytesRecursive, "read"),
		WriteBytes: sum(is.IoServiceBytesRecursive, "write"),
		Reads:      sum(is.IoServicedRecursive, "read"),
		Writes:     sum(is.IoServicedRecursive, "write"),
	}
}

// networkStats reads the interfaces of the sandbox. They were moved into it, and
// Docker knows nothing of them; the kernel shows them for its process.
func (e *Engine) networkStats(ctx context.Context, sandbox container.Summary) (map[string]engine.NetworkStats, error) {
	if !live(sandbox.State) || !strings.HasPrefix(e.cli.DaemonHost(), "unix://") {
		return nil, nil
	}
	seen, err := e.cli.ContainerInspect(ctx, sandbox.ID, client.ContainerInspectOptions{})
	if err != nil {
		return nil, translate("inspect sandbox", err)
	}
	if netnsOf(seen.Container.State) == "" {
		return nil, nil
	}
	return cgroup.Networks(seen.Container.State.Pid), nil
}
