package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// memory is what a process holds, in bytes.
type memory struct{ resident, proportional float64 }

func memoryOf(pid int) (memory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return memory{}, err
	}
	var m memory
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "Rss:":
			m.resident = kb * 1024
		case "Pss:":
			m.proportional = kb * 1024
		}
	}
	return m, nil
}

// tick is the kernel's unit of CPU time in /proc.
const tick = 10 * time.Millisecond

// cpuOf is the CPU time that a process and its children have used.
func cpuOf(pid int) (time.Duration, error) {
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
	used := time.Duration(user+system) * tick
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, list := range lists {
		for child := range strings.FieldsSeq(content(list)) {
			id, err := strconv.Atoi(child)
			if err != nil {
				return 0, err
			}
			more, err := cpuOf(id)
			if err != nil {
				return 0, err
			}
			used += more
		}
	}
	return used, nil
}
