package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// fork tries to have n processes beside itself, prints "ready" when it has them
// or can't have more, and waits for SIGTERM.
func fork(n int) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	if errno := spawn(n); errno != 0 {
		fmt.Println("stopped by", errno)
	}
	fmt.Println("ready")
	<-term
	return 143
}

// spawn starts up to n processes that do nothing. When it can't start one more it
// ends some, and returns why: Go's runtime ends a program that gets no thread.
func spawn(n int) syscall.Errno {
	const spare = 16
	var last []uintptr
	for range n {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		for errno == 0 && pid == 0 { // the child has no runtime: it may do nothing but this
			_, _, _ = syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
		}
		if errno == 0 {
			last = append(last, pid)
			continue
		}
		for _, pid := range last[max(0, len(last)-spare):] {
			_, _, _ = syscall.RawSyscall(syscall.SYS_KILL, pid, uintptr(syscall.SIGKILL), 0)
			_, _, _ = syscall.RawSyscall6(syscall.SYS_WAIT4, pid, 0, 0, 0, 0, 0)
		}
		return errno
	}
	return 0
}
