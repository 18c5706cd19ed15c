package containerd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	tasks "github.com/containerd/containerd/api/services/tasks/v1"
	cerrdefs "github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/cgroup"
	"github.com/skylift/skylift/internal/engine/containerd/record"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// openOn opens an engine on a machine, with the test's images.
func openOn(t *testing.T, c Config) *Engine {
	t.Helper()
	e, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() }) // it may be closed
	if err := load(t.Context(), e.client, containerdHost(t).archives); err != nil {
		t.Fatal(err)
	}
	return e
}

// launch makes a task and starts all of it.
func launch(t *testing.T, e *Engine, task engine.Task) {
	t.Helper()
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	for _, c := range task.Containers {
		if err := e.Start(t.Context(), task.ID, c.Name); err != nil {
			t.Fatal(err)
		}
	}
}

// until looks at a task until it is as wanted.
func until(t *testing.T, e *Engine, task string, wanted func(engine.Status) bool) engine.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	told := make(chan struct{}, 1)
	go func() {
		_ = e.Watch(ctx, func(string) { // its error is ctx's
			select {
			case told <- struct{}{}:
			default:
			}
		})
	}()
	for {
		s, err := e.Inspect(ctx, task)
		if err == nil && wanted(s) {
			return s
		}
		if err != nil && !errors.Is(err, engine.ErrUnavailable) {
			t.Fatal(err)
		}
		select {
		case <-told:
		case <-ctx.Done():
			t.Fatalf("task never came to be as wanted: %+v, %v", s, err)
		}
	}
}

func is(state engine.ContainerState) func(engine.Status) bool {
	return func(s engine.Status) bool { return len(s.Containers) > 0 && s.Containers[0].State == state }
}

func TestContainerdIsStartedAgain(t *testing.T) {
	t.Parallel()
	m, h := ownMachine(t), containerdHost(t)
	e := openOn(t, configOf(t, m))
	stays, ends := enginetest.AppTask(h.app, "run"), enginetest.AppTask(h.app, "run")
	launch(t, e, stays)
	launch(t, e, ends)
	before, err := e.Inspect(t.Context(), stays.ID)
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.processOf(e.in(t.Context()), containerID(ends.ID, "app"))
	if err != nil {
		t.Fatal(err)
	}
	m.kill()
	for call, err := range map[string]error{
		"inspect": errOf(e.Inspect(t.Context(), stays.ID)),
		"list":    errOf(e.List(t.Context())),
		"start":   e.Start(t.Context(), stays.ID, "app"),
		"again":   e.StartAgain(t.Context(), stays.ID, "app"),
		"signal":  e.Signal(t.Context(), stays.ID, "app", "SIGTERM"),
		"remove":  e.Remove(t.Context(), stays.ID),
		"create":  errOf(e.Create(t.Context(), enginetest.AppTask(h.app, "run"))),
		"pull":    errOf(e.Pull(t.Context(), h.pushed, engine.Auth{})),
		"stats":   errOf(e.Stats(t.Context(), stays.ID)),
	} {
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%s without containerd: %v, want ErrUnavailable", call, err)
		}
	}
	// One ends while nobody listens.
	if err := unix.Kill(int(p.Pid), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	ended := until(t, e, ends.ID, is(engine.Exited)).Containers[0]
	if ended.ExitCode != 137 || ended.OOMKilled || ended.Error != "" {
		t.Errorf("container %+v, want it killed", ended)
	}
	after := until(t, e, stays.ID, is(engine.Running))
	if after.Containers[0] != before.Containers[0] || !after.Sandbox || after.NetNS != before.NetNS {
		t.Errorf("task became %+v, was %+v", after, before)
	}
	if err := e.Signal(t.Context(), stays.ID, "app", "SIGTERM"); err != nil {
		t.Fatal(err)
	}
	if got := until(t, e, stays.ID, is(engine.Exited)).Containers[0].ExitCode; got != 143 {
		t.Errorf("exit code %d, want that events come again", got)
	}
}

func errOf[T any](_ T, err error) error { return err }

// processesOf returns the processes in a cgroup of a task's container.
func processesOf(t *testing.T, e *Engine, task, id string) (pids []int) {
	t.Helper()
	for _, dir := range e.cgroups.Dirs(task) {
		text, _ := os.ReadFile(filepath.Join(dir, id, "cgroup.procs")) // not every hierarchy has it
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		if len(pids) > 0 {
			return pids
		}
	}
	return nil
}

// parent returns the parent of a process.
func parent(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	ppid, err := strconv.Atoi(strings.Fields(rest)[1])
	if err != nil {
		t.Fatal(err)
	}
	return ppid
}

func TestAShimIsKilled(t *testing.T) {
	t.Parallel()
	for _, with := range []string{"alone", "with containerd"} {
		t.Run(with, func(t *testing.T) {
			t.Parallel()
			m, h := ownMachine(t), containerdHost(t)
			e := openOn(t, configOf(t, m))
			task := enginetest.AppTask(h.app, "deaf")
			launch(t, e, task)
			id := containerID(task.ID, "app")
			pids := processesOf(t, e, task.ID, id)
			if len(pids) == 0 {
				t.Fatal("the container has no process")
			}
			shim := parent(t, pids[0])
			if with == "with containerd" {
				m.kill()
			}
			if err := unix.Kill(shim, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if with == "with containerd" {
				if err := m.start(); err != nil {
					t.Fatal(err)
				}
			}
			s := until(t, e, task.ID, is(engine.Exited))
			if c := s.Containers[0]; c.ExitCode != 137 || c.FinishedAt.Before(c.StartedAt) || c.OOMKilled {
				t.Errorf("container %+v, want it killed", c)
			}
			if again, err := e.Inspect(t.Context(), task.ID); err != nil || again.Containers[0] != s.Containers[0] {
				t.Errorf("then it is %+v, %v, was %+v", again, err, s)
			}
			if err := e.StartAgain(t.Context(), task.ID, "app"); err != nil {
				t.Errorf("start again: %v", err)
			}
			removed(t, e, task.ID)
			if left := processesOf(t, e, task.ID, id); len(left) > 0 {
				t.Errorf("processes %v are left", left)
			}
		})
	}
}

// removed removes a task and wants nothing to be left.
func removed(t *testing.T, e *Engine, task string) {
	t.Helper()
	if err := e.Remove(t.Context(), task); err != nil {
		t.Fatalf("remove: %v", err)
	}
	if left := leftOf(t, e, task); len(left) > 0 {
		t.Errorf("after the removal of task %s there are: %v", task, left)
	}
}

// leftOf returns all that there is of a task on this machine.
func leftOf(t *testing.T, e *Engine, task string) (left []string) {
	t.Helper()
	ids, err := e.idsOf(e.in(t.Context()), task)
	if err != nil {
		t.Fatal(err)
	}
	left = append(left, ids...)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, task) {
			left = append(left, "mount "+line)
		}
	}
	for _, dir := range append(e.cgroups.Dirs(task), e.records.Dir(task), e.netnsPath(task), e.pidnsPath(task)) {
		if _, err := os.Stat(dir); err == nil {
			left = append(left, dir)
		}
	}
	for _, pattern := range []string{filepath.Join(e.run, "checks", task+"*")} {
		found, _ := filepath.Glob(pattern) // the pattern is well formed
		left = append(left, found...)
	}
	return left
}

// TestTheMachineGoesDown ends all processes and mounts, as a machine that loses
// its power does.
func TestTheMachineGoesDown(t *testing.T) {
	t.Parallel()
	m, h := ownMachine(t), containerdHost(t)
	c := configOf(t, m)
	e := openOn(t, c)
	task := enginetest.AppTask(h.app, "run")
	task.PIDMode = "task"
	launch(t, e, task)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.end(), Clear(t.Context(), c), os.RemoveAll(c.Run), os.RemoveAll(filepath.Join(m.dir, "run"))); err != nil {
		t.Fatal(err)
	}
	again, err := newMachine(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	*m = machine{dir: again.dir, containerd: again.containerd, output: again.output}
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	c.Output = m.output
	e = openOn(t, c)
	all, err := e.List(t.Context())
	if err != nil || len(all) != 1 || all[0].Sandbox || all[0].NetNS != "" || !is(engine.Exited)(all[0]) {
		t.Fatalf("list %+v, %v, want the task, ended", all, err)
	}
	_, err = e.Create(t.Context(), task)
	if _, refused := errors.AsType[*engine.StartError](err); !refused {
		t.Errorf("create: %v, want a StartError", err)
	}
	err = e.StartAgain(t.Context(), task.ID, "app")
	if _, refused := errors.AsType[*engine.StartError](err); !refused {
		t.Errorf("start again: %v, want a StartError", err)
	}
	removed(t, e, task.ID)
	next := enginetest.AppTask(h.app, "exit", "0")
	if lines, status := enginetest.RunTask(t, e, next); status.ExitCode != 0 {
		t.Errorf("a new task ended as %+v and said %q", status, lines)
	}
}

func TestAnEngineIsOpenedAgain(t *testing.T) {
	t.Parallel()
	m, h := ownMachine(t), containerdHost(t)
	c := configOf(t, m)
	e := openOn(t, c)
	task := enginetest.AppTask(h.app, "run")
	task.Containers[0].HealthCheck = &engine.HealthCheck{
		Command: []string{"CMD", "/app", "say", "checked", "0"}, Interval: 100 * time.Millisecond, Retries: 1,
	}
	launch(t, e, task)
	healthy := func(s engine.Status) bool { return s.Containers[0].Health == engine.Healthy }
	before := until(t, e, task.ID, healthy)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openOn(t, c)
	all, err := e.List(t.Context())
	if err != nil || len(all) != 1 || all[0].NetNS != before.NetNS || all[0].Containers[0] != before.Containers[0] {
		t.Fatalf("list %+v, %v, want it as it was: %+v", all, err, before)
	}
	if netns, err := e.Create(t.Context(), task); err != nil || netns != before.NetNS {
		t.Errorf("create: %q, %v, want it adopted in %s", netns, err, before.NetNS)
	}
	// Its check goes on: it takes back what somebody else said.
	spoil := func(r *record.Container) bool {
		r.Health = record.Health{Status: engine.Unhealthy, Failures: 1}
		return true
	}
	if _, err := e.records.Update(task.ID, containerID(task.ID, "app"), spoil); err != nil {
		t.Fatal(err)
	}
	until(t, e, task.ID, healthy)
	removed(t, e, task.ID)
}

// TestALostNetworkIsTold takes a task's network away, of which containerd tells
// nothing.
func TestALostNetworkIsTold(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), containerdHost(t)
	task := enginetest.AppTask(h.app, "deaf")
	launch(t, e, task)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	told := make(chan string, 100)
	go func() {
		_ = e.Watch(ctx, func(id string) { told <- id }) // its error is ctx's
	}()
	if err := unix.Unmount(e.netnsPath(task.ID), unix.MNT_DETACH); err != nil { // before anybody could look
		t.Fatal(err)
	}
	for {
		s, err := e.Inspect(ctx, task.ID)
		if err == nil && !s.Sandbox && s.NetNS == "" {
			break
		}
		select {
		case id := <-told:
			if id != "" && id != task.ID {
				t.Errorf("told of %q", id)
			}
		case <-ctx.Done():
			t.Fatalf("nobody tells of it: %+v, %v", s, err)
		}
	}
}

func TestPurgeLeavesNothing(t *testing.T) {
	t.Parallel()
	m, h := ownMachine(t), containerdHost(t)
	e := openOn(t, configOf(t, m))
	for range 3 {
		task := enginetest.AppTask(h.app, "deaf")
		task.Memory = 64
		launch(t, e, task)
	}
	for range 2 {
		if err := e.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := e.List(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("left: %+v, %v", all, err)
	}
	found, _ := filepath.Glob(filepath.Join(cgroup.MountPoint, "*", "skylift", e.instance)) // the pattern is well formed
	if _, err := os.Stat(filepath.Join(cgroup.MountPoint, "skylift", e.instance)); len(found) > 0 || err == nil {
		t.Errorf("cgroups left: %v", found)
	}
	images, err := e.client.ImageService().List(e.in(t.Context()))
	if err != nil || len(images) > 0 {
		t.Errorf("images left: %v, %v", images, err)
	}
}

// A command whose engine was killed ends when the engine is opened again.
func TestExecIsEndedAfterAKill(t *testing.T) {
	t.Parallel()
	h := containerdHost(t)
	c := configOf(t, h.machine)
	e := openOn(t, c)
	task := enginetest.AppTask(h.app, "run")
	launch(t, e, task)
	id := containerID(task.ID, "app")
	process, err := e.processFor(e.in(t.Context()), id, "app", engine.Exec{Command: []string{"/app", "deaf"}})
	if err != nil {
		t.Fatal(err)
	}
	x := execution{id: "exec-left", process: process}
	streams, err := e.openStreams(id, x)
	if err != nil {
		t.Fatal(err)
	}
	service, ctx := e.client.TaskService(), e.in(t.Context())
	_, err = service.Exec(ctx, &tasks.ExecProcessRequest{ContainerID: id, ExecID: x.id, Spec: process, Stdout: streams.paths[1], Stderr: streams.paths[2]})
	if err == nil {
		_, err = service.Start(ctx, &tasks.StartRequest{ContainerID: id, ExecID: x.id})
	}
	if err != nil {
		t.Fatal(err)
	}
	again := openOn(t, c)
	if _, err := service.Get(ctx, &tasks.GetRequest{ContainerID: id, ExecID: x.id}); !cerrdefs.IsNotFound(native(err)) {
		t.Errorf("the command is there: %v", err)
	}
	if left, err := os.ReadDir(again.execsDir()); err == nil {
		t.Errorf("there is left of commands: %v", left)
	}
	if s, err := again.Inspect(t.Context(), task.ID); err != nil || s.Containers[0].State != engine.Running {
		t.Errorf("the container is %+v, %v", s, err)
	}
	if err := again.Remove(t.Context(), task.ID); err != nil {
		t.Error(err)
	}
}
