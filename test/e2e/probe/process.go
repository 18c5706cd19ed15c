package main

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// become drops to another user, as the entry points of many images do.
func become(who string) error {
	var uid, gid int
	if _, err := fmt.Sscanf(who, "%d:%d", &uid, &gid); err != nil {
		return err
	}
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(gid), syscall.Setuid(uid))
}

// fork starts processes until it has n or can't, and says how that went.
func fork(n int) (string, error) {
	var ready sync.WaitGroup
	for range 8 { // threads that the runtime may need when it gets none any more
		ready.Go(func() {
			nap := syscall.NsecToTimespec(int64(20 * time.Millisecond))
			_ = syscall.Nanosleep(&nap, nil)
		})
	}
	ready.Wait()
	for range n {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			return "refused", nil
		}
		for pid == 0 { // the child has no runtime: it may do nothing but this
			_, _, _ = syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
		}
	}
	return "done", nil
}
