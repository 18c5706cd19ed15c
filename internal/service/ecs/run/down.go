package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
)

// drainPoll is how often a task that is being drained is looked at.
const drainPoll = 100 * time.Millisecond

// down takes a task that is to stop one step on.
func (r *Runner) down(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	switch t.Status {
	case ecs.Provisioning, ecs.Pending:
		return false, 0, r.leave(ctx, t, ecs.Stopping)
	case ecs.Activating, ecs.Running:
		if len(t.LoadBalancers) > 0 {
			return false, 0, r.leave(ctx, t, ecs.Deactivating)
		}
		return false, 0, r.leave(ctx, t, ecs.Stopping)
	case ecs.Deactivating:
		return r.drain(ctx, t)
	case ecs.Stopping:
		return r.terminate(ctx, t)
	default:
		return false, 0, r.deprovision(ctx, t)
	}
}

// leave begins the way out.
func (r *Runner) leave(ctx context.Context, t task, status string) error {
	var events []string
	if t.StopCode == types.TaskStopCodeServiceSchedulerInitiated {
		events = append(events, fmt.Sprintf("has stopped 1 running tasks: (task %s).", t.ID))
	}
	if status == ecs.Deactivating {
		for _, l := range t.LoadBalancers {
			events = append(events, fmt.Sprintf("deregistered 1 targets in (target-group %s)", l.TargetGroup))
		}
		events = append(events, "has begun draining connections on 1 tasks.")
	}
	return r.change(ctx, t, func(t *ecs.Task) { t.Status, t.StoppingAt = status, now() }, events...)
}

// drain takes the task out of its target groups and waits until no request is
// under way any more, or none of its containers is there to answer.
func (r *Runner) drain(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	drained := true
	for _, l := range t.LoadBalancers {
		if err := r.Targets.Deregister(ctx, l.TargetGroup, t.ENI.Addr, l.ContainerPort); err != nil {
			return true, 0, fmt.Errorf("deregister task %s: %w", t.ID, err)
		}
		state, _, err := r.Targets.TargetState(ctx, l.TargetGroup, t.ENI.Addr, l.ContainerPort)
		if err != nil {
			return true, 0, fmt.Errorf("drain task %s: %w", t.ID, err)
		}
		drained = drained && (state == "" || state == "unused")
	}
	if !drained {
		state, err := r.Engine.Inspect(ctx, t.ID)
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			return true, 0, fmt.Errorf("inspect task %s: %w", t.ID, err)
		}
		if err == nil && running(state) {
			return true, drainPoll, nil
		}
	}
	return false, 0, r.change(ctx, t, func(t *ecs.Task) { t.Status = ecs.Stopping })
}

func running(s engine.Status) bool {
	for _, c := range s.Containers {
		if c.State == engine.Running {
			return true
		}
	}
	return false
}

// terminate sends SIGTERM, and SIGKILL to what still runs after its
// stopTimeout.
func (r *Runner) terminate(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	state, err := r.Engine.Inspect(ctx, t.ID)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return true, 0, fmt.Errorf("inspect task %s: %w", t.ID, err)
	}
	if !running(state) {
		return false, 0, r.change(ctx, t, func(t *ecs.Task) {
			record(t, state)
			for i := range t.Containers {
				t.Containers[i].Status = ecs.Stopped
			}
			t.Status, t.ExecutionStopped = ecs.Deprovisioning, now()
		})
	}
	if t.TermAt.IsZero() {
		if err := r.signal(ctx, t, state, "SIGTERM", 0); err != nil {
			return true, 0, err
		}
		return false, 0, r.change(ctx, t, func(t *ecs.Task) { t.TermAt = now() })
	}
	again = time.Minute
	for _, c := range t.def.Definition.ContainerDefinitions {
		left := time.Until(t.TermAt.Add(stopTimeout(c)))
		if left > 0 && isRunning(state, *c.Name) {
			again = min(again, left)
		}
	}
	return true, again, r.signal(ctx, t, state, "SIGKILL", time.Since(t.TermAt))
}

// signal sends sig to the containers that run and whose stopTimeout is over
// after so long; SIGTERM to all.
func (r *Runner) signal(ctx context.Context, t task, state engine.Status, sig string, waited time.Duration) error {
	for _, c := range t.def.Definition.ContainerDefinitions {
		if !isRunning(state, *c.Name) || sig == "SIGKILL" && waited < stopTimeout(c) {
			continue
		}
		if err := r.Engine.Signal(ctx, t.ID, *c.Name, sig); err != nil && !errors.Is(err, engine.ErrNotFound) {
			return fmt.Errorf("send %s to %s of task %s: %w", sig, *c.Name, t.ID, err)
		}
	}
	return nil
}

func isRunning(s engine.Status, name string) bool {
	for _, c := range s.Containers {
		if c.Name == name {
			return c.State == engine.Running
		}
	}
	return false
}

// stopTimeout is how long a container gets between SIGTERM and SIGKILL: 30 s
// where the definition doesn't say.
func stopTimeout(c types.ContainerDefinition) time.Duration {
	if c.StopTimeout != nil {
		return time.Duration(*c.StopTimeout) * time.Second
	}
	return 30 * time.Second
}

// deprovision removes what the task had on the machine, once its last output
// is kept.
func (r *Runner) deprovision(ctx context.Context, t task) error {
	for _, l := range r.logged(t) {
		if err := r.Logs.Drain(ctx, l.Job); err != nil {
			return fmt.Errorf("keep the logs of task %s: %w", t.ID, err)
		}
	}
	if err := r.Engine.Remove(ctx, t.ID); err != nil {
		return fmt.Errorf("remove task %s: %w", t.ID, err)
	}
	if t.ENI.ID != "" {
		if err := r.Network.Delete(ctx, t.ENI.ID); err != nil {
			return fmt.Errorf("remove interface of task %s: %w", t.ID, err)
		}
	}
	if err := r.Logs.Forget(ctx, t.ID); err != nil {
		return fmt.Errorf("forget the logs of task %s: %w", t.ID, err)
	}
	return r.change(ctx, t, func(t *ecs.Task) {
		t.Status, t.StoppedAt, t.ENI.Deleted = ecs.Stopped, now(), true
		t.TargetsRegistered = false
	})
}
