package engine

// What a task may have of the host's processes. Linux counts threads, so here a
// process is a thread too.
const (
	// processFloor is what the smallest task may have.
	processFloor = 1024
	// processCap is what the largest may have: kernel.pid_max in the machine
	// that Fargate gives a task.
	// https://github.com/aws/containers-roadmap/issues/2156
	processCap = 32768
	// processReserve is the share of the host that is no task's, one in so many:
	// for Skylift, the engine with its few threads for each container, and the host.
	processReserve = 4
	// runtimeProcesses is what the start of a container takes, below which no
	// limit makes sense.
	runtimeProcesses = 16
)

// ProcessPool is what a host has of processes for its tasks.
type ProcessPool struct {
	All    int   // that all tasks may have together
	Memory int64 // MiB that the host has
}

// NewProcessPool returns what tasks may have on a host with kernel.pid_max,
// kernel.threads-max and an amount of memory in MiB. A quarter is kept back.
func NewProcessPool(pidMax, threadsMax int, memory int64) ProcessPool {
	all := min(pidMax, threadsMax)
	return ProcessPool{All: all - all/processReserve, Memory: memory}
}

// OfTask returns how many processes all of a task's containers may have
// together: the share of what all tasks may have that its memory is of the host's
// memory, within a floor and a cap.
func (p ProcessPool) OfTask(t Task) int {
	share := 0
	if p.Memory > 0 {
		share = int(min(t.Memory, p.Memory) * int64(p.All) / p.Memory)
	}
	return max(1, min(max(share, processFloor), processCap, p.All))
}

// OfContainer returns how many processes one container of a task may have: what
// its nproc says, if that is less than what the task may have.
//
// As a limit of setrlimit(2), nproc would not do. Linux counts the processes of
// a user for it over the whole host, so that tasks whose containers have the same
// user would take them from each other; on Fargate a task is alone.
func (p ProcessPool) OfContainer(t Task, c Container) int {
	n := p.OfTask(t)
	for _, u := range c.Ulimits {
		if u.Name == ulimitProcesses && u.Hard >= 0 {
			n = int(min(int64(n), max(u.Hard, runtimeProcesses)))
		}
	}
	return n
}

// ulimitProcesses is the limit that is kept for a whole container.
const ulimitProcesses = "nproc"

// ProcessUlimits returns the limits of a container that are set on each of its
// processes: all but nproc.
func (c Container) ProcessUlimits() (list []Ulimit) {
	for _, u := range c.Ulimits {
		if u.Name != ulimitProcesses {
			list = append(list, u)
		}
	}
	return list
}
