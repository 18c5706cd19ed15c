package cgroup

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TestFreeze freezes a process in a task's cgroup, whose answers come when it is
// thawed, and not before.
func TestFreeze(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("cgroups take root")
	}
	g := Groups{usable: true, root: MountPoint, instance: fmt.Sprintf("%012x", rand.Uint64()>>16)}
	if _, err := os.Stat(filepath.Join(g.root, "cgroup.controllers")); err == nil {
		g.unified = true
	}
	thaw, err := g.Freeze(t.Context())
	if err != nil || thaw() != nil {
		t.Fatalf("without any task: %v", err)
	}
	dir := filepath.Join(g.hierarchy("freezer"), g.path("a"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skipf("can't make a cgroup: %v", err)
	}
	echo := exec.Command("cat")
	in, _ := echo.StdinPipe()
	out, _ := echo.StdoutPipe()
	if err := echo.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = echo.Wait()
		if err := purge(t.Context(), g.root, g.instance); err != nil {
			t.Error(err)
		}
	}()
	if err := set(dir, "cgroup.procs", strconv.Itoa(echo.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	if thaw, err = g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !g.frozen() {
		t.Error("it isn't frozen")
	}
	fmt.Fprintln(in, "hello")
	answer := make(chan string)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		answer <- line
	}()
	select {
	case line := <-answer:
		t.Errorf("it answers %q while it is frozen", line)
	default:
	}
	if err := thaw(); err != nil {
		t.Fatal(err)
	}
	if line := <-answer; line != "hello\n" || g.frozen() {
		t.Errorf("thawed it answers %q; frozen: %v", line, g.frozen())
	}
}
