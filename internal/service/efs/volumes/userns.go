package volumes

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// one maps the one id of a file system to the one id outside.
func one(inside, outside int64) []syscall.SysProcIDMap {
	return []syscall.SysProcIDMap{{ContainerID: int(inside), HostID: int(outside), Size: 1}}
}

// userNamespace returns a user namespace whose users and groups are those outside that they are mapped to. It
// lives as long as the file is open.
//
// A namespace needs a process to be made: one that is stopped, by ptrace, before
// its program's first instruction, and killed when its namespace was opened.
func userNamespace(users, groups []syscall.SysProcIDMap) (*os.File, error) {
	runtime.LockOSThread() // who traces is a thread
	defer runtime.UnlockOSThread()
	p, err := os.StartProcess("/proc/self/exe", []string{"skylift-idmap"}, &os.ProcAttr{
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: users,
			GidMappings: groups,
			Ptrace:      true,
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make a user namespace: %w", err)
	}
	defer func() {
		_ = p.Kill()
		_, _ = p.Wait()
	}()
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", p.Pid))
	if err != nil {
		return nil, fmt.Errorf("open the user namespace: %w", err)
	}
	return ns, nil
}
