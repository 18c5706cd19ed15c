package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fails runs the program with args, which must fail soon, and returns how.
func (s *skylift) fails(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	return s.failsAs(t, nil, args...)
}

func (s *skylift) failsAs(t *testing.T, who *syscall.Credential, args ...string) (code int, said string) {
	t.Helper()
	var out strings.Builder
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if who != nil {
		cmd.Path = readable(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // its code says it
	if !late.Stop() {
		t.Fatalf("skylift %s runs:\n%s", strings.Join(args, " "), out.String())
	}
	return cmd.ProcessState.ExitCode(), strings.TrimSpace(out.String())
}

// readable is the program where every user can start it.
func readable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "skylift-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "skylift")
	from := must(os.Open(binary))(t)
	defer from.Close()
	to := must(os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755))(t)
	_ = must(io.Copy(to, from))(t)
	for _, err := range []error{to.Close(), os.Chmod(dir, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func mustHome(t *testing.T) string {
	t.Helper()
	return must(os.UserHomeDir())(t)
}

// TestRefusals starts Skylift where it can't run: it says why in a sentence
// that names the way out, and ends.
func TestRefusals(t *testing.T) {
	t.Parallel()
	other := start(t)
	taken := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { taken.Close() })
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	for _, tt := range []struct {
		name  string
		flags []string
		env   string
		who   *syscall.Credential
		code  int
		want  []string
	}{
		{"port taken", []string{"--listen=" + taken.Addr().String()}, "", nil, 1, []string{"in use by another program", "--listen"}},
		{"address not here", []string{"--listen=192.0.2.1:4566"}, "", nil, 1, []string{"no address of this machine", "--listen"}},
		{"data directory held", []string{"--data-dir=" + other.dir}, "", nil, 1, []string{"in use by another Skylift (process", "--data-dir"}},
		{"no Docker", []string{"--engine=docker"}, "DOCKER_HOST=unix:///nowhere/docker.sock", nil, 1, []string{"Docker", "/nowhere/docker.sock"}},
		{"no containerd there", []string{"--engine=containerd", "--containerd=/nowhere/containerd.sock"}, "", nil, 1, []string{"containerd", "/nowhere/containerd.sock"}},
		{"no such engine", []string{"--engine=podman"}, "", nil, 1, []string{"--engine", "docker or containerd"}},
		{"two engines", []string{"--engine=docker", "--containerd=/run/containerd/containerd.sock"}, "", nil, 1, []string{"--engine docker", "--containerd"}},
		{"not root", nil, "", nobody, 1, []string{"must run as root", "sudo"}},
		{"range of another Skylift", []string{"--vpc-cidr=" + other.cidr}, "", nil, 1, []string{other.cidr, "in use by", "--vpc-cidr"}},
		{"range of the host", []string{"--vpc-cidr=127.0.0.0/16"}, "", nil, 1, []string{"127.0.0.0/16", "in use by", "--vpc-cidr"}},
		{"range too large", []string{"--vpc-cidr=10.0.0.0/8"}, "", nil, 1, []string{"--vpc-cidr", "/16 to /26"}},
		{"no range", []string{"--vpc-cidr=here"}, "", nil, 2, []string{"--vpc-cidr", "IPv4 range"}},
		{"no region", []string{"--region=mars"}, "", nil, 1, []string{"--region", "us-west-2"}},
		{"no account", []string{"--account-id=12"}, "", nil, 1, []string{"--account-id", "12 digits"}},
		{"a short retention", []string{"--stopped-task-retention=1s"}, "", nil, 1, []string{"--stopped-task-retention", "1m0s"}},
		{"no address", []string{"--lb-address=::1"}, "", nil, 1, []string{"--lb-address", "IPv4"}},
		{"no port", []string{"--listen=127.0.0.1"}, "", nil, 1, []string{"--listen", "address:port"}},
		{"no such flag", []string{"--turbo"}, "", nil, 2, []string{"--turbo", "--help"}},
		{"no etcd", []string{"--etcd-endpoints=http://127.0.0.1:1"}, "", nil, 1, []string{"http://127.0.0.1:1", "--etcd-endpoints"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, tt.flags...)
			if tt.env != "" {
				s.extra = []string{tt.env}
			}
			code, said := s.failsAs(t, tt.who, s.args()...)
			s.extra = nil // the host's own, to purge
			checkRefusal(t, code, tt.code, said, tt.want)
		})
	}
}

func checkRefusal(t *testing.T, code, want int, said string, words []string) {
	t.Helper()
	if code != want {
		t.Errorf("exit code %d, want %d", code, want)
	}
	if !strings.HasPrefix(said, "skylift: ") || strings.Contains(said, "\n") {
		t.Errorf("not one sentence: %q", said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q does not say %q", said, w)
		}
	}
}

// TestSettled starts an instance with what can't change once it was made.
func TestSettled(t *testing.T) {
	t.Parallel()
	s := start(t)
	is := s.status(t)
	s.term(t)
	for flag, value := range map[string]string{"--account-id": "111122223333", "--region": "eu-central-1", "--vpc-cidr": "10.0.0.0/16"} {
		code, said := s.fails(t, append(s.args(), flag+"="+value)...)
		checkRefusal(t, code, 1, said, []string{flag, value, "can't change", s.dir})
	}
	s.flags = append(s.flags, "--account-id="+is.Account)
	s.restart(t)
}

// TestNoInstance asks for an instance that isn't there, or doesn't run.
func TestNoInstance(t *testing.T) {
	t.Parallel()
	s := prepare(t)
	for _, args := range [][]string{{"env"}, {"status"}, {"down", "--yes"}} {
		code, said := s.fails(t, append(args, "--data-dir="+s.dir)...)
		checkRefusal(t, code, 1, said, []string{"no Skylift has run", s.dir})
	}
	s.serve(t)
	code, said := s.fails(t, "down", "--data-dir="+s.dir)
	checkRefusal(t, code, 2, said, []string{"--yes"})
	s.term(t)
	code, said = s.fails(t, "status", "--data-dir="+s.dir)
	checkRefusal(t, code, 1, said, []string{"does not answer", "skylift serve"})
}
