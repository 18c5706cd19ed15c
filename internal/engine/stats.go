package engine

import "time"

// Stats is what a task uses. Counters begin at a container's start.
type Stats struct {
	Containers []ContainerStats        // those that run, by name
	Networks   map[string]NetworkStats // the sandbox's interfaces, without loopback
}

// ProcessStats counts what a task has of the host's processes and threads, the
// sandbox's too.
type ProcessStats struct {
	Now     int
	Limit   int
	Refused int64 // how often one could not be started since the limit was reached; an ended container's may be forgotten
}

// ContainerStats is what one container uses.
type ContainerStats struct {
	Name      string
	RuntimeID string
	Time      time.Time // when it was measured
	CPU       CPUStats
	Memory    MemoryStats
	Disk      DiskStats
	Processes int
}

// CPUStats counts processor time.
type CPUStats struct {
	Total, User, Kernel time.Duration // of all the container's processes
	System              time.Duration // of the whole host, idle time too
	Online              int           // processors of the host
	Periods             int64         // of a limit's enforcement, and in how many the limit was hit
	ThrottledPeriods    int64
	Throttled           time.Duration
}

// MemoryStats is in bytes.
type MemoryStats struct {
	Usage    int64
	MaxUsage int64            // 0 where the host doesn't count it
	Limit    int64            // the container's, the task's, or else all that the host has
	Detail   map[string]int64 // what the kernel's memory.stat says
}

// DiskStats counts block input and output.
type DiskStats struct {
	ReadBytes, WriteBytes int64
	Reads, Writes         int64 // 0 where the host doesn't count them
}

// NetworkStats counts what went through one interface.
type NetworkStats struct {
	RxBytes, RxPackets, RxErrors, RxDropped int64
	TxBytes, TxPackets, TxErrors, TxDropped int64
}
