package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine/containerd/output"
	"github.com/skylift/skylift/internal/engine/containerd/supervise"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == output.Command {
		os.Exit(output.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func configOf(t *testing.T) Config {
	t.Helper()
	_, err := supervise.Find()
	if os.Geteuid() != 0 {
		err = errors.Join(err, errors.New("not root"))
	}
	if err != nil {
		if strings.Contains(os.Getenv("REQUIRE"), "containerd") {
			t.Fatal(err)
		}
		t.Skipf("needs containerd: %v", err)
	}
	c := Config{Instance: fmt.Sprintf("%012x", rand.Int64N(1<<48)), DataDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	t.Cleanup(func() {
		if err := Down(context.Background(), c, true); err != nil {
			t.Error(err)
		}
		if found := left(t, c); len(found) > 0 {
			t.Errorf("left: %v", found)
		}
	})
	return c
}

// left finds what there is of an instance.
func left(t *testing.T, c Config) (found []string) {
	t.Helper()
	for _, dir := range []string{c.dir(""), c.run(), filepath.Join("/run/containerd/runc", "skylift-"+c.Instance)} {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			found = append(found, dir)
		}
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	for _, file := range lines {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), c.dir("")) {
			found = append(found, fmt.Sprintf("%s: %q", file, text))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, c.DataDir) || strings.Contains(line, c.Instance) {
			found = append(found, line)
		}
	}
	return found
}

func TestWhatItStandsOnIsFoundAgain(t *testing.T) {
	t.Parallel()
	c := configOf(t)
	e, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	first := e.base.own.State()
	if want := fmt.Sprintf("containerd %s, the instance's own (process %d)", first.Version, first.PID); e.About() != want {
		t.Errorf("About = %q, want %q", e.About(), want)
	}
	if p := e.Problems(); len(p) > 0 {
		t.Errorf("Problems = %v", p)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err = Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if now := e.base.own.State(); now.PID != first.PID {
		t.Errorf("process %d after the second start, want %d", now.PID, first.PID)
	}
	if _, err := Open(t.Context(), c); !errors.Is(err, supervise.ErrRunning) {
		t.Errorf("a second one at once: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Down(t.Context(), c, false); err != nil {
		t.Fatal(err)
	}
	if found := left(t, c); len(found) != 1 || found[0] != c.dir("") {
		t.Errorf("after Down there are %v, want %s", found, c.dir(""))
	}
}

func TestOneThatIsStoppedIsAProblem(t *testing.T) {
	t.Parallel()
	c := configOf(t)
	e, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := unix.Kill(e.base.own.State().PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); len(e.Problems()) == 0 && time.Now().Before(end); {
		<-time.After(10 * time.Millisecond)
	}
	if p := e.Problems(); len(p) != 1 || !strings.Contains(p[0], "tasks run on: it is stopped") {
		t.Errorf("Problems = %v", p)
	}
}

// TestAnothersContainerd uses a containerd as one that somebody else runs.
func TestAnothersContainerd(t *testing.T) {
	t.Parallel()
	theirs, err := Open(t.Context(), configOf(t))
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	c := configOf(t)
	c.Address = theirs.base.own.Address()
	e, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(e.Root(), theirs.base.own.Root()+"/") {
		t.Errorf("Root = %s, want one below %s", e.Root(), theirs.base.own.Root())
	}
	if e.About() != "containerd at "+c.Address {
		t.Errorf("About = %q", e.About())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Down(t.Context(), c, true); err != nil {
		t.Fatal(err)
	}
	if p := theirs.base.own.State(); p.Problem != "" || p.PID == 0 {
		t.Errorf("theirs is %+v after Down", p)
	}
	if found := left(t, c); len(found) > 0 {
		t.Errorf("after Down there are %v", found)
	}
}
