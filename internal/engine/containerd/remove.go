package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/containerd/v2/core/snapshots"
	cerrdefs "github.com/containerd/errdefs"

	"github.com/skylift/skylift/internal/engine/cgroup"
	"github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/engine/containerd/netns"
	"github.com/skylift/skylift/internal/engine/containerd/secrets"
	"github.com/skylift/skylift/internal/engine/parallel"
)

// Remove kills and removes everything of a task. Its directory goes last, so a
// removal that is broken off is found again.
func (e *Engine) Remove(ctx context.Context, taskID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !taskForm.MatchString(taskID) || !e.records.Has(taskID) {
		return nil
	}
	ctx, cancel := e.change(ctx)
	defer cancel()
	defer e.tasks.Lock(taskID)()
	e.checks.end(taskID)
	if err := e.remove(ctx, taskID); err != nil {
		return translate("remove task "+taskID, err)
	}
	e.watchers.tell(taskID)
	return nil
}

func (e *Engine) remove(ctx context.Context, task string) error {
	ids, err := e.idsOf(ctx, task)
	if err != nil {
		return err
	}
	// The name of its network goes first: without it nothing of the task is started
	// again. Its processes have the network until they end.
	if err := netns.Remove(e.netnsPath(task)); err != nil {
		return err
	}
	// The init process last: with it the kernel kills what shares its namespace.
	init := slices.Index(ids, task)
	if init >= 0 {
		ids = slices.Delete(ids, init, init+1)
	}
	if err := parallel.Do(len(ids), func(i int) error { return e.removeContainer(ctx, task, ids[i]) }); err != nil {
		return err
	}
	if init >= 0 {
		if err := e.removeContainer(ctx, task, task); err != nil {
			return err
		}
	}
	return errors.Join(
		netns.Remove(e.pidnsPath(task)),
		e.cgroups.Sweep(task),
		e.cgroups.Remove(ctx, task),
		e.records.Remove(task),
	)
}

// idsOf returns the ids of all that containerd may have of a task: containers that
// it knows, snapshots of those that were not made to the end, and records.
func (e *Engine) idsOf(ctx context.Context, task string) ([]string, error) {
	records, err := e.records.All(task)
	if err != nil {
		return nil, err
	}
	ids := keys(records)
	list, err := e.client.ContainerService().List(ctx, "labels.\""+labelTask+"\"=="+task)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	err = e.client.SnapshotService(image.Snapshotter).Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		ids = append(ids, info.Name)
		return nil
	}, "labels.\""+labelTask+"\"=="+task)
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// removeContainer kills and removes a container with its files and its output.
func (e *Engine) removeContainer(ctx context.Context, task, id string) error {
	r, err := e.records.Get(task, id)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	p, err := e.processOf(ctx, id)
	if err != nil {
		return err
	}
	if err := e.deleteProcess(ctx, task, id, p == nil && !r.Started.IsZero()); err != nil {
		return err
	}
	if err := e.client.ContainerService().Delete(ctx, id); err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove container %s: %w", id, err)
	}
	if err := e.client.SnapshotService(image.Snapshotter).Remove(ctx, id); err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove the files of container %s: %w", id, err)
	}
	if err := os.RemoveAll(filepath.Join(e.execsDir(), id)); err != nil {
		return fmt.Errorf("remove the FIFOs of container %s: %w", id, err)
	}
	return errors.Join(e.secrets.Remove(id), e.output.Remove(id))
}

// RemoveAll removes all tasks of an engine's instance.
func (e *Engine) RemoveAll(ctx context.Context) error {
	tasks, err := e.records.Tasks()
	if err != nil {
		return err
	}
	if err := parallel.Do(len(tasks), func(i int) error { return e.Remove(ctx, tasks[i]) }); err != nil {
		return fmt.Errorf("remove the tasks of instance %s: %w", e.instance, err)
	}
	return nil
}

// Purge removes all tasks and images of an engine's instance, and its namespace in
// containerd. The engine is closed after it.
func (e *Engine) Purge(ctx context.Context) error {
	if err := e.RemoveAll(ctx); err != nil {
		return err
	}
	if err := e.images.Purge(e.in(ctx)); err != nil {
		return fmt.Errorf("purge instance %s: %w", e.instance, err)
	}
	if err := e.client.NamespaceService().Delete(e.in(ctx), namespaceOf(e.instance)); err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("purge instance %s: %w", e.instance, err)
	}
	return cgroup.Purge(ctx, e.instance)
}

// runcRoot is where shims keep what runc knows, by namespace, whatever containerd
// they are of. runc empties the directory and leaves it.
const runcRoot = "/run/containerd/runc"

// Clear removes what an engine with this configuration left on the host outside
// of its directories and of containerd, which doesn't run any more: processes,
// cgroups and mounts. The directories can then be removed.
func Clear(ctx context.Context, c Config) error {
	if !instanceForm.MatchString(c.Instance) {
		return fmt.Errorf("clear: instance %q is not 12 or more hex digits", c.Instance)
	}
	errs := []error{cgroup.Purge(ctx, c.Instance), secrets.Clear(c.Memory())}
	_ = os.Remove(filepath.Join(runcRoot, namespaceOf(c.Instance))) // it isn't there, or a containerd that runs has containers there
	for _, kind := range []string{netnsDir, pidnsDir} {
		names, err := filepath.Glob(filepath.Join(c.Run, kind, "*"))
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, netns.Remove(name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clear instance %s: %w", c.Instance, err)
	}
	return nil
}
