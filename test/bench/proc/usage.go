package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Memory is what a process holds, in bytes.
type Memory struct{ Resident, Proportional float64 }

// MemoryOf reads the memory of a process.
func MemoryOf(pid int) (Memory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return Memory{}, err
	}
	var m Memory
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "Rss:":
			m.Resident = kb * 1024
		case "Pss:":
			m.Proportional = kb * 1024
		}
	}
	return m, nil
}

// tick is the kernel's unit of CPU time in /proc.
const tick = 10 * time.Millisecond

// CPUAlone is the CPU time that a process has used, without its children.
func CPUAlone(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is not as the kernel writes it", pid)
	}
	user, err := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err := errors.Join(err, err2); err != nil {
		return 0, err
	}
	return time.Duration(user+system) * tick, nil
}

// CPUOf is the CPU time that a process and its children have used.
func CPUOf(pid int) (time.Duration, error) {
	used, err := CPUAlone(pid)
	if err != nil {
		return 0, err
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, list := range lists {
		for child := range strings.FieldsSeq(Content(list)) {
			id, err := strconv.Atoi(child)
			if err != nil {
				return 0, err
			}
			more, err := CPUOf(id)
			if err != nil {
				return 0, err
			}
			used += more
		}
	}
	return used, nil
}
