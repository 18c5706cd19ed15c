package daemon

import (
	"context"
	"errors"

	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/ecs/run"
	"github.com/skylift/skylift/internal/service/efs/access"
	"github.com/skylift/skylift/internal/service/efs/volumes"
)

// taskFiles is EFS as ECS sees it.
type taskFiles struct {
	*volumes.Volumes
	roles *taskRoles
}

func (f taskFiles) Mount(ctx context.Context, taskID string, all []run.FileMount) ([]run.Mounted, error) {
	mounts := make([]volumes.Mount, len(all))
	asked := map[string]access.Client{} // by role: a task has one
	for i, m := range all {
		who, has := asked[m.Role]
		if !has {
			var err error
			if who, err = f.client(ctx, m); err != nil {
				return nil, err
			}
			asked[m.Role] = who
		}
		who.Encrypted = m.Encrypted
		mounts[i] = volumes.Mount{FileSystem: m.FileSystem, AccessPoint: m.AccessPoint, Root: m.Root, UID: m.UID, GID: m.GID, Client: who}
	}
	at, err := f.Volumes.Mount(ctx, taskID, mounts)
	if e, ok := errors.AsType[*volumes.MountError](err); ok {
		return nil, &run.MountError{Reason: e.Error()}
	}
	out := make([]run.Mounted, len(at))
	for i, m := range at {
		out[i] = run.Mounted(m)
	}
	return out, err
}

// client is who mounts: a session of the task's role, or somebody who says nothing of itself.
func (f taskFiles) client(ctx context.Context, m run.FileMount) (access.Client, error) {
	if m.Role == "" {
		return access.Client{Encrypted: m.Encrypted}, nil
	}
	s, err := f.roles.ask(ctx, m.Role, m.Task)
	if errors.Is(err, session.ErrDenied) {
		return access.Client{}, &run.MountError{Reason: noCredentials}
	}
	return access.Client{Principal: s.Principal, Policies: s.Policies, Encrypted: m.Encrypted}, err
}

// noCredentials is what a task is told whose role went between its start and its mounts.
const noCredentials = "failed to invoke EFS utils commands to set up EFS volumes: stderr: AWS Access Key ID and Secret Access Key are not found in AWS credentials file, config file, " +
	"or environment: the task's role can't be assumed : unsuccessful EFS utils command execution; code: 1"
