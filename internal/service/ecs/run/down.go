package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/discovery"
	"github.com/skylift/skylift/internal/service/ecs/run/order"
)

// drainPoll is how often a task that is being drained is looked at.
const drainPoll = 100 * time.Millisecond

// down takes a task that is to stop one step on.
func (r *Runner) down(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	switch t.Status {
	case ecs.Provisioning, ecs.Pending:
		return false, 0, r.leave(ctx, t, ecs.Stopping)
	case ecs.Activating, ecs.Running:
		if err := r.keepScene(ctx, t); err != nil {
			return true, 0, err
		}
		if len(t.LoadBalancers) > 0 || len(t.Registries) > 0 {
			return false, 0, r.leave(ctx, t, ecs.Deactivating)
		}
		return false, 0, r.leave(ctx, t, ecs.Stopping)
	case ecs.Deactivating:
		return r.drain(ctx, t)
	case ecs.Stopping:
		return r.terminate(ctx, t)
	default:
		return r.deprovision(ctx, t)
	}
}

// leave begins the way out.
func (r *Runner) leave(ctx context.Context, t task, status string) error {
	var events []string
	if t.StopCode == types.TaskStopCodeServiceSchedulerInitiated {
		where := ""
		if t.Moved {
			where = fmt.Sprintf(" in %s due to AZ rebalancing", t.Zone)
		}
		events = append(events, fmt.Sprintf("has stopped 1 running tasks%s: (task %s).", where, t.ID))
	}
	if status == ecs.Deactivating && t.TargetsRegistered {
		for _, l := range t.LoadBalancers {
			events = append(events, fmt.Sprintf("deregistered 1 targets in (target-group %s)", l.TargetGroup))
		}
		events = append(events, "has begun draining connections on 1 tasks.")
	}
	return r.change(ctx, t, func(t *ecs.Task) { t.Status, t.StoppingAt = status, now() }, events...)
}

// drain takes the task out of its target groups. It waits until no name leads to it and no request is
// under way any more, or none of its containers is there to answer.
func (r *Runner) drain(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	drained, err := discovery.Left(ctx, r.Registries, &t.Task)
	if err != nil {
		return true, 0, fmt.Errorf("withdraw task %s: %w", t.ID, err)
	}
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

// terminate ends the containers, those first that nobody waited for: by SIGTERM, and SIGKILL when its stopTimeout is over.
func (r *Runner) terminate(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	state, err := r.Engine.Inspect(ctx, t.ID)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return true, 0, fmt.Errorf("inspect task %s: %w", t.ID, err)
	}
	if !running(state) {
		return false, 0, r.change(ctx, t, func(t *ecs.Task) {
			record(t, state, nil)
			for i := range t.Containers {
				t.Containers[i].Status = ecs.Stopped
			}
			t.Status, t.ExecutionStopped = ecs.Deprovisioning, now()
		})
	}
	p := order.Stop(t.Task, t.def.Definition, state, time.Now())
	if len(p.Term) > 0 {
		err := r.signal(ctx, t, "SIGTERM", p.Term)
		if errors.Is(err, engine.ErrUnavailable) || ctx.Err() != nil {
			return true, 0, err
		}
		if err != nil { // SIGKILL comes all the same
			r.Log.Warn("task can't be told to stop", "task", t.ID, "err", err)
		}
		return false, 0, r.change(ctx, t, func(t *ecs.Task) {
			record(t, state, nil)
			for i := range t.Containers {
				if slices.Contains(p.Term, t.Containers[i].Name) {
					t.Containers[i].TermAt = now()
				}
			}
		})
	}
	return true, p.Wait, r.signal(ctx, t, "SIGKILL", p.Kill)
}

// signal sends sig to containers. One that can't be reached doesn't keep it
// from the others.
func (r *Runner) signal(ctx context.Context, t task, sig string, names []string) error {
	var errs []error
	for _, name := range names {
		if err := r.Engine.Signal(ctx, t.ID, name, sig); err != nil && !errors.Is(err, engine.ErrNotFound) {
			errs = append(errs, fmt.Errorf("send %s to %s of task %s: %w", sig, name, t.ID, err))
		}
	}
	return errors.Join(errs...)
}

// stateOf is the state of a container; "" when there is none.
func stateOf(s engine.Status, name string) engine.ContainerState {
	for _, c := range s.Containers {
		if c.Name == name {
			return c.State
		}
	}
	return ""
}

// drainStep bounds one wait for a task's last output to be stored; drainWait
// bounds them together: a log store that stays full must not keep what the task
// has on the machine for ever.
const (
	drainStep = 2 * time.Second
	drainWait = 5 * time.Minute
	// fullWait is drainWait on a full disk, where only removing what tasks have may
	// give room.
	fullWait = 15 * time.Second
	// forgetWait bounds the wait for the cursors of a task's output to go, which is
	// not worth more.
	forgetWait = 5 * time.Second
)

// drainWait is how long a task's last output is waited for.
func (r *Runner) drainWait() time.Duration {
	if r.Full != nil && r.Full() {
		return fullWait
	}
	return drainWait
}

// deprovision removes what the task had on the machine, once its last output
// and what else tells why it ended is kept.
func (r *Runner) deprovision(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	if kept, err := r.keepLogs(ctx, t); err != nil || !kept {
		return true, time.Second, err
	}
	if err := r.keepEvidence(ctx, t); err != nil {
		return true, 0, err
	}
	if err := r.Engine.Remove(ctx, t.ID); err != nil {
		return true, 0, fmt.Errorf("remove task %s: %w", t.ID, err)
	}
	if _, all := t.fileMounts(); len(all) > 0 {
		if err := r.Files.Unmount(t.ID); err != nil {
			return true, 0, fmt.Errorf("unmount the file systems of task %s: %w", t.ID, err)
		}
	}
	if err := r.removeInterface(ctx, t); err != nil {
		return true, 0, fmt.Errorf("remove interface of task %s: %w", t.ID, err)
	}
	if err := r.forgetLogs(ctx, t); err != nil {
		return true, 0, err
	}
	return false, 0, r.change(ctx, t, func(t *ecs.Task) {
		t.Status, t.StoppedAt, t.ENI.Deleted = ecs.Stopped, now(), true
		t.TargetsRegistered = false
	})
}

// forgetLogs drops what is known of how far the task's output was copied. On a
// full disk it stays: it takes some bytes.
func (r *Runner) forgetLogs(ctx context.Context, t task) error {
	wait, cancel := context.WithTimeout(ctx, forgetWait)
	defer cancel()
	err := r.Logs.Forget(wait, t.ID)
	if err != nil && ctx.Err() == nil && r.Full != nil && r.Full() {
		r.Log.Warn("the cursors of a task's output stay", "task", t.ID, "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("forget the logs of task %s: %w", t.ID, err)
	}
	return nil
}

// keepLogs says whether all that the task's containers wrote is stored, or
// can't be after all this time.
func (r *Runner) keepLogs(ctx context.Context, t task) (bool, error) {
	wait, cancel := context.WithTimeout(ctx, drainStep)
	defer cancel()
	for _, l := range r.logged(t) {
		err := r.Logs.Drain(wait, l.Job)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return false, ctx.Err()
		case time.Since(t.ExecutionStopped) > r.drainWait():
			r.Log.Error("the last output of a task is lost: it could not be stored", "task", t.ID, "container", l.Container, "err", err)
		case wait.Err() != nil:
			return false, nil
		default:
			return false, fmt.Errorf("keep the logs of task %s: %w", t.ID, err)
		}
	}
	return true, nil
}

// removeInterface deletes the task's interface, also one that was made just
// before the process died and was not written down: asking for it again names it.
func (r *Runner) removeInterface(ctx context.Context, t task) error {
	eni := t.ENI.ID
	if eni == "" {
		made, err := r.Network.Create(ctx, t.ID, t.Subnet, t.Network.SecurityGroups, false)
		if _, ok := errors.AsType[smithy.APIError](err); ok {
			return nil // it can't be made, so it wasn't
		}
		if err != nil {
			return err
		}
		eni = made.ID
	}
	return r.Network.Delete(ctx, eni)
}
