package fake

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// The host that isn't there.
const (
	hostCPUs   = 2
	hostMemory = 16 << 30
)

// hostProcesses are what tasks may have of them.
var hostProcesses = engine.NewProcessPool(32768, 131072, hostMemory>>20)

// Stats returns what the running containers use by their scripts.
func (e *Engine) Stats(ctx context.Context, taskID string) (engine.Stats, error) {
	if err := e.enter(ctx, "Stats"); err != nil {
		return engine.Stats{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tasks[taskID]
	if t == nil {
		return engine.Stats{}, fmt.Errorf("stats of task %s: %w", taskID, engine.ErrNotFound)
	}
	var stats engine.Stats
	if t.sandbox {
		stats.Networks = map[string]engine.NetworkStats{}
	}
	for _, c := range t.containers {
		if c.status.State == engine.Running {
			stats.Containers = append(stats.Containers, e.measure(t, c))
		}
	}
	slices.SortFunc(stats.Containers, func(a, b engine.ContainerStats) int { return strings.Compare(a.Name, b.Name) })
	return stats, nil
}

// Storage returns what the containers that ran wrote by their scripts.
func (e *Engine) Storage(ctx context.Context, taskID string) (bytes int64, err error) {
	if err := e.enter(ctx, "Storage"); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tasks[taskID]
	if t == nil {
		return 0, fmt.Errorf("storage of task %s: %w", taskID, engine.ErrNotFound)
	}
	for _, c := range t.containers {
		if c.run > 0 {
			bytes += c.script.Storage
		}
	}
	return bytes, nil
}

// Processes returns how many processes the running containers have by their
// scripts, within their limits.
func (e *Engine) Processes(ctx context.Context, taskID string) (engine.ProcessStats, error) {
	if err := e.enter(ctx, "Processes"); err != nil {
		return engine.ProcessStats{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tasks[taskID]
	if t == nil {
		return engine.ProcessStats{}, fmt.Errorf("processes of task %s: %w", taskID, engine.ErrNotFound)
	}
	s := engine.ProcessStats{Limit: hostProcesses.OfTask(t.spec)}
	for _, c := range t.containers {
		if c.run == 0 {
			continue
		}
		wanted, room := max(1, c.script.Processes), min(hostProcesses.OfContainer(t.spec, c.spec), s.Limit-s.Now)
		s.Refused += int64(max(0, wanted-room))
		if c.status.State == engine.Running {
			s.Now += min(wanted, room)
		}
	}
	return s, nil
}

// measure returns what a running container uses; e.mu is held.
func (e *Engine) measure(t *task, c *container) engine.ContainerStats {
	now := time.Now()
	busy := time.Duration(c.script.CPU * float64(now.Sub(c.status.StartedAt)))
	limit := int64(hostMemory)
	for _, mib := range []int64{t.spec.Memory, c.spec.Memory} {
		if mib > 0 {
			limit = min(limit, mib<<20)
		}
	}
	return engine.ContainerStats{
		Name:      c.spec.Name,
		RuntimeID: c.status.RuntimeID,
		Time:      now,
		CPU:       engine.CPUStats{Total: busy, User: busy, System: hostCPUs * now.Sub(e.began), Online: hostCPUs},
		Memory:    engine.MemoryStats{Usage: c.script.Memory, MaxUsage: c.script.Memory, Limit: limit},
		Processes: max(1, min(c.script.Processes, hostProcesses.OfContainer(t.spec, c.spec))),
	}
}
