package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
	"github.com/skylift/skylift/internal/engine/docker/output"
)

// resumeMargin is how far before its cursor a log is read again. The daemon
// knows only when each line was written, and lines stand in its file in an
// order that may differ a little; read from a moment before the cursor, they
// get the same times as the first time. Lost is only what was written while
// nobody read and after the clock was set back by more than this.
const resumeMargin = 10 * time.Minute

// Logs emits a container's lines after since.
func (e *Engine) Logs(ctx context.Context, taskID, name string, since time.Time, follow bool, emit func(engine.Line) error) error {
	found, err := e.containersOf(ctx, taskID)
	if err != nil {
		return err
	}
	c, ok := found[name]
	if !ok || name == "" {
		return fmt.Errorf("logs of container %q of task %s: %w", name, taskID, engine.ErrNotFound)
	}
	cursor := since
	keep := func(l engine.Line) error {
		cursor = l.Time
		return emit(l)
	}
	is, err := e.look(ctx, c.ID)
	if err == nil && follow && is.State.Status == container.StateCreated {
		is, err = e.awaitStart(ctx, c.ID)
	}
	// What a container writes last may be missing from a followed log, so
	// the end of it is read below, from a container that has ended.
	for err == nil && follow && live(is.State.Status) {
		if err := e.readLog(ctx, is, cursor, true, keep); err != nil {
			return err
		}
		is, err = e.awaitEnd(ctx, c.ID)
	}
	if err != nil {
		return err
	}
	return e.readLog(ctx, is, cursor, false, keep)
}

func live(s container.ContainerState) bool {
	return s == container.StateRunning || s == container.StatePaused || s == container.StateRestarting
}

// Tail returns a container's last n lines.
func (e *Engine) Tail(ctx context.Context, taskID, name string, n int) ([]engine.Line, error) {
	found, err := e.containersOf(ctx, taskID)
	if err != nil {
		return nil, err
	}
	c, ok := found[name]
	if !ok || name == "" {
		return nil, fmt.Errorf("tail of container %q of task %s: %w", name, taskID, engine.ErrNotFound)
	}
	is, err := e.look(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	var lines []engine.Line
	err = e.copyLog(ctx, is, client.ContainerLogsOptions{Tail: strconv.Itoa(n)}, time.Time{}, func(l engine.Line) error {
		lines = append(lines, l)
		return nil
	})
	return lines[max(0, len(lines)-n):], err
}

// readLog reads the log of a container once, from since on.
func (e *Engine) readLog(ctx context.Context, is *container.InspectResponse, since time.Time, follow bool, emit func(engine.Line) error) error {
	options := client.ContainerLogsOptions{Follow: follow}
	if !since.IsZero() && since.Before(time.Now()) {
		options.Since = since.Add(-resumeMargin).Format(time.RFC3339Nano)
	}
	return e.copyLog(ctx, is, options, since, emit)
}

// copyLog emits what options select of a container's log after since. Of one
// that has ended, the last line needs no newline.
func (e *Engine) copyLog(ctx context.Context, is *container.InspectResponse, options client.ContainerLogsOptions, since time.Time, emit func(engine.Line) error) error {
	options.ShowStdout, options.ShowStderr, options.Timestamps = true, true, true
	answer, err := e.cli.ContainerLogs(ctx, is.ID, options)
	if err != nil {
		return daemon.Translate("read log", err)
	}
	defer answer.Close()
	lines := output.Lines{After: since, Terminal: is.Config.Tty, Emit: emit}
	r := bufio.NewReaderSize(answer, 64<<10)
	next := func() (output.Frame, error) { return output.ReadFrame(r) }
	if is.Config.Tty {
		next = (&output.Terminal{R: r, Restarted: restartsOf(is) > 0}).Next
	}
	for {
		f, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return daemon.Translate("read log", err)
		}
		if err := lines.Add(f); err != nil {
			return err
		}
	}
	if !live(is.State.Status) {
		return lines.Flush()
	}
	return nil
}

// awaitEnd waits until a container doesn't run, but not long: the log of one that
// still runs is then read on.
func (e *Engine) awaitEnd(ctx context.Context, id string) (*container.InspectResponse, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	wait := e.cli.ContainerWait(waiting, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-wait.Result:
		return e.look(ctx, id)
	case <-time.After(time.Second):
		return e.look(ctx, id)
	case err := <-wait.Error:
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, daemon.Translate("wait for container", err)
	}
}

// awaitStart waits until a container was started.
func (e *Engine) awaitStart(ctx context.Context, id string) (*container.InspectResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := e.cli.Events(ctx, client.EventsListOptions{
		Since:   time.Now().Add(-eventOverlap).Format(time.RFC3339Nano),
		Filters: e.filter().Add("container", id).Add("event", "start", "destroy"),
	})
	for {
		is, err := e.look(ctx, id)
		if err != nil || is.State.Status != container.StateCreated {
			return is, err
		}
		select {
		case <-stream.Messages:
		case err := <-stream.Err:
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, daemon.Translate("wait for container", err)
		}
	}
}

// look returns what the daemon knows of a container.
func (e *Engine) look(ctx context.Context, id string) (*container.InspectResponse, error) {
	c, err := e.cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, daemon.Translate("inspect container", err)
	}
	return &c.Container, nil
}

// Release returns errors.ErrUnsupported: the daemon takes what containers write,
// and loses the oldest of it.
func (e *Engine) Release(context.Context, string, string, time.Time) error {
	return fmt.Errorf("release output: %w", errors.ErrUnsupported)
}
