package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	tasks "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc/status"
)

// containerd makes a process in steps: a directory, a shim, the container. If its
// client or the shim is killed meanwhile, containerd takes these steps back, some
// of them more than once, by the container's id and while nobody waits for it. A
// process that is then made under the same id is hit as well. So before one is
// made, or the id is given up, all of that must have ended.

// native is the error that a service of containerd answered with.
func native(err error) error {
	if _, answered := status.FromError(err); err == nil || !answered {
		return err
	}
	return errgrpc.ToNative(err)
}

// processOf returns what containerd says of a container's process; nil: it has
// none.
func (e *Engine) processOf(ctx context.Context, id string) (*tasktypes.Process, error) {
	answer, err := e.client.TaskService().Get(ctx, &tasks.GetRequest{ContainerID: id})
	if err = native(err); cerrdefs.IsNotFound(err) {
		return nil, nil //nolint:nilnil // see the comment
	}
	if err != nil {
		return nil, fmt.Errorf("look at container %s: %w", id, err)
	}
	return answer.Process, nil
}

func running(p *tasktypes.Process) bool {
	switch p.GetStatus() {
	case tasktypes.Status_RUNNING, tasktypes.Status_PAUSED, tasktypes.Status_PAUSING:
		return true
	}
	return false
}

// createTask has containerd make a process, unless it was made before.
func (e *Engine) createTask(ctx context.Context, task string, request *tasks.CreateTaskRequest) error {
	id := request.ContainerID
	if e.records.Making(task, id) {
		if p, err := e.settled(ctx, id); err != nil || p != nil {
			return err
		}
	}
	if err := e.records.SetMaking(task, id, true); err != nil {
		return err
	}
	_, err := e.client.TaskService().Create(ctx, request)
	if cerrdefs.IsAlreadyExists(native(err)) {
		err = nil
	}
	if err != nil && unavailable(native(err)) {
		return err // it may be making it yet
	}
	return errors.Join(err, e.records.SetMaking(task, id, false))
}

// deleteProcess kills and removes a container's process, if it has one. vanished
// says that it had one, and containerd knows nothing of it any more.
func (e *Engine) deleteProcess(ctx context.Context, task, id string, vanished bool) error {
	service := e.client.TaskService()
	find := e.processOf
	if vanished || e.records.Making(task, id) {
		find = e.settled
	}
	p, err := find(ctx, id)
	if err != nil {
		return err
	}
	if p != nil && p.Status != tasktypes.Status_STOPPED {
		_, err := service.Kill(ctx, &tasks.KillRequest{ContainerID: id, Signal: uint32(syscall.SIGKILL), All: running(p)})
		if err = native(err); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("kill container %s: %w", id, err)
		}
		if _, err := service.Wait(ctx, &tasks.WaitRequest{ContainerID: id}); err != nil && !cerrdefs.IsNotFound(native(err)) {
			return fmt.Errorf("wait for the end of container %s: %w", id, native(err))
		}
	}
	if p != nil {
		if _, err := service.Delete(ctx, &tasks.DeleteTaskRequest{ContainerID: id}); err != nil && !cerrdefs.IsNotFound(native(err)) {
			return fmt.Errorf("remove the process of container %s: %w", id, native(err))
		}
	}
	return e.records.SetMaking(task, id, false)
}

const (
	// settlesWithin bounds the wait for containerd to be done with a process.
	settlesWithin = 20 * time.Second
	// quiet is how long nothing must be seen of a process before containerd is
	// done with it: its steps follow each other at once.
	quiet = 300 * time.Millisecond
)

// settled waits until containerd has nothing more to do about a container's
// process whose making or removal was broken off. It returns the process if there
// is one for good.
func (e *Engine) settled(ctx context.Context, id string) (*tasktypes.Process, error) {
	last := time.Now()
	for deadline := last.Add(settlesWithin); ; {
		p, err := e.processOf(ctx, id)
		if err != nil {
			return nil, err
		}
		if e.busy(id, p) {
			last = time.Now()
		}
		if now := time.Now(); now.Sub(last) > quiet || now.After(deadline) {
			return p, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// busy reports whether containerd is seen to work on a container's process. There
// is no process, but its directory, or programs that make it or clear up after
// it.
func (e *Engine) busy(id string, p *tasktypes.Process) bool {
	if p != nil {
		return false
	}
	bundle := filepath.Join(e.state, "io.containerd.runtime.v2.task", namespaceOf(e.instance), id)
	if _, err := os.Stat(bundle); err == nil {
		return true
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	for _, file := range commands {
		text, err := os.ReadFile(file)
		if err == nil && bytes.Contains(text, []byte("\x00"+id+"\x00")) {
			return true
		}
	}
	return false
}
