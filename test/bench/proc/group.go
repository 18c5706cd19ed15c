package proc

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Group says of a command line, as its words, whether the process belongs to it.
type Group func(line []string) bool

// Sum adds up the memory of processes, in bytes, and the CPU time that they used.
func (fits Group) Sum() (bytes float64, used time.Duration, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		line := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		if err != nil || line[0] == "" || !fits(line) {
			continue // it has ended, or is another's
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))) // the pattern has digits
		m, err := MemoryOf(pid)
		if err != nil {
			continue // it ended just now
		}
		alone, err := CPUAlone(pid)
		if err != nil {
			continue // the same
		}
		bytes += m.Proportional
		used += alone
	}
	return bytes, used, nil
}
