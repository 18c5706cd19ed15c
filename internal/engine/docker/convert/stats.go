package convert

import (
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/skylift/skylift/internal/engine"
)

// CPUStats is what a container has used of CPUs.
func CPUStats(is container.CPUStats) engine.CPUStats {
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

// MemoryStats takes the task's limit where it is below the container's, which
// Docker gives as all of the host's memory when there is none.
func MemoryStats(is container.MemoryStats, taskLimit int64) engine.MemoryStats {
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

// DiskStats is what a container has read and written.
func DiskStats(is container.BlkioStats) engine.DiskStats {
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
