package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/engine"
)

// kernelParameters is where the host's kernel.pid_max and kernel.threads-max are.
const kernelParameters = "/proc/sys/kernel"

// findPool returns what the host has of processes for tasks. One that doesn't
// tell has what Linux has at least on a machine that runs Docker.
func findPool(dir string, memory int64) engine.ProcessPool {
	number := func(name string) int {
		const least = 32768 // the kernel's default of pid_max
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return least
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || n <= 0 {
			return least
		}
		return n
	}
	return engine.NewProcessPool(number("pid_max"), number("threads-max"), memory)
}

// Processes returns what a task has of the host's processes.
func (g Groups) Processes(taskID string) (engine.ProcessStats, error) {
	if !g.usable {
		return engine.ProcessStats{}, fmt.Errorf("processes of task %s: %s: %w", taskID, g.why, errors.ErrUnsupported)
	}
	s, err := g.processes(taskID)
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("processes of task %s: %w", taskID, engine.ErrNotFound)
	}
	if err != nil {
		return s, fmt.Errorf("processes of task %s: %w", taskID, err)
	}
	return s, nil
}

// processes reads what the kernel says of a task's cgroup and of those in it.
//
// Which cgroup counts a refusal depends on the kernel: with v2 the one whose
// limit it was, and since Linux 6.11 those above it too; else the one that the
// process is in.
func (g Groups) processes(task string) (s engine.ProcessStats, err error) {
	dir := filepath.Join(g.hierarchy("pids"), g.path(task))
	now, err := os.ReadFile(filepath.Join(dir, "pids.current"))
	if err != nil {
		return s, err
	}
	limit, err := os.ReadFile(filepath.Join(dir, "pids.max"))
	if err != nil {
		return s, err
	}
	s.Now, _ = strconv.Atoi(strings.TrimSpace(string(now)))     // the kernel writes numbers
	s.Limit, _ = strconv.Atoi(strings.TrimSpace(string(limit))) // or "max", for none
	below, _ := filepath.Glob(filepath.Join(dir, "*", "pids.events"))
	for _, file := range below {
		s.Refused += refused(file)
	}
	s.Refused = max(s.Refused, refused(filepath.Join(dir, "pids.events")))
	return s, nil
}

// refused reads how often a limit was hit from a file pids.events; one that is
// gone says never.
func refused(file string) int64 { return number(file, "max ") }
