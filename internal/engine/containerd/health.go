package containerd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	tasks "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	cerrdefs "github.com/containerd/errdefs"
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
	process, err := e.processFor(ctx, id, r.Name, engine.Exec{Command: r.CheckArgs()})
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
		healthy, said, err := e.checkOnce(ctx, id, process, r)
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

// brokenOff says whether the end of the container may have ended its check. Such
// a check says nothing about health.
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

// checkExec is the id of a check's process. There is one at a time, so one that
// outlived a kill of Skylift is found by it.
const checkExec = "health"

// longestLog bounds, in bytes, what is kept of what a check said, as in Docker.
const longestLog = 4096

// checkOnce runs a check and returns what it said. Errors: engine.ErrUnavailable,
// and why it can't run, which is unhealthy.
func (e *Engine) checkOnce(ctx context.Context, id string, process *anypb.Any, r record.Container) (healthy bool, said string, err error) {
	waiting, stop := context.WithTimeout(ctx, r.Check.Timeout)
	defer stop()
	var log capped
	code, err := e.execute(waiting, id, execution{
		Exec: engine.Exec{Stdout: &log}, container: r.Name, id: checkExec, process: process, joined: true,
	})
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return false, fmt.Sprintf("Health check exceeded timeout (%v)", r.Check.Timeout), nil
	}
	return err == nil && code == 0, string(log), err
}

// capped keeps the beginning of what is written to it.
type capped []byte

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	*c = append(*c, p[:min(len(p), longestLog-len(*c))]...)
	return len(p), nil
}
