package metadata

import (
	"slices"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Stats is what a container uses, in the shape of Docker's statistics.
// https://docs.docker.com/reference/api/engine/version/v1.30/#tag/Container/operation/ContainerStats
type Stats struct {
	Read        time.Time            `json:"read"`
	PreRead     time.Time            `json:"preread"`
	PidsStats   PidsStats            `json:"pids_stats"`
	BlkioStats  BlkioStats           `json:"blkio_stats"`
	NumProcs    int                  `json:"num_procs"`
	Storage     struct{}             `json:"storage_stats"`
	CPUStats    CPUStats             `json:"cpu_stats"`
	PreCPUStats CPUStats             `json:"precpu_stats"`
	MemoryStats MemoryStats          `json:"memory_stats"`
	Name        string               `json:"name"`
	ID          string               `json:"id"`
	Networks    map[string]Interface `json:"networks,omitempty"`
	NetworkRate *NetworkRate         `json:"network_rate_stats,omitempty"` // version 4's own
}

// PidsStats counts processes.
type PidsStats struct {
	Current int `json:"current,omitempty"`
}

// BlkioStats counts block input and output, of all devices together.
type BlkioStats struct {
	IoServiceBytesRecursive []BlkioEntry `json:"io_service_bytes_recursive"`
	IoServicedRecursive     []BlkioEntry `json:"io_serviced_recursive"`
	IoQueueRecursive        []BlkioEntry `json:"io_queue_recursive"`
	IoServiceTimeRecursive  []BlkioEntry `json:"io_service_time_recursive"`
	IoWaitTimeRecursive     []BlkioEntry `json:"io_wait_time_recursive"`
	IoMergedRecursive       []BlkioEntry `json:"io_merged_recursive"`
	IoTimeRecursive         []BlkioEntry `json:"io_time_recursive"`
	SectorsRecursive        []BlkioEntry `json:"sectors_recursive"`
}

// BlkioEntry is one number of BlkioStats.
type BlkioEntry struct {
	Major int64  `json:"major"`
	Minor int64  `json:"minor"`
	Op    string `json:"op"`
	Value int64  `json:"value"`
}

// CPUStats counts processor time in nanoseconds.
type CPUStats struct {
	CPUUsage struct {
		TotalUsage        int64 `json:"total_usage"`
		UsageInKernelmode int64 `json:"usage_in_kernelmode"`
		UsageInUsermode   int64 `json:"usage_in_usermode"`
	} `json:"cpu_usage"`
	SystemCPUUsage int64 `json:"system_cpu_usage,omitempty"`
	OnlineCPUs     int   `json:"online_cpus,omitempty"`
	ThrottlingData struct {
		Periods          int64 `json:"periods"`
		ThrottledPeriods int64 `json:"throttled_periods"`
		ThrottledTime    int64 `json:"throttled_time"`
	} `json:"throttling_data"`
}

// MemoryStats is in bytes.
type MemoryStats struct {
	Usage    int64            `json:"usage,omitempty"`
	MaxUsage int64            `json:"max_usage,omitempty"`
	Stats    map[string]int64 `json:"stats,omitempty"`
	Limit    int64            `json:"limit,omitempty"`
}

// Interface counts what went through a network interface.
type Interface struct {
	RxBytes   int64 `json:"rx_bytes"`
	RxPackets int64 `json:"rx_packets"`
	RxErrors  int64 `json:"rx_errors"`
	RxDropped int64 `json:"rx_dropped"`
	TxBytes   int64 `json:"tx_bytes"`
	TxPackets int64 `json:"tx_packets"`
	TxErrors  int64 `json:"tx_errors"`
	TxDropped int64 `json:"tx_dropped"`
}

// NetworkRate is what goes through all interfaces a second.
type NetworkRate struct {
	RxBytes float64 `json:"rx_bytes_per_sec"`
	TxBytes float64 `json:"tx_bytes_per_sec"`
}

// of is what one container of the asker's task uses, nil when it doesn't run.
func (p pair) of(a asker, c ecs.Container) *Stats {
	now, ok := p.now.of(c.Name)
	if !ok {
		return nil
	}
	out := &Stats{
		Read: now.Time.UTC(), PidsStats: PidsStats{now.Processes}, BlkioStats: blkio(now.Disk), CPUStats: cpu(now.CPU),
		MemoryStats: MemoryStats{Usage: now.Memory.Usage, MaxUsage: now.Memory.MaxUsage, Stats: now.Memory.Detail, Limit: now.Memory.Limit},
		Name:        c.Name, ID: a.task.EndpointID(c), Networks: map[string]Interface{},
	}
	if before, ok := p.before.of(c.Name); ok && before.RuntimeID == now.RuntimeID && before.CPU.Total <= now.CPU.Total { // else it was started again
		out.PreRead, out.PreCPUStats = before.Time.UTC(), cpu(before.CPU)
	}
	for name, n := range p.now.Networks {
		out.Networks[name] = Interface(n)
	}
	if a.v4 {
		out.NetworkRate = p.rate()
	}
	return out
}

// of returns a container's part of a sample.
func (s sample) of(container string) (engine.ContainerStats, bool) {
	i := slices.IndexFunc(s.Containers, func(c engine.ContainerStats) bool { return c.Name == container })
	if i < 0 {
		return engine.ContainerStats{}, false
	}
	return s.Containers[i], true
}

// rate is what went through the interfaces between two samples; nil when they
// began to count anew.
func (p pair) rate() *NetworkRate {
	var rx, tx int64
	for name, now := range p.now.Networks {
		before := p.before.Networks[name]
		rx, tx = rx+now.RxBytes-before.RxBytes, tx+now.TxBytes-before.TxBytes
	}
	seconds := p.now.at.Sub(p.before.at).Seconds()
	if rx < 0 || tx < 0 || seconds <= 0 {
		return nil
	}
	return &NetworkRate{RxBytes: float64(rx) / seconds, TxBytes: float64(tx) / seconds}
}

func cpu(c engine.CPUStats) (out CPUStats) {
	out.CPUUsage.TotalUsage = int64(c.Total)
	out.CPUUsage.UsageInKernelmode, out.CPUUsage.UsageInUsermode = int64(c.Kernel), int64(c.User)
	out.SystemCPUUsage, out.OnlineCPUs = int64(c.System), c.Online
	out.ThrottlingData.Periods, out.ThrottlingData.ThrottledPeriods = c.Periods, c.ThrottledPeriods
	out.ThrottlingData.ThrottledTime = int64(c.Throttled)
	return out
}

func blkio(d engine.DiskStats) BlkioStats {
	entries := func(read, write int64) []BlkioEntry {
		return []BlkioEntry{{Op: "Read", Value: read}, {Op: "Write", Value: write}, {Op: "Total", Value: read + write}}
	}
	nothing := []BlkioEntry{}
	return BlkioStats{
		IoServiceBytesRecursive: entries(d.ReadBytes, d.WriteBytes), IoServicedRecursive: entries(d.Reads, d.Writes),
		IoQueueRecursive: nothing, IoServiceTimeRecursive: nothing, IoWaitTimeRecursive: nothing,
		IoMergedRecursive: nothing, IoTimeRecursive: nothing, SectorsRecursive: nothing,
	}
}
