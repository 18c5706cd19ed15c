package containerd

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine/containerd/output"
	"github.com/skylift/skylift/internal/engine/containerd/supervise"
)

// machine is a containerd and a keeper of output.
type machine struct {
	dir        string
	containerd *supervise.Containerd
	output     *output.Store

	stop context.CancelFunc
	wg   sync.WaitGroup
}

func newMachine(dir string) (*machine, error) {
	d, err := supervise.New(supervise.Config{Root: filepath.Join(dir, "root"), Run: filepath.Join(dir, "run"), Memory: filepath.Join(dir, "memory")})
	if err != nil {
		return nil, err
	}
	store, err := output.New(filepath.Join(dir, "output"))
	return &machine{dir: dir, containerd: d, output: store}, err
}

// ownMachine starts a machine of one test's own.
func ownMachine(t *testing.T) *machine {
	t.Helper()
	containerdHost(t)
	dir, err := os.MkdirTemp("", "skylift-containerd") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMachine(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.end(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	return m
}

// start has both run, and waits until containerd answers.
func (m *machine) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.wg.Go(func() { _ = m.containerd.Run(ctx) })                                                             // until ctx ends
	m.wg.Go(func() { _ = m.output.Keep(ctx, []string{self, output.Command}, slog.New(slog.DiscardHandler)) }) // the same
	deadline := time.Now().Add(30 * time.Second)
	for {
		client, err := connect(ctx, m.containerd.Address(), "test")
		if err == nil {
			return client.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// leave stops watching: who is killed then stays dead.
func (m *machine) leave() {
	if m.stop != nil {
		m.stop()
	}
	m.wg.Wait()
}

// kill kills containerd, which nobody starts again.
func (m *machine) kill() {
	pid := m.containerd.State().PID
	m.leave()
	_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
	for unix.Kill(pid, 0) == nil {
		if _, err := os.Stat(filepath.Join("/proc", itoa(pid), "exe")); err != nil {
			return // nobody has waited for it
		}
		time.Sleep(time.Millisecond)
	}
}

// end ends all of it, with its containers.
func (m *machine) end() error {
	m.leave()
	return errors.Join(m.containerd.Stop(context.Background()), m.output.Stop(context.Background()))
}
