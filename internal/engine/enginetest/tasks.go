package enginetest

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

func testCreate(t *testing.T, s suite) {
	e, task := s.open(t), s.task("run", "exit 0")
	first, err := e.Create(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	again, err := e.Create(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	if first != again {
		t.Errorf("namespace %q became %q", first, again)
	}
	if _, err := os.Stat(first); strings.HasPrefix(first, "/proc/") && err != nil {
		t.Errorf("namespace: %v", err)
	}
	status, err := e.Inspect(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !status.Sandbox || status.NetNS != first || status.ID != task.ID || len(status.Containers) != 2 {
		t.Errorf("status %+v, want a running sandbox in %s and two containers", status, first)
	}
	for _, c := range status.Containers {
		if c.State != engine.Created || c.RuntimeID == "" || c.CreatedAt.IsZero() || !c.StartedAt.IsZero() || !c.FinishedAt.IsZero() {
			t.Errorf("container %+v, want it created only", c)
		}
	}
}

func testStart(t *testing.T, s suite) {
	e, id := s.running(t, "run", "exit 0")
	ended := awaitState(t, e, id, "exit", engine.Exited)
	if err := e.Start(t.Context(), id, "run", "exit"); err != nil {
		t.Fatal(err)
	}
	status, err := e.Inspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got := container(status, "exit"); got != ended {
		t.Errorf("ended container became %+v, was %+v", got, ended)
	}
	if ended.StartedAt.Before(ended.CreatedAt) || ended.FinishedAt.Before(ended.StartedAt) {
		t.Errorf("times of %+v, want start and end", ended)
	}
	if got := container(status, "run"); got.State != engine.Running || got.StartedAt.IsZero() {
		t.Errorf("container %+v, want it running", got)
	}
}

func testStartError(t *testing.T, s suite) {
	e, task := s.open(t), s.task("run", "exit 0")
	task.Containers[1].EntryPoint = []string{"/no/such/program"}
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	err := e.Start(t.Context(), task.ID, "run", "exit")
	refused, ok := errors.AsType[*engine.StartError](err)
	if !ok || refused.Container != "exit" || !strings.Contains(refused.Reason, "/no/such/program") {
		t.Fatalf("start: %v, want a StartError that names the program", err)
	}
	status, err := e.Inspect(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := container(status, "run").State; got != engine.Running {
		t.Errorf("container before the bad one is %s, want it running", got)
	}
	if got := container(status, "exit"); got.State == engine.Running || !got.StartedAt.IsZero() {
		t.Errorf("bad container %+v, want that it never ran", got)
	}
}

func testMissing(t *testing.T, s suite) {
	e, task := s.open(t), s.task("exit 0")
	ctx, id := t.Context(), NewID()
	none := func(engine.Line) error { return nil }
	if _, err := e.Create(ctx, task); err != nil {
		t.Fatal(err)
	}
	_, inspected := e.Inspect(ctx, id)
	for call, err := range map[string]error{
		"inspect":         inspected,
		"start task":      e.Start(ctx, id, "exit"),
		"start container": e.Start(ctx, task.ID, "other"),
		"signal":          e.Signal(ctx, task.ID, "other", "SIGTERM"),
		"logs of task":    e.Logs(ctx, id, "exit", time.Time{}, true, none),
		"logs":            e.Logs(ctx, task.ID, "other", time.Time{}, true, none),
	} {
		if !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", call, err)
		}
	}
}

func testExitCodes(t *testing.T, s suite) {
	e, task := s.open(t), s.task("exit 0", "exit 3")
	task.Containers[1].Name = "three"
	start(t, e, task)
	for name, want := range map[string]int{"exit": 0, "three": 3} {
		if got := awaitState(t, e, task.ID, name, engine.Exited); got.ExitCode != want || got.OOMKilled {
			t.Errorf("container %+v, want exit code %d", got, want)
		}
	}
}

func testSignal(t *testing.T, s suite) {
	e, id := s.running(t, "run", "trap", "deaf")
	for _, c := range []struct {
		name, signal string
		want         int
	}{{"run", "SIGTERM", 143}, {"trap", "SIGTERM", 0}, {"deaf", "SIGKILL", 137}} {
		awaitReady(t, e, id, c.name)
		if c.signal == "SIGKILL" {
			if err := e.Signal(t.Context(), id, c.name, "SIGTERM"); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Signal(t.Context(), id, c.name, c.signal); err != nil {
			t.Fatal(err)
		}
		if got := awaitState(t, e, id, c.name, engine.Exited).ExitCode; got != c.want {
			t.Errorf("%s ended by %s with %d, want %d", c.name, c.signal, got, c.want)
		}
	}
}

func testSignalEnded(t *testing.T, s suite) {
	e, task := s.open(t), s.task("exit 0", "run")
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, "exit"); err != nil {
		t.Fatal(err)
	}
	awaitState(t, e, task.ID, "exit", engine.Exited)
	for _, name := range []string{"exit", "run"} {
		if err := e.Signal(t.Context(), task.ID, name, "SIGKILL"); err != nil {
			t.Errorf("signal %s: %v", name, err)
		}
	}
}

func testRemove(t *testing.T, s suite) {
	e, id := s.running(t, "deaf", "exit 0")
	for range 2 {
		if err := e.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Inspect(t.Context(), id); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("inspect: %v, want ErrNotFound", err)
	}
	if err := e.Remove(t.Context(), NewID()); err != nil {
		t.Errorf("remove of a task that never was: %v", err)
	}
}

func testList(t *testing.T, s suite) {
	e, other := s.open(t), s.open(t)
	task := s.task("run")
	start(t, e, task)
	if _, err := other.Create(t.Context(), s.task("run")); err != nil {
		t.Fatal(err)
	}
	all, err := e.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].ID != task.ID || container(all[0], "run").State != engine.Running {
		t.Errorf("list %+v, want task %s alone, running", all, task.ID)
	}
	if _, err := other.Inspect(t.Context(), task.ID); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("another instance's task: %v, want ErrNotFound", err)
	}
}

func testWatch(t *testing.T, s suite) {
	e, task := s.open(t), s.task("exit 0")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	changes := watch(ctx, e)
	next := func(what string) string {
		select {
		case id := <-changes:
			return id
		case <-ctx.Done():
			t.Fatalf("nothing was told after %s", what)
			return ""
		}
	}
	if got := next("the beginning"); got != "" {
		t.Errorf("told %q first, want that any may have changed", got)
	}
	start(t, e, task)
	for {
		if got := next("start"); got != task.ID {
			t.Errorf("told of %q, want %q", got, task.ID)
		}
		status, err := e.Inspect(ctx, task.ID)
		if err != nil {
			t.Fatal(err)
		}
		if container(status, "exit").State == engine.Exited {
			return
		}
	}
}

func testLocalhost(t *testing.T, s suite) {
	e, task := s.open(t), s.task("serve", "dial")
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, "serve"); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, e, task.ID, "serve")
	if err := e.Start(t.Context(), task.ID, "dial"); err != nil {
		t.Fatal(err)
	}
	if got := awaitState(t, e, task.ID, "dial", engine.Exited).ExitCode; got != 0 {
		t.Errorf("dial exited with %d, want that it reached serve", got)
	}
}
