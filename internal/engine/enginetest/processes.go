package enginetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/skylift/skylift/internal/engine"
)

// processes returns what a task has of them, or skips where nobody knows.
func processes(t *testing.T, e engine.Engine, id string) engine.ProcessStats {
	t.Helper()
	s, err := e.Processes(t.Context(), id)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testProcesses has a small task start processes without end, and a neighbour
// that starts some meanwhile.
func testProcesses(t *testing.T, s suite) {
	e := s.open(t)
	greedy, neighbour := s.task("fork 100000"), s.task("fork 20", "exit 0")
	greedy.Memory, neighbour.Memory = 512, 512
	start(t, e, greedy)
	awaitReady(t, e, greedy.ID, "fork")
	got := processes(t, e, greedy.ID)
	if got.Limit < 1 || got.Now > got.Limit || got.Now < got.Limit-64 || got.Refused == 0 {
		t.Errorf("a task that starts processes without end has %+v, want its limit, and that it was refused some", got)
	}
	start(t, e, neighbour)
	awaitReady(t, e, neighbour.ID, "fork")
	if code := awaitState(t, e, neighbour.ID, "exit", engine.Exited).ExitCode; code != 0 {
		t.Errorf("a container beside it exited with %d", code)
	}
	if got := processes(t, e, neighbour.ID); got.Now < 20 || got.Refused != 0 || got.Limit < 20 {
		t.Errorf("a neighbour has %+v, want at least 20 and none refused", got)
	}
	if err := e.Remove(t.Context(), greedy.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Processes(t.Context(), greedy.ID); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("processes of a task that is gone: %v, want ErrNotFound", err)
	}
}

// testProcessLimit has two tasks of the same user: the processes of the one are
// none of the other's, whose limit is lower.
func testProcessLimit(t *testing.T, s suite) {
	const limit = 100
	e := s.open(t)
	many, few := s.task("fork 200"), s.task("fork 100000")
	for _, task := range []*engine.Task{&many, &few} {
		task.Containers[0].User = "4711:4711"
	}
	few.Containers[0].Ulimits = []engine.Ulimit{{Name: "nproc", Soft: limit, Hard: limit}}
	start(t, e, many)
	awaitReady(t, e, many.ID, "fork")
	start(t, e, few)
	awaitReady(t, e, few.ID, "fork")
	if got := processes(t, e, many.ID); got.Now < 200 || got.Refused != 0 {
		t.Errorf("without a limit of its own a container has %+v, want 200", got)
	}
	if got := processes(t, e, few.ID); got.Now < limit/2 || got.Now > limit+8 || got.Refused == 0 {
		t.Errorf("with one of %d it has %+v", limit, got)
	}
	for _, id := range []string{many.ID, few.ID} {
		if err := e.Remove(t.Context(), id); err != nil {
			t.Error(fmt.Errorf("remove: %w", err))
		}
	}
}
