package daemon

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// processesShort says that the machine has nearly as many processes and threads
// as its kernel allows, by the files of proc(5); "" when it hasn't.
func processesShort(loadavg, pidMax, threadsMax string) string {
	fields := strings.Fields(loadavg)
	if len(fields) < 4 {
		return ""
	}
	_, total, _ := strings.Cut(fields[3], "/") // those that run / all
	now, errNow := strconv.Atoi(total)
	pids, errPids := strconv.Atoi(strings.TrimSpace(pidMax))
	threads, errThreads := strconv.Atoi(strings.TrimSpace(threadsMax))
	if errNow != nil || errPids != nil || errThreads != nil {
		return ""
	}
	name, most := "kernel.pid_max", pids
	if threads < pids {
		name, most = "kernel.threads-max", threads
	}
	if now < most-most/8 {
		return ""
	}
	return fmt.Sprintf("the machine has %d processes and threads, and its kernel allows %d: raise %s, or stop what has so many", now, most, name)
}

// processProblem reads those files.
func processProblem() string {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			return "" // it is not known then
		}
		return string(text)
	}
	return processesShort(read("/proc/loadavg"), read("/proc/sys/kernel/pid_max"), read("/proc/sys/kernel/threads-max"))
}
