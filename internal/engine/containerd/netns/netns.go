// Package netns makes named network namespaces, which need no process to live:
// each is a file on which the namespace is mounted, as `ip netns` has them.
package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// SysctlError says that the kernel refused a parameter.
type SysctlError struct {
	Name string
	err  error
}

func (e *SysctlError) Error() string { return fmt.Sprintf("kernel parameter %s: %v", e.Name, e.err) }

func (e *SysctlError) Unwrap() error { return e.err }

// Make makes a namespace at path, in which loopback is up and the kernel
// parameters net.* of sysctls are set, unless there is one. A namespace that an
// earlier call left half made is made anew. Errors: *SysctlError.
func Make(path string, sysctls map[string]string) error {
	if Is(path) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o400)
	if err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	made := make(chan error, 1)
	go func() {
		// The thread is in the namespace, so it ends with this goroutine: it is
		// never unlocked.
		runtime.LockOSThread()
		made <- enterNew(path, sysctls)
	}()
	if err := <-made; err != nil {
		return errors.Join(fmt.Errorf("make network namespace: %w", err), Remove(path))
	}
	return nil
}

// enterNew puts this thread into a new namespace, which is mounted at path as the
// last step: a mounted one is whole.
func enterNew(path string, sysctls map[string]string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := raiseLoopback(); err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	for name, value := range sysctls {
		if err := writeSysctl(name, value); err != nil {
			return err
		}
	}
	if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
		return &os.PathError{Op: "mount", Path: path, Err: err}
	}
	return nil
}

func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(socket) }() // nothing was written
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo)
}

// writeSysctl sets a parameter of the namespace that this thread is in.
func writeSysctl(name, value string) error {
	file := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return &SysctlError{name, err}
	}
	_, err = f.WriteString(value)
	if err := errors.Join(err, f.Close()); err != nil {
		return &SysctlError{name, err}
	}
	return nil
}

// nsfs is the type of the file system of namespaces.
const nsfs = 0x6e736673

// Is reports whether a namespace is mounted at path.
func Is(path string) bool {
	var s unix.Statfs_t
	return unix.Statfs(path, &s) == nil && s.Type == nsfs
}

// Bind mounts the namespace of a process, as /proc shows it, at path.
func Bind(proc, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep namespace %s: %w", proc, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o400)
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = unix.Mount(proc, path, "", unix.MS_BIND, "")
	}
	if err != nil {
		return fmt.Errorf("keep namespace %s: %w", proc, err)
	}
	return nil
}

// Remove removes what is at path. The namespace ends with its last process.
func Remove(path string) error {
	for {
		err := unix.Unmount(path, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break // no mount is left
		}
		if err != nil {
			return fmt.Errorf("remove namespace: %w", &os.PathError{Op: "umount", Path: path, Err: err})
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove namespace: %w", err)
	}
	return nil
}
