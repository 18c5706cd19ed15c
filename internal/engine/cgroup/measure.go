package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// userTick is how long one of the kernel's ticks is to programs: USER_HZ is 100 on
// every architecture that Go has.
const userTick = time.Second / 100

// Measure returns what a container uses, whose cgroup is called id. Errors:
// os.ErrNotExist when it has none (any more), errors.ErrUnsupported.
func (g Groups) Measure(task, id string) (engine.ContainerStats, error) {
	if !g.usable {
		return engine.ContainerStats{}, fmt.Errorf("%s: %w", g.why, errors.ErrUnsupported)
	}
	s := engine.ContainerStats{Time: time.Now()}
	at := func(controller string) files {
		return files(filepath.Join(g.hierarchy(controller), g.path(task), g.leaf(id)))
	}
	if _, err := os.Stat(string(at("pids"))); err != nil {
		return s, err
	}
	s.Processes = int(at("pids").number("pids.current"))
	if g.unified {
		measureV2(at(""), &s)
	} else {
		measureV1(at, &s)
	}
	s.CPU.System, s.CPU.Online = hostCPU("/proc/stat")
	for _, limit := range []int64{g.MemoryLimit(task), hostMemory("/proc/meminfo")} {
		if limit > 0 && (s.Memory.Limit <= 0 || limit < s.Memory.Limit) {
			s.Memory.Limit = limit
		}
	}
	return s, nil
}

// files is a cgroup's directory. What the kernel doesn't say is 0.
type files string

func (f files) number(name string) int64 {
	text, err := os.ReadFile(filepath.Join(string(f), name))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is none
	return n
}

// table reads lines of a name and a number.
func (f files) table(name string) map[string]int64 {
	all := map[string]int64{}
	text, err := os.ReadFile(filepath.Join(string(f), name))
	if err != nil {
		return all
	}
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			all[key] = n
		}
	}
	return all
}

func measureV1(at func(string) files, s *engine.ContainerStats) {
	ticks, limits := at("cpuacct").table("cpuacct.stat"), at("cpu").table("cpu.stat")
	s.CPU = engine.CPUStats{
		Total:   time.Duration(at("cpuacct").number("cpuacct.usage")),
		User:    time.Duration(ticks["user"]) * userTick,
		Kernel:  time.Duration(ticks["system"]) * userTick,
		Periods: limits["nr_periods"], ThrottledPeriods: limits["nr_throttled"], Throttled: time.Duration(limits["throttled_time"]),
	}
	memory := at("memory")
	s.Memory = engine.MemoryStats{
		Usage:    memory.number("memory.usage_in_bytes"),
		MaxUsage: memory.number("memory.max_usage_in_bytes"),
		Limit:    memory.number("memory.limit_in_bytes"),
		Detail:   memory.table("memory.stat"),
	}
	bytes, count := at("blkio").operations("blkio.throttle.io_service_bytes_recursive"), at("blkio").operations("blkio.throttle.io_serviced_recursive")
	s.Disk = engine.DiskStats{ReadBytes: bytes["Read"], WriteBytes: bytes["Write"], Reads: count["Read"], Writes: count["Write"]}
}

// operations sums up lines of a device, an operation and a number.
func (f files) operations(name string) map[string]int64 {
	all := map[string]int64{}
	text, err := os.ReadFile(filepath.Join(string(f), name))
	if err != nil {
		return all
	}
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 {
			n, _ := strconv.ParseInt(fields[2], 10, 64) // the kernel writes numbers
			all[fields[1]] += n
		}
	}
	return all
}

func measureV2(f files, s *engine.ContainerStats) {
	cpu := f.table("cpu.stat")
	micro := func(name string) time.Duration { return time.Duration(cpu[name]) * time.Microsecond }
	s.CPU = engine.CPUStats{
		Total: micro("usage_usec"), User: micro("user_usec"), Kernel: micro("system_usec"),
		Periods: cpu["nr_periods"], ThrottledPeriods: cpu["nr_throttled"], Throttled: micro("throttled_usec"),
	}
	s.Memory = engine.MemoryStats{
		Usage: f.number("memory.current"), MaxUsage: f.number("memory.peak"), Limit: f.number("memory.max"), Detail: f.table("memory.stat"),
	}
	text, err := os.ReadFile(filepath.Join(string(f), "io.stat"))
	if err != nil {
		return
	}
	for field := range strings.FieldsSeq(string(text)) {
		name, value, _ := strings.Cut(field, "=")
		n, _ := strconv.ParseInt(value, 10, 64) // a device's number is no field of ours
		switch name {
		case "rbytes":
			s.Disk.ReadBytes += n
		case "wbytes":
			s.Disk.WriteBytes += n
		case "rios":
			s.Disk.Reads += n
		case "wios":
			s.Disk.Writes += n
		}
	}
}

// hostCPU returns how long all processors of the host have run, idle time too, and
// how many there are.
func hostCPU(stat string) (all time.Duration, online int) {
	text, err := os.ReadFile(stat)
	if err != nil {
		return 0, 0
	}
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 9 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		if fields[0] != "cpu" {
			online++
			continue
		}
		for _, f := range fields[1:9] { // without those of guests, which are in user's and nice's
			n, _ := strconv.ParseInt(f, 10, 64) // the kernel writes numbers
			all += time.Duration(n) * userTick
		}
	}
	return all, online
}

// hostMemory returns how much memory the host has, in bytes.
func hostMemory(meminfo string) int64 { return number(meminfo, "MemTotal:") << 10 }
