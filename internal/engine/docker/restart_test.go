package docker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
)

// dockerd is a Docker daemon of one test's own.
type dockerd struct {
	t    *testing.T
	dir  string
	host string
	cmd  *exec.Cmd
}

// newDaemon starts a daemon beside the host's.
func newDaemon(t *testing.T) *dockerd {
	t.Helper()
	dockerHost(t)
	if _, err := exec.LookPath("dockerd"); err != nil || os.Getuid() != 0 {
		t.Skip("needs root and dockerd")
	}
	dir, err := os.MkdirTemp("", "dockerd") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	d := &dockerd{t: t, dir: dir, host: "unix://" + filepath.Join(dir, "docker.sock")}
	t.Cleanup(func() {
		d.stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d.start()
	return d
}

// start starts the daemon and waits until it answers.
func (d *dockerd) start() {
	d.t.Helper()
	in := func(name string) string { return filepath.Join(d.dir, name) }
	d.cmd = exec.Command("dockerd", "--host", d.host, "--data-root", in("data"), "--exec-root", in("exec"),
		"--pidfile", in("pid"), "--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
		"--ip-masq=false", "--shutdown-timeout", "1")
	// The daemon says on standard error when it serves; it is read to the end so
	// that it never blocks.
	output, err := d.cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	// A daemon without a bridge removes the host's docker0: it gets a network
	// namespace of its own.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	serves := make(chan bool, 1)
	go func() {
		serves <- awaitText(output, "API listen on")
		_, _ = io.Copy(io.Discard, output) // it ends with the daemon
	}()
	select {
	case ok := <-serves:
		if !ok {
			d.t.Skip("a second dockerd doesn't start here")
		}
	case <-time.After(time.Minute):
		d.t.Fatal("dockerd doesn't come up")
	}
}

// awaitText reads until text was read.
func awaitText(r io.Reader, text string) bool {
	var seen []byte
	buffer := make([]byte, 4096)
	for {
		n, err := r.Read(buffer)
		seen = append(seen, buffer[:n]...)
		if bytes.Contains(seen, []byte(text)) {
			return true
		}
		if err != nil {
			return false
		}
	}
}

func (d *dockerd) stop() {
	d.t.Helper()
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = d.cmd.Wait()
	d.cmd = nil
}

func TestDaemonRestart(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	h := dockerHost(t)
	e, err := Open(t.Context(), Config{Instance: unique(), Host: d.host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	copyImage(t, h, e)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	all := make(chan struct{}, 100)
	go func() {
		_ = e.Watch(ctx, func(id string) {
			if id == "" {
				all <- struct{}{}
			}
		})
	}()
	<-all
	task := appTask(h, "run")
	task.Memory = 64
	if _, err := e.Create(ctx, task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx, task.ID, "app"); err != nil {
		t.Fatal(err)
	}

	d.stop()
	if _, err := e.Inspect(ctx, task.ID); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("inspect without a daemon: %v, want ErrUnavailable", err)
	}
	if err := e.Start(ctx, task.ID, "app"); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("start without a daemon: %v, want ErrUnavailable", err)
	}
	if _, err := e.Pull(ctx, h.pushed, engine.Auth{}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("pull without a daemon: %v, want ErrUnavailable", err)
	}
	d.start()
	select {
	case <-all:
	case <-ctx.Done():
		t.Fatal("nothing was told after the restart")
	}
	status, err := e.Inspect(ctx, task.ID)
	if err != nil || status.Sandbox || len(status.Containers) != 1 || status.Containers[0].State != engine.Exited {
		t.Errorf("status %+v, %v, want all of it ended", status, err)
	}
	if err := Purge(ctx, d.host, e.instance); err != nil {
		t.Error(err)
	}
}

// copyImage gives e's daemon the test program's image.
func copyImage(t *testing.T, h *host, e *Engine) {
	t.Helper()
	archive, err := h.cli.ImageSave(t.Context(), []string{h.app})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	answer, err := e.cli.ImageLoad(t.Context(), archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, answer)
	if err := errors.Join(err, answer.Close()); err != nil {
		t.Fatal(err)
	}
}
