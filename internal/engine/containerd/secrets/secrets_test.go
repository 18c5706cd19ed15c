package secrets

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// open returns a store; a test without root skips where it can't have a file system in memory.
func open(t *testing.T) (s *Store, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "it's here")
	s, err := Open(dir, filepath.Join(t.TempDir(), "programs"))
	if err != nil && os.Geteuid() != 0 {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Clear(dir); err != nil {
			t.Error(err)
		}
	})
	return s, dir
}

func TestStore(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		t.Errorf("the directory is on a file system of type %x (%v), want one in memory", fs.Type, err)
	}
	if _, ok, err := s.Get("a-web"); ok || err != nil {
		t.Errorf("before: %v, %v", ok, err)
	}
	if err := s.Put("a-web", &specs.Spec{Hostname: "h"}); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, filepath.Dir(s.Program()))
	if err != nil {
		t.Fatal(err)
	}
	if is, ok, err := again.Get("a-web"); !ok || err != nil || is.Hostname != "h" {
		t.Errorf("opened again: %+v, %v, %v", is, ok, err)
	}
	for range 2 {
		if err := s.Remove("a-web"); err != nil {
			t.Error(err)
		}
	}
	if _, ok, _ := s.Get("a-web"); ok {
		t.Error("it is there after it was removed")
	}
	if err := os.WriteFile(s.file("bad"), []byte(`{"hostname": canary`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get("bad"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("one that can't be read: %v", err)
	}
}

// The program that stands in for runc has it make a container from what is in memory, and else does nothing of its own.
func TestProgram(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	bin, bundle := t.TempDir(), t.TempDir()
	const runc = "#!/bin/sh\necho \"$@\"\ncat \"$BUNDLE/config.json\"\n"
	if err := os.WriteFile(filepath.Join(bin, "runc"), []byte(runc), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), []byte("without"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.file("a-web"), []byte("with"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--root /r delete --force a-web", "without"},
		{"--root /r create --bundle " + bundle + " --pid-file /p a-web", "with"},
		{"--root /r kill a-web 15", "with"},
	} {
		cmd := exec.Command(s.Program(), strings.Fields(c.args)...)
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "BUNDLE=" + bundle}
		out, err := cmd.CombinedOutput()
		if want := c.args + "\n" + c.want; err != nil || string(out) != want {
			t.Errorf("%s: %q, %v, want %q", c.args, out, err, want)
		}
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	plain := []string{"PATH=/bin", "EMPTY="}
	got := Mask(`exec /bin/x: "TOKEN=a\"b\ncanary", a"b`+"\ncanary, EMPTY= and can", append(plain, "TOKEN=a\"b\ncanary", "PART=can"), plain)
	if want := `exec /bin/x: "TOKEN=***", ***, EMPTY= and ***`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A program of the right name that says something else isn't taken.
func TestProgramIsAsItMustBe(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	want, err := os.ReadFile(s.Program())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.Program()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Program(), []byte("#!/bin/sh\nexec other"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, filepath.Dir(s.Program())); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(s.Program()); err != nil || string(got) != string(want) {
		t.Errorf("it is %q, %v", got, err)
	}
}

// What a kill left in memory goes: at once what only this program writes, and what shims write when they can't need it any more.
func TestLeftInMemory(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	write := func(name string, age time.Duration) {
		path, at := filepath.Join(dir, name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, []byte("canary"), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	there := func() (names []string) {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			names = append(names, n.Name())
		}
		return names
	}
	write("a-web.json", time.Hour)
	write("a-web.json.new", 0)
	write("b-web.json", time.Hour)
	write("b-web.json.new", 0)
	write("runc-process1", time.Hour)
	write("runc-process2", 0)
	if err := s.Remove("a-web"); err != nil {
		t.Fatal(err)
	}
	if got := there(); !slices.Equal(got, []string{"b-web.json", "b-web.json.new", "runc-process2"}) {
		t.Errorf("after one was removed there are %q", got)
	}
	write("runc-process3", time.Hour)
	if _, err := Open(dir, filepath.Dir(s.Program())); err != nil {
		t.Fatal(err)
	}
	if got := there(); !slices.Equal(got, []string{"b-web.json", "runc-process2"}) {
		t.Errorf("after it was opened again there are %q", got)
	}
}
