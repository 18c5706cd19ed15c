package docker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/cgroup"
	"github.com/skylift/skylift/internal/engine/docker/convert"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
	"github.com/skylift/skylift/internal/engine/docker/exec"
	"github.com/skylift/skylift/internal/engine/docker/pause"
	"github.com/skylift/skylift/internal/engine/parallel"
)

// killedExitCode is that of a process ended by SIGKILL.
const killedExitCode = 137

// Signal sends sig to a container that runs.
func (e *Engine) Signal(ctx context.Context, taskID, name, sig string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	found, err := e.containersOf(ctx, taskID)
	if err != nil {
		return err
	}
	c, ok := found[name]
	if !ok || name == "" {
		return fmt.Errorf("signal container %q of task %s: %w", name, taskID, engine.ErrNotFound)
	}
	_, err = e.cli.ContainerKill(ctx, c.ID, client.ContainerKillOptions{Signal: sig})
	if cerrdefs.IsConflict(err) { // it isn't running
		return nil
	}
	return daemon.Translate("signal container "+name, err)
}

// Inspect returns what is true of a task.
func (e *Engine) Inspect(ctx context.Context, taskID string) (engine.Status, error) {
	all, err := e.statuses(ctx, e.filter(labelTask+"="+taskID))
	if err != nil {
		return engine.Status{}, fmt.Errorf("inspect task %s: %w", taskID, err)
	}
	if len(all) > 0 {
		return all[0], nil
	}
	owners, err := e.volumeOwners(ctx, e.filter(labelTask+"="+taskID))
	if err != nil {
		return engine.Status{}, fmt.Errorf("inspect task %s: %w", taskID, err)
	}
	if len(owners) == 0 {
		return engine.Status{}, fmt.Errorf("inspect task %s: %w", taskID, engine.ErrNotFound)
	}
	return engine.Status{ID: taskID}, nil
}

// List returns what is true of every task of this instance, by id.
func (e *Engine) List(ctx context.Context) ([]engine.Status, error) {
	owners, err := e.volumeOwners(ctx, e.filter())
	if err != nil {
		return nil, err
	}
	all, err := e.statuses(ctx, e.filter())
	if err != nil {
		return nil, err
	}
	return withOwners(all, owners), nil
}

// withOwners adds the tasks that have nothing but volumes left, because their
// removal was broken off.
func withOwners(all []engine.Status, owners []string) []engine.Status {
	for _, id := range owners {
		at, found := slices.BinarySearchFunc(all, id, func(s engine.Status, id string) int { return cmp.Compare(s.ID, id) })
		if !found {
			all = slices.Insert(all, at, engine.Status{ID: id})
		}
	}
	return all
}

// statuses returns the tasks of the containers that f selects.
func (e *Engine) statuses(ctx context.Context, f client.Filters) ([]engine.Status, error) {
	list, err := e.cli.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: f})
	if err != nil {
		return nil, daemon.Translate("list containers", err)
	}
	seen := make([]*container.InspectResponse, len(list.Items))
	err = parallel.Do(len(list.Items), func(i int) error {
		c, err := e.cli.ContainerInspect(ctx, list.Items[i].ID, client.ContainerInspectOptions{})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		seen[i] = &c.Container
		return daemon.Translate("inspect container", err)
	})
	if err != nil {
		return nil, err
	}
	return group(seen), nil
}

// group sorts containers into tasks; nil ones are gone.
func group(seen []*container.InspectResponse) []engine.Status {
	tasks := make(map[string]*engine.Status)
	for _, c := range seen {
		if c == nil {
			continue
		}
		id := c.Config.Labels[labelTask]
		if tasks[id] == nil {
			tasks[id] = &engine.Status{ID: id}
		}
		if name := c.Config.Labels[labelContainer]; name != "" {
			tasks[id].Containers = append(tasks[id].Containers, statusOf(name, c))
			continue
		}
		tasks[id].Sandbox = c.State.Running
		tasks[id].NetNS = netnsOf(c.State)
	}
	all := make([]engine.Status, 0, len(tasks))
	for _, t := range tasks {
		slices.SortFunc(t.Containers, func(a, b engine.ContainerStatus) int { return cmp.Compare(a.Name, b.Name) })
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b engine.Status) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// statusOf puts a container's state into the port's words.
//
// Docker flags all containers below a cgroup that ran out of memory, also those
// that the kernel spared; only a killed one is said to be OOMKilled.
func statusOf(name string, c *container.InspectResponse) engine.ContainerStatus {
	s := engine.ContainerStatus{
		Name:       name,
		RuntimeID:  c.ID,
		State:      engine.Exited,
		ExitCode:   c.State.ExitCode,
		Error:      c.State.Error,
		CreatedAt:  convert.Moment(c.Created),
		StartedAt:  convert.Moment(c.State.StartedAt),
		FinishedAt: convert.Moment(c.State.FinishedAt),
		Restarts:   restartsOf(c),
	}
	// What the kernel said may have been about an earlier run.
	s.OOMKilled = s.ExitCode == killedExitCode && (c.State.OOMKilled || s.Restarts == 0 && cgroup.OOMVictim(c.ID))
	s.Health, s.HealthLog = convert.HealthOf(c.State)
	switch c.State.Status {
	case container.StateCreated:
		s.State = engine.Created
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		s.State = engine.Running
	}
	if s.State == engine.Exited && s.FinishedAt.Before(s.StartedAt) {
		s.FinishedAt = s.StartedAt // Docker notes a start only after it, and may be late
	}
	if s.State != engine.Exited {
		s.ExitCode, s.OOMKilled, s.FinishedAt = 0, false, time.Time{}
	}
	return s
}

// Remove kills and removes all that there is of a task.
func (e *Engine) Remove(ctx context.Context, taskID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	defer e.tasks.Lock(taskID)()
	f := e.filter(labelTask + "=" + taskID)
	if err := removeAll(ctx, e.cli, f); err != nil {
		return fmt.Errorf("remove task %s: %w", taskID, err)
	}
	if err := removeVolumes(ctx, e.cli, f); err != nil {
		return fmt.Errorf("remove task %s: %w", taskID, err)
	}
	if err := e.cgroups.Remove(ctx, taskID); err != nil {
		return fmt.Errorf("remove task %s: %w", taskID, err)
	}
	return nil
}

// removeAll removes the containers that f selects, with their anonymous
// volumes.
func removeAll(ctx context.Context, cli *client.Client, f client.Filters) error {
	list, err := cli.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: f})
	if err != nil {
		return daemon.Translate("list containers", err)
	}
	return parallel.Do(len(list.Items), func(i int) error {
		return removeContainer(ctx, cli, list.Items[i].ID)
	})
}

// removeContainer removes one container, or waits while somebody else does.
func removeContainer(ctx context.Context, cli *client.Client, id string) error {
	_, err := cli.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if cerrdefs.IsConflict(err) { // its removal is in progress
		gone := cli.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
		select {
		case <-gone.Result:
			return nil
		case err = <-gone.Error:
		}
	}
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return daemon.Translate("remove container", err)
}

// Purge removes everything of an instance from the daemon at host ("": the
// environment's), whether or not that instance runs. The pause image goes too
// unless another instance uses it; images of tasks stay in Docker's cache.
func Purge(ctx context.Context, host, instance string) error {
	if !instanceForm.MatchString(instance) {
		return fmt.Errorf("purge: instance %q is not 12 or more hex digits", instance)
	}
	cli, err := daemon.Connect(ctx, host)
	if err != nil {
		return err
	}
	defer cli.Close()
	if err := removeAll(ctx, cli, instanceFilter(instance)); err != nil {
		return fmt.Errorf("purge instance %s: %w", instance, err)
	}
	if err := removeVolumes(ctx, cli, instanceFilter(instance)); err != nil {
		return fmt.Errorf("purge instance %s: %w", instance, err)
	}
	if err := pause.Remove(ctx, cli); err != nil {
		return fmt.Errorf("purge instance %s: %w", instance, err)
	}
	return cgroup.Purge(ctx, instance)
}

// Exec runs a command in a container until it ends.
func (e *Engine) Exec(ctx context.Context, taskID, name string, x engine.Exec) (exitCode int, err error) {
	found, err := e.containersOf(ctx, taskID)
	if err != nil {
		return 0, err
	}
	c, ok := found[name]
	if !ok || name == "" {
		return 0, fmt.Errorf("container %q of task %s: %w", name, taskID, engine.ErrNotFound)
	}
	return exec.Runner{Client: e.cli, Log: e.log}.Run(ctx, c.ID, name, x)
}
