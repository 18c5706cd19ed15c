package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// machine is a host of a test's own: a network, mounts and a Docker daemon
// that may be restarted.
type machine struct {
	dir    string
	holder *exec.Cmd // keeps the namespaces
	daemon *exec.Cmd
}

// newMachine starts one that has the test image. (A daemon without a network
// namespace of its own would take the host's bridge away.)
func newMachine(t *testing.T) *machine {
	t.Helper()
	need(t)
	if _, err := exec.LookPath("dockerd"); err != nil {
		lack(t, "no dockerd")
	}
	dir, err := os.MkdirTemp("", "sle2e") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{dir: dir}
	t.Cleanup(func() { m.remove(t) })
	m.holder = exec.Command("unshare", "--net", "--mount", "--propagation", "private", "sleep", "infinity")
	if err := m.holder.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 10*time.Second, "the namespaces", m.apart)
	m.do(t, "ip", "link", "set", "lo", "up")
	m.startDocker(t)
	m.load(t)
	return m
}

// apart says whether the holder is in its namespaces yet.
func (m *machine) apart() error {
	own, err := os.Readlink("/proc/self/ns/net")
	theirs, err2 := os.Readlink(m.netns())
	if err == nil && own == theirs {
		err = errors.New("not left yet")
	}
	comm, err3 := os.ReadFile(fmt.Sprintf("/proc/%d/comm", m.holder.Process.Pid))
	if string(comm) != "sleep\n" {
		err3 = errors.Join(err3, errors.New("not settled yet"))
	}
	return errors.Join(err, err2, err3)
}

func (m *machine) netns() string { return fmt.Sprintf("/proc/%d/ns/net", m.holder.Process.Pid) }

func (m *machine) socket() string { return "unix://" + filepath.Join(m.dir, "docker.sock") }

// within is the command that runs others there.
func (m *machine) within() []string {
	return []string{"nsenter", "-t", strconv.Itoa(m.holder.Process.Pid), "-n", "-m", "--"}
}

func (m *machine) do(t *testing.T, args ...string) string {
	t.Helper()
	line := append(m.within(), args...)
	out, err := exec.Command(line[0], line[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (m *machine) startDocker(t *testing.T) {
	t.Helper()
	in := func(name string) string { return filepath.Join(m.dir, name) }
	log := must(os.OpenFile(in("dockerd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600))(t)
	defer log.Close()
	line := append(m.within(), "dockerd", "--host", m.socket(), "--data-root", in("data"), "--exec-root", in("exec"), "--pidfile", in("pid"), "--shutdown-timeout", "1")
	m.daemon = exec.Command(line[0], line[1:]...)
	m.daemon.Stdout, m.daemon.Stderr = log, log
	if err := m.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, time.Minute, "dockerd", func() error {
		out, err := exec.Command("docker", "-H", m.socket(), "version").CombinedOutput()
		if err != nil {
			b, _ := os.ReadFile(in("dockerd.log"))
			return fmt.Errorf("%w: %s\n%s", err, out, b)
		}
		return nil
	})
}

// stopDocker ends the daemon, and with it its containers.
func (m *machine) stopDocker(t *testing.T) {
	t.Helper()
	if m.daemon == nil {
		return
	}
	_ = m.daemon.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(30*time.Second, func() { _ = m.daemon.Process.Kill() })
	_ = m.daemon.Wait() // it was told to end
	if !late.Stop() {
		t.Error("dockerd did not end within 30 s of SIGTERM")
	}
	m.daemon = nil
}

// load copies the test image over from the host's engine.
func (m *machine) load(t *testing.T) {
	t.Helper()
	tar := filepath.Join(m.dir, "image.tar")
	for _, args := range [][]string{{"save", "-o", tar, baseImage}, {"-H", m.socket(), "load", "-i", tar}} {
		if out, err := exec.Command("docker", args...).CombinedOutput(); err != nil {
			t.Fatalf("docker %s: %v\n%s", args[0], err, out)
		}
	}
}

func (m *machine) remove(t *testing.T) {
	t.Helper()
	m.stopDocker(t)
	_ = m.holder.Process.Kill()
	_ = m.holder.Wait() // killed
	m.sweep(t)
	if err := os.RemoveAll(m.dir); err != nil {
		t.Error(err)
	}
}

// sweep kills the shims that the daemon left: it ends without waiting for them.
func (m *machine) sweep(t *testing.T) {
	t.Helper()
	all := must(filepath.Glob("/proc/[0-9]*/cmdline"))(t)
	for _, path := range all {
		line, _ := os.ReadFile(path) // it may have ended
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && bytes.Contains(line, []byte(m.dir+"/")) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// dial connects from there: a socket belongs to the network namespace of the
// thread that made it.
func (m *machine) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialled, 1)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		ns, err := os.Open(m.netns())
		if err != nil {
			done <- dialled{nil, err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- dialled{nil, err}
			return
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		done <- dialled{conn, err}
	}()
	d := <-done
	return d.conn, d.err
}

// TestDockerRestarted restarts the Docker daemon of a machine whose tasks don't run
// on it: no task notices.
func TestDockerRestarted(t *testing.T) {
	t.Parallel()
	onContainerdOnly(t)
	m := newMachine(t)
	s := prepare(t)
	s.within, s.extra, s.dial = m.within(), []string{"DOCKER_HOST=" + m.socket()}, m.dial
	s.serve(t)
	s.site(t, "shop", 2)
	load := s.load(t, "shop.test")
	before, there := s.tasks(t), s.containers(t)
	m.stopDocker(t)
	s.answers(t, "shop.test", "site=shop version=1")
	m.startDocker(t)
	s.stable(t, "shop")
	sameTasks(t, before, s.tasks(t))
	if now := s.containers(t); !slices.Equal(there, now) {
		t.Errorf("containers before %v, after %v", there, now)
	}
	load.lossless(t)
}

// TestEngineRestarted restarts the Docker daemon under Skylift: the tasks that
// ended with it are seen to have, and replaced.
func TestEngineRestarted(t *testing.T) {
	t.Parallel()
	onDockerOnly(t)
	m := newMachine(t)
	s := prepare(t)
	s.within, s.extra, s.dial = m.within(), []string{"DOCKER_HOST=" + m.socket()}, m.dial
	s.serve(t)
	s.site(t, "shop", 2)
	before := s.tasks(t)

	m.stopDocker(t)
	if code, body := s.curl(t, "none.test", "/"); code != 503 || body != "nothing here" {
		t.Errorf("without Docker the balancer answers %d %q", code, body)
	}
	m.do(t, "iptables", "-F", "DOCKER-USER")
	m.startDocker(t)
	for _, arn := range before {
		if task := s.reaches(t, arn, "STOPPED"); *task.StoppedReason == "" {
			t.Errorf("task %s stopped without a reason", arn)
		}
	}
	s.stable(t, "shop")
	s.answers(t, "shop.test", "site=shop version=1")
	s.exactly(t, 2)
	waitFor(t, 20*time.Second, "Skylift's accepts in Docker's chain", func() error {
		if rules := m.do(t, "iptables", "-S", "DOCKER-USER"); strings.Count(rules, "skylift/"+s.id()) != 2 {
			return errors.New(rules)
		}
		return nil
	})
	m.do(t, "iptables", "-F", "DOCKER-USER")
	waitFor(t, 20*time.Second, "Skylift's accepts to come back", func() error {
		if rules := m.do(t, "iptables", "-S", "DOCKER-USER"); strings.Count(rules, "skylift/"+s.id()) != 2 {
			return errors.New(rules)
		}
		return nil
	})
}
