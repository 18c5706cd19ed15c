package cgroup

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/engine"
)

// MemoryLimit returns the limit of a task's cgroup in bytes; 0 is none.
func (g Groups) MemoryLimit(task string) int64 {
	if !g.usable {
		return 0
	}
	file := "memory.limit_in_bytes"
	if g.unified {
		file = "memory.max"
	}
	text, err := os.ReadFile(filepath.Join(g.hierarchy("memory"), g.path(task), file))
	if err != nil {
		return 0 // the task has none, or is being removed
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is no limit
	return n
}

// Networks returns the interfaces that a process sees, without loopback; none
// when the process has ended.
func Networks(pid int) map[string]engine.NetworkStats {
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
	if err != nil {
		return nil
	}
	return interfaces(string(table))
}

// interfaces reads the kernel's table of interfaces, without loopback.
func interfaces(table string) map[string]engine.NetworkStats {
	all := map[string]engine.NetworkStats{}
	for lines := bufio.NewScanner(strings.NewReader(table)); lines.Scan(); {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		name = strings.TrimSpace(name)
		fields := strings.Fields(rest)
		if !ok || name == "lo" || len(fields) < 12 {
			continue
		}
		n := func(i int) int64 {
			v, _ := strconv.ParseInt(fields[i], 10, 64) // the kernel writes numbers
			return v
		}
		all[name] = engine.NetworkStats{
			RxBytes: n(0), RxPackets: n(1), RxErrors: n(2), RxDropped: n(3),
			TxBytes: n(8), TxPackets: n(9), TxErrors: n(10), TxDropped: n(11),
		}
	}
	return all
}
