package volumes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Serve is a file server of one mount: a process beside Skylift, which outlives
// it, and in which all that anybody does in the mount is done as one user. It has
// the directory open as descriptor 3 and the mount's /dev/fuse as 4, sees nothing
// but the directory, and is that user alone, so the kernel judges each request by
// that user's rights. It returns when the mount is gone.
func Serve(uid, gid int) error {
	const directory, device = 3, 4
	leaveService()
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: mostMemory, Max: mostMemory}); err != nil {
		return fmt.Errorf("bound the memory: %w", err)
	}
	if err := enclose(directory, uid, gid); err != nil {
		return err
	}
	root, err := fs.NewLoopbackRoot("/")
	if err != nil {
		return fmt.Errorf("open the directory: %w", err)
	}
	top := newNode(root)
	top.RootData.RootNode = top
	fresh := time.Second // how long what the kernel knows of a file may be old; NFS's is three and more
	raw := fs.NewNodeFS(top, &fs.Options{EntryTimeout: &fresh, AttrTimeout: &fresh, NullPermissions: true})
	server, err := fuse.NewServer(raw, "/dev/fd/"+strconv.Itoa(device), &fuse.MountOptions{EnableLocks: true, MaxWrite: maxRead, DisableSplice: true})
	if err != nil {
		return fmt.Errorf("serve the mount: %w", err)
	}
	server.Serve()
	return nil
}

// mostMemory bounds what a file server may have. It takes 0.6 KB for each file
// that the kernel remembers, whose memory in turn is the task's; so a task can
// hardly have it take so much.
const mostMemory = 2 << 30

// leaveService leaves the cgroup in which a service manager has Skylift, which
// ends all that is in it when it restarts the service, and asks the kernel to
// spare this process when memory is short. Both are as well as can be.
func leaveService() {
	for _, file := range []string{"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/systemd/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs"} {
		_ = os.WriteFile(file, []byte("0"), 0) // there is one of them, or none
	}
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-500"), 0)
}

// enclose makes a directory all that this process sees, and the user all that it
// is.
func enclose(directory, uid, gid int) error {
	err := errors.Join(unix.Fchdir(directory), unix.Chroot("."), unix.Close(directory))
	if err != nil {
		return fmt.Errorf("enter the directory: %w", err)
	}
	syscall.Umask(0) // the kernel has applied the caller's
	err = errors.Join(syscall.Setgroups(nil), syscall.Setgid(gid), syscall.Setuid(uid))
	if err != nil {
		return fmt.Errorf("become the user %d:%d: %w", uid, gid, err)
	}
	if err := forgo(); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}

// kept are the capabilities that root needs for its files; another user has none.
const kept = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID

// forgo gives up all other capabilities, in every thread: root here is root of the
// directory, and not of the machine.
func forgo() error {
	if os.Getuid() != 0 {
		return nil
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: kept, Permitted: kept}}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno == syscall.ENOTSUP { // a program with cgo, which tests with the race detector are, can't ask for all threads
		return unix.Capset(&head, &data[0])
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// node is a file or directory of a served mount.
type node struct {
	*fs.LoopbackNode
	mu   sync.Mutex
	open map[fs.FileHandle]struct{}
}

// newNode wraps a node of the library's that passes requests on.
func newNode(is fs.InodeEmbedder) *node {
	return &node{LoopbackNode: is.(*fs.LoopbackNode)}
}

var (
	_ fs.NodeWrapChilder = (*node)(nil)
	_ fs.NodeAccesser    = (*node)(nil)
	_ fs.NodeOpener      = (*node)(nil)
	_ fs.NodeCreater     = (*node)(nil)
	_ fs.NodeReleaser    = (*node)(nil)
	_ fs.NodeGetattrer   = (*node)(nil)
	_ fs.NodeSetattrer   = (*node)(nil)
	_ fs.NodeSetlkwer    = (*node)(nil)
	_ fs.NodeIoctler     = (*node)(nil)
	_ fs.NodeStatxer     = (*node)(nil)
	_ fs.NodeTmpfiler    = (*node)(nil)
)

// Ioctl is refused, as by NFS: it would reach the host's file system with this
// process's rights, and some calls write more than was asked for.
func (n *node) Ioctl(context.Context, fs.FileHandle, uint32, uint64, []byte, []byte) (int32, syscall.Errno) {
	return 0, syscall.ENOTTY
}

// Statx is left to Getattr, which follows no link and knows files without a name.
func (n *node) Statx(context.Context, fs.FileHandle, uint32, uint32, *fuse.StatxOut) syscall.Errno {
	return syscall.ENOSYS
}

// Tmpfile is refused, as by NFS: a file that never had a name isn't found again.
// Programs make one with a name then.
func (n *node) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

// WrapChild makes a node of ours of each that the library finds or makes.
func (n *node) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return newNode(child)
}

// Access judges by the rights of the user that all is done as, not by those of
// who asks.
func (n *node) Access(_ context.Context, mask uint32) syscall.Errno {
	return fs.ToErrno(unix.Access(n.name(), mask))
}

// name is the path of the file.
func (n *node) name() string { return "/" + n.Path(n.Root()) }

// Open notes the open file, by which the node is known when its name is gone.
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f, more, errno := n.LoopbackNode.Open(ctx, flags)
	if errno == fs.OK {
		n.note(f)
	}
	return f, more, errno
}

// Create likewise notes the open file.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	child, f, more, errno := n.LoopbackNode.Create(owned(ctx), name, flags, mode, out)
	if errno == fs.OK {
		child.Operations().(*node).note(f)
	}
	return child, f, more, errno
}

// Mkdir makes a directory of the user's.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.LoopbackNode.Mkdir(owned(ctx), name, mode, out)
}

// Mknod makes a pipe or a socket of the user's.
func (n *node) Mknod(ctx context.Context, name string, mode, dev uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if kind := mode & syscall.S_IFMT; kind == syscall.S_IFCHR || kind == syscall.S_IFBLK {
		return nil, syscall.EPERM // for who is root here, too
	}
	return n.LoopbackNode.Mknod(owned(ctx), name, mode, dev, out)
}

// Symlink makes a link of the user's.
func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.LoopbackNode.Symlink(owned(ctx), target, name, out)
}

// owned has what is made belong to this process's user: where that is root, the
// library gives it to who asks.
func owned(ctx context.Context) context.Context {
	return fuse.NewContext(ctx, &fuse.Caller{Owner: fuse.Owner{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}})
}

func (n *node) note(f fs.FileHandle) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open == nil {
		n.open = map[fs.FileHandle]struct{}{} // most files are never opened
	}
	n.open[f] = struct{}{}
}

// Release closes an open file.
func (n *node) Release(ctx context.Context, f fs.FileHandle) syscall.Errno {
	n.mu.Lock()
	if delete(n.open, f); len(n.open) == 0 {
		n.open = nil
	}
	n.mu.Unlock()
	if r, ok := f.(fs.FileReleaser); ok {
		return r.Release(ctx)
	}
	return fs.OK
}

// Getattr finds a file that has no name any more by being open, as temporary
// files are: the kernel doesn't say which open file it asks about.
func (n *node) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.LoopbackNode.Getattr(ctx, n.known(f), out)
}

// Setattr likewise.
func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return n.LoopbackNode.Setattr(ctx, n.known(f), in, out)
}

// known returns f, or an open file where there is neither that nor a name.
func (n *node) known(f fs.FileHandle) fs.FileHandle {
	if _, parent := n.Parent(); f != nil || parent != nil || n.IsRoot() {
		return f
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for f := range n.open {
		return f
	}
	return nil
}

// lockAgain is how long a process that waits for a lock may wait too long.
const lockAgain = 20 * time.Millisecond

// Setlkw waits for a lock in a way that ends when who waits is interrupted: a
// system call would not, and who waits could not be killed.
func (n *node) Setlkw(ctx context.Context, f fs.FileHandle, owner uint64, lock *fuse.FileLock, flags uint32) syscall.Errno {
	l, ok := f.(fs.FileSetlker)
	if !ok {
		return syscall.ENOTSUP
	}
	for {
		errno := l.Setlk(ctx, owner, lock, flags)
		if errno != syscall.EAGAIN && errno != syscall.EACCES {
			return errno
		}
		select {
		case <-ctx.Done():
			return syscall.EINTR
		case <-time.After(lockAgain):
		}
	}
}
