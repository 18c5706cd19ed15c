package moving_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/engine/moving"
)

// one is a fake engine as one of the two.
type one struct {
	*fake.Engine
	frozen, closed bool
}

func (o *one) Freeze(context.Context) (func() error, error) {
	o.frozen = true
	return func() error { o.frozen = false; return nil }, nil
}

func (o *one) Close() error               { o.closed = true; return nil }
func (o *one) Root() string               { return "/" }
func (o *one) ResolvConf(t string) string { return "/" + t }
func (o *one) About() string              { return "the new one" }

func (o *one) UseRegistry(string, image.Registry) {}
func (o *one) Problems() []string                 { return nil }

func newOne() *one {
	return &one{Engine: fake.New(fake.Config{Behave: func(c engine.Container) fake.Behaviour {
		b := fake.Runs(c)
		b.Output = []engine.Line{{Text: "hello from " + c.Name}}
		return b
	}})}
}

func taskOf(id string) engine.Task {
	return engine.Task{ID: strings.Repeat(id, 32), Containers: []engine.Container{{Name: "app-" + id, Image: "app"}}}
}

// begin starts a task.
func begin(t *testing.T, e engine.Engine, id string) engine.Task {
	t.Helper()
	task := taskOf(id)
	if _, err := e.Pull(t.Context(), "app", engine.Auth{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, task.Containers[0].Name); err != nil {
		t.Fatal(err)
	}
	return task
}

func ids(t *testing.T, e engine.Engine) []string {
	t.Helper()
	list, err := e.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range list {
		all = append(all, s.ID)
	}
	return slices.Sorted(slices.Values(all))
}

func TestTasksStayUntilTheyEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, to := newOne(), newOne()
		a, b := begin(t, old, "a"), begin(t, old, "b")
		done := 0
		e, err := moving.New(t.Context(), old, "the old one", to, func() error { done++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]bool{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Watch(ctx, func(id string) { told[id] = true }) }()
		c := begin(t, e, "c")
		if want := []string{a.ID, b.ID, c.ID}; !slices.Equal(ids(t, e), want) {
			t.Errorf("List = %v, want %v", ids(t, e), want)
		}
		if there := ids(t, old); len(there) != 2 {
			t.Errorf("the old engine has %v", there)
		}
		if said := e.About(); said != "the new one; 2 tasks are on the old one until they are replaced" {
			t.Errorf("About = %q", said)
		}
		everyCall(t, e, a)
		everyCall(t, e, c)
		// What began on the old engine goes on there.
		if _, err := e.Create(t.Context(), b); err != nil || len(ids(t, to)) != 1 {
			t.Errorf("Create again: %v; the new engine has %v", err, ids(t, to))
		}
		freezes(t, e, old, to)
		if err := e.Remove(t.Context(), a.ID); err != nil || done != 0 {
			t.Errorf("Remove: %v, done %d times", err, done)
		}
		if err := errors.Join(e.Remove(t.Context(), b.ID), e.Remove(t.Context(), b.ID)); err != nil || done != 1 {
			t.Errorf("Remove of the last one: %v, done %d times", err, done)
		}
		if said := e.About(); said != "the new one" {
			t.Errorf("About = %q", said)
		}
		time.Sleep(time.Second) // all is told
		synctest.Wait()
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
		for _, id := range []string{a.ID, b.ID, c.ID} {
			if !told[id] {
				t.Errorf("told of %v, not of %s", slices.Collect(maps.Keys(told)), id)
			}
		}
		old.GoAway() // nobody asks it any more
		if got := ids(t, e); !slices.Equal(got, []string{c.ID}) {
			t.Errorf("List = %v", got)
		}
		if err := e.Close(); err != nil || !old.closed || !to.closed {
			t.Errorf("Close: %v, %v, %v", err, old.closed, to.closed)
		}
	})
}

// everyCall makes every call that is about one task.
func everyCall(t *testing.T, e engine.Engine, task engine.Task) {
	t.Helper()
	ctx, name := t.Context(), task.Containers[0].Name
	if err := e.Signal(ctx, task.ID, name, "SIGTERM"); err != nil {
		t.Errorf("Signal: %v", err)
	}
	time.Sleep(time.Second)
	is, err := e.Inspect(ctx, task.ID)
	if err != nil || len(is.Containers) != 1 || is.Containers[0].State != engine.Exited {
		t.Errorf("Inspect = %+v, %v", is, err)
	}
	if err := e.StartAgain(ctx, task.ID, name); err != nil {
		t.Errorf("StartAgain: %v", err)
	}
	if tail, err := e.Tail(ctx, task.ID, name, 1); err != nil || len(tail) != 1 || tail[0].Text != "hello from "+name {
		t.Errorf("Tail = %v, %v", tail, err)
	}
	lines := 0
	if err := e.Logs(ctx, task.ID, name, time.Time{}, false, func(engine.Line) error { lines++; return nil }); err != nil || lines != 2 {
		t.Errorf("Logs: %v, %d lines", err, lines)
	}
	if is, err := e.Stats(ctx, task.ID); err != nil || len(is.Containers) != 1 {
		t.Errorf("Stats = %+v, %v", is, err)
	}
	if _, err := e.Processes(ctx, task.ID); err != nil {
		t.Errorf("Processes: %v", err)
	}
	if _, err := e.Storage(ctx, task.ID); err != nil {
		t.Errorf("Storage: %v", err)
	}
}

func freezes(t *testing.T, e *moving.Engine, old, to *one) {
	t.Helper()
	thaw, err := e.Freeze(t.Context())
	if err != nil || !old.frozen || !to.frozen {
		t.Fatalf("Freeze: %v, %v, %v", err, old.frozen, to.frozen)
	}
	if err := thaw(); err != nil || old.frozen || to.frozen {
		t.Errorf("thaw: %v, %v, %v", err, old.frozen, to.frozen)
	}
}

func TestOldEngineThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, to := newOne(), newOne()
		task := begin(t, old, "a")
		old.GoAway()
		if _, err := moving.New(t.Context(), old, "the old one", to, nil); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("New: %v", err)
		}
		old.ComeBack()
		e, err := moving.New(t.Context(), old, "the old one", to, nil)
		if err != nil {
			t.Fatal(err)
		}
		old.GoAway()
		// Nothing may be concluded about its tasks.
		if list, err := e.List(t.Context()); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("List = %v, %v", list, err)
		}
		if err := e.Remove(t.Context(), task.ID); !errors.Is(err, engine.ErrUnavailable) || e.Left() != 1 {
			t.Errorf("Remove: %v, %d left", err, e.Left())
		}
	})
}

func TestNothingToMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("the disk is full")
		done := 0
		if _, err := moving.New(t.Context(), newOne(), "the old one", newOne(), func() error { return full }); !errors.Is(err, full) {
			t.Errorf("New: %v", err)
		}
		e, err := moving.New(t.Context(), newOne(), "the old one", newOne(), func() error { done++; return nil })
		if err != nil || done != 1 {
			t.Fatalf("New: %v, done %d times", err, done)
		}
		begin(t, e, "a")
	})
}
