package containerd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

// pushed pushes an image of layers above the test program's and pulls it.
func pushed(t *testing.T, layers ...[]byte) (e *Engine, name string) {
	t.Helper()
	h, e, r := withRegistry(t)
	ref, _ := r.push(t, "v1", appConfig, append([][]byte{h.appLayer(t)}, layers...)...)
	name, err := e.Pull(t.Context(), ref, login)
	if err != nil {
		t.Fatal(err)
	}
	return e, name
}

// An image may have 127 layers, as with Docker.
func TestManyLayers(t *testing.T) {
	t.Parallel()
	var layers [][]byte
	for i := range 126 {
		text := []byte(fmt.Sprintf("layer %d\n", i))
		layers = append(layers, tarOf(file{name: "top", mode: 0o444, text: text}, file{name: fmt.Sprintf("in%d", i), mode: 0o444, text: text}))
	}
	e, name := pushed(t, layers...)
	for path, want := range map[string]string{"/top": "layer 125", "/in0": "layer 0", "/in125": "layer 125"} {
		if got := enginetest.Printed(t, e, enginetest.AppTask(name, "read", path)); got != want {
			t.Errorf("%s has %q, want %q", path, got, want)
		}
	}
}

// A layer hides files of those below it, and whole directories.
func TestWhiteouts(t *testing.T) {
	t.Parallel()
	e, name := pushed(t,
		tarOf(file{name: "a/", mode: 0o755}, file{name: "a/kept", mode: 0o444, text: []byte("kept")}, file{name: "a/gone", mode: 0o444},
			file{name: "b/", mode: 0o755}, file{name: "b/old", mode: 0o444}),
		tarOf(file{name: "a/.wh.gone"}, file{name: "b/", mode: 0o755}, file{name: "b/.wh..wh..opq"}, file{name: "b/new", mode: 0o444, text: []byte("new")}),
	)
	for path, want := range map[string]bool{"/a/kept": true, "/a/gone": false, "/a/.wh.gone": false, "/b/old": false, "/b/new": true} {
		_, status := enginetest.RunTask(t, e, enginetest.AppTask(name, "read", path))
		if is := status.ExitCode == 0; is != want {
			t.Errorf("%s is there: %v, want %v", path, is, want)
		}
	}
}

// A layer's files keep who they run as, and their attributes.
func TestSetuidAndAttributes(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile(filepath.Join(containerdHost(t).dir, "app"))
	if err != nil {
		t.Fatal(err)
	}
	// CAP_NET_BIND_SERVICE, permitted and effective: capability(7), revision 2.
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	e, name := pushed(t, tarOf(
		file{name: "as-root", mode: 0o4755, text: program},
		file{name: "capable", mode: 0o755, more: map[string]string{"SCHILY.xattr.security.capability": capability}},
	))
	task := enginetest.AppTask(name, "effective")
	task.Containers[0].EntryPoint, task.Containers[0].User = []string{"/as-root"}, "1001:1002"
	if got := enginetest.Printed(t, e, task); got != "0:1002" {
		t.Errorf("a setuid program of root's runs as %s", got)
	}
	i, err := e.images.Get(e.in(t.Context()), name)
	if err != nil {
		t.Fatal(err)
	}
	err = e.images.View(e.in(t.Context()), i, func(root string) error {
		value := make([]byte, 64)
		n, err := unix.Lgetxattr(filepath.Join(root, "capable"), "security.capability", value)
		if err == nil && string(value[:n]) != capability {
			err = fmt.Errorf("security.capability is %x", value[:n])
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A full disk fails what needs room, and says so. With room again, all of it is
// done, and nothing of what was begun is taken for whole.
func TestFullDisk(t *testing.T) {
	h := containerdHost(t)
	dir, err := os.MkdirTemp("", "skylift-containerd")
	if err != nil {
		t.Fatal(err)
	}
	size := func(flags uintptr, size string) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
	size(0, "24m")
	m, err := newMachine(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.end(), syscall.Unmount(dir, syscall.MNT_DETACH), os.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	e := openOn(t, configOf(t, m))
	r := newRegistry(t, h.machine) // on another file system: its layers are copied
	e.UseRegistry(r.host, r)
	small, _ := r.push(t, "small", appConfig, h.appLayer(t))
	large, _ := r.push(t, "large", appConfig, h.appLayer(t), tarOf(file{name: "large", mode: 0o444, text: make([]byte, 30<<20)}))

	name, err := e.Pull(t.Context(), small, login)
	if err != nil {
		t.Fatal(err)
	}
	running := enginetest.AppTask(name, "run")
	launch(t, e, running)
	_, err = e.Pull(t.Context(), large, login)
	refused, ok := errors.AsType[*engine.PullError](err)
	if !ok || !strings.Contains(refused.Reason, "no space left on device") {
		t.Fatalf("pull on a full disk: %v, want a PullError that says it", err)
	}
	if s, err := e.Inspect(t.Context(), running.ID); err != nil || s.Containers[0].State != engine.Running {
		t.Errorf("a task that ran is %+v, %v", s, err)
	}
	size(syscall.MS_REMOUNT, "200m")
	if name, err = e.Pull(t.Context(), large, login); err != nil {
		t.Fatalf("pull with room again: %v", err)
	}
	if _, status := enginetest.RunTask(t, e, enginetest.AppTask(name, "exit", "7")); status.ExitCode != 7 {
		t.Errorf("the container ended as %+v", status)
	}
	if err := e.Purge(t.Context()); err != nil {
		t.Error(err)
	}
}
