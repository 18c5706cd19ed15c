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

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/efs/access"
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
	return fmt.Sprintf("%s.efs.%s.amazonaws.com", id, v.ns.Region)
}

// server is what the mount command takes for the server: what is encrypted goes through a tunnel.
func (v *Volumes) server(m Mount) string {
	if m.Client.Encrypted {
		return "127.0.0.1"
	}
	return v.host(m.FileSystem)
}

func (v *Volumes) unresolved(id string) error {
	return &MountError{fmt.Sprintf("Failed to resolve %q - check that your file system ID is correct, and ensure that the VPC has an EFS mount target "+
		"for this file system ID. See https://docs.aws.amazon.com/console/efs/mount-dns-name for more detail.", v.host(id)), 1}
}

func (v *Volumes) denied(m Mount) error {
	return &MountError{fmt.Sprintf("b'mount.nfs4: access denied by server while mounting %s:/'", v.server(m)), 32}
}

func (v *Volumes) failed(m Mount, dir, reason string) error {
	return &MountError{fmt.Sprintf("b'mount.nfs4: mounting %s:%s failed, reason given by server: %s'", v.server(m), dir, reason), 32}
}

// directory is a directory of a file system that is open.
type directory struct {
	*os.File
	point efs.AccessPoint
	may   access.Access
}

// nobody is the user and the group that root is where a client may not be root.
const nobody = 65534

// user is who all is done as; ok is false where everybody is who they are.
func (d *directory) user() (as ids, ok bool) {
	u := d.point.User
	if u == nil {
		return ids{}, false
	}
	if as = (ids{u.UID, u.GID}); !d.may.Root {
		as = squashed(as)
	}
	return as, true
}

// squashed has nobody in root's place.
func squashed(who ids) ids {
	if who.uid == 0 {
		who.uid = nobody
	}
	if who.gid == 0 {
		who.gid = nobody
	}
	return who
}

// enterAt opens the directory that m names: it is inside the file system, and
// no part of its path is a symbolic link. The root of an access point is made
// where it is not there. The error is a *MountError when there is no such thing.
func (v *Volumes) enterAt(ctx context.Context, m Mount) (*directory, error) {
	point, may, err := v.find(ctx, m)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Join(v.dir, m.FileSystem))
	if err != nil {
		return nil, fmt.Errorf("open file system %s: %w", m.FileSystem, err)
	}
	defer root.Close()
	if err := v.enter(root, m, point); err != nil {
		return nil, err
	}
	file, err := openBelow(filepath.Join(v.dir, m.FileSystem), point.Root)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil, v.failed(m, point.Root, "Not a directory")
	}
	if err != nil {
		return nil, fmt.Errorf("open %s of file system %s: %w", point.Root, m.FileSystem, err)
	}
	return &directory{file, point, may}, nil
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

// find returns the access point of a mount, or one for its directory when it names none, and what the client may do there.
func (v *Volumes) find(ctx context.Context, m Mount) (p efs.AccessPoint, may access.Access, err error) {
	err = v.db.View(ctx, func(tx store.Tx) error {
		f, err := v.reachable(tx, m)
		if err != nil {
			return err
		}
		if p, err = v.point(tx, m); err != nil {
			return err
		}
		var mount policy.Decision
		if may, mount, err = access.Admit(v.ns, f, m.Client, m.AccessPoint); err != nil {
			return err
		}
		if !mount.Allowed() {
			v.log.Info("a client may not mount a file system", "key", f.ID, "client", m.Client.Principal.ARN, "why", mount.Reason("elasticfilesystem:ClientMount"))
			return v.denied(m)
		}
		if dir := path.Clean("/" + m.Root); m.AccessPoint != "" && dir != "/" {
			return v.failed(m, dir, "an access point is mounted at its own root directory")
		}
		return nil
	})
	return p, may, err
}

func (v *Volumes) point(tx store.Tx, m Mount) (efs.AccessPoint, error) {
	if m.AccessPoint == "" {
		return efs.AccessPoint{FileSystem: m.FileSystem, Root: path.Clean("/" + m.Root)}, nil
	}
	p, err := efs.AccessPoints.Get(tx, m.AccessPoint)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && p.FileSystem != m.FileSystem:
		return p, v.denied(m)
	case err != nil:
		return p, fmt.Errorf("read access point %s: %w", m.AccessPoint, err)
	}
	return p, nil
}

// reachable returns a file system that exists and has a mount target.
func (v *Volumes) reachable(tx store.Tx, m Mount) (f efs.FileSystem, err error) {
	id := m.FileSystem
	f, err = efs.FileSystems.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return f, v.unresolved(id)
	}
	if err != nil {
		return f, fmt.Errorf("read file system %s: %w", id, err)
	}
	state, _, err := f.State(tx)
	if err != nil {
		return f, err
	}
	if state != types.LifeCycleStateAvailable {
		return f, v.failed(m, "/", fmt.Sprintf("the file system is in the life cycle state '%s'", state))
	}
	targets, err := efs.TargetsOf(tx, id)
	if err != nil {
		return f, err
	}
	for _, m := range targets {
		if state, _, err := m.State(tx); err != nil || state == types.LifeCycleStateAvailable {
			return f, err
		}
	}
	return f, v.unresolved(id)
}

// enter walks from root to the directory of p, and makes what is missing of it
// as p says. It follows no symbolic link.
func (v *Volumes) enter(root *os.Root, m Mount, p efs.AccessPoint) error {
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
			return v.failed(m, p.Root, "No such file or directory")
		case missing:
			err = plant(root, at, *p.Creation)
		case err == nil && info.Mode().Type() == fs.ModeSymlink:
			return v.failed(m, p.Root, "/"+at+" is a symbolic link, which is not followed")
		case err == nil && !info.IsDir():
			return v.failed(m, p.Root, "Not a directory")
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
