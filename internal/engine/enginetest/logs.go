package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// read returns up to limit lines after since; limit 0 is all.
func read(t *testing.T, e engine.Engine, id, name string, since time.Time, limit int, follow bool) []engine.Line {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var lines []engine.Line
	err := e.Logs(ctx, id, name, since, follow, func(l engine.Line) error {
		lines = append(lines, l)
		if len(lines) == limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		t.Fatalf("logs: %v", err)
	}
	return lines
}

func testLogsResume(t *testing.T, s suite) {
	const n = 200
	e, id := s.running(t, fmt.Sprintf("lines %d", n))
	awaitState(t, e, id, "lines", engine.Exited)
	whole := read(t, e, id, "lines", time.Time{}, 0, false)
	checkLines(t, whole, n)
	for _, step := range []int{1, 7, n} {
		var parts []engine.Line
		var since time.Time
		for {
			part := read(t, e, id, "lines", since, step, len(parts)%2 == 0)
			if len(part) == 0 {
				break
			}
			parts = append(parts, part...)
			since = part[len(part)-1].Time
			if step == 1 && len(parts) == 20 { // each is a call
				parts = append(parts, read(t, e, id, "lines", since, 0, false)...)
				break
			}
		}
		if !slices.Equal(parts, whole) {
			t.Errorf("read %d at a time there are %d lines, want the %d that there are at once", step, len(parts), len(whole))
		}
	}
}

// checkLines wants n lines of the command lines, each stream in order.
func checkLines(t *testing.T, lines []engine.Line, n int) {
	t.Helper()
	if len(lines) != n {
		t.Fatalf("%d lines, want %d", len(lines), n)
	}
	next := map[bool]int{false: 0, true: 1}
	for i, l := range lines {
		if want := fmt.Sprintf("line %d", next[l.Stderr]); l.Text != want {
			t.Fatalf("line %d is %+v, want text %q", i, l, want)
		}
		next[l.Stderr] += 2
		if i > 0 && !l.Time.After(lines[i-1].Time) {
			t.Fatalf("line %d at %v is not after %v", i, l.Time, lines[i-1].Time)
		}
	}
}

func testLogsLong(t *testing.T, s suite) {
	const n = 100_000
	e, id := s.running(t, fmt.Sprintf("long %d", n))
	awaitState(t, e, id, "long", engine.Exited)
	lines := read(t, e, id, "long", time.Time{}, 0, true)
	if len(lines) != 2 || lines[0].Text != strings.Repeat("x", n) || lines[1].Text != "tail" {
		var sizes []int
		for _, l := range lines {
			sizes = append(sizes, len(l.Text))
		}
		t.Errorf("lines of %v bytes, want %d and %q", sizes, n, "tail")
	}
}

func testLogsFollow(t *testing.T, s suite) {
	e, task := s.open(t), s.task("run")
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ready := make(chan struct{}, 1)
	go func() {
		ended <- e.Logs(t.Context(), task.ID, "run", time.Time{}, true, func(engine.Line) error {
			ready <- struct{}{}
			return nil
		})
	}()
	if err := e.Start(t.Context(), task.ID, "run"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("logs of a running container ended: %v", err)
	}
	if err := e.Signal(t.Context(), task.ID, "run", "SIGTERM"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("logs: %v", err)
	}
}

func testTail(t *testing.T, s suite) {
	e, task := s.open(t), s.task("lines 50", "long 40000", "run")
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if lines, err := e.Tail(t.Context(), task.ID, "run", 5); err != nil || len(lines) != 0 {
		t.Errorf("tail of a container that never started: %v, %v", lines, err)
	}
	start(t, e, task)
	awaitState(t, e, task.ID, "lines", engine.Exited)
	awaitState(t, e, task.ID, "long", engine.Exited)
	whole := read(t, e, task.ID, "lines", time.Time{}, 0, false)
	for n, want := range map[int][]engine.Line{5: whole[45:], 50: whole, 60: whole} {
		lines, err := e.Tail(t.Context(), task.ID, "lines", n)
		if err != nil || len(lines) != len(want) || lines[0].Text != want[0].Text || lines[len(lines)-1].Text != want[len(want)-1].Text {
			t.Errorf("the last %d of 50 lines: %v, %v", n, lines, err)
		}
	}
	lines, err := e.Tail(t.Context(), task.ID, "long", 1)
	if err != nil || len(lines) != 1 || lines[0].Text != "tail" {
		t.Errorf("an end without newline: %v, %v", lines, err)
	}
	if _, err := e.Tail(t.Context(), NewID(), "lines", 1); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("tail of a task that isn't there: %v", err)
	}
}

func testRelease(t *testing.T, s suite) {
	const n = 300_000 // more bytes than any engine takes for the smallest buffer
	for _, mode := range []engine.OutputMode{engine.OutputBlocks, engine.OutputDrops} {
		e, task := s.open(t), s.task(fmt.Sprintf("lines %d", n))
		task.Containers[0].Output = engine.Output{Mode: mode, Buffer: 1}
		if _, err := e.Create(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		if err := e.Release(t.Context(), task.ID, "none", time.Time{}); errors.Is(err, errors.ErrUnsupported) {
			return
		} else if !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("release of a container that isn't there: %v", err)
		}
		if err := e.Start(t.Context(), task.ID, "lines"); err != nil {
			t.Fatal(err)
		}
		if mode == engine.OutputDrops { // it ends, though nobody takes anything
			awaitState(t, e, task.ID, "lines", engine.Exited)
		}
		kept, dropped := 0, 0
		err := e.Logs(t.Context(), task.ID, "lines", time.Time{}, true, func(l engine.Line) error {
			lost := 0
			if _, err := fmt.Sscanf(l.Text, "[%d lines were dropped here", &lost); err == nil {
				dropped += lost
				return nil
			}
			if kept++; kept%5000 == 0 {
				return e.Release(t.Context(), task.ID, "lines", l.Time)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// A line that was dropped in its middle is counted, and its beginning is kept.
		if blocks := mode == engine.OutputBlocks; kept+dropped < n || kept+dropped > n+2 || (dropped == 0) != blocks {
			t.Errorf("%s: %d lines, and %d that were dropped; want %d", mode, kept, dropped, n)
		}
		if c := awaitState(t, e, task.ID, "lines", engine.Exited); c.ExitCode != 0 {
			t.Errorf("%s: container %+v", mode, c)
		}
	}
}
