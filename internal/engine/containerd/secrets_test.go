package containerd

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

// What a container's secrets are is in memory only, for as long as the task is there: not in containerd's database, nor in a bundle.
func TestSecretsAreOnNoDisk(t *testing.T) {
	t.Parallel()
	m := ownMachine(t)
	c := configOf(t, m)
	e := openAt(t, c)
	const canary = "canary-4711-of-the-engine"
	task := enginetest.AppTask(containerdHost(t).app, "run")
	task.Containers[0].Env, task.Containers[0].Secrets = []string{"PLAIN=plain-4711"}, engine.Secrets{"TOKEN=" + canary}
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, "app"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	again := engine.Exec{Command: []string{"/app", "variable", "TOKEN"}, Stdout: &out}
	if _, err := e.Exec(t.Context(), task.ID, "app", again); err != nil || out.String() != "25 gine\n" {
		t.Errorf("a command has %q, %v", out.String(), err)
	}
	if err := e.Signal(t.Context(), task.ID, "app", "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	dirs := []string{m.dir, filepath.Dir(c.Data), filepath.Join(runcRoot, namespaceOf(c.Instance))}
	if found := having(t, canary, dirs...); len(found) > 0 {
		t.Errorf("these files on a disk have the secret: %q", found)
	}
	if found := having(t, "plain-4711", dirs...); len(found) == 0 {
		t.Error("no file has what is no secret: the test looks in the wrong places")
	}
	if found := having(t, task.ID, c.Memory()); len(found) != 1 {
		t.Errorf("in memory are %q", found)
	}
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(c.Memory()); err != nil || len(left) > 0 {
		t.Errorf("in memory are %v, %v", left, err)
	}
}

// What the runtime says of a container that can't start has none of its secrets, nor have its arguments, where programs are looked for.
func TestSecretsAreInNoReasonNorArgument(t *testing.T) {
	t.Parallel()
	e := openAt(t, configOf(t, ownMachine(t)))
	const canary = "canary-4712-of-the-engine"
	for _, init := range []bool{false, true} {
		task := enginetest.AppTask(containerdHost(t).app, "run")
		task.Containers[0].Init = init
		task.Containers[0].EntryPoint, task.Containers[0].Secrets = []string{"no-" + canary}, engine.Secrets{"PATH=/" + canary, "TOKEN=" + canary}
		if _, err := e.Create(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		is, ok, err := e.secrets.Get(containerID(task.ID, "app"))
		if err != nil || !ok || slices.ContainsFunc(is.Process.Args, func(a string) bool { return strings.Contains(a, "/"+canary) }) {
			t.Errorf("init %v: %v, %v", init, is.Process.Args, err)
		}
		err = e.Start(t.Context(), task.ID, "app")
		if !init {
			if refused, ok := errors.AsType[*engine.StartError](err); !ok || strings.Contains(refused.Reason, canary) || !strings.Contains(refused.Reason, "no-***") {
				t.Errorf("got %v", err)
			}
		}
		if err := e.Remove(t.Context(), task.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// openAt opens an engine on a machine of the test's own.
func openAt(t *testing.T, c Config) *Engine {
	t.Helper()
	e, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := load(t.Context(), e.client, containerdHost(t).archives); err != nil {
		t.Fatal(err)
	}
	return e
}

// having returns the files below dirs that have a text in them and are not in memory, or all if the directory itself is in memory.
func having(t *testing.T, text string, dirs ...string) (found []string) {
	t.Helper()
	inMemory := func(path string) bool {
		var s unix.Statfs_t
		return unix.Statfs(path, &s) == nil && s.Type == unix.TMPFS_MAGIC
	}
	for _, dir := range dirs {
		all := inMemory(dir)
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // it went while we looked
			}
			b, err := os.ReadFile(path)
			if err == nil && strings.Contains(string(b), text) && (all || !inMemory(path)) {
				found = append(found, path)
			}
			return nil
		})
	}
	return found
}
