package cgroup

import (
	"errors"
	"strings"
	"syscall"
)

// kernelLog is where the kernel says what it killed.
const kernelLog = "/dev/kmsg"

// OOMVictim reports whether the kernel's log says that it killed a process of
// the container for memory. Docker misses that when it happens before its
// runtime listens, right after the start. The log forgets, and may not be
// readable; so false proves nothing.
func OOMVictim(id string) bool {
	fd, err := syscall.Open(kernelLog, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = syscall.Close(fd) }() // it was only read
	record := make([]byte, 8<<10)
	for {
		n, err := syscall.Read(fd, record)
		switch {
		case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.EINTR), errors.Is(err, syscall.EINVAL):
			continue // a record was overwritten, or is longer than any about memory
		case err != nil || n <= 0:
			return false
		case victimLine(string(record[:n]), id):
			return true
		}
	}
}

// victimLine reports whether a record of the kernel's log names the container's
// cgroup as the victim's.
func victimLine(record, id string) bool {
	_, rest, found := strings.Cut(record, "task_memcg=")
	if !found || !strings.Contains(record, "oom-kill:") {
		return false
	}
	cgroup, _, _ := strings.Cut(rest, ",")
	return strings.Contains(cgroup, id)
}
