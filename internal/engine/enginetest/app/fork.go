package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// fork tries to have n processes beside itself, prints "ready" when it has them
// or can't have more, and waits for SIGTERM.
func fork(n int) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	spareThreads(8)
	for range n {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			fmt.Println("stopped by", errno)
			break
		}
		for pid == 0 { // the child has no runtime: it may do nothing but this
			_, _, _ = syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
		}
	}
	fmt.Println("ready")
	<-term
	return 143
}

// spareThreads has the runtime make some threads while it can: it ends the
// program when it needs one and gets none.
func spareThreads(n int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			nap := syscall.NsecToTimespec(int64(20 * time.Millisecond))
			_ = syscall.Nanosleep(&nap, nil)
		})
	}
	wg.Wait()
}
