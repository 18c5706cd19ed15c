package spec

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/skylift/skylift/internal/engine"
)

// defaultCaps are what Docker leaves to a container.
var defaultCaps = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
	"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// capabilities returns what a container may do: with "ALL" added all but what is
// dropped, with "ALL" dropped only what is added.
func (h Host) capabilities(c engine.Container) ([]string, error) {
	add, err := h.capNames(c.CapAdd)
	if err != nil {
		return nil, err
	}
	drop, err := h.capNames(c.CapDrop)
	if err != nil {
		return nil, err
	}
	have := defaultCaps
	switch {
	case slices.Contains(add, allCaps):
		have, add = h.Caps, nil
	case slices.Contains(drop, allCaps):
		have, drop = nil, nil
	}
	var list []string
	for _, name := range slices.Concat(have, add) {
		if slices.Contains(h.Caps, name) && !slices.Contains(list, name) && (!slices.Contains(drop, name) || slices.Contains(add, name)) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list, nil
}

const allCaps = "ALL"

func (h Host) capNames(names []string) ([]string, error) {
	var list []string
	for _, name := range names {
		name = strings.ToUpper(name)
		if name != allCaps && !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		if name != allCaps && !slices.Contains(h.Caps, name) {
			return nil, fmt.Errorf("unknown capability %q", name)
		}
		list = append(list, name)
	}
	return list, nil
}

// limitNames are those of setrlimit(2).
var limitNames = []string{
	"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
}

func rlimits(c engine.Container) ([]specs.POSIXRlimit, error) {
	var list []specs.POSIXRlimit
	for _, u := range c.ProcessUlimits() {
		if !slices.Contains(limitNames, u.Name) {
			return nil, fmt.Errorf("unknown ulimit %q: there is no RLIMIT_%s", u.Name, strings.ToUpper(u.Name))
		}
		l := specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(u.Name), Soft: limit(u.Soft), Hard: limit(u.Hard)}
		if l.Soft > l.Hard {
			return nil, fmt.Errorf("ulimit %s: the soft limit %d is above the hard limit %d", u.Name, u.Soft, u.Hard)
		}
		list = append(list, l)
	}
	return list, nil
}

func limit(n int64) uint64 {
	if n < 0 {
		return math.MaxUint64
	}
	return uint64(n)
}

// resources returns a container's limits. What the task's cgroup limits for all
// of them together isn't repeated on each.
func (h Host) resources(c Container) *specs.LinuxResources {
	cpu, memory := &specs.LinuxCPU{Shares: new(uint64(max(c.Container.CPU, sharesMin)))}, c.Container.Memory*mebibyte
	if !c.Shared {
		cpu.Shares = new(uint64(max(cmp.Or(c.Container.CPU, c.Task.CPU), sharesMin)))
		memory = cmp.Or(c.Container.Memory, c.Task.Memory) * mebibyte
		if c.Task.CPU > 0 {
			cpu.Quota, cpu.Period = new(int64(c.Task.CPU)*cpuPeriod/1024), new(uint64(cpuPeriod))
		}
	}
	r := &specs.LinuxResources{
		CPU:     cpu,
		Memory:  &specs.LinuxMemory{},
		Pids:    &specs.LinuxPids{Limit: &c.Processes},
		Devices: devices(),
	}
	if memory > 0 {
		r.Memory.Limit = &memory
		if h.SwapLimit {
			r.Memory.Swap = &memory // none beyond the memory, as on AWS
		}
	}
	if soft := c.Container.MemoryReservation * mebibyte; soft > 0 {
		r.Memory.Reservation = &soft
	}
	return r
}

// devices returns what a container may open, as in Docker: what runc makes in its
// /dev, and any device may be made, but not opened.
func devices() []specs.LinuxDeviceCgroup {
	list := []specs.LinuxDeviceCgroup{
		{Allow: false, Access: "rwm"},
		{Allow: true, Type: "c", Access: "m"},
		{Allow: true, Type: "b", Access: "m"},
	}
	for _, d := range [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}} { // null zero full random urandom tty ptmx
		list = append(list, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &d[0], Minor: &d[1], Access: "rwm"})
	}
	return append(list, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: new(int64(136)), Access: "rwm"}) // pts
}
