package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/service/efs/access"
)

// Mount is a directory of a file system as a container of a task has it.
type Mount struct {
	FileSystem  string
	AccessPoint string // "": none
	Root        string // the directory; "": all
	UID, GID    int64  // who the container runs as
	Client      access.Client
}

// Mounted is a directory of this host that a container is to have.
type Mounted struct {
	Path     string
	ReadOnly bool
}

// Mount makes directories of file systems appear for a task, and returns their
// places on this host. They stay what they are, whatever is done to the names in
// the file system. It may be repeated, and begins anew then. The error is a
// *MountError when the caller asked for what there is not.
//
// All is below a file system in memory of the task's own: who doesn't see the
// mounts, since it lives in another mount namespace, finds no directory at all,
// and none that is empty and soon removed.
func (v *Volumes) Mount(ctx context.Context, taskID string, all []Mount) (at []Mounted, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	if err := v.Unmount(taskID); err != nil {
		return nil, err
	}
	base := filepath.Join(v.mounts, taskID)
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, fmt.Errorf("make mount point: %w", err)
	}
	if err := unix.Mount("skylift", base, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700,size=64k"); err != nil {
		return nil, fmt.Errorf("make mount point: %w", err)
	}
	for i, m := range all {
		target := filepath.Join(base, strconv.Itoa(i))
		may, err := v.mount(ctx, target, m)
		if err != nil {
			return nil, errors.Join(err, v.Unmount(taskID))
		}
		at = append(at, Mounted{Path: target, ReadOnly: !may.Write})
	}
	return at, nil
}

// mount makes a directory of a file system appear at target.
//
// With an access point that has a user, all that the container does is to be done
// as that. A container that doesn't run as root has one user, whom the kernel can
// take for the access point's. One that runs as root can become anybody, as the
// images of most databases do, so what it mounts is served.
//
// Where the client may not be root, the mount is served in any case, as the
// container's user, or as nobody where that is root: a user namespace would leave
// root its capabilities over everybody's files but its own.
func (v *Volumes) mount(ctx context.Context, target string, m Mount) (may access.Access, err error) {
	dir, err := v.enterAt(ctx, m)
	if err != nil {
		return may, err
	}
	defer dir.Close()
	if err := os.Mkdir(target, 0o700); err != nil {
		return may, fmt.Errorf("make mount point: %w", err)
	}
	as, ok := dir.user()
	switch {
	case ok && m.UID == 0:
		return dir.may, v.serve(target, dir, m, as)
	case !ok && !dir.may.Root:
		return dir.may, v.serve(target, dir, m, squashed(ids{m.UID, m.GID}))
	}
	return dir.may, v.clone(target, dir, m)
}

// clone makes a directory appear at target as a mount of its own, with who the client is there.
func (v *Volumes) clone(target string, dir *directory, m Mount) error {
	tree, err := unix.OpenTree(int(dir.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("mount %s of file system %s: %w", dir.point.Root, m.FileSystem, err)
	}
	defer unix.Close(tree)
	if err := v.identify(tree, dir, m); err != nil {
		return err
	}
	if !dir.may.Write {
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make the mount of file system %s read-only: %w", m.FileSystem, err)
		}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s of file system %s: %w", dir.point.Root, m.FileSystem, err)
	}
	return nil
}

// ids are a user and a group.
type ids struct{ uid, gid int64 }

// identify maps those who use a mount to the users and groups that they are in the file system.
//
// With an access point that has a user, the container's user is that one. All others are nobody there, and make no files: the kernel
// maps one user to one.
func (v *Volumes) identify(tree int, dir *directory, m Mount) error {
	as, ok := dir.user()
	if !ok {
		return nil
	}
	ns, err := userNamespace(one(as.uid, m.UID), one(as.gid, m.GID))
	if err != nil {
		return fmt.Errorf("map the users of file system %s: %w", m.FileSystem, err)
	}
	defer ns.Close()
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())})
	if err != nil {
		return v.failed(m, "/", fmt.Sprintf("this machine can't access files as the posixUser of access point %s: %s", m.AccessPoint, err))
	}
	return nil
}

// Unmount removes what Mount made for a task. The files stay.
func (v *Volumes) Unmount(taskID string) error {
	v.reap()
	return unmount(filepath.Join(v.mounts, taskID))
}

// unmount removes the mounts at and below base, and base. It deletes no file.
func unmount(base string) error {
	for {
		err := unix.Unmount(base, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // nothing is mounted there
			break
		}
		if err != nil {
			return fmt.Errorf("unmount %s: %w", base, err)
		}
	}
	if err := os.Remove(base); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove mount point: %w", err)
	}
	return nil
}

// UnmountAll removes all that Mount made below the directory of mounts.
func UnmountAll(mounts string) error {
	entries, err := os.ReadDir(mounts)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		errs = append(errs, unmount(filepath.Join(mounts, e.Name())))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return os.Remove(mounts)
}
