package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/continuity/fs"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/engine/containerd/spec"
)

// anonymous is the name of the volume that a container has for a path at which
// its image declares one.
func anonymous(container, target string) string { return "." + container + ":" + target }

// volumesOf returns what a container mounts of the host.
func (m *maker) volumesOf(c engine.Container) []engine.Mount {
	dir := func(volume string) string { return m.volumeDir(m.task.ID, volume) }
	return spec.Volumes(m.task, c,
		func(name string) spec.ImageConfig { return m.images[name].Config }, dir,
		func(container, target string) string { return dir(anonymous(container, target)) })
}

// makeVolumes makes the volumes of the task, and those that the images of its
// containers declare. A volume begins with the image's files at the path where
// its first container mounts it.
func (m *maker) makeVolumes(ctx context.Context) error {
	ordered, _ := m.task.ByVolumes() // Check found no cycle
	for _, c := range ordered {
		for _, v := range c.Mounts {
			if !filepath.IsAbs(v.Source) {
				if err := m.makeVolume(ctx, m.volumeDir(m.task.ID, v.Source), m.images[c.Name], v.Target); err != nil {
					return fmt.Errorf("make volume %s: %w", v.Source, err)
				}
			}
		}
		for _, target := range spec.Declared(c, m.images[c.Name].Config) {
			if slices.ContainsFunc(c.Mounts, func(v engine.Mount) bool { return filepath.Clean(v.Target) == target }) {
				continue
			}
			if err := m.makeVolume(ctx, m.volumeDir(m.task.ID, anonymous(c.Name, target)), m.images[c.Name], target); err != nil {
				return fmt.Errorf("make the volume of container %s at %s: %w", c.Name, target, err)
			}
		}
	}
	for _, v := range m.task.Volumes {
		if err := os.MkdirAll(m.volumeDir(m.task.ID, v), 0o755); err != nil {
			return fmt.Errorf("make volume %s: %w", v, err)
		}
	}
	return nil
}

// makeVolume makes a volume with what an image has at target, unless it is there.
// It is filled beside its place, so one that is there is whole.
func (m *maker) makeVolume(ctx context.Context, dir string, img image.Image, target string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	filling := dir + ".new"
	if err := errors.Join(os.RemoveAll(filling), os.MkdirAll(filling, 0o755)); err != nil {
		return err
	}
	err := m.Engine.images.View(ctx, img, func(root string) error {
		source, err := fs.RootPath(root, target)
		if err != nil {
			return err
		}
		if info, err := os.Stat(source); err != nil || !info.IsDir() {
			return nil //nolint:nilerr // the image has no such directory
		}
		return fs.CopyDir(filling, source)
	})
	if err != nil {
		return err
	}
	return os.Rename(filling, dir)
}
