package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
)

// Files is what run needs of file systems. All is safe to repeat.
type Files interface {
	// Mount makes directories of file systems appear on this host for a task, and
	// returns where. Error: *MountError.
	Mount(ctx context.Context, taskID string, m []FileMount) ([]Mounted, error)
	// Unmount removes what Mount made for a task. The files stay.
	Unmount(taskID string) error
}

// FileMount is a directory of a file system as a container has it.
type FileMount struct {
	FileSystem, AccessPoint, Root string
	UID, GID                      int64  // who the container runs as
	Encrypted                     bool   // what it reads and writes, on its way
	Role, Task                    string // ARNs of the role that mounts it, and of whose role it is; "" when nobody says who mounts it
}

// Mounted is a directory of this host that a container is to have.
type Mounted struct {
	Path     string
	ReadOnly bool
}

// MountError says why a file system can't be mounted, fit for a stoppedReason
// behind "ResourceInitializationError: ".
type MountError struct{ Reason string }

func (e *MountError) Error() string { return e.Reason }

// mountKey names a volume as a container mounts it.
type mountKey struct{ container, volume string }

// mounted are the directories of this host that stand for volumes.
type mounted map[mountKey]Mounted

// fileMounts are the mounts of the task's containers that are of file systems.
func (t task) fileMounts() (keys []mountKey, all []FileMount) {
	for _, v := range t.def.Definition.Volumes {
		e := v.EfsVolumeConfiguration
		if e == nil {
			continue
		}
		m := FileMount{FileSystem: aws.ToString(e.FileSystemId), Root: aws.ToString(e.RootDirectory), Encrypted: e.TransitEncryption == types.EFSTransitEncryptionEnabled}
		if auth := e.AuthorizationConfig; auth != nil {
			m.AccessPoint = aws.ToString(auth.AccessPointId)
			if auth.Iam == types.EFSAuthorizationConfigIAMEnabled {
				m.Role, m.Task = t.Role, t.ARN
			}
		}
		for _, c := range t.def.Definition.ContainerDefinitions {
			if t.image(*c.Name) == "" {
				continue // it will not be made
			}
			for _, p := range c.MountPoints {
				if aws.ToString(p.SourceVolume) == *v.Name {
					keys, all = append(keys, mountKey{*c.Name, *v.Name}), append(all, m)
					break
				}
			}
		}
	}
	return keys, all
}

// mount makes the task's file systems appear on this host.
func (r *Runner) mount(ctx context.Context, t task) (mounted, error) {
	keys, all := t.fileMounts()
	if len(all) == 0 {
		return nil, nil
	}
	if err := r.identify(ctx, t, keys, all); err != nil {
		return nil, err
	}
	at, err := r.Files.Mount(ctx, t.ID, all)
	if err != nil {
		return nil, fmt.Errorf("mount the file systems of task %s: %w", t.ID, err)
	}
	out := mounted{}
	for i, k := range keys {
		out[k] = at[i]
	}
	return out, nil
}

// identify says of mounts who their containers run as: access points may have users of their own, and root may be nobody.
func (r *Runner) identify(ctx context.Context, t task, keys []mountKey, all []FileMount) error {
	known := map[string]engine.Identity{}
	for i, k := range keys {
		c, image := t.container(k.container), t.image(k.container)
		id, ok := known[k.container]
		if !ok {
			var err error
			id, err = r.Engine.Identity(ctx, image, aws.ToString(c.User))
			if e, refused := errors.AsType[*engine.StartError](err); refused {
				return &engine.StartError{Container: k.container, Reason: e.Reason}
			}
			if err != nil {
				return fmt.Errorf("find out who container %s of task %s runs as: %w", k.container, t.ID, err)
			}
			known[k.container] = id
		}
		all[i].UID, all[i].GID = id.UID, id.GID
	}
	return nil
}

// image returns what a container runs, or "" where it could not be had.
func (t task) image(container string) string {
	for _, c := range t.Containers {
		if c.Name == container {
			return c.Pinned
		}
	}
	return ""
}

// mountFailed says why a task can't have its file systems, if that is why.
func mountFailed(err error) (reason string, failed bool) {
	e, failed := errors.AsType[*MountError](err)
	if !failed {
		return "", false
	}
	return "ResourceInitializationError: " + e.Reason, true
}
