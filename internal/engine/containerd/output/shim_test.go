package output

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine/containerd/supervise"
)

// TestContainerUnderTheRealShim kills keepers, one and both, and containerd
// while a container writes at full speed.
func TestContainerUnderTheRealShim(t *testing.T) {
	ctr, containerd := realContainerd(t)
	s := kept(t)
	rootfs := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(rootfs, "writer"), "./testdata/writer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	stdout, _, err := s.Prepare("c", Options{Unread: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	const n = 5_000_000
	began := time.Now()
	// A path without scheme is a FIFO to the shim; ctr gives it for both streams.
	if out, err := ctr("run", "-d", "--log-uri", stdout, "--rootfs", rootfs, "c", "/writer", "5000000"); err != nil {
		t.Fatalf("run: %v: %s", err, out)
	}
	kills, killed := 0, 0
	for running := true; running; time.Sleep(20 * time.Millisecond) {
		for i, name := range []string{workLock, standbyLock} {
			if pid := s.owner(name); pid > 0 && (i == 0 || kills%3 == 0) && unix.Kill(pid, unix.SIGKILL) == nil {
				kills++
			}
		}
		if pid := containerd.State().PID; kills > 3 && pid > 1 && killed < 2 {
			if unix.Kill(pid, unix.SIGKILL) == nil { // the supervisor starts another
				killed++
			}
		}
		out, err := ctr("task", "ls")
		running = err != nil || strings.Contains(out, "RUNNING")
	}
	settle(t, s, "c")
	took := time.Since(began)
	lines := readAll(t, s, "c", time.Time{})
	checkCount(t, lines, false, n)
	checkTimes(t, lines)
	size := 0
	for _, l := range lines {
		size += len(l.Text) + 1
	}
	if t.Logf("%d MB in %v, %d kills", size>>20, took, kills); kills < 5 || killed < 2 {
		t.Errorf("only %d kills, and %d of containerd", kills, killed)
	}
}

// realContainerd starts a containerd of the test's own, and returns what calls ctr.
func realContainerd(t *testing.T) (ctr func(args ...string) (string, error), d *supervise.Containerd) {
	t.Helper()
	if _, err := supervise.Find(); err != nil || os.Getuid() != 0 {
		if strings.Contains(os.Getenv("REQUIRE"), "containerd") {
			t.Fatalf("required: root and containerd: %v", err)
		}
		t.Skipf("needs root and containerd: %v", err)
	}
	run, err := os.MkdirTemp("", "out")
	if err != nil {
		t.Fatal(err)
	}
	if d, err = supervise.New(supervise.Config{Root: filepath.Join(t.TempDir(), "c"), Run: run, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		os.RemoveAll(run)
	})
	waiting, end := context.WithTimeout(ctx, 30*time.Second)
	defer end()
	if _, err := d.Ready(waiting); err != nil {
		t.Fatal(err)
	}
	namespace := fmt.Sprintf("output-test-%d", os.Getpid())
	return func(args ...string) (string, error) {
		out, err := exec.Command("ctr", append([]string{"--address", d.Address(), "--namespace", namespace}, args...)...).CombinedOutput()
		return string(out), err
	}, d
}
