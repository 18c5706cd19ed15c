package volumes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ServeCommand is the command of this program that calls Serve, with the user
// and the group as its arguments.
const ServeCommand = "serve-files"

// maxRead is how many bytes a request for a file's content may ask for.
const maxRead = 128 << 10

// serve mounts dir at target by a file server of its own, in which all users are
// one: that of an access point, or that which a client who may not be root is.
func (v *Volumes) serve(target string, dir *directory, m Mount, as ids) error {
	device, err := os.OpenFile(v.fuse, os.O_RDWR, 0)
	if err != nil {
		why := fmt.Sprintf("for a container that runs as root, access point %s with its posixUser needs FUSE on this machine: "+
			"load it with modprobe fuse, or set the container's user", m.AccessPoint)
		if _, ok := dir.user(); !ok {
			why = "without elasticfilesystem:ClientRootAccess a mount needs FUSE on this machine: load it with modprobe fuse, or grant that"
		}
		return v.failed(m, dir.point.Root, fmt.Sprintf("%s: %s", why, err))
	}
	defer device.Close()
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,max_read=%d", device.Fd(), maxRead)
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if !dir.may.Write {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount(m.FileSystem+":"+dir.point.Root, target, "fuse.efs", flags, options); err != nil {
		return fmt.Errorf("mount %s of file system %s: %w", dir.point.Root, m.FileSystem, err)
	}
	if err := v.launch(dir.File, device, as); err != nil {
		return err
	}
	_ = device.Close() // the server's is the last: when it ends, who waits for it gets an error
	if _, err := os.Stat(target); err != nil {
		return fmt.Errorf("serve %s of file system %s: %w", dir.point.Root, m.FileSystem, err)
	}
	return nil
}

// launch starts a file server. It has a session of its own, and ends with its
// mount, whether this process is there or not.
func (v *Volumes) launch(dir, device *os.File, as ids) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	args := []string{"skylift-files", ServeCommand, strconv.FormatInt(as.uid, 10), strconv.FormatInt(as.gid, 10)}
	p, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{
		Dir: "/", Env: []string{"GOMAXPROCS=4", "GOGC=50"}, // it should stay small
		Files: []*os.File{null, null, null, dir, device},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start a file server: %w", err)
	}
	v.serving.Lock()
	defer v.serving.Unlock()
	v.servers = append(v.servers, p.Pid)
	return p.Release()
}

// Lost reports whether a mount that Mount made for a task no longer works, because
// its file server has ended.
func (v *Volumes) Lost(taskID string) bool {
	base := filepath.Join(v.mounts, taskID)
	entries, err := os.ReadDir(base)
	if err != nil {
		return false // it has none
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		var fs unix.Statfs_t
		return errors.Is(unix.Statfs(filepath.Join(base, e.Name()), &fs), unix.ENOTCONN)
	})
}

// reap waits for the file servers that have ended.
func (v *Volumes) reap() {
	v.serving.Lock()
	defer v.serving.Unlock()
	var left []int
	for _, pid := range v.servers {
		if n, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); n == 0 && err == nil {
			left = append(left, pid)
		}
	}
	v.servers = left
}
