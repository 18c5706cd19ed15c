package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// env is volumes with the file system "fs-1".
type env struct {
	*Volumes
	t *testing.T
}

const id = "fs-1"

func newEnv(t *testing.T) env {
	t.Helper()
	v := New(Config{DB: memstore.New(), Dir: filepath.Join(t.TempDir(), "efs"), Mounts: filepath.Join(t.TempDir(), "mounts"), Namespace: arn.Namespace{Region: "us-west-2", Account: "123456789012"}, Log: slog.New(slog.DiscardHandler)})
	e := env{v, t}
	e.write(func(tx store.Tx) error { return efs.FileSystems.Put(tx, id, efs.FileSystem{ID: id}) })
	return e
}

// MountPath returns the path of the directory that a mount would be of, and who
// would be who accesses it.
func (e env) MountPath(ctx context.Context, fileSystem, point, root string) (hostPath string, uid, gid *int64, err error) {
	dir, err := e.enterAt(ctx, Mount{FileSystem: fileSystem, AccessPoint: point, Root: root})
	if err != nil {
		return "", nil, nil, err
	}
	defer dir.Close()
	if u := dir.point.User; u != nil {
		uid, gid = &u.UID, &u.GID
	}
	return filepath.Clean(dir.Name()), uid, gid, nil
}

func (e env) write(f func(tx store.Tx) error) {
	e.t.Helper()
	if err := e.db.Update(e.t.Context(), f); err != nil {
		e.t.Fatal(err)
	}
}

func (e env) reconcile() time.Duration {
	e.t.Helper()
	again, err := e.Reconcile(e.t.Context(), id)
	if err != nil {
		e.t.Fatal(err)
	}
	return again
}

// state returns what the API says of the file system; "" when it is gone.
func (e env) state() (state types.LifeCycleState, is efs.Volume) {
	e.t.Helper()
	e.write(func(tx store.Tx) error {
		f, err := efs.FileSystems.Get(tx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			state, is, err = f.State(tx)
		}
		return err
	})
	return state, is
}

func (e env) expect(want types.LifeCycleState) {
	e.t.Helper()
	if got, _ := e.state(); got != want {
		e.t.Errorf("state %q, want %q", got, want)
	}
}

func (e env) delete() {
	e.t.Helper()
	e.write(func(tx store.Tx) error { return efs.FileSystems.Put(tx, id, efs.FileSystem{ID: id, Deleted: true}) })
}

// reachable adds a mount target, and access points.
func (e env) reachable(points ...efs.AccessPoint) {
	e.t.Helper()
	e.write(func(tx store.Tx) error {
		if err := efs.MountTargets.Put(tx, "fsmt-1", efs.MountTarget{ID: "fsmt-1", FileSystem: id}); err != nil {
			return err
		}
		for _, p := range points {
			if err := efs.AccessPoints.Put(tx, p.ID, p); err != nil {
				return err
			}
		}
		return efs.Attachments.Put(tx, "fsmt-1", efs.Attachment{MountTarget: "fsmt-1", ID: "eni-1"})
	})
}

func (e env) path(elements ...string) string {
	return filepath.Join(append([]string{e.dir, id}, elements...)...)
}

func (e env) file(path, text string) {
	e.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

func TestAFileSystemIsAvailableOnceItIsOnDisk(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.expect(types.LifeCycleStateCreating)
	if again := e.reconcile(); again < meterEvery {
		t.Errorf("metered again in %s", again)
	}
	e.expect(types.LifeCycleStateAvailable)
	if info, err := os.Stat(e.path()); err != nil || info.Mode() != fs.ModeDir|0o755 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(e.dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("directory of all: %v, %v", info.Mode(), err)
	}
}

// A crash came between the directory and the record.
func TestADirectoryThatIsThereIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	if err := os.MkdirAll(e.path(), 0o700); err != nil {
		t.Fatal(err)
	}
	e.file(e.path("file"), "data")
	e.reconcile()
	e.expect(types.LifeCycleStateAvailable)
	if b, err := os.ReadFile(e.path("file")); err != nil || string(b) != "data" {
		t.Errorf("file: %q, %v", b, err)
	}
}

func TestALostDirectoryIsNotMadeAnew(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.reconcile()
	e.reachable()
	away := e.dir + "-away"
	if err := os.Rename(e.dir, away); err != nil {
		t.Fatal(err)
	}
	if again := e.reconcile(); again != lostAgain {
		t.Errorf("looked for again in %s", again)
	}
	e.expect(types.LifeCycleStateError)
	if _, err := os.Stat(e.path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is there again: %v", err)
	}
	if _, _, _, err := e.MountPath(t.Context(), id, "", ""); err == nil {
		t.Error("it can be mounted")
	}
	if err := os.Rename(away, e.dir); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	e.expect(types.LifeCycleStateAvailable)
}

func TestDeletionIsDoneAgainAfterACrash(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.reconcile()
	if err := os.MkdirAll(e.path("a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "kept")
	e.file(outside, "data")
	if err := os.Symlink(filepath.Dir(outside), e.path("a", "link")); err != nil {
		t.Fatal(err)
	}
	const points = 2*batch + 1
	e.write(func(tx store.Tx) error {
		for i := range points {
			p := efs.AccessPoint{ID: fmt.Sprint("fsap-", i), FileSystem: id, Token: fmt.Sprint(i)}
			if err := efs.AccessPoints.Put(tx, p.ID, p); err != nil {
				return err
			}
		}
		return nil
	})
	e.delete()
	e.expect(types.LifeCycleStateDeleting)

	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the records can't be written any more
	if err := e.remove(ctx, id); err == nil {
		t.Error("no error")
	}
	e.expect(types.LifeCycleStateDeleting)
	e.reconcile()
	e.expect("")
	e.write(func(tx store.Tx) error {
		left, err := efs.PointsOf(tx, id)
		if len(left) > 0 {
			t.Errorf("%d access points are left", len(left))
		}
		return err
	})
	if _, err := os.Stat(e.path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is there: %v", err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("a file outside: %v", err)
	}
	e.reconcile() // of a key that is gone
}

func TestMeteringDoesNotBringADeletedFileSystemBack(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.reconcile()
	_, is := e.state()
	e.delete()
	e.reconcile()
	if err := e.put(t.Context(), is); err != nil {
		t.Fatal(err)
	}
	e.write(func(tx store.Tx) error {
		if _, err := efs.Volumes.Get(tx, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the volume: %v", err)
		}
		return nil
	})
}

func TestRoomIsMetered(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.reconcile()
	_, empty := e.state()
	e.file(e.path("file"), strings.Repeat("x", 1<<20))
	if err := os.Link(e.path("file"), e.path("same")); err != nil {
		t.Fatal(err)
	}
	if again := e.reconcile(); again <= 0 || again > meterEvery {
		t.Errorf("metered again in %s", again)
	}
	if _, is := e.state(); is != empty {
		t.Errorf("metered too soon: %+v", is)
	}
	empty.Metered = empty.Metered.Add(-2 * meterEvery)
	if err := e.put(t.Context(), empty); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	_, is := e.state()
	if grown := is.Bytes - empty.Bytes; grown < 1<<20 || grown >= 2<<20 {
		t.Errorf("1 MiB with two names takes %d bytes", grown)
	}
}

func TestMountPath(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.reconcile()
	outside := t.TempDir()
	for _, d := range []string{"data/deep", "other"} {
		if err := os.MkdirAll(e.path(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"out": outside, "up": "../..", "in": "data", "data/out": outside} {
		if err := os.Symlink(to, e.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	e.file(e.path("file"), "data")
	creation := &efs.Creation{UID: int64(os.Getuid()), GID: int64(os.Getgid()), Permissions: "1750"}
	e.reachable(
		efs.AccessPoint{ID: "fsap-plain", FileSystem: id, Token: "1", Root: "/"},
		efs.AccessPoint{ID: "fsap-made", FileSystem: id, Token: "2", Root: "/new/root", Creation: creation, User: &efs.User{UID: 7, GID: 8}},
		efs.AccessPoint{ID: "fsap-missing", FileSystem: id, Token: "3", Root: "/missing"},
		efs.AccessPoint{ID: "fsap-link", FileSystem: id, Token: "4", Root: "/out/root", Creation: creation},
		efs.AccessPoint{ID: "fsap-other", FileSystem: "fs-2", Token: "5", Root: "/"},
	)
	const (
		failed = "b'mount.nfs4: mounting fs-1.efs.us-west-2.amazonaws.com:"
		denied = "b'mount.nfs4: access denied by server while mounting fs-1.efs.us-west-2.amazonaws.com:/'"
	)
	for _, tc := range []struct{ fs, point, dir, want, err string }{
		{id, "", "", "", ""},
		{id, "", "/", "", ""},
		{id, "", "data/deep", "data/deep", ""},
		{id, "", "/data/../other/", "other", ""},
		{id, "", "/../../data", "data", ""},
		{id, "", "/missing", "", failed + "/missing failed, reason given by server: No such file or directory'"},
		{id, "", "/file", "", "Not a directory"},
		{id, "", "/out", "", "symbolic link"},
		{id, "", "/up", "", "symbolic link"},
		{id, "", "/in/deep", "", "symbolic link"},
		{id, "", "/data/out", "", "symbolic link"},
		{id, "fsap-plain", "/", "", ""},
		{id, "fsap-made", "", "new/root", ""},
		{id, "fsap-made", "/data", "", "own root directory"},
		{id, "fsap-missing", "", "", "No such file or directory"},
		{id, "fsap-link", "", "", "symbolic link"},
		{id, "fsap-other", "", "", denied},
		{id, "fsap-none", "", "", denied},
		{"fs-2", "", "", "", `stderr: Failed to resolve "fs-2.efs.us-west-2.amazonaws.com" - check that your file system ID is correct`},
	} {
		got, uid, gid, err := e.MountPath(t.Context(), tc.fs, tc.point, tc.dir)
		if tc.err != "" {
			if _, ok := errors.AsType[*MountError](err); !ok || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%+v: got %s, %v", tc, got, err)
			}
			continue
		}
		if err != nil || got != e.path(tc.want) {
			t.Errorf("%+v: got %s, %v", tc, got, err)
		}
		if user := tc.point == "fsap-made"; user != (uid != nil) || user && (*uid != 7 || *gid != 8) {
			t.Errorf("%+v: user %v, %v", tc, uid, gid)
		}
	}
	for _, dir := range []string{"new", "new/root"} {
		info, err := os.Stat(e.path(dir))
		if err != nil || info.Mode() != fs.ModeDir|fs.ModeSticky|0o750 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("outside there is %v", left)
	}
}

func TestTheRootOfAnAccessPointHasItsOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		if strings.Contains(os.Getenv("REQUIRE"), "docker") {
			t.Fatal("only root can give directories away")
		}
		t.Skip("only root can give directories away")
	}
	e := newEnv(t)
	e.reconcile()
	e.reachable(efs.AccessPoint{ID: "fsap-1", FileSystem: id, Root: "/web", Creation: &efs.Creation{UID: 1000, GID: 2000, Permissions: "2770"}})
	// what a crash left
	if err := os.MkdirAll(e.path(".efs-new-web", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		dir, _, _, err := e.MountPath(t.Context(), id, "fsap-1", "")
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != 1000 || st.Gid != 2000 || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o770 {
			t.Errorf("owner %d:%d, mode %s", st.Uid, st.Gid, info.Mode())
		}
	}
	if left, err := os.ReadDir(e.path()); err != nil || len(left) != 1 {
		t.Errorf("there is %v, %v", left, err)
	}
}

func TestAMountTargetIsNeeded(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.reachable()
	if _, _, _, err := e.MountPath(t.Context(), id, "", ""); err == nil || !strings.Contains(err.Error(), "'creating'") {
		t.Errorf("before it is there: %v", err)
	}
	e.reconcile()
	e.write(func(tx store.Tx) error {
		return efs.Attachments.Put(tx, "fsmt-1", efs.Attachment{MountTarget: "fsmt-1"})
	})
	if _, _, _, err := e.MountPath(t.Context(), id, "", ""); err == nil || !strings.Contains(err.Error(), "Failed to resolve") {
		t.Errorf("without a mount target: %v", err)
	}
	e.reachable()
	if _, _, _, err := e.MountPath(t.Context(), id, "", ""); err != nil {
		t.Error(err)
	}
}
