package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/efs/types"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/store"
)

// MountError says why a file system can't be mounted, in the words that tasks
// on Fargate stop with. They follow "ResourceInitializationError: ".
type MountError struct {
	Stderr string // of the mount command
	Code   int    // that it ended with
}

func (e *MountError) Error() string {
	return fmt.Sprintf("failed to invoke EFS utils commands to set up EFS volumes: stderr: %s : unsuccessful EFS utils command execution; code: %d", e.Stderr, e.Code)
}

// host is what a file system is called in the network.
func (v *Volumes) host(id string) string {
	return fmt.Sprintf("%s.efs.%s.amazonaws.com", id, v.region)
}

func (v *Volumes) unresolved(id string) error {
	return &MountError{fmt.Sprintf("Failed to resolve %q - check that your file system ID is correct, and ensure that the VPC has an EFS mount target "+
		"for this file system ID. See https://docs.aws.amazon.com/console/efs/mount-dns-name for more detail.", v.host(id)), 1}
}

func (v *Volumes) denied(id string) error {
	return &MountError{fmt.Sprintf("b'mount.nfs4: access denied by server while mounting %s:/'", v.host(id)), 32}
}

func (v *Volumes) failed(id, dir, reason string) error {
	return &MountError{fmt.Sprintf("b'mount.nfs4: mounting %s:%s failed, reason given by server: %s'", v.host(id), dir, reason), 32}
}

// directory is a directory of a file system that is open.
type directory struct {
	*os.File
	point efs.AccessPoint
}

// enterAt opens the directory that m names: it is inside the file system, and
// no part of its path is a symbolic link. The root of an access point is made
// where it is not there. The error is a *MountError when there is no such thing.
func (v *Volumes) enterAt(ctx context.Context, m Mount) (*directory, error) {
	point, err := v.find(ctx, m.FileSystem, m.AccessPoint, path.Clean("/"+m.Root))
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Join(v.dir, m.FileSystem))
	if err != nil {
		return nil, fmt.Errorf("open file system %s: %w", m.FileSystem, err)
	}
	defer root.Close()
	if err := v.enter(root, point); err != nil {
		return nil, err
	}
	file, err := openBelow(filepath.Join(v.dir, m.FileSystem), point.Root)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil, v.failed(m.FileSystem, point.Root, "Not a directory")
	}
	if err != nil {
		return nil, fmt.Errorf("open %s of file system %s: %w", point.Root, m.FileSystem, err)
	}
	return &directory{file, point}, nil
}

// openBelow opens the directory at path below root, and follows no symbolic
// link below it, whoever puts one there meanwhile.
func openBelow(root, path string) (*os.File, error) {
	top, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	fd, err := unix.Openat2(int(top.Fd()), "."+path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), root+path), nil
}

// find returns an access point, or one for dir when none is named.
func (v *Volumes) find(ctx context.Context, fileSystem, accessPoint, dir string) (p efs.AccessPoint, err error) {
	err = v.db.View(ctx, func(tx store.Tx) error {
		if err := v.reachable(tx, fileSystem); err != nil {
			return err
		}
		if accessPoint == "" {
			p = efs.AccessPoint{FileSystem: fileSystem, Root: dir}
			return nil
		}
		p, err = efs.AccessPoints.Get(tx, accessPoint)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && p.FileSystem != fileSystem:
			return v.denied(fileSystem)
		case err != nil:
			return fmt.Errorf("read access point %s: %w", accessPoint, err)
		case dir != "/":
			return v.failed(fileSystem, dir, "an access point is mounted at its own root directory")
		}
		return nil
	})
	return p, err
}

// reachable says whether a file system exists and has a mount target.
func (v *Volumes) reachable(tx store.Tx, id string) error {
	f, err := efs.FileSystems.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return v.unresolved(id)
	}
	if err != nil {
		return fmt.Errorf("read file system %s: %w", id, err)
	}
	state, _, err := f.State(tx)
	if err != nil {
		return err
	}
	if state != types.LifeCycleStateAvailable {
		return v.failed(id, "/", fmt.Sprintf("the file system is in the life cycle state '%s'", state))
	}
	targets, err := efs.TargetsOf(tx, id)
	if err != nil {
		return err
	}
	for _, m := range targets {
		if state, _, err := m.State(tx); err != nil || state == types.LifeCycleStateAvailable {
			return err
		}
	}
	return v.unresolved(id)
}

// enter walks from root to the directory of p, and makes what is missing of it
// as p says. It follows no symbolic link.
func (v *Volumes) enter(root *os.Root, p efs.AccessPoint) error {
	v.rooting.Lock()
	defer v.rooting.Unlock()
	at := ""
	for name := range strings.SplitSeq(strings.Trim(p.Root, "/"), "/") {
		if name == "" {
			continue
		}
		at = path.Join(at, name)
		info, err := root.Lstat(at)
		missing := errors.Is(err, fs.ErrNotExist)
		switch {
		case missing && p.Creation == nil:
			return v.failed(p.FileSystem, p.Root, "No such file or directory")
		case missing:
			err = plant(root, at, *p.Creation)
		case err == nil && info.Mode().Type() == fs.ModeSymlink:
			return v.failed(p.FileSystem, p.Root, "/"+at+" is a symbolic link, which is not followed")
		case err == nil && !info.IsDir():
			return v.failed(p.FileSystem, p.Root, "Not a directory")
		}
		if err != nil {
			return fmt.Errorf("enter %s of file system %s: %w", p.Root, p.FileSystem, err)
		}
	}
	return nil
}

// plant makes a directory with its owner and permissions: all at once, so that
// a crash leaves no directory with wrong ones.
func plant(root *os.Root, name string, c efs.Creation) error {
	mode, err := permissions(c.Permissions)
	if err != nil {
		return err
	}
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	draft := path.Join(dir, ".efs-new-"+base)
	if err := root.RemoveAll(draft); err != nil {
		return err
	}
	if err := root.Mkdir(draft, 0o700); err != nil {
		return err
	}
	if err := root.Lchown(draft, int(c.UID), int(c.GID)); err != nil {
		return err
	}
	if err := root.Chmod(draft, mode); err != nil {
		return err
	}
	if err := flush(root, draft); err != nil {
		return err
	}
	if err := root.Rename(draft, name); err != nil {
		return err
	}
	return flush(root, dir)
}

// permissions reads octal permissions with the bits that Go has elsewhere.
func permissions(octal string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(octal, 8, 12)
	mode := fs.FileMode(n & 0o777)
	for bit, m := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if n&bit != 0 {
			mode |= m
		}
	}
	return mode, err
}
