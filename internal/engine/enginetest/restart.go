package enginetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// again starts an ended container again, and waits until that has ended.
func again(t *testing.T, e engine.Engine, id, name string, restarts int) engine.ContainerStatus {
	t.Helper()
	if err := e.StartAgain(t.Context(), id, name); err != nil {
		t.Fatalf("start again: %v", err)
	}
	s := await(t, e, id, func(s engine.Status) bool {
		c := container(s, name)
		return c.State == engine.Exited && c.Restarts == restarts
	})
	return container(s, name)
}

func testStartAgain(t *testing.T, s suite) {
	e, task := s.open(t), s.task("exit 3", "run")
	start(t, e, task)
	before := awaitState(t, e, task.ID, "exit", engine.Exited)
	if before.Restarts != 0 {
		t.Errorf("container %+v was never restarted", before)
	}
	for n := 1; n <= 3; n++ {
		got := again(t, e, task.ID, "exit", n)
		if got.ExitCode != 3 || got.RuntimeID != before.RuntimeID || !got.StartedAt.After(before.FinishedAt) || got.FinishedAt.Before(got.StartedAt) {
			t.Errorf("container became %+v, was %+v", got, before)
		}
		before = got
	}
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatalf("create again: %v", err)
	}
	if err := e.Start(t.Context(), task.ID, "exit", "run"); err != nil {
		t.Fatalf("start: %v", err)
	}
	status, err := e.Inspect(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Containers) != 2 || container(status, "exit") != before {
		t.Errorf("status %+v, want container %+v as it was", status, before)
	}
}

func testStartAgainLeaves(t *testing.T, s suite) {
	e, task := s.open(t), s.task("run", "trap")
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, "run"); err != nil {
		t.Fatal(err)
	}
	before, err := e.Inspect(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run", "trap"} {
		if err := e.StartAgain(t.Context(), task.ID, name); err != nil {
			t.Errorf("start %s again: %v", name, err)
		}
	}
	after, err := e.Inspect(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before.Containers, after.Containers) {
		t.Errorf("containers became %+v, were %+v", after.Containers, before.Containers)
	}
	for _, name := range []string{"other", ""} {
		if err := e.StartAgain(t.Context(), task.ID, name); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("start %q again: %v, want ErrNotFound", name, err)
		}
	}
	if err := e.StartAgain(t.Context(), NewID(), "run"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("start again in no task: %v, want ErrNotFound", err)
	}
}

func testLogsRestarted(t *testing.T, s suite) {
	for _, terminal := range []bool{false, true} {
		e, task := s.open(t), s.task("long 40000")
		task.Containers[0].PseudoTerminal = terminal
		start(t, e, task)
		awaitState(t, e, task.ID, "long", engine.Exited)
		first := read(t, e, task.ID, "long", time.Time{}, 0, true)
		again(t, e, task.ID, "long", 1)
		both := read(t, e, task.ID, "long", time.Time{}, 0, true)
		if len(first) != 2 || len(both) != 4 || !slices.Equal(both[:2], first) {
			t.Fatalf("terminal %v: %d lines became %d, want 2 and then 2 more", terminal, len(first), len(both))
		}
		for i, l := range both[2:] {
			if l.Text != first[i].Text {
				t.Errorf("terminal %v: line %d has %d bytes, want what the first run wrote", terminal, i+2, len(l.Text))
			}
		}
		if rest := read(t, e, task.ID, "long", first[1].Time, 0, false); !slices.Equal(rest, both[2:]) {
			t.Errorf("terminal %v: from the first run's end come %d lines, want 2", terminal, len(rest))
		}
	}
}

func testLogsTerminal(t *testing.T, s suite) {
	const n = 60
	e, task := s.open(t), s.task("lines 60")
	task.Containers[0].PseudoTerminal = true
	start(t, e, task)
	awaitState(t, e, task.ID, "lines", engine.Exited)
	whole := read(t, e, task.ID, "lines", time.Time{}, 0, true)
	if len(whole) != n {
		t.Fatalf("%d lines, want %d", len(whole), n)
	}
	for i, l := range whole {
		if want := "line " + itoa(i); l.Text != want || l.Stderr {
			t.Fatalf("line %d is %+v, want %q of standard output", i, l, want)
		}
	}
	if rest := read(t, e, task.ID, "lines", whole[20].Time, 0, false); !slices.Equal(rest, whole[21:]) {
		t.Errorf("after line 20 come %d lines, want %d", len(rest), n-21)
	}
}
