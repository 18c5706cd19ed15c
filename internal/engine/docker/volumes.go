package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/convert"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
	"github.com/skylift/skylift/internal/engine/parallel"
)

// usesVolumes reports whether c has a part in what containers share.
func usesVolumes(t engine.Task, c engine.Container) bool {
	if len(c.VolumesFrom) > 0 || slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool { return !strings.HasPrefix(m.Source, "/") }) {
		return true
	}
	return slices.ContainsFunc(t.Containers, func(o engine.Container) bool {
		return slices.ContainsFunc(o.VolumesFrom, func(f engine.VolumesFrom) bool { return f.Container == c.Name })
	})
}

// createVolumes makes the volumes of t; those that there are stay.
func (e *Engine) createVolumes(ctx context.Context, t engine.Task) error {
	for _, v := range t.Volumes {
		name := convert.VolumeName(e.instance, t.ID, v)
		created, err := e.cli.VolumeCreate(ctx, client.VolumeCreateOptions{
			Name: name, Driver: "local", Labels: map[string]string{labelInstance: e.instance, labelTask: t.ID},
		})
		if err != nil && daemon.Unavailable(err) {
			return daemon.Translate("make volume "+v, err)
		}
		if err != nil {
			return &engine.StartError{Reason: fmt.Sprintf("volume %s: %s", v, err)}
		}
		if created.Volume.Labels[labelInstance] != e.instance {
			return &engine.StartError{Reason: fmt.Sprintf("volume %s: the name %s is in use", v, name)}
		}
	}
	return nil
}

// removeVolumes removes the volumes that f selects, which no container uses any
// more.
func removeVolumes(ctx context.Context, cli *client.Client, f client.Filters) error {
	list, err := cli.VolumeList(ctx, client.VolumeListOptions{Filters: f})
	if err != nil {
		return daemon.Translate("list volumes", err)
	}
	return parallel.Do(len(list.Items), func(i int) error {
		_, err := cli.VolumeRemove(ctx, list.Items[i].Name, client.VolumeRemoveOptions{})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		return daemon.Translate("remove volume", err)
	})
}

// volumeOwners returns the tasks whose volumes f selects.
func (e *Engine) volumeOwners(ctx context.Context, f client.Filters) ([]string, error) {
	list, err := e.cli.VolumeList(ctx, client.VolumeListOptions{Filters: f})
	if err != nil {
		return nil, daemon.Translate("list volumes", err)
	}
	var tasks []string
	for _, v := range list.Items {
		tasks = append(tasks, v.Labels[labelTask])
	}
	return tasks, nil
}
