package docker

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
	c := cgroups{usable: true, root: cgroupRoot, instance: fmt.Sprintf("%012x", rand.Uint64()>>16)}
	if _, err := os.Stat(filepath.Join(c.root, "cgroup.controllers")); err == nil {
		c.unified = true
	}
	e := &Engine{cgroups: c}
	thaw, err := e.Freeze(t.Context())
	if err != nil || thaw() != nil {
		t.Fatalf("without any task: %v", err)
	}
	dir := filepath.Join(c.hierarchy("freezer"), c.path("a"))
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
		if err := purgeCgroups(t.Context(), c.root, c.instance); err != nil {
			t.Error(err)
		}
	}()
	if err := setCgroup(dir, "cgroup.procs", strconv.Itoa(echo.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	if thaw, err = e.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !c.frozen() {
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
	if line := <-answer; line != "hello\n" || c.frozen() {
		t.Errorf("thawed it answers %q; frozen: %v", line, c.frozen())
	}
}
