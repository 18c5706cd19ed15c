package volumes

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/service/efs"
)

// TestMain makes this program a file server when it is started as one, as
// cmd/skylift is, or somebody who does something in a mount.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == ServeCommand {
		uid, errUser := strconv.Atoi(os.Args[2])
		gid, errGroup := strconv.Atoi(os.Args[3])
		if err := errors.Join(errUser, errGroup, Serve(uid, gid)); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv("ACTS_IN"); dir != "" {
		if err := act(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// act does in a directory what applications do, and says what went wrong.
func act(dir string) error {
	name := func(s string) string { return filepath.Join(dir, s) }
	made := os.Mkdir(name("sub"), 0o750)
	wrote := os.WriteFile(name("sub/file"), []byte("text"), 0o640)
	added := add(name("sub/file"), " more")
	moved := errors.Join(os.Rename(name("sub/file"), name("sub/moved")), os.Link(name("sub/moved"), name("sub/linked")), os.Symlink("moved", name("sub/link")))
	entered := errors.Join(unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK), os.Chdir(name("sub")))
	text, read := os.ReadFile(name("sub/link"))
	if string(text) != "text more" {
		read = errors.Join(read, fmt.Errorf("read %q", text))
	}
	changed := errors.Join(os.Chmod(name("sub/moved"), 0o600), os.Chtimes(name("sub/moved"), time.Now(), time.Now()), os.Truncate(name("sub/moved"), 2))
	return errors.Join(made, wrote, added, moved, entered, read, changed, nameless(name("sub/temporary")), mapped(name("sub/map")), locked(name("sub/lock")), special(name("sub")))
}

func add(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// nameless uses a temporary file, whose name is gone.
func nameless(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, wrote := f.WriteString("temporary")
	if err := errors.Join(wrote, os.Remove(file), f.Chmod(0o600), f.Truncate(4)); err != nil {
		return err
	}
	time.Sleep(1200 * time.Millisecond) // until what the kernel knows of it is old
	info, err := f.Stat()
	if err == nil && info.Size() != 4 {
		err = fmt.Errorf("a file without a name has %d bytes", info.Size())
	}
	return err
}

// mapped writes a file by memory.
func mapped(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		return err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(b, "mapped")
	if err := errors.Join(unix.Msync(b, unix.MS_SYNC), unix.Munmap(b)); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err == nil && !strings.HasPrefix(string(text), "mapped") {
		err = errors.New("what was written by memory isn't in the file")
	}
	return err
}

// locked locks a file, for good while it is open.
func locked(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
}

// special asks for what a network file system doesn't have, and looks at a link
// as some programs do: by statx.
func special(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	const version = 0x80087601 // FS_IOC_GETVERSION, which asks the host's file system
	if _, err := unix.IoctlGetInt(int(d.Fd()), version); !errors.Is(err, syscall.ENOTTY) {
		return fmt.Errorf("an ioctl answers %w, want ENOTTY", err)
	}
	if fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600); !errors.Is(err, syscall.EOPNOTSUPP) {
		_ = unix.Close(fd)
		return fmt.Errorf("a file that never has a name: %w, want EOPNOTSUPP", err)
	}
	var info unix.Statx_t
	err = unix.Statx(unix.AT_FDCWD, filepath.Join(dir, "link"), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &info)
	if err == nil && info.Mode&unix.S_IFMT != unix.S_IFLNK {
		err = fmt.Errorf("a link is of mode %o", info.Mode)
	}
	return err
}

// acting is this program, about to act in a directory as somebody.
func acting(as uint32) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = []string{"ACTS_IN=/proc/self/fd/3"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: as, Gid: as, NoSetGroups: as == 0}}
	return c
}

// TestWhoeverIsTheAccessPointsUser has the users of a container that began as root
// use a mount: all is done as the access point's user, and not more than that one
// may do.
func TestWhoeverIsTheAccessPointsUser(t *testing.T) {
	const point = "fsap-1"
	e := mounting(t, efs.AccessPoint{
		ID: point, FileSystem: id, Root: "/app", User: &efs.User{UID: 1001, GID: 1002},
		Creation: &efs.Creation{UID: 1001, GID: 1002, Permissions: "750"},
	})
	path := e.mounted(Mount{AccessPoint: point})[0]
	for _, as := range []uint32{0, 999, 1001} {
		dir, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		c := acting(as)
		c.ExtraFiles = []*os.File{dir}
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("user %d: %v: %s", as, err, out)
		}
		_ = dir.Close()
		for _, name := range []string{"sub", "sub/moved", "sub/link", "sub/map"} {
			info, err := os.Lstat(e.path("app", name))
			if err != nil {
				t.Errorf("user %d: %v", as, err)
				continue
			}
			if s := info.Sys().(*syscall.Stat_t); s.Uid != 1001 || s.Gid != 1002 {
				t.Errorf("%s of user %d is of %d:%d", name, as, s.Uid, s.Gid)
			}
		}
		if err := os.RemoveAll(filepath.Join(path, "sub")); err != nil {
			t.Errorf("user %d: %v", as, err)
		}
	}
	// What isn't that user's stays closed, for root too, and nothing leads out.
	e.files("app/others", "secret")
	if err := errors.Join(os.Chmod(e.path("app/others"), 0o600), os.Symlink("/etc/passwd", e.path("app/out"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(path, "others"), 7, 7); !errors.Is(err, syscall.EPERM) {
		t.Errorf("root gives away a file: %v", err)
	}
	if _, err := os.ReadFile(filepath.Join(path, "others")); !errors.Is(err, syscall.EACCES) {
		t.Errorf("root reads what the access point's user can't: %v", err)
	}
	if to, err := os.Readlink(filepath.Join(path, "out")); err != nil || to != "/etc/passwd" {
		t.Errorf("a link reads %q, %v", to, err)
	}
}

// TestRootAtAnAccessPoint: the server of one has what files take, and no more.
func TestRootAtAnAccessPoint(t *testing.T) {
	if _, _, errno := syscall.AllThreadsSyscall(syscall.SYS_GETPID, 0, 0, 0); errno == syscall.ENOTSUP {
		t.Skip("with cgo, capabilities can't be given up in every thread")
	}
	e := mounting(t, efs.AccessPoint{ID: "fsap-1", FileSystem: id, Root: "/", User: &efs.User{}})
	path := e.mounted(Mount{AccessPoint: "fsap-1"})[0]
	if err := os.WriteFile(filepath.Join(path, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(path, "file"), 7, 7); err != nil {
		t.Errorf("root gives away a file: %v", err)
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", e.servers[0]))
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads %v, %v", threads, err)
	}
	for _, file := range threads {
		status, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		for _, set := range []string{"CapEff:", "CapPrm:"} {
			if want := fmt.Sprintf("%s\t%016x\n", set, uint64(kept)); !strings.Contains(string(status), want) {
				t.Errorf("%s has other capabilities than %q:\n%s", file, want, status)
			}
		}
	}
}

// TestAFileServerEndsWithItsMount and has no other end: it is no child of who
// has it started, once that is gone.
func TestAFileServerEndsWithItsMount(t *testing.T) {
	const point = "fsap-1"
	e := mounting(t, efs.AccessPoint{ID: point, FileSystem: id, Root: "/", User: &efs.User{UID: 1001, GID: 1002}})
	path := e.mounted(Mount{AccessPoint: point})[0]
	if len(e.servers) != 1 {
		t.Fatalf("servers %v, want one", e.servers)
	}
	pid := e.servers[0]
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("the server's session is %d, %v, want its own", sid, err)
	}
	inside, err := os.Open(path) // as a container has it
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Unmount("task"); err != nil {
		t.Fatal(err)
	}
	if _, err := inside.Stat(); err != nil {
		t.Errorf("who still has the mount: %v", err)
	}
	_ = inside.Close()
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		t.Error(err)
	}
	e.reap()
	if len(e.servers) != 0 {
		t.Errorf("servers %v are left", e.servers)
	}
}

// TestAFileServerThatIsKilled leaves a mount that says so.
func TestAFileServerThatIsKilled(t *testing.T) {
	const point = "fsap-1"
	e := mounting(t, efs.AccessPoint{ID: point, FileSystem: id, Root: "/", User: &efs.User{UID: 1001, GID: 1002}})
	path := e.mounted(Mount{AccessPoint: point}, Mount{})[0]
	if e.Lost("task") || e.Lost("other") {
		t.Error("it is lost while it is there")
	}
	if err := syscall.Kill(e.servers[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Wait4(e.servers[0], nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadDir(path); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("who uses it gets %v", err)
	}
	if !e.Lost("task") {
		t.Error("nobody says that it is lost")
	}
	if err := e.Unmount("task"); err != nil || e.Lost("task") {
		t.Errorf("it can't be cleared away: %v", err)
	}
}

func TestAMachineWithoutFuse(t *testing.T) {
	const point = "fsap-1"
	e := mounting(t, efs.AccessPoint{ID: point, FileSystem: id, Root: "/", User: &efs.User{UID: 1001, GID: 1002}})
	e.fuse = filepath.Join(t.TempDir(), "fuse")
	_, err := e.Mount(t.Context(), "task", []Mount{{FileSystem: id, AccessPoint: point}})
	if refused, ok := errors.AsType[*MountError](err); !ok || !strings.Contains(refused.Error(), "modprobe fuse") {
		t.Errorf("%v, want a MountError that says what to do", err)
	}
	if _, err := os.Lstat(filepath.Join(e.mounts, "task")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mount point is left: %v", err)
	}
	e.mounted(Mount{AccessPoint: point, UID: 7, GID: 8}) // needs none
}

// TestWhoWaitsForALockCanBeKilled because the server gives the wait up.
func TestWhoWaitsForALockCanBeKilled(t *testing.T) {
	const point = "fsap-1"
	e := mounting(t, efs.AccessPoint{ID: point, FileSystem: id, Root: "/", User: &efs.User{}})
	first := e.mounted(Mount{AccessPoint: point}, Mount{AccessPoint: point})
	a, err := os.Create(filepath.Join(first[0], "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := unix.FcntlFlock(a.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	b, err := os.OpenFile(filepath.Join(first[1], "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := unix.FcntlFlock(b.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("another mount's lock: %v, want that it is taken", err)
	}
	c := exec.Command("flock", "3")
	c.ExtraFiles = []*os.File{b}
	if err := unix.Flock(int(a.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("who waits for a lock ended: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("who waits for a lock has it")
		}
	case <-time.After(20 * time.Second):
		t.Error("who waits for a lock can't be killed")
	}
}
