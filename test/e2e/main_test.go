// Package e2e holds the program to its promises from outside: the real binary
// on a port and a data directory of its own, the real engine, the real aws CLI.
//
// Every test of the program's life has an instance of its own, those of the
// APIs share one, so they run side by side, and beside any other Skylift of the
// machine. Whatever a test did, its instance is purged
// at the end, and the test fails if anything of it is left on the host.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What TestMain made for all tests.
var (
	binary    string // the program
	baseImage string // the test application, in the host's engine
	missing   string // why the tests can't run here; "": they can
)

// atEnd is called after all tests, last first: it purges what they shared.
var (
	atEndLock sync.Mutex
	atEnd     []func() error
)

// later adds to atEnd.
func later(f func() error) {
	atEndLock.Lock()
	defer atEndLock.Unlock()
	atEnd = append(atEnd, f)
}

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6") // tests mostly wait
	}
	os.Exit(withProgram(m.Run))
}

func withProgram(run func() int) int {
	if missing = lacking(); missing != "" {
		return run()
	}
	dir, err := os.MkdirTemp("", "skylift-e2e-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(dir)
	if err := buildAll(dir); err != nil {
		return failed(err)
	}
	defer func() { _ = exec.Command("docker", "rmi", "-f", baseImage).Run() }()
	code := run()
	for _, f := range slices.Backward(atEnd) {
		if err := f(); err != nil {
			code = failed(err)
		}
	}
	return code
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// lacking says what this machine lacks for the tests.
func lacking() string {
	if os.Geteuid() != 0 {
		return "not root"
	}
	if err := exec.Command("docker", "version").Run(); err != nil {
		return "no Docker engine"
	}
	if _, err := exec.LookPath("containerd"); err != nil && *engineFlag == "containerd" {
		return "no containerd"
	}
	if _, err := exec.LookPath("aws"); err != nil {
		return "no aws CLI"
	}
	return ""
}

// need skips the test where the machine lacks what it needs, or fails it there
// when REQUIRE says that it must run.
func need(t *testing.T) {
	t.Helper()
	if missing != "" {
		lack(t, missing)
	}
}

func lack(t *testing.T, what string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "docker") {
		t.Fatalf("required by REQUIRE: %s", what)
	}
	t.Skip(what)
}

// buildAll builds the program, unless SKYLIFT names it, and the test image.
func buildAll(dir string) error {
	binary = os.Getenv("SKYLIFT")
	if binary == "" {
		binary = filepath.Join(dir, "skylift")
		if err := build(binary, "../../cmd/skylift"); err != nil {
			return err
		}
	}
	if err := build(filepath.Join(dir, "app"), "./app"); err != nil {
		return err
	}
	const dockerfile = "FROM scratch\nCOPY app /app\nEXPOSE 8080\nCMD [\"/app\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		return err
	}
	baseImage = fmt.Sprintf("skylift-e2e-%d", os.Getpid())
	cmd := exec.Command("docker", "build", "-q", "-t", baseImage, dir)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the test image: %w\n%s", err, out)
	}
	return nil
}

func build(out, pkg string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, b)
	}
	return nil
}
