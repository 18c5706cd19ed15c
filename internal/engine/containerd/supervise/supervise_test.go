package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// own returns a containerd of the test's own, which is stopped in the end.
func own(t *testing.T, run string) *Containerd {
	t.Helper()
	if _, err := Find(); err != nil || os.Getuid() != 0 {
		if strings.Contains(os.Getenv("REQUIRE"), "containerd") {
			t.Fatalf("required: root and containerd: %v", err)
		}
		t.Skipf("needs root and containerd: %v", err)
	}
	d, err := New(Config{Root: filepath.Join(t.TempDir(), "c"), Run: run})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if p, _ := d.find(); p.alive() {
			t.Error("it lives after Stop")
		}
		if t.Failed() {
			log, _ := os.ReadFile(d.logPath())
			t.Logf("containerd: %s", log)
		}
		os.RemoveAll(d.run)
	})
	return d
}

// watched runs d until the function that it returns is called.
func watched(t *testing.T, d *Containerd) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	waiting, end := context.WithTimeout(t.Context(), 30*time.Second)
	defer end()
	if _, err := d.Ready(waiting); err != nil {
		stop()
		t.Fatal(err)
	}
	return stop
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// eventually waits until the state is as wanted.
func eventually(t *testing.T, d *Containerd, what string, ok func(State) bool) State {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if st := d.State(); ok(st) {
			return st
		}
	}
	t.Fatalf("it is not %s: %+v", what, d.State())
	return State{}
}

func TestItIsFoundAgainAndStartedAgain(t *testing.T) {
	d := own(t, shortDir(t))
	stop := watched(t, d)
	first := d.State()
	if first.PID == 0 || first.Version == "" || first.Version == "unknown" {
		t.Errorf("state %+v", first)
	}
	if info, err := os.Stat(d.Address()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	if err := d.Run(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("a second watch: %v", err)
	}
	stop()

	again, err := New(Config{Root: d.root, Run: d.run})
	if err != nil {
		t.Fatal(err)
	}
	watched(t, again)
	if st := again.State(); st.PID != first.PID {
		t.Errorf("after a restart it is %d, want %d", st.PID, first.PID)
	}
	if err := unix.Kill(first.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, again, "started again", func(st State) bool { return st.PID != 0 && st.PID != first.PID && st.Problem == "" })
}

func TestOneThatIsStoppedIsTold(t *testing.T) {
	d := own(t, shortDir(t))
	watched(t, d)
	pid := d.State().PID
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	st := eventually(t, d, "told to be stopped", func(st State) bool { return st.Problem != "" })
	if !strings.Contains(st.Problem, "stopped") || st.PID != pid {
		t.Errorf("state %+v", st)
	}
	if err := unix.Kill(pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, d, "well again", func(st State) bool { return st.Problem == "" && st.PID == pid })
}

func TestALongPathHasAShortSocket(t *testing.T) {
	d := own(t, filepath.Join(t.TempDir(), strings.Repeat("long", 30)))
	if len(d.Address()) > maxSocket {
		t.Fatalf("address %s has %d bytes", d.Address(), len(d.Address()))
	}
	stop := watched(t, d)
	stop()
}

// TestTasksOutliveIt kills the containerd under a running container, which Stop
// then ends.
func TestTasksOutliveIt(t *testing.T) {
	d := own(t, shortDir(t))
	stop := watched(t, d)
	namespace := fmt.Sprintf("supervise-test-%d", os.Getpid())
	rootfs := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(rootfs, "app"), "../../enginetest/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	ctr := func(args ...string) (string, error) {
		out, err := exec.Command("ctr", append([]string{"--address", d.Address(), "--namespace", namespace}, args...)...).CombinedOutput()
		return string(out), err
	}
	if out, err := ctr("run", "-d", "--null-io", "--rootfs", rootfs, "c", "/app", "run"); err != nil {
		t.Fatalf("run: %v: %s", err, out)
	}
	shims, err := d.shims()
	if err != nil || len(shims) != 1 {
		t.Fatalf("shims %v, %v", shims, err)
	}
	containers, err := childrenOf(shims)
	if err != nil || len(containers) != 1 {
		t.Fatalf("containers %v, %v", containers, err)
	}
	pid := d.State().PID
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, d, "started again", func(st State) bool { return st.PID != pid && st.PID != 0 && st.Problem == "" })
	if out, err := ctr("task", "ls", "-q"); err != nil || strings.TrimSpace(out) != "c" || !containers[0].alive() {
		t.Errorf("tasks %q, %v", out, err)
	}
	stop()
	if err := d.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if containers[0].alive() || shims[0].alive() {
		t.Error("what its shims had lives")
	}
	left, err := filepath.Glob(filepath.Join(shared, "runc", namespace))
	if err != nil || len(left) > 0 {
		t.Errorf("runc knows %v, %v", left, err)
	}
	sockets, err := filepath.Glob(filepath.Join(d.run, "state/io.containerd.runtime.v2.task/*/*/address"))
	if err != nil || len(sockets) == 0 {
		t.Fatalf("addresses %v, %v", sockets, err)
	}
	for _, file := range sockets {
		address, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(strings.TrimPrefix(string(address), "unix://")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("socket %s: %v", address, err)
		}
	}
}

// TestAFullDiskLeavesTheConfiguration: what is there, even of an older release, is
// enough to start.
func TestAFullDiskLeavesTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	d, err := New(Config{Root: filepath.Join(dir, "c"), Run: shortDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	full := func() {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 128<<10), 0o600); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
	}
	full()
	if err := d.writeConfig(); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("without one before: %v, want that there is no space", err)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	if err := d.writeConfig(); err != nil {
		t.Fatal(err)
	}
	full()
	if err := d.writeConfig(); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := os.WriteFile(d.configPath(), []byte("# older\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	full()
	if err := d.writeConfig(); err != nil {
		t.Errorf("another again: %v", err)
	}
	if text, err := os.ReadFile(d.configPath()); err != nil || string(text) != "# older\n" {
		t.Errorf("the configuration is %q, %v; want the older one", text, err)
	}
}

func TestMissingProgramsAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if path := lookUp("no-such-program"); path != "" {
		t.Errorf("found %q", path)
	}
	if _, err := Find(); err != nil && !strings.Contains(err.Error(), "apt-get install containerd runc") {
		t.Errorf("find: %v", err)
	}
}

func TestServicesAreLeft(t *testing.T) {
	for line, want := range map[string]bool{
		"0::/system.slice/skylift.service":             true,
		"1:name=systemd:/system.slice/skylift.service": true,
		"4:memory:/system.slice/skylift.service":       false,
		"0::/user.slice/user-0.slice/session-1.scope":  false,
		"0::/": false,
	} {
		if _, _, ok := inService(line); ok != want {
			t.Errorf("%q: %v, want %v", line, ok, want)
		}
	}
}
