package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// purge ends the instance, removes it and says what of it is left.
func (s *skylift) purge() error {
	var errs []error
	if s.runs() {
		errs = append(errs, s.end())
	}
	id := s.id()
	if id == "" {
		return errors.Join(errs...)
	}
	if out, err := s.command("down", "--purge", "--yes", "--data-dir", s.dir).CombinedOutput(); err != nil {
		errs = append(errs, fmt.Errorf("skylift down --purge: %w\n%s", err, out))
	}
	return errors.Join(append(errs, s.left(id), s.removeImages())...)
}

// end has the process end, gently at first.
func (s *skylift) end() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
		return nil
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
		return fmt.Errorf("Skylift did not end within 30 s of SIGTERM:\n%s", s.tail())
	}
}

// dockerRun runs the docker client where the instance's engine is.
func (s *skylift) dockerRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.dockerCLI(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *skylift) dockerCLI(args ...string) (string, error) {
	var stderr strings.Builder
	cmd := exec.Command("docker", args...)
	cmd.Env, cmd.Stderr = s.env(), &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// images are the engine's images of the instance's registry.
func (s *skylift) images() (refs []string, err error) {
	out, err := s.dockerCLI("images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}")
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) != 3 || !strings.HasPrefix(f[0], s.listen+"/") {
			continue
		}
		if f[1] != "<none>" {
			refs = append(refs, f[0]+":"+f[1])
		}
		if f[2] != "<none>" {
			refs = append(refs, f[0]+"@"+f[2])
		}
	}
	return refs, err
}

func (s *skylift) removeImages() error {
	refs, err := s.images()
	for _, ref := range refs {
		_, _ = s.dockerCLI("rmi", "-f", ref) // it may have gone with another name of it
	}
	left, again := s.images()
	if len(left) > 0 {
		err = fmt.Errorf("images left in the engine: %v", left)
	}
	return errors.Join(err, again)
}

// left says what of the instance is left on the host.
func (s *skylift) left(id string) error {
	errs := []error{s.behind().left(s, id)}
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, fmt.Errorf("data directory %s is left", s.dir))
	}
	for what, line := range map[string][]string{
		"interface":         {"ip", "link", "show"},
		"route":             {"ip", "route", "show", "table", "all"},
		"nftables table":    {"nft", "list", "tables"},
		"filter rule":       {"iptables-save"},
		"mount":             {"cat", "/proc/self/mounts"},
		"network namespace": {"ip", "netns", "list"},
	} {
		line = append(append([]string(nil), s.within...), line...)
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Env = s.env()
		out, err := cmd.Output()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", strings.Join(line, " "), err))
		}
		for l := range strings.Lines(string(out)) {
			if s.names(l, id) {
				errs = append(errs, fmt.Errorf("%s left: %s", what, l))
			}
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup/skylift/" + id, "/sys/fs/cgroup/*/skylift/" + id} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			errs = append(errs, fmt.Errorf("cgroups left: %v", left))
		}
	}
	return errors.Join(errs...)
}

// names says that a line speaks of the instance.
func (s *skylift) names(line, id string) bool {
	return strings.Contains(line, id) || strings.Contains(line, "skylift_"+id[:8]) ||
		strings.Contains(line, " "+strings.TrimSuffix(s.cidr, "0.0/16")) || strings.Contains(line, s.dir)
}
