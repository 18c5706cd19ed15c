package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/limit"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/store"
)

// pullWait is how long a step waits for a pull before it looks whether the task is still wanted. The pull itself goes on.
const pullWait = time.Second

// up takes a task that is to run one step on.
func (r *Runner) up(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	switch {
	case t.Status == ecs.Provisioning:
		return false, 0, r.provision(ctx, t)
	case t.Status == ecs.Pending && t.PullStartedAt.IsZero():
		return false, 0, r.begin(ctx, t)
	case t.Status == ecs.Pending && t.PullStoppedAt.IsZero():
		return r.pull(ctx, t)
	case t.Status == ecs.Pending:
		return r.start(ctx, t)
	case t.Status == ecs.Activating:
		return r.activate(ctx, t)
	}
	return r.advance(ctx, t)
}

// denied says in ECS's words why the task can't have one of its roles; "" when it can.
func (r *Runner) denied(ctx context.Context, t task) (why string, err error) {
	for _, name := range []string{t.Role, aws.ToString(t.def.Definition.ExecutionRoleArn)} {
		if why, err = role.Denied(ctx, r.Roles, name, t.ARN); why != "" || err != nil {
			return why, err
		}
	}
	return "", nil
}

// provision gives the task its network interface.
func (r *Runner) provision(ctx context.Context, t task) error {
	if why, err := r.denied(ctx, t); err != nil {
		return err
	} else if why != "" {
		return r.change(ctx, t, func(t *ecs.Task) { t.Stop(types.TaskStopCodeTaskFailedToStart, why) }, "failed to launch a task with (error "+why+").")
	}
	eni, err := r.Network.Create(ctx, t.ID, t.Subnet, t.Network.SecurityGroups, t.Network.AssignPublicIP == string(types.AssignPublicIpEnabled))
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		crowded := e.ErrorCode() == "InsufficientFreeAddressesInSubnet"
		if other, ok := t.Elsewhere(); ok && crowded {
			return r.change(ctx, t, func(t *ecs.Task) {
				t.Full = append(t.Full, t.Subnet)
				t.PlaceAt(other)
			})
		}
		why := fmt.Sprintf("Unexpected EC2 error while attempting to Create Network Interface in subnet '%s': %s: %s", t.Subnet, e.ErrorCode(), e.ErrorMessage())
		return r.change(ctx, t, func(t *ecs.Task) {
			t.Crowded = crowded
			t.Stop(types.TaskStopCodeTaskFailedToStart, why)
		})
	}
	if err != nil {
		return fmt.Errorf("make interface of task %s: %w", t.ID, err)
	}
	return r.change(ctx, t, func(t *ecs.Task) {
		eni.Attach = t.ENI.Attach
		t.ENI, t.Status = eni, ecs.Pending
		t.ConnectivityAt = now()
	})
}

// fail stops a task that can't start.
func (r *Runner) fail(ctx context.Context, t task, format string, args ...any) error {
	return r.change(ctx, t, func(t *ecs.Task) { t.Stop(types.TaskStopCodeTaskFailedToStart, fmt.Sprintf(format, args...)) })
}

// pull brings the task's images. A task goes on without a container that isn't essential and whose image can't be had.
func (r *Runner) pull(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	pinned, failed := map[string]string{}, map[string]string{}
	as, logins, err := r.logins(ctx, t)
	if err != nil {
		return false, 0, r.unread(ctx, t, err)
	}
	for _, c := range t.Containers {
		ref := c.Pinned
		if ref == "" || !t.fixed(c.Name) {
			ref = c.Image
		}
		wait, cancel := context.WithTimeout(as, pullWait)
		got, err := r.Images.Pull(wait, ref, logins[c.Name])
		late := wait.Err() != nil
		cancel()
		e, refused := errors.AsType[*engine.PullError](err)
		switch {
		case refused && e.Busy && r.since(t.PullStartedAt) < startWait:
			return true, 0, fmt.Errorf("pull %s for task %s: %w", ref, t.ID, err)
		case refused && c.Essential:
			return false, 0, r.failContainer(ctx, t, c.Name, "CannotPullContainerError: "+e.Reason)
		case refused:
			failed[c.Name] = "CannotPullContainerError: " + e.Reason
		case err != nil && late:
			return true, time.Millisecond, ctx.Err()
		case err != nil:
			return true, 0, fmt.Errorf("pull %s for task %s: %w", ref, t.ID, err)
		}
		pinned[c.Name] = got
	}
	return false, 0, r.change(ctx, t, func(t *ecs.Task) {
		t.PullStoppedAt = now()
		for i := range t.Containers {
			c := &t.Containers[i]
			c.Pinned = pinned[c.Name]
			_, c.Digest, _ = strings.Cut(c.Pinned, "@")
			if reason := failed[c.Name]; reason != "" {
				c.Status, c.Reason = ecs.Stopped, reason
			}
		}
	})
}

// failContainer stops a task of which a container can't start.
func (r *Runner) failContainer(ctx context.Context, t task, container, reason string) error {
	return r.change(ctx, t, func(t *ecs.Task) { refuse(t, container, reason) })
}

// refuse stops a task for one of its containers.
func refuse(t *ecs.Task, container, reason string) {
	t.Stop(types.TaskStopCodeTaskFailedToStart, reason)
	for i := range t.Containers {
		if t.Containers[i].Name == container {
			t.Containers[i].Reason = reason
		}
	}
}

// startWait is how long a task is tried to be started, or its images pulled, while something other
// than its containers is in the way.
const startWait = 3 * time.Minute

// since is how long a task has been tried since a time: while Skylift was away, it wasn't.
func (r *Runner) since(from time.Time) time.Duration {
	if from.Before(r.began) {
		from = r.began
	}
	return time.Since(from)
}

// giveUp stops a task that can't be started for too long. While the engine is
// away, or this process lacks descriptors, memory or room on the disk, nothing is concluded.
func (r *Runner) giveUp(ctx context.Context, t task, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, engine.ErrUnavailable) || limit.Exhausted(err) || errors.Is(err, store.ErrFull) || r.since(t.PullStoppedAt) < startWait {
		return err
	}
	r.Log.Error("task can't be started", "task", t.ID, "err", err)
	return r.fail(ctx, t, "ResourceInitializationError: unable to start the task: %s", err)
}

// failStart stops a task that the engine can't create.
func (r *Runner) failStart(ctx context.Context, t task, what string, e *engine.StartError) error {
	if e.Container == "" {
		return r.fail(ctx, t, "ResourceInitializationError: unable to set up the task's network namespace: %s", e.Reason)
	}
	return r.failContainer(ctx, t, e.Container, what+": "+e.Reason)
}

// create makes the task's sandbox and its containers, and gives it its interface. It says whether it could; else the task is to stop.
func (r *Runner) create(ctx context.Context, t task) (made bool, err error) {
	as, err := r.as(ctx, t)
	if err != nil {
		return false, r.unread(ctx, t, err)
	}
	for _, l := range r.logged(t) {
		if err := r.Logs.Prepare(as, l.Group, l.Stream, l.create); err != nil {
			e, ok := errors.AsType[smithy.APIError](err)
			if !ok {
				return false, fmt.Errorf("prepare logs of task %s: %w", t.ID, err)
			}
			return false, r.fail(ctx, t, "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: %s: %s : exit status 1", e.ErrorCode(), e.ErrorMessage())
		}
	}
	files, err := r.mount(ctx, t)
	if reason, failed := mountFailed(err); failed {
		return false, r.fail(ctx, t, "%s", reason)
	}
	if e, ok := errors.AsType[*engine.StartError](err); ok {
		return false, r.failStart(ctx, t, "CannotStartContainerError", e)
	}
	if err != nil {
		return false, err
	}
	given, err := r.given(ctx, t)
	if err != nil {
		return false, r.unread(ctx, t, err)
	}
	if err := r.renew(ctx, t, given.Versions); err != nil {
		return false, err
	}
	netns, err := r.Engine.Create(ctx, r.describe(t, files, given))
	if e, ok := errors.AsType[*engine.StartError](err); ok {
		return false, r.failStart(ctx, t, "CannotCreateContainerError", e)
	}
	if err != nil {
		return false, fmt.Errorf("create task %s: %w", t.ID, err)
	}
	if err := r.Network.Attach(ctx, t.ENI, netns); err != nil {
		return false, fmt.Errorf("attach interface of task %s: %w", t.ID, err)
	}
	return r.measurable(ctx, t)
}

// measurable says whether the storage of a task can be measured that asks for a size; else the task is to stop.
func (r *Runner) measurable(ctx context.Context, t task) (bool, error) {
	if t.StorageSize() == ecs.DefaultStorage {
		return true, nil
	}
	_, err := r.Engine.Storage(ctx, t.ID)
	if errors.Is(err, errors.ErrUnsupported) {
		return false, r.fail(ctx, t, "ResourceInitializationError: ephemeralStorage is not supported on this machine: %s", err)
	}
	if err != nil {
		return false, fmt.Errorf("measure the storage of task %s: %w", t.ID, err)
	}
	return true, nil
}

// start makes the task and starts what of it may be started.
func (r *Runner) start(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	if !t.Created {
		if made, err := r.create(ctx, t); err != nil || !made {
			return false, 0, r.giveUp(ctx, t, err)
		}
	}
	return r.advance(ctx, t)
}

// registerWait is how long a task waits that a target group refused.
const registerWait = 10 * time.Second

// activate puts a task that runs into its target groups. While one refuses it,
// because it was deleted, say, the task waits: on ECS, too, the deployment
// stands still then. https://github.com/aws/containers-roadmap/issues/1884
func (r *Runner) activate(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	var events, refusals []string
	for _, l := range t.LoadBalancers {
		err := r.Targets.Register(ctx, l.TargetGroup, t.ENI.Addr, l.ContainerPort, t.Zone)
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			refusals = append(refusals, refusal(l.TargetGroup, e))
			continue
		}
		if err != nil {
			return true, 0, fmt.Errorf("register task %s: %w", t.ID, err)
		}
		events = append(events, fmt.Sprintf("registered 1 targets in (target-group %s)", l.TargetGroup))
	}
	if len(refusals) > 0 {
		return r.await(ctx, t, refusals)
	}
	return false, 0, r.change(ctx, t, func(t *ecs.Task) {
		t.Status, t.StartedAt, t.TargetsRegistered = ecs.Running, now(), true
	}, events...)
}

// refusal is ECS's event of a target group that refuses a task, as in
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html,
// with the parentheses that events of the API have.
func refusal(group string, e smithy.APIError) string {
	return fmt.Sprintf("failed to register targets in (target-group %s) with (error %s)", group, e.ErrorMessage())
}

// await tells the service why its target groups refuse the task, and keeps an
// eye on the task until it is registered again.
func (r *Runner) await(ctx context.Context, t task, refusals []string) (done bool, again time.Duration, err error) {
	if err := r.tellOnce(ctx, t.Service, refusals); err != nil {
		return true, 0, err
	}
	done, again, err = r.advance(ctx, t)
	if done && err == nil && (again == 0 || again > registerWait) {
		again = registerWait
	}
	return done, again, err
}

// lost stops a task whose containers or network somebody took away.
func (r *Runner) lost(ctx context.Context, t task, reason string) error {
	return r.change(ctx, t, func(t *ecs.Task) {
		t.Lost = true
		t.Stop(types.TaskStopCodeEssentialContainerExited, reason)
	})
}
