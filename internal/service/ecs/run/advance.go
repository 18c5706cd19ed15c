package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/run/order"
)

// ending is what a container is said to have exited with that never ran, as the
// ECS agent says it: that of SIGTERM.
const ending = 143

// end is how a container ended that can't run any more.
type end struct {
	reason string
	ran    bool // it did run before
	waited bool // in vain, for another one
}

// advance starts what of a created task may be started, and writes down what
// the engine says of it.
func (r *Runner) advance(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	state, ends, wait, err := r.act(ctx, t)
	if errors.Is(err, engine.ErrNotFound) {
		return false, 0, r.lost(ctx, t, "The task's containers are gone: they were removed from the container engine.")
	}
	if err != nil {
		return true, 0, err
	}
	r.follow(t, state)
	next := t.Task
	next.Containers = slices.Clone(t.Containers)
	changed := record(&next, state, ends)
	essential := ended(&next)
	switch {
	case essential == nil && !state.Sandbox:
		return false, 0, r.lost(ctx, t, "The task's network is gone: its sandbox ended.")
	case essential != nil:
		return false, 0, r.change(ctx, t, func(t *ecs.Task) {
			record(t, state, ends)
			t.Lost = !state.Sandbox
			conclude(t, *essential, ends)
		})
	case t.Status == ecs.Pending && begun(&next):
		return false, 0, r.change(ctx, t, func(t *ecs.Task) {
			record(t, state, ends)
			t.Created = true
			if len(t.LoadBalancers) > 0 {
				t.Status = ecs.Activating
				return
			}
			t.Status, t.StartedAt = ecs.Running, now()
		})
	case changed || !t.Created:
		return true, wait, r.change(ctx, t, func(t *ecs.Task) {
			record(t, state, ends)
			t.Created = true
		})
	}
	return true, wait, nil
}

// act does what order says until there is nothing to do, and returns what is
// then true, which containers it found that can't run any more, and when to
// look again.
func (r *Runner) act(ctx context.Context, t task) (state engine.Status, ends map[string]end, wait time.Duration, err error) {
	ends = map[string]end{}
	t.Containers = slices.Clone(t.Containers)
	for {
		if state, err = r.Engine.Inspect(ctx, t.ID); err != nil {
			return state, nil, 0, fmt.Errorf("inspect task %s: %w", t.ID, err)
		}
		p := order.Start(t.Task, t.def.Definition, state, time.Now())
		if p.Idle() {
			return state, ends, p.Wait, nil
		}
		found := map[string]end{}
		for name, reason := range p.Never {
			found[name] = end{reason: reason, waited: true}
		}
		if err := r.startAll(ctx, t, p, found); err != nil {
			return state, nil, 0, err
		}
		maps.Copy(ends, found)
		for i := range t.Containers {
			if _, ok := found[t.Containers[i].Name]; ok {
				t.Containers[i].Status = ecs.Stopped
			}
		}
	}
}

// startAll starts what p says, and puts those that can't be started into found.
func (r *Runner) startAll(ctx context.Context, t task, p order.Plan, found map[string]end) error {
	for names := p.Start; len(names) > 0; {
		err := r.Engine.Start(ctx, t.ID, names...)
		if err == nil {
			break
		}
		e, ok := errors.AsType[*engine.StartError](err)
		at := -1
		if ok {
			at = slices.Index(names, e.Container)
		}
		if at < 0 {
			return fmt.Errorf("start task %s: %w", t.ID, err)
		}
		found[e.Container] = end{reason: "CannotStartContainerError: " + e.Reason}
		names = names[at+1:]
	}
	for _, name := range p.Again {
		err := r.Engine.StartAgain(ctx, t.ID, name)
		if e, ok := errors.AsType[*engine.StartError](err); ok {
			found[name] = end{reason: "CannotStartContainerError: " + e.Reason, ran: true}
			continue
		}
		if err != nil {
			return fmt.Errorf("start container %s of task %s again: %w", name, t.ID, err)
		}
	}
	return nil
}

// follow has the output of the containers copied that run, or that ran and ended
// before anybody looked.
func (r *Runner) follow(t task, state engine.Status) {
	for _, l := range r.logged(t) {
		switch stateOf(state, l.Container) {
		case engine.Running:
			r.Logs.Follow(l.Job)
		case engine.Exited:
			r.Logs.Finish(l.Job)
		}
	}
}

// record writes into t what the engine says of its containers, and how those
// ended that can't run any more. It returns whether that was news. What is
// STOPPED stays so.
func record(t *ecs.Task, s engine.Status, ends map[string]end) (changed bool) {
	for i := range t.Containers {
		c := &t.Containers[i]
		was := *c
		at := slices.IndexFunc(s.Containers, func(is engine.ContainerStatus) bool { return is.Name == c.Name })
		failed, over := ends[c.Name]
		switch {
		case c.Status == ecs.Stopped:
		case at >= 0:
			recordContainer(c, s.Containers[at])
		case c.Status == ecs.Running: // somebody removed it
			c.Status, c.Reason = ecs.Stopped, "The container was removed from the container engine."
		}
		if over && was.Status != ecs.Stopped {
			c.Status, c.Reason = ecs.Stopped, failed.reason
			if failed.waited {
				c.ExitCode = aws.Int32(ending)
			}
		}
		changed = changed || was.Status != c.Status || was.RuntimeID != c.RuntimeID || was.Health != c.Health || was.Restarts != c.Restarts
	}
	if changed {
		t.Judge()
	}
	return changed
}

func recordContainer(c *ecs.Container, is engine.ContainerStatus) {
	c.RuntimeID, c.Restarts = is.RuntimeID, is.Restarts
	switch is.State {
	case engine.Running:
		c.Status = ecs.Running
		if c.Health != "" {
			c.Health = healths[is.Health]
		}
	case engine.Exited:
		c.Status = ecs.Stopped
		c.ExitCode = aws.Int32(int32(is.ExitCode))
		switch {
		case is.OOMKilled:
			c.Reason = "OutOfMemoryError: Container killed due to memory usage"
		case is.Error != "":
			c.Reason = is.Error
		}
	}
}

// healths are what the engine's states of health are to ECS.
var healths = map[engine.Health]types.HealthStatus{
	"":                    types.HealthStatusUnknown,
	engine.HealthStarting: types.HealthStatusUnknown,
	engine.Healthy:        types.HealthStatusHealthy,
	engine.Unhealthy:      types.HealthStatusUnhealthy,
}

// ended returns an essential container that has stopped, if there is one.
func ended(t *ecs.Task) *ecs.Container {
	i := slices.IndexFunc(t.Containers, func(c ecs.Container) bool { return c.Essential && c.Status == ecs.Stopped })
	if i < 0 {
		return nil
	}
	return &t.Containers[i]
}

// conclude stops a task for an essential container that has stopped.
func conclude(t *ecs.Task, c ecs.Container, ends map[string]end) {
	if failed, ok := ends[c.Name]; ok && !failed.ran {
		t.Stop(types.TaskStopCodeTaskFailedToStart, failed.reason)
		return
	}
	if t.StartedAt.IsZero() && begun(t) {
		t.StartedAt = now()
	}
	t.Stop(types.TaskStopCodeEssentialContainerExited, "Essential container in task exited")
}

// begun says that all of the task's containers were started, or never will be:
// the task is RUNNING, then.
func begun(t *ecs.Task) bool {
	return !slices.ContainsFunc(t.Containers, func(c ecs.Container) bool { return c.Status == ecs.Pending })
}
