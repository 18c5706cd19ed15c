package docker

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/convert"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
)

// StartAgain starts a container that ended again.
//
// The daemon doesn't count that, and of a container that there is it lets only
// the name be changed: so the name carries the count, "skylift-…-app.2", and is
// changed first. A start that fails then counts too, but none is missed.
func (e *Engine) StartAgain(ctx context.Context, taskID, name string) error {
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
	c, ok := found[name]
	if !ok || name == "" {
		return fmt.Errorf("start container %q of task %s: %w", name, taskID, engine.ErrNotFound)
	}
	if live(c.State) || c.State == container.StateCreated {
		return nil
	}
	if err := e.countRestart(ctx, c); err != nil {
		return err
	}
	if _, err := e.cli.ContainerStart(ctx, c.ID, client.ContainerStartOptions{}); err != nil {
		return convert.StartError(name, err)
	}
	return nil
}

// countRestart gives a container the name of its next run.
func (e *Engine) countRestart(ctx context.Context, c container.Summary) error {
	task, name := c.Labels[labelTask], c.Labels[labelContainer]
	count := 0
	for _, held := range c.Names {
		count = max(count, restartsIn(held, e.instance, task, name))
	}
	var next string
	for _, base := range convert.Names(e.instance, task, name) {
		next = base + "." + strconv.Itoa(count+1)
		_, err := e.cli.ContainerRename(ctx, c.ID, client.ContainerRenameOptions{NewName: next})
		if !cerrdefs.IsConflict(err) {
			return daemon.Translate("count the restart of container "+name, err)
		}
	}
	return &engine.StartError{Container: name, Reason: "the container name " + next + " is in use"}
}

// restartsOf returns how often a container was started again.
func restartsOf(c *container.InspectResponse) int {
	l := c.Config.Labels
	return restartsIn(c.Name, l[labelInstance], l[labelTask], l[labelContainer])
}

// restartsIn reads the count out of the name that a container holds.
func restartsIn(held, instance, task, name string) int {
	for _, base := range convert.Names(instance, task, name) {
		if count, ok := strings.CutPrefix(strings.TrimPrefix(held, "/"), base+"."); ok {
			n, _ := strconv.Atoi(count) // a name of ours ends in a number
			return n
		}
	}
	return 0
}
