package containerd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	tasks "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/record"
)

// checks are the loops that run the health checks, by task and container.
type checks struct {
	ctx context.Context // ends with the engine, not with a call
	wg  sync.WaitGroup

	mu      sync.Mutex
	running map[string]map[string]*check
}

// check is the loop of one run of a container.
type check struct {
	run  time.Time // when that began
	stop context.CancelFunc
	done chan struct{} // closed when it has ended
}

func (c *checks) init(ctx context.Context) {
	c.ctx, c.running = ctx, map[string]map[string]*check{}
}

// wait waits for the loops, whose context has ended.
func (c *checks) wait() { c.wg.Wait() }

// begin begins the loop of a container that runs and has a check, unless it has one.
func (c *checks) begin(e *Engine, task, id string) {
	r, err := e.records.Get(task, id)
	if err != nil || r.Check == nil || r.Exit != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if had := c.running[task][id]; had != nil {
		if had.run.Equal(r.Started) {
			return
		}
		had.stop()
	}
	ctx, stop := context.WithCancel(e.in(c.ctx))
	if c.running[task] == nil {
		c.running[task] = map[string]*check{}
	}
	one := &check{run: r.Started, stop: stop, done: make(chan struct{})}
	c.running[task][id] = one
	c.wg.Go(func() {
		defer close(one.done)
		defer stop()
		e.checkLoop(ctx, task, id, r)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.running[task][id] == one {
			delete(c.running[task], id)
		}
		if len(c.running[task]) == 0 {
			delete(c.running, task)
		}
	})
}

// end ends the loops of a task, and waits for that.
func (c *checks) end(task string) {
	c.mu.Lock()
	all := slices.Collect(maps.Values(c.running[task]))
	c.mu.Unlock()
	for _, one := range all {
		one.stop()
		<-one.done
	}
}

// checkLoop checks a container again and again, until its run has ended.
func (e *Engine) checkLoop(ctx context.Context, task, id string, r record.Container) {
	process, err := e.checkProcess(ctx, id, r)
	if err != nil {
		e.log.Warn("a health check can't be made", "task", task, "container", r.Name, "err", err)
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.Check.Interval):
		}
		healthy, said, err := e.checkOnce(ctx, id, process, r.Check.Timeout)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, engine.ErrUnavailable) {
			continue // nothing is known of the container
		}
		if err != nil {
			said = err.Error()
		}
		if !healthy && e.brokenOff(ctx, id) {
			return
		}
		if goesOn, err := e.noteHealth(task, id, r, healthy, said); err != nil || !goesOn {
			return
		}
	}
}

// brokenOff says whether the end of the container may have ended its check too,
// which then says nothing.
func (e *Engine) brokenOff(ctx context.Context, id string) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(100 * time.Millisecond): // the shim needs a moment to see the end
	}
	got, err := e.client.TaskService().Get(ctx, &tasks.GetRequest{ContainerID: id})
	return cerrdefs.IsNotFound(native(err)) || err == nil && got.Process.Status == tasktypes.Status_STOPPED
}

// noteHealth remembers what a check said. False: the run has ended.
func (e *Engine) noteHealth(task, id string, run record.Container, healthy bool, said string) (goesOn bool, err error) {
	inStart := time.Since(run.Started) < run.Check.StartPeriod
	changed, err := e.records.Update(task, id, func(r *record.Container) bool {
		if goesOn = r.Exit == nil && r.Started.Equal(run.Started); !goesOn {
			return false
		}
		next := r.Health.After(healthy, said, inStart, run.Check.Retries)
		if next == r.Health {
			return false
		}
		r.Health = next
		return true
	})
	if changed {
		e.watchers.tell(task)
	}
	return goesOn, err
}

// checkExec is the id of a check's process. There is one at a time, so what a kill
// left of one is found.
const checkExec = "health"

// longestLog bounds, in bytes, what is kept of what a check said, as in Docker.
const longestLog = 4096

// checkProcess is how a container runs, with its check as the command.
func (e *Engine) checkProcess(ctx context.Context, id string, r record.Container) (*anypb.Any, error) {
	c, err := e.client.ContainerService().Get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("look at container %s: %w", id, err)
	}
	var is specs.Spec
	if err := json.Unmarshal(c.Spec.GetValue(), &is); err != nil || is.Process == nil {
		return nil, fmt.Errorf("read the specification of container %s: %w", id, errors.Join(err))
	}
	is.Process.Args, is.Process.Terminal = r.CheckArgs(), false
	text, err := json.Marshal(is.Process)
	if err != nil {
		return nil, fmt.Errorf("encode the check of container %s: %w", id, err)
	}
	return &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Process", Value: text}, nil
}

// checkOnce runs a check and returns what it said. Errors: engine.ErrUnavailable,
// and why it can't run, which is unhealthy.
func (e *Engine) checkOnce(ctx context.Context, id string, process *anypb.Any, timeout time.Duration) (healthy bool, said string, err error) {
	fifo, file, err := e.checkFIFO(id)
	if err != nil {
		return false, "", fmt.Errorf("run the health check: %w", err)
	}
	defer file.Close()
	service := e.client.TaskService()
	whole, cancel := e.change(ctx)
	defer cancel()
	exec := &tasks.ExecProcessRequest{ContainerID: id, ExecID: checkExec, Stdout: fifo, Stderr: fifo, Spec: process}
	_, err = service.Exec(whole, exec)
	if cerrdefs.IsAlreadyExists(native(err)) {
		e.endCheck(whole, id)
		_, err = service.Exec(whole, exec)
	}
	if err != nil {
		return false, "", translate("run the health check", native(err))
	}
	defer e.endCheck(whole, id)
	if _, err := service.Start(whole, &tasks.StartRequest{ContainerID: id, ExecID: checkExec}); err != nil {
		return false, "", translate("run the health check", native(err))
	}
	output := make(chan string, 1)
	go func() {
		var b bytes.Buffer
		_, _ = io.Copy(&b, io.LimitReader(file, longestLog)) // what can't be read wasn't said
		output <- b.String()
		_, _ = io.Copy(io.Discard, file)
	}()
	waiting, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	ended, err := service.Wait(waiting, &tasks.WaitRequest{ContainerID: id, ExecID: checkExec})
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		e.endCheck(whole, id)
		return false, fmt.Sprintf("Health check exceeded timeout (%v)", timeout), nil
	}
	if err != nil {
		return false, "", translate("wait for the health check", native(err))
	}
	e.endCheck(whole, id) // then all that it said is in the FIFO
	select {
	case said = <-output:
	case <-time.After(time.Second): // somebody that it left behind holds its output
	}
	return ended.ExitStatus == 0, said, nil
}

// endCheck kills and removes the process of a check, if there is one.
func (e *Engine) endCheck(ctx context.Context, id string) {
	service := e.client.TaskService()
	request := &tasks.DeleteProcessRequest{ContainerID: id, ExecID: checkExec}
	_, err := service.DeleteProcess(ctx, request)
	if !cerrdefs.IsFailedPrecondition(native(err)) {
		return
	}
	_, _ = service.Kill(ctx, &tasks.KillRequest{ContainerID: id, ExecID: checkExec, Signal: uint32(syscall.SIGKILL)}) // it may have ended
	_, _ = service.Wait(ctx, &tasks.WaitRequest{ContainerID: id, ExecID: checkExec})
	if _, err := service.DeleteProcess(ctx, request); err != nil && !cerrdefs.IsNotFound(native(err)) {
		e.log.Warn("the process of a health check stays", "container", id, "err", native(err))
	}
}

// checkPath is where the FIFO is that a container's checks write to.
func (e *Engine) checkPath(id string) string { return filepath.Join(e.run, "checks", id) }

// checkFIFO makes a FIFO for a check's output, and opens its reading end.
func (e *Engine) checkFIFO(id string) (path string, file *os.File, err error) {
	path = e.checkPath(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", nil, err
	}
	// A new one each time: what a kill left may have a writer yet.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", nil, err
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return "", nil, &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	file, err = os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	return path, file, err
}
