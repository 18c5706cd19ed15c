package volumes

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/skylift/skylift/internal/service/efs"
)

// mounting is an env whose file system can be mounted, which takes root.
func mounting(t *testing.T, points ...efs.AccessPoint) env {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting takes root")
	}
	e := newEnv(t)
	e.reconcile()
	e.reachable(points...)
	t.Cleanup(func() {
		if err := UnmountAll(e.mounts); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e env) mounted(m ...Mount) []string {
	e.t.Helper()
	for i := range m {
		m[i].FileSystem = id
	}
	at, err := e.Mount(e.t.Context(), "task", m)
	if err != nil {
		e.t.Fatal(err)
	}
	var paths []string
	for _, one := range at {
		paths = append(paths, one.Path)
	}
	return paths
}

// files makes a file and its directory.
func (e env) files(name, text string) {
	e.t.Helper()
	if err := os.MkdirAll(filepath.Dir(e.path(name)), 0o755); err != nil {
		e.t.Fatal(err)
	}
	e.file(e.path(name), text)
}

func TestMountsAreTheFileSystems(t *testing.T) {
	e := mounting(t)
	e.files("data/old", "before")
	for range 2 { // again, as after a crash
		paths := e.mounted(Mount{}, Mount{Root: "/data"})
		if got, err := os.ReadFile(filepath.Join(paths[1], "old")); err != nil || string(got) != "before" {
			t.Errorf("what was there reads %q, %v", got, err)
		}
		if err := os.WriteFile(filepath.Join(paths[0], "data", "new"), []byte("after"), 0o600); err != nil {
			t.Error(err)
		}
	}
	if err := e.Unmount("task"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(e.mounts, "task")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mount point is left: %v", err)
	}
	if got, err := os.ReadFile(e.path("data", "new")); err != nil || string(got) != "after" {
		t.Errorf("what was written reads %q, %v", got, err)
	}
	if err := e.Unmount("task"); err != nil {
		t.Errorf("unmounted again: %v", err)
	}
}

// TestAMountIsNotLedAway: whoever has all of the file system mounted can make a
// link of a directory, before it is mounted or after.
func TestAMountIsNotLedAway(t *testing.T) {
	e := mounting(t)
	e.files("data/mine", "mine")
	secret := t.TempDir()
	path := e.mounted(Mount{Root: "/data"})[0]
	if err := errors.Join(os.Rename(e.path("data"), e.path("moved")), os.Symlink(secret, e.path("data"))); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(path, "mine")); err != nil || string(got) != "mine" {
		t.Errorf("the mount became something else: %q, %v", got, err)
	}
	_, err := openBelow(e.path(), "/data")
	if !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link is opened: %v", err)
	}
	_, err = e.Mount(t.Context(), "other", []Mount{{FileSystem: id, Root: "/data"}})
	if _, ok := errors.AsType[*MountError](err); !ok {
		t.Errorf("a link is mounted: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(e.mounts, "other")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mount point of one that failed is left: %v", err)
	}
}

func TestAccessPointsUser(t *testing.T) {
	const point = "fsap-1"
	e := mounting(t, efs.AccessPoint{
		ID: point, FileSystem: id, Root: "/app", User: &efs.User{UID: 1001, GID: 1002},
		Creation: &efs.Creation{UID: 1001, GID: 1002, Permissions: "750"},
	})
	for _, who := range []syscall.Credential{{Uid: 7, Gid: 8}, {Uid: 1001, Gid: 1002}} {
		user := fmt.Sprintf("%d:%d", who.Uid, who.Gid)
		path := e.mounted(Mount{AccessPoint: point, UID: int64(who.Uid), GID: int64(who.Gid)})[0]
		dir, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		write := func(name string, as syscall.Credential) error {
			c := exec.Command("sh", "-c", "echo hi > /proc/self/fd/3/"+name)
			c.ExtraFiles, c.SysProcAttr = []*os.File{dir}, &syscall.SysProcAttr{Credential: &as}
			return c.Run()
		}
		name := "by-" + strings.ReplaceAll(user, ":", "-")
		if err := write(name, who); err != nil {
			t.Errorf("user %q can't write: %v", user, err)
			continue
		}
		info, err := os.Stat(e.path("app", name))
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != 1001 || s.Gid != 1002 {
			t.Errorf("what user %q wrote is of %d:%d", user, s.Uid, s.Gid)
		}
		if err := write("other", syscall.Credential{Uid: 4711, Gid: 4711}); err == nil {
			t.Errorf("somebody else than user %q can write", user)
		}
	}
}
