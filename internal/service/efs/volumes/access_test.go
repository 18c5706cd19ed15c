package volumes

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/efs/access"
	"github.com/skylift/skylift/internal/store"
)

// allowing is the env whose file system lets everybody do that, and whose access points have a user of their own, or root.
func allowing(t *testing.T, actions string) env {
	t.Helper()
	e := mounting(t, efs.AccessPoint{ID: "fsap-1", FileSystem: id, Root: "/", User: &efs.User{UID: 1001, GID: 1002}},
		efs.AccessPoint{ID: "fsap-root", FileSystem: id, Root: "/open", User: &efs.User{}})
	e.write(func(tx store.Tx) error {
		return efs.FileSystems.Put(tx, id, efs.FileSystem{ID: id, Policy: efs.Policy{
			Text: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":[` + actions + `]}]}`,
		}})
	})
	if err := os.Chmod(e.path(), 0o777); err != nil {
		t.Fatal(err)
	}
	return e
}

const (
	mountIt = `"elasticfilesystem:ClientMount"`
	writeIt = mountIt + `,"elasticfilesystem:ClientWrite"`
)

func TestWhoMayNotMount(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.reconcile()
	e.reachable()
	e.write(func(tx store.Tx) error {
		return efs.FileSystems.Put(tx, id, efs.FileSystem{ID: id, Policy: efs.Policy{
			Text: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/app"},"Action":"elasticfilesystem:ClientMount"}]}`,
		}})
	})
	app := policy.Principal{Type: policy.RoleSession, Account: "123456789012", ARN: "arn:aws:sts::123456789012:assumed-role/app/t", Entity: "arn:aws:iam::123456789012:role/app"}
	for _, tc := range []struct {
		who  access.Client
		want string
	}{
		{access.Client{}, "access denied by server while mounting fs-1.efs.us-west-2.amazonaws.com:/'"},
		{access.Client{Encrypted: true}, "failed to invoke EFS utils commands to set up EFS volumes: stderr: b'mount.nfs4: access denied by server while mounting 127.0.0.1:/' : unsuccessful EFS utils command execution; code: 32"},
		{access.Client{Principal: app}, ""},
	} {
		dir, err := e.enterAt(t.Context(), Mount{FileSystem: id, Client: tc.who})
		if err == nil {
			_ = dir.Close()
		}
		if _, told := errors.AsType[*MountError](err); told != (tc.want != "") || told && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: got %v, want %q", tc.who, err, tc.want)
		}
	}
}

// TestReadOnly: whoever may not write has a mount that can't be written to, however it is made.
func TestReadOnly(t *testing.T) {
	e := allowing(t, mountIt)
	e.file(e.path("file"), "text")
	for what, m := range map[string]Mount{"as it is": {}, "by an access point": {AccessPoint: "fsap-1", UID: 7, GID: 8}, "that is served": {AccessPoint: "fsap-1"}} {
		m.FileSystem = id
		at, err := e.Mount(t.Context(), "task", []Mount{m})
		if err != nil {
			t.Fatal(err)
		}
		if !at[0].ReadOnly {
			t.Errorf("%s: the container isn't told", what)
		}
		if err := os.WriteFile(filepath.Join(at[0].Path, "new"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: a write says %v", what, err)
		}
	}
	e = allowing(t, writeIt)
	at, err := e.Mount(t.Context(), "task", []Mount{{FileSystem: id}})
	if err != nil || at[0].ReadOnly {
		t.Errorf("who may write: %+v, %v", at, err)
	}
}

// in runs a command in a directory as a user.
func in(t *testing.T, dir string, uid, gid uint32, command string) error {
	t.Helper()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c := exec.Command("sh", "-c", "cd /proc/self/fd/3 && "+command)
	c.ExtraFiles, c.SysProcAttr = []*os.File{d}, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	out, err := c.CombinedOutput()
	t.Logf("%d:%d %s: %v %s", uid, gid, command, err, out)
	return err
}

func (e env) owned(name string, uid, gid uint32) {
	e.t.Helper()
	info, err := os.Lstat(e.path(name))
	if err != nil {
		e.t.Error(err)
		return
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != uid || s.Gid != gid {
		e.t.Errorf("%s is of %d:%d, want %d:%d", name, s.Uid, s.Gid, uid, gid)
	}
}

// TestRootIsNobody: without ClientRootAccess root is the user 65534, and what is root's stays closed to it.
func TestRootIsNobody(t *testing.T) {
	e := allowing(t, writeIt)
	e.open(1000)
	path := e.mounted(Mount{Root: "/open"})[0]
	for _, denied := range []string{"cat roots", "echo x > roots", "echo x > closed/new", "chmod 644 roots", "chown 1000 roots"} {
		if err := in(t, path, 0, 0, denied); err == nil {
			t.Errorf("root may %s", denied)
		}
	}
	if err := in(t, path, 0, 0, "echo x > by-root && chmod 600 by-root && cat by-root"); err != nil {
		t.Error("root can't write where everybody may")
	}
	e.owned("open/by-root", nobody, nobody)
	e.private()
	for _, denied := range []string{"cat private", "echo x > private", "chmod 644 private", "chown 0 private", "chown 65534:65534 private", "touch -d 2020-01-01 private"} {
		if err := in(t, path, 0, 0, denied); err == nil {
			t.Errorf("root may %s, which is another user's", denied)
		}
	}
	e.owned("open/private", 500, 500)
	if err := in(t, path, 1000, 1001, "echo x > by-other"); err != nil {
		t.Error("who root became can't write where everybody may")
	}
	e.owned("open/by-other", nobody, nobody)
	e.owned("open/roots", 0, 0)

	path = e.mounted(Mount{Root: "/open", UID: 1000, GID: 1001})[0]
	if err := in(t, path, 1000, 1001, "echo y > by-user && cat by-user"); err != nil {
		t.Error("the container's user can't write")
	}
	e.owned("open/by-user", 1000, 1001)
	if err := in(t, path, 0, 0, "cat roots || cat private || chmod 644 by-root || chown 0 private"); err == nil {
		t.Error("root in another's container has root's rights, or another's")
	}
}

// private makes a file that the user 500 keeps for itself, in open.
func (e env) private() {
	e.t.Helper()
	e.files("open/private", "secret")
	if err := errors.Join(os.Chown(e.path("open", "private"), 500, 500), os.Chmod(e.path("open", "private"), 0o600)); err != nil {
		e.t.Fatal(err)
	}
}

// open makes a directory of a user's that everybody may write to, with a file and a directory that root keeps for itself.
func (e env) open(owner int) {
	e.t.Helper()
	e.files("open/roots", "secret")
	err := errors.Join(os.Mkdir(e.path("open", "closed"), 0o755), os.Chown(e.path("open"), owner, owner), os.Chmod(e.path("open"), 0o777), os.Chmod(e.path("open", "roots"), 0o600))
	if err != nil {
		e.t.Fatal(err)
	}
}

// TestAnAccessPointsRootIsNobody: an access point whose user is root gives root to nobody who may not be it.
func TestAnAccessPointsRootIsNobody(t *testing.T) {
	e := allowing(t, writeIt)
	e.open(nobody)
	for _, uid := range []uint32{0, 7} {
		path := e.mounted(Mount{AccessPoint: "fsap-root", UID: int64(uid), GID: int64(uid)})[0]
		if err := in(t, path, uid, uid, "rm -f made; echo x > made"); err != nil {
			t.Errorf("user %d can't write where everybody may", uid)
		}
		e.owned("open/made", nobody, nobody)
		if err := in(t, path, uid, uid, "cat roots"); err == nil {
			t.Errorf("user %d reads what is root's", uid)
		}
	}
}
