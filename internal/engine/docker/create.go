package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
)

// Create makes the sandbox and the containers of t. The containers are made
// while the sandbox starts.
func (e *Engine) Create(ctx context.Context, t engine.Task) (netns string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	defer e.tasks.lock(t.ID)()
	if err := e.cgroups.limit(t); err != nil {
		return "", fmt.Errorf("create task %s: %w", t.ID, err)
	}
	sandbox, state, err := e.createSandbox(ctx, t)
	if err != nil {
		return "", err
	}
	errs := make([]error, len(t.Containers)+1)
	var wg sync.WaitGroup
	for i, c := range t.Containers {
		wg.Go(func() {
			_, _, errs[i+1] = e.ensureContainer(ctx, t, c.Name, e.containerOptions(t, c, sandbox))
		})
	}
	netns, errs[0] = e.startSandbox(ctx, sandbox, state)
	wg.Wait()
	return netns, firstOf(errs)
}

// firstOf returns the first error there is: that of the sandbox, then in the
// order of the task's containers.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// createSandbox makes the pause container; when somebody removed its image,
// that is made again.
func (e *Engine) createSandbox(ctx context.Context, t engine.Task) (id string, s container.ContainerState, err error) {
	options, err := e.sandboxOptions(t)
	if err != nil {
		return "", "", &engine.StartError{Reason: err.Error()}
	}
	id, s, err = e.ensureContainer(ctx, t, "", options)
	if _, refused := errors.AsType[*engine.StartError](err); !refused {
		return id, s, err
	}
	if err := e.pause.ensure(ctx, e.cli); err != nil {
		return "", "", err
	}
	return e.ensureContainer(ctx, t, "", options)
}

// startSandbox starts the pause container if it never ran, and returns the
// path of its network namespace.
func (e *Engine) startSandbox(ctx context.Context, id string, s container.ContainerState) (netns string, err error) {
	if s == container.StateCreated {
		if _, err := e.cli.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
			return "", startError("", err)
		}
	}
	seen, err := e.cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return "", translate("inspect sandbox", err)
	}
	if netns = netnsOf(seen.Container.State); netns == "" {
		return "", &engine.StartError{Reason: "the task's sandbox has stopped"}
	}
	return netns, nil
}

// netnsOf is the network namespace of a running container, else "".
func netnsOf(s *container.State) string {
	if !s.Running || s.Pid == 0 {
		return ""
	}
	return fmt.Sprintf("/proc/%d/ns/net", s.Pid)
}

// ensureContainer creates a container or adopts the one that an earlier call
// made, and returns its state. A name that somebody else holds is left to them.
func (e *Engine) ensureContainer(ctx context.Context, t engine.Task, name string, o client.ContainerCreateOptions) (id string, s container.ContainerState, err error) {
	for _, o.Name = range []string{e.shortName(t.ID, name), e.longName(t.ID, name)} {
		made, err := e.cli.ContainerCreate(ctx, o)
		if err == nil {
			return made.ID, container.StateCreated, nil
		}
		if !cerrdefs.IsConflict(err) {
			return "", "", startError(name, err)
		}
		switch id, s, err := e.adopt(ctx, t.ID, name, o.Name); {
		case err != nil:
			return "", "", err
		case id != "":
			return id, s, nil
		}
	}
	return "", "", &engine.StartError{Container: name, Reason: "the container name " + o.Name + " is in use"}
}

// adopt returns the id and state of the container called held if it is the one
// wanted, or "". What is left of one whose removal failed is removed.
func (e *Engine) adopt(ctx context.Context, task, name, held string) (id string, s container.ContainerState, err error) {
	seen, err := e.cli.ContainerInspect(ctx, held, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return "", "", nil
	}
	if err != nil {
		return "", "", translate("inspect "+held, err)
	}
	c := seen.Container
	l := c.Config.Labels
	if l[labelInstance] != e.instance || l[labelTask] != task || l[labelContainer] != name {
		return "", "", nil
	}
	if c.State.Dead || c.State.Status == container.StateRemoving {
		return "", "", removeContainer(ctx, e.cli, c.ID)
	}
	return c.ID, c.State.Status, nil
}

// Start starts those of the named containers that never ran.
func (e *Engine) Start(ctx context.Context, taskID string, containers ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	defer e.tasks.lock(taskID)()
	found, err := e.containersOf(ctx, taskID)
	if err != nil {
		return err
	}
	for _, name := range containers {
		c, ok := found[name]
		if !ok || name == "" {
			return fmt.Errorf("start container %q of task %s: %w", name, taskID, engine.ErrNotFound)
		}
		if c.State != container.StateCreated {
			continue
		}
		if _, err := e.cli.ContainerStart(ctx, c.ID, client.ContainerStartOptions{}); err != nil {
			return startError(name, err)
		}
	}
	return nil
}

// startError says why a container can't run, unless it is the daemon that can't
// be asked.
func startError(name string, err error) error {
	if unavailable(err) {
		return translate("run container "+name, err)
	}
	return &engine.StartError{Container: name, Reason: err.Error()}
}

// containersOf returns a task's containers by name, the sandbox as "".
func (e *Engine) containersOf(ctx context.Context, taskID string) (map[string]container.Summary, error) {
	list, err := e.cli.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: e.filter(labelTask + "=" + taskID)})
	if err != nil {
		return nil, translate("list task "+taskID, err)
	}
	if len(list.Items) == 0 {
		return nil, fmt.Errorf("task %s: %w", taskID, engine.ErrNotFound)
	}
	found := make(map[string]container.Summary, len(list.Items))
	for _, c := range list.Items {
		found[c.Labels[labelContainer]] = c
	}
	return found, nil
}
