package e2e

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// engineFlag has the tests run on one of the engines. What both must do is in
// tests that ask behind Skylift's back by what is in this file.
var engineFlag = flag.String("engine", "containerd", "the engine that tasks run on: containerd or docker")

// container is one that the engine has for an instance.
type container struct {
	id      string
	task    string
	name    string // in the task definition; "": the task's sandbox
	process string // that it runs as; "": it doesn't
}

// behind is an engine as it is behind Skylift's back.
type behind interface {
	// all returns the containers of an instance.
	all(s *skylift) ([]container, error)
	// sandboxes is how many containers a task has besides its own.
	sandboxes() int
	// labelled returns the containers with a label.
	labelled(t *testing.T, s *skylift, key, value string) []container
	// remove takes away containers, with what they run.
	remove(t *testing.T, s *skylift, ids ...string)
	// remembers says that Skylift knows of a container that was removed.
	remembers() bool
	// cutOff takes a task's network away, if it is there.
	cutOff(t *testing.T, s *skylift, task string)
	// plant makes a container of a task that Skylift doesn't know.
	plant(t *testing.T, s *skylift, task, image string)
	// left says what is left of an instance that was purged.
	left(s *skylift, id string) error
	// forget removes an image.
	forget(t *testing.T, s *skylift, ref string)
	// init is what the init process of a container is called.
	init() string
}

func (s *skylift) behind() behind {
	if s.engine == "docker" {
		return onDocker{}
	}
	return onContainerd{}
}

// containers are the instance's containers that run, each with its process.
func (s *skylift) containers(t *testing.T) (running []string) {
	t.Helper()
	for _, c := range must(s.behind().all(s))(t) {
		if c.process != "" {
			running = append(running, c.id+" "+c.process)
		}
	}
	slices.Sort(running)
	return running
}

// containersOf are the ids of a task's containers: the one of that name, or all
// ("*").
func (s *skylift) containersOf(t *testing.T, arn, name string) (ids []string) {
	t.Helper()
	all := must(s.behind().all(s))(t)
	for _, c := range all {
		if strings.HasSuffix(arn, "/"+c.task) && (name == "*" || c.name == name) {
			ids = append(ids, c.id)
		}
	}
	if len(ids) == 0 {
		t.Fatalf("task %s has no container %q in %+v", arn, name, all)
	}
	return ids
}

// exactly waits until so many tasks of a container each are there, and no container
// of any other.
func (s *skylift) exactly(t *testing.T, n int) {
	t.Helper()
	waitFor(t, time.Minute, "no tasks and containers but those wanted", func() error {
		tasks := s.tasks(t)
		all, err := s.behind().all(s)
		if err != nil {
			return err
		}
		for _, c := range all {
			if !slices.ContainsFunc(tasks, func(arn string) bool { return strings.HasSuffix(arn, "/"+c.task) }) {
				return fmt.Errorf("a container of task %s, which is not to run", c.task)
			}
		}
		if len(tasks) != n || len(all) != (1+s.behind().sandboxes())*n {
			return fmt.Errorf("%d tasks, %d containers", len(tasks), len(all))
		}
		return nil
	})
}

// onDocker is the Docker engine.
type onDocker struct{}

func (onDocker) list(s *skylift, filters ...string) (all []container, err error) {
	args := []string{"ps", "-a", "--filter", "label=skylift.instance=" + s.id(), "--format", `{{.ID}}|{{.Label "skylift.task"}}|{{.Label "skylift.container"}}|{{.State}}`}
	for _, f := range filters {
		args = append(args, "--filter", f)
	}
	out, err := s.dockerCLI(args...)
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "|")
		c := container{id: f[0], task: f[1], name: f[2]}
		if f[3] == "running" {
			c.process = "running"
		}
		all = append(all, c)
	}
	return all, err
}

func (d onDocker) all(s *skylift) ([]container, error) { return d.list(s) }
func (onDocker) sandboxes() int                        { return 1 }
func (onDocker) init() string                          { return "docker-init" }
func (onDocker) remembers() bool                       { return false }

func (d onDocker) labelled(t *testing.T, s *skylift, key, value string) []container {
	t.Helper()
	return must(d.list(s, "label="+key+"="+value))(t)
}

func (onDocker) remove(t *testing.T, s *skylift, ids ...string) {
	t.Helper()
	s.dockerRun(t, append([]string{"rm", "-f"}, ids...)...)
}

func (d onDocker) cutOff(t *testing.T, s *skylift, task string) {
	t.Helper()
	for _, c := range must(d.list(s, "label=skylift.task="+task))(t) {
		if c.name == "" {
			d.remove(t, s, c.id)
		}
	}
}

func (onDocker) plant(t *testing.T, s *skylift, task, image string) {
	t.Helper()
	s.dockerRun(t, "run", "-d", "--label", "skylift.instance="+s.id(), "--label", "skylift.task="+task, "--label", "skylift.container=web", image)
}

func (onDocker) forget(t *testing.T, s *skylift, ref string) {
	t.Helper()
	s.dockerRun(t, "rmi", "-f", ref)
}

func (onDocker) left(s *skylift, id string) error {
	out, err := s.dockerCLI("ps", "-aq", "--filter", "label=skylift.instance="+id)
	if out != "" {
		err = errors.Join(err, fmt.Errorf("containers left: %s", out))
	}
	// An image that Skylift pulled has no tag: nobody gave it one.
	images, again := s.dockerCLI("images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}")
	for line := range strings.Lines(images) {
		if strings.HasPrefix(line, s.listen+"/") && strings.Contains(line, " <none> ") {
			err = errors.Join(err, fmt.Errorf("an image that Skylift pulled is left: %s", line))
		}
	}
	return errors.Join(err, again)
}

// onContainerd is an instance's own containerd.
type onContainerd struct{}

func runDir(id string) string { return filepath.Join("/run/skylift", id) }

// ctr runs containerd's client.
func (onContainerd) ctr(s *skylift, args ...string) (string, error) {
	id := s.id()
	line := append(slices.Clone(s.within), "ctr", "--address", filepath.Join(runDir(id), "containerd/containerd.sock"), "--namespace", "skylift-"+id)
	line = append(line, args...)
	out, err := exec.Command(line[0], line[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func (c onContainerd) must(t *testing.T, s *skylift, args ...string) string {
	t.Helper()
	return must(c.ctr(s, args...))(t)
}

func (c onContainerd) list(s *skylift, filters ...string) (all []container, err error) {
	if _, err := os.Stat(runDir(s.id())); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it was ended
	}
	ids, err := c.ctr(s, append([]string{"containers", "ls", "-q"}, filters...)...)
	if err != nil {
		return nil, err
	}
	out, err := c.ctr(s, "tasks", "ls")
	if err != nil {
		return nil, err
	}
	processes := map[string]string{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "RUNNING" {
			processes[f[0]] = f[1]
		}
	}
	for id := range strings.FieldsSeq(ids) {
		task, name, _ := strings.Cut(id, "-")
		all = append(all, container{id, task, name, processes[id]})
	}
	return all, nil
}

func (c onContainerd) all(s *skylift) ([]container, error) { return c.list(s) }
func (onContainerd) sandboxes() int                        { return 0 }
func (onContainerd) init() string                          { return "init" }
func (onContainerd) remembers() bool                       { return true }

func (c onContainerd) labelled(t *testing.T, s *skylift, key, value string) []container {
	t.Helper()
	return must(c.list(s, fmt.Sprintf("labels.%q==%s", key, value)))(t)
}

func (c onContainerd) remove(t *testing.T, s *skylift, ids ...string) {
	t.Helper()
	for _, id := range ids {
		_, _ = c.ctr(s, "tasks", "rm", "--force", id)                                                                         // it may have ended
		if out, err := c.ctr(s, "containers", "rm", id); err != nil && !strings.Contains(fmt.Sprint(out, err), "not found") { // Skylift may have been faster
			t.Fatalf("ctr containers rm %s: %v\n%s", id, err, out)
		}
	}
}

func (onContainerd) cutOff(t *testing.T, s *skylift, task string) {
	t.Helper()
	name := filepath.Join(runDir(s.id()), "netns", task)
	line := append(slices.Clone(s.within), "umount", "--lazy", name)
	if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err != nil && !strings.Contains(string(out), "not mounted") && !strings.Contains(string(out), "no mount point") {
		t.Fatalf("umount %s: %v\n%s", name, err, out)
	}
}

func (c onContainerd) plant(t *testing.T, s *skylift, task, _ string) {
	t.Helper()
	images := strings.Fields(c.must(t, s, "images", "ls", "-q"))
	if len(images) == 0 {
		t.Fatal("containerd has no image")
	}
	c.must(t, s, "run", "-d", "--null-io", "--label", "skylift.task="+task, images[0], task+"-web")
}

func (c onContainerd) forget(t *testing.T, s *skylift, ref string) {
	t.Helper()
	_, _ = s.dockerCLI("rmi", "-f", ref) // where it was built
	repository, _, _ := strings.Cut(ref, "/")
	for name := range strings.FieldsSeq(c.must(t, s, "images", "ls", "-q")) {
		if strings.HasPrefix(name, repository+"/") {
			c.must(t, s, "images", "rm", "--sync", name)
		}
	}
}

// left finds directories, programs and what runc knows. Mounts and network
// namespaces are looked for on every engine.
func (onContainerd) left(s *skylift, id string) error {
	var errs []error
	for _, dir := range []string{runDir(id), filepath.Join("/run/containerd/runc", "skylift-"+id)} {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%s is left", dir))
		}
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	for _, file := range lines {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if line := strings.ReplaceAll(string(text), "\x00", " "); strings.Contains(line, id) || strings.Contains(line, s.dir+"/engine") {
			errs = append(errs, fmt.Errorf("%s is left: %s", filepath.Dir(file), line))
		}
	}
	return errors.Join(errs...)
}

// programs are the processes of an instance's engine, by what they are.
func (s *skylift) programs(t *testing.T) (containerd, keepers, shims []int) {
	t.Helper()
	socket := filepath.Join(runDir(s.id()), "containerd/containerd.sock")
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	for _, file := range lines {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))) // the pattern has digits
		switch line := string(text); {
		case strings.Contains(line, "\x00"+s.dir+"/engine/containerd/config.toml"):
			containerd = append(containerd, pid)
		case strings.Contains(line, "\x00output-keeper\x00"+s.dir+"/"):
			keepers = append(keepers, pid)
		case strings.Contains(line, "containerd-shim") && strings.Contains(line, "\x00"+socket+"\x00"):
			shims = append(shims, pid)
		}
	}
	return containerd, keepers, shims
}
