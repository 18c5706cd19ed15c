package volumes

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// userNamespace returns a user namespace in which the one identity is that of
// the other outside. It lives as long as the file is open.
//
// A namespace needs a process to be made: one that is stopped, by ptrace, before
// its program's first instruction, and killed when its namespace was opened.
func userNamespace(inside, outside ids) (*os.File, error) {
	runtime.LockOSThread() // who traces is a thread
	defer runtime.UnlockOSThread()
	p, err := os.StartProcess("/proc/self/exe", []string{"skylift-idmap"}, &os.ProcAttr{
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: int(inside.uid), HostID: int(outside.uid), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: int(inside.gid), HostID: int(outside.gid), Size: 1}},
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
