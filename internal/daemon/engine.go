package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/skylift/skylift/internal/engine/containerd/local"
	"github.com/skylift/skylift/internal/engine/containerd/supervise"
	"github.com/skylift/skylift/internal/engine/docker"
	"github.com/skylift/skylift/internal/engine/docker/images"
	"github.com/skylift/skylift/internal/engine/moving"
	"github.com/skylift/skylift/internal/instance"
)

// chooseEngine says which engines an instance is served on, from those that it may
// have tasks on, what is asked for ("": nothing), and why containerd can't be used
// on this machine.
func chooseEngine(has instance.Engine, asked string, lacks error) (instance.Engine, error) {
	switch {
	case has == instance.NoEngine && asked == "" && lacks != nil, has == instance.NoEngine && asked == "docker",
		has == instance.Docker && asked == "" && lacks != nil, has == instance.Docker && asked == "docker":
		return instance.Docker, nil
	case asked == "docker":
		return "", errors.New("this instance's tasks run on containerd: start with --engine containerd, or end its tasks first, by skylift down")
	case lacks != nil:
		return "", lacks
	case has == instance.Docker, has == instance.Moving:
		return instance.Moving, nil
	}
	return instance.Containerd, nil
}

// openEngine opens the engine that the instance's tasks run on, which is noted
// before any of them can be there.
func openEngine(ctx context.Context, c Config, is instance.Instance) (Engine, error) {
	_, lacks := supervise.Find()
	if c.Containerd != "" {
		lacks = nil // its own programs are elsewhere, maybe
	}
	on, err := chooseEngine(is.Engine, c.EngineName, lacks)
	if err != nil {
		return nil, err
	}
	if (is.Engine == instance.Containerd || is.Engine == instance.Moving) && is.Containerd != c.Containerd {
		return nil, fmt.Errorf("this instance's tasks run on %s: start with it, or end its tasks first, by skylift down", containerdAt(is.Containerd))
	}
	if err := instance.Use(c.DataDir, on, c.Containerd); err != nil {
		return nil, err
	}
	if on == instance.Docker {
		return docker.Open(ctx, docker.Config{Instance: is.ID, Log: c.Log})
	}
	own, err := local.Open(ctx, localConfig(c, is.ID))
	if err != nil {
		return nil, err
	}
	if on == instance.Containerd {
		return own, nil
	}
	old, err := docker.Open(ctx, docker.Config{Instance: is.ID, Log: c.Log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("this instance has tasks on Docker: %w", err), own.Close())
	}
	both, err := moving.New(ctx, old, "Docker", own, func() error { return moved(ctx, c, is) })
	if err != nil {
		return nil, errors.Join(err, own.Close(), old.Close())
	}
	return both, nil
}

// containerdAt names a containerd to people.
func containerdAt(address string) string {
	if address == "" {
		return "a containerd of its own"
	}
	return "the containerd at " + address
}

func localConfig(c Config, id string) local.Config {
	return local.Config{Instance: id, DataDir: c.DataDir, Address: c.Containerd, Log: c.Log}
}

// moved notes that no task of an instance is on Docker any more, and removes the
// images that it pulled there.
func moved(ctx context.Context, c Config, is instance.Instance) error {
	if err := instance.Use(c.DataDir, instance.Containerd, c.Containerd); err != nil {
		return err
	}
	c.Log.Info("no task is on Docker any more: all that start are on containerd")
	if err := images.Purge(ctx, "", is.Listen); err != nil {
		c.Log.Warn("images that Skylift pulled stay in Docker", "err", err)
	}
	return nil
}

// removeTasks removes all tasks of an instance that isn't served, wherever they
// are. With purge it also removes images, and what the tasks stood on.
func removeTasks(ctx context.Context, c Config, is instance.Instance, purge bool) error {
	c.Containerd = is.Containerd
	if is.Engine == instance.Docker || is.Engine == instance.Moving {
		if err := docker.Purge(ctx, "", is.ID); err != nil {
			return err
		}
		if purge {
			if err := images.Purge(ctx, "", is.Listen); err != nil {
				return err
			}
		}
	}
	if is.Engine == instance.Containerd || is.Engine == instance.Moving {
		if err := local.Down(ctx, localConfig(c, is.ID), purge); err != nil {
			return err
		}
	}
	if purge { // it may have been on containerd before
		if err := os.RemoveAll(filepath.Join(c.DataDir, local.Dir)); err != nil {
			return err
		}
	}
	return instance.Use(c.DataDir, instance.NoEngine, "")
}
