package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/service/ecs/place"
)

// offer is what the machine has for tasks.
func (c Config) offer() (place.Size, error) {
	cpus, memory, err := machineSize(os.DirFS("/"), runtime.NumCPU())
	if err != nil {
		return place.Size{}, fmt.Errorf("find out how much memory the machine has: %w", err)
	}
	if c.Memory > memory {
		return place.Size{}, fmt.Errorf("--memory %d is more than the %d MiB that this machine has", c.Memory, memory)
	}
	s := place.Size{CPU: int(cpus * 1024 * c.CPUOvercommit), Memory: memory - own(memory)}
	if c.Memory > 0 {
		s.Memory = c.Memory
	}
	return s, nil
}

// own is the memory that is left to Skylift, the engine and the system: an
// eighth, at most 1 GiB.
func own(memory int) int { return min(memory/8, 1024) }

// machineSize reads how many CPUs and MiB a machine has. In a container it is
// what the container may use: there, the root cgroups have the container's
// limits. The limits of Skylift's own service don't count, because tasks don't
// run in it.
func machineSize(root fs.FS, cpus int) (cores float64, memory int, err error) {
	cores = float64(cpus)
	b, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, 0, err
	}
	bytes := int64(0)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			bytes = kib << 10
		}
	}
	if bytes <= 0 {
		return 0, 0, fmt.Errorf("/proc/meminfo doesn't say")
	}
	for _, file := range []string{"memory.max", "memory/memory.limit_in_bytes"} {
		if n := numbers(root, file); len(n) == 1 && n[0] > 0 {
			bytes = min(bytes, n[0])
		}
	}
	quota := numbers(root, "cpu.max")
	if len(quota) == 0 {
		quota = append(numbers(root, "cpu/cpu.cfs_quota_us"), numbers(root, "cpu/cpu.cfs_period_us")...)
	}
	if len(quota) == 2 && quota[0] > 0 && quota[1] > 0 {
		cores = min(cores, float64(quota[0])/float64(quota[1]))
	}
	return cores, int(bytes >> 20), nil
}

// numbers reads a control file of a root cgroup. It returns none if there is no
// such file, or if the file says that there is no limit.
func numbers(root fs.FS, file string) (out []int64) {
	b, err := fs.ReadFile(root, path.Join("sys/fs/cgroup", file))
	if err != nil {
		return nil
	}
	for f := range strings.FieldsSeq(string(b)) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}
