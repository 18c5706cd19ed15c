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
	"github.com/skylift/skylift/internal/engine/docker/convert"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
)

// Create makes the sandbox and the containers of t. The containers are made
// while the sandbox starts.
func (e *Engine) Create(ctx context.Context, t engine.Task) (netns string, err error) {
	if err := errors.Join(ctx.Err(), t.Check(), secretProblem(t)); err != nil {
		return "", err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	defer e.tasks.Lock(t.ID)()
	if err := e.cgroups.Limit(ctx, t); err != nil {
		return "", fmt.Errorf("create task %s: %w", t.ID, err)
	}
	sandbox, err := e.createSandbox(ctx, t)
	if err != nil {
		return "", err
	}
	var made error
	var wg sync.WaitGroup
	wg.Go(func() { made = e.createContainers(ctx, t, sandbox) })
	netns, err = e.startSandbox(ctx, t, sandbox)
	wg.Wait()
	if err == nil {
		err = made
	}
	return netns, err
}

// secretProblem refuses containers with secrets: Docker's daemon writes the environment of each container to
// /var/lib/docker/containers in the clear.
func secretProblem(t engine.Task) error {
	for _, c := range t.Containers {
		if len(c.Secrets) > 0 {
			return &engine.StartError{
				Container: c.Name,
				Reason:    "Docker writes the environment of containers to its disk in the clear: secrets and environment files need the engine containerd",
			}
		}
	}
	return nil
}

// createContainers makes the volumes of t and those of its containers that
// there aren't. Those with a part in volumes are made one after the other, so
// that it is certain which is the first to mount one.
func (e *Engine) createContainers(ctx context.Context, t engine.Task, sandbox made) error {
	there := map[string]container.Summary{}
	if sandbox.before {
		var err error
		if there, err = e.containersOf(ctx, t.ID); err != nil {
			return err
		}
	}
	if err := e.createVolumes(ctx, t); err != nil {
		return err
	}
	ordered, _ := t.ByVolumes() // Check found no cycle
	ids := make(map[string]string, len(ordered))
	errs := make([]error, len(ordered))
	var wg sync.WaitGroup
	for i, c := range ordered {
		if id, err := e.stays(ctx, there[c.Name]); id != "" || err != nil {
			ids[c.Name], errs[i] = id, err // also when it has another name since it was started again
			continue
		}
		if usesVolumes(t, c) {
			m, err := e.ensureContainer(ctx, t, c.Name, e.containerOptions(t, c, sandbox.id, ids))
			ids[c.Name], errs[i] = m.id, err
			if err != nil {
				break
			}
			continue
		}
		wg.Go(func() {
			_, errs[i] = e.ensureContainer(ctx, t, c.Name, e.containerOptions(t, c, sandbox.id, nil))
		})
	}
	wg.Wait()
	return firstOf(errs)
}

// stays returns the id of a container that an earlier call made, or "" when there
// is none; what is left of one whose removal failed is removed.
func (e *Engine) stays(ctx context.Context, s container.Summary) (id string, err error) {
	if s.State == container.StateDead || s.State == container.StateRemoving {
		return "", removeContainer(ctx, e.cli, s.ID)
	}
	return s.ID, nil
}

// firstOf returns the first error there is, in the order of the task's
// containers.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// made is a container that there is now.
type made struct {
	id     string
	state  container.ContainerState
	before bool // an earlier call made it
}

// createSandbox makes the pause container; when somebody removed its image,
// that is made again.
func (e *Engine) createSandbox(ctx context.Context, t engine.Task) (made, error) {
	options, err := e.sandboxOptions(t)
	if err != nil {
		return made{}, &engine.StartError{Reason: err.Error()}
	}
	sandbox, err := e.ensureContainer(ctx, t, "", options)
	if _, refused := errors.AsType[*engine.StartError](err); !refused {
		return sandbox, err
	}
	if err := e.pause.Ensure(ctx, e.cli); err != nil {
		return made{}, err
	}
	return e.ensureContainer(ctx, t, "", options)
}

// startSandbox starts the pause container if it never ran, and returns the
// path of its network namespace.
func (e *Engine) startSandbox(ctx context.Context, t engine.Task, sandbox made) (netns string, err error) {
	if sandbox.state == container.StateCreated {
		if _, err := e.cli.ContainerStart(ctx, sandbox.id, client.ContainerStartOptions{}); err != nil {
			return "", convert.Blame(t, convert.StartError("", err))
		}
	}
	seen, err := e.cli.ContainerInspect(ctx, sandbox.id, client.ContainerInspectOptions{})
	if err != nil {
		return "", daemon.Translate("inspect sandbox", err)
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
// made. A name that somebody else holds is left to them.
func (e *Engine) ensureContainer(ctx context.Context, t engine.Task, name string, o client.ContainerCreateOptions) (made, error) {
	for _, o.Name = range convert.Names(e.instance, t.ID, name) {
		created, err := e.cli.ContainerCreate(ctx, o)
		if err == nil {
			return made{id: created.ID, state: container.StateCreated}, nil
		}
		if !cerrdefs.IsConflict(err) {
			return made{}, convert.StartError(name, err)
		}
		if m, err := e.adopt(ctx, t.ID, name, o.Name); err != nil || m.before {
			return m, err
		}
	}
	return made{}, &engine.StartError{Container: name, Reason: "the container name " + o.Name + " is in use"}
}

// adopt returns the container called held if it is the one wanted. What is left
// of one whose removal failed is removed.
func (e *Engine) adopt(ctx context.Context, task, name, held string) (made, error) {
	seen, err := e.cli.ContainerInspect(ctx, held, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return made{}, nil
	}
	if err != nil {
		return made{}, daemon.Translate("inspect "+held, err)
	}
	c := seen.Container
	l := c.Config.Labels
	if l[labelInstance] != e.instance || l[labelTask] != task || l[labelContainer] != name {
		return made{}, nil
	}
	if c.State.Dead || c.State.Status == container.StateRemoving {
		return made{}, removeContainer(ctx, e.cli, c.ID)
	}
	return made{id: c.ID, state: c.State.Status, before: true}, nil
}

// Start starts those of the named containers that never ran.
func (e *Engine) Start(ctx context.Context, taskID string, containers ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	defer e.tasks.Lock(taskID)()
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
			return convert.StartError(name, err)
		}
	}
	return nil
}

// containersOf returns a task's containers by name, the sandbox as "".
func (e *Engine) containersOf(ctx context.Context, taskID string) (map[string]container.Summary, error) {
	list, err := e.cli.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: e.filter(labelTask + "=" + taskID)})
	if err != nil {
		return nil, daemon.Translate("list task "+taskID, err)
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
