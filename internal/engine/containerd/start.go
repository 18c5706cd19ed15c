package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	tasks "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/mount"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/engine/containerd/record"
	"github.com/skylift/skylift/internal/engine/containerd/secrets"
)

// find returns the record of a container of a task.
func (e *Engine) find(task, name string) (id string, r record.Container, err error) {
	id = containerID(task, name)
	if !taskForm.MatchString(task) || name == "" {
		return id, r, fmt.Errorf("container %q of task %s: %w", name, task, engine.ErrNotFound)
	}
	r, err = e.records.Get(task, id)
	if errors.Is(err, fs.ErrNotExist) {
		return id, r, fmt.Errorf("container %q of task %s: %w", name, task, engine.ErrNotFound)
	}
	return id, r, err
}

// Start starts those of the named containers that never ran.
func (e *Engine) Start(ctx context.Context, taskID string, containers ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := e.change(ctx)
	defer cancel()
	defer e.tasks.Lock(taskID)()
	for _, name := range containers {
		id, r, err := e.find(taskID, name)
		if err != nil {
			return fmt.Errorf("start: %w", err)
		}
		if r.Exit != nil {
			continue
		}
		p, err := e.processOf(ctx, id)
		if err != nil {
			return translate("start container "+name, err)
		}
		if p.GetStatus() != tasktypes.Status_CREATED && (p != nil || !r.Started.IsZero()) {
			continue
		}
		if err := e.begin(ctx, taskID, id, r, p); err != nil {
			return err
		}
	}
	return nil
}

// StartAgain starts a container that ended again. It is counted before it is
// started: a start that fails counts too, but none is missed.
func (e *Engine) StartAgain(ctx context.Context, taskID, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := e.change(ctx)
	defer cancel()
	defer e.tasks.Lock(taskID)()
	id, _, err := e.find(taskID, name)
	if err != nil {
		return fmt.Errorf("start again: %w", err)
	}
	r, p, err := e.observe(ctx, taskID, id)
	if err != nil {
		return translate("start container "+name+" again", err)
	}
	if r.Exit == nil && (p.GetStatus() != tasktypes.Status_CREATED || r.Restarts == 0) {
		return nil // it runs or never ran
	}
	if r.Exit != nil {
		if err := e.deleteProcess(ctx, taskID, id, p == nil); err != nil {
			return translate("start container "+name+" again", err)
		}
		p = nil
	}
	return e.begin(ctx, taskID, id, r, p)
}

// begin begins a run of a container. Its process is nil, or one that was created
// before a kill of Skylift.
func (e *Engine) begin(ctx context.Context, task, id string, r record.Container, p *tasktypes.Process) error {
	if box, ok := e.records.Sandbox(task); !ok || !e.sandboxRuns(ctx, task, box) {
		return &engine.StartError{Container: r.Name, Reason: "the task's sandbox has stopped"}
	}
	var refused error
	if p == nil {
		refused = e.createProcess(ctx, task, id, r)
	}
	if refused != nil && unavailable(native(refused)) {
		return translate("start container "+r.Name, native(refused))
	}
	// The record goes first: a container that runs is always one that was started.
	if err := e.noteStart(task, id, r); err != nil {
		return err
	}
	if refused == nil {
		_, refused = e.client.TaskService().Start(ctx, &tasks.StartRequest{ContainerID: id})
	}
	if refused == nil {
		e.checks.begin(e, task, id)
		return nil
	}
	why := e.startError(ctx, id, r.Name, refused)
	if errors.Is(why, engine.ErrUnavailable) {
		return why
	}
	return e.refuse(ctx, task, id, r, why)
}

// noteStart remembers that a run begins.
func (e *Engine) noteStart(task, id string, before record.Container) error {
	_, err := e.records.Update(task, id, func(r *record.Container) bool {
		if before.Exit != nil {
			r.Restarts = before.Restarts + 1
		}
		r.Started, r.Exit, r.Error, r.Health = time.Now().UTC(), nil, "", record.Health{}
		return true
	})
	return err
}

// refuse takes back a start that failed with why. A container that never ran is
// one that still never ran. One that had ended has ended again.
func (e *Engine) refuse(ctx context.Context, task, id string, before record.Container, why error) error {
	gone := e.deleteProcess(ctx, task, id, false)
	_, noted := e.records.Update(task, id, func(r *record.Container) bool {
		r.Error = why.Error()
		if before.Exit != nil || before.Restarts > 0 {
			r.Exit = &record.Exit{Code: cannotRun, At: time.Now().UTC()}
			return true
		}
		r.Started = time.Time{}
		return true
	})
	if err := errors.Join(gone, noted); err != nil {
		e.log.Warn("a start that failed can't be taken back", "task", task, "container", before.Name, "err", err)
	}
	return why
}

// cannotRun is the exit code of a container that could not be started.
const cannotRun = 127

// createProcess makes a container's process, which waits to be started.
func (e *Engine) createProcess(ctx context.Context, task, id string, r record.Container) error {
	mounts, err := e.client.SnapshotService(image.Snapshotter).Mounts(ctx, id)
	if err != nil {
		return err
	}
	request := &tasks.CreateTaskRequest{ContainerID: id, Rootfs: rootfs(mounts), Terminal: r.Terminal}
	if request.Stdout, request.Stderr, err = e.output.Prepare(id, outputOf(r)); err != nil {
		return err
	}
	if r.Interactive {
		if request.Stdin, err = e.standardInput(task, id); err != nil {
			return err
		}
	}
	return e.createTask(ctx, task, request)
}

// standardInput makes a FIFO that nobody writes to: a container that reads it
// waits.
func (e *Engine) standardInput(task, id string) (string, error) {
	path := filepath.Join(e.records.Dir(task), "stdin", id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make standard input: %w", err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return "", fmt.Errorf("make standard input: %w", err)
	}
	return path, nil
}

func rootfs(mounts []mount.Mount) (list []*types.Mount) {
	for _, m := range mounts {
		list = append(list, &types.Mount{Type: m.Type, Source: m.Source, Target: m.Target, Options: m.Options})
	}
	return list
}

// Signal sends sig to a container that runs.
func (e *Engine) Signal(ctx context.Context, taskID, name, sig string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	number := unix.SignalNum(sig)
	if number == 0 {
		return fmt.Errorf("signal container %s: unknown signal %q", name, sig)
	}
	ctx, cancel := e.change(ctx)
	defer cancel()
	id, _, err := e.find(taskID, name)
	if err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	p, err := e.processOf(ctx, id)
	if err != nil {
		return translate("signal container "+name, err)
	}
	if !running(p) {
		return nil
	}
	_, err = e.client.TaskService().Kill(ctx, &tasks.KillRequest{ContainerID: id, Signal: uint32(number)})
	if err = native(err); cerrdefs.IsNotFound(err) { // it has ended
		return nil
	}
	return translate("signal container "+name, err)
}

// startError says why a container can't run, unless the reason is that containerd
// can't be asked.
func startError(name string, err error) error {
	if err = native(err); unavailable(err) {
		return translate("run container "+name, err)
	}
	return &engine.StartError{Container: name, Reason: explain(err.Error())}
}

// startError is startError of a container, and leaves its secrets out of what the runtime says.
func (e *Engine) startError(ctx context.Context, id, name string, err error) error {
	err = startError(name, err)
	if refused, ok := errors.AsType[*engine.StartError](err); ok {
		refused.Reason = e.masked(ctx, id, refused.Reason)
	}
	return err
}

// masked returns a text without the values of a container's secrets, which are the variables that containerd isn't told.
func (e *Engine) masked(ctx context.Context, id, text string) string {
	whole, ok, err := e.secrets.Get(id)
	if err != nil {
		return err.Error() // what the text has of it is then unknown
	}
	if !ok || whole.Process == nil {
		return text
	}
	var told specs.Spec
	if c, err := e.client.ContainerService().Get(ctx, id); err == nil {
		_ = json.Unmarshal(c.Spec.GetValue(), &told) // of one that can't be read all variables are taken for secrets
	}
	var plain []string
	if told.Process != nil {
		plain = told.Process.Env
	}
	return secrets.Mask(text, whole.Process.Env, plain)
}

// explain says what the runtime's message means where that is hard to guess.
func explain(reason string) string {
	if strings.Contains(reason, "error setting rlimit") && strings.Contains(reason, "operation not permitted") {
		return "a ulimit is above the hard limit of containerd, which may not raise it (it has no CAP_SYS_RESOURCE): " + reason
	}
	return reason
}
