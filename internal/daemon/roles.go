package daemon

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/metadata"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/service/sts/token"
)

// How long credentials of tasks last, and how much of it is left when others are given out: clients ask anew 15 minutes before the end.
const (
	taskCredentialsLife  = 6 * time.Hour
	taskCredentialsRenew = taskCredentialsLife / 2
)

// taskRoles is IAM and STS as the tasks of ECS see them.
type taskRoles struct {
	iam     *iam.API
	mint    *token.Mint
	account string

	mu    sync.Mutex
	given map[string]given // by the task's key
}

// given are credentials that a task has.
type given struct {
	role string // unique id
	metadata.Credentials
}

// ask asks for the role on behalf of a task, which has an ARN. The session is named for the task.
func (r *taskRoles) ask(ctx context.Context, role, task string) (iam.Session, error) {
	return r.iam.Assume(ctx, role, session.Request{
		Caller: session.Service(scope.TasksPrincipal, task, r.account, time.Now()), Name: task[strings.LastIndexByte(task, '/')+1:],
	})
}

// Assume says by session.ErrDenied that ECS may not act as the role for a task.
func (r *taskRoles) Assume(ctx context.Context, role, task string) error {
	_, err := r.ask(ctx, role, task)
	return err
}

// Credentials returns those of a task's role: the same for half of their life. A role that doesn't trust ECS any more has none.
func (r *taskRoles) Credentials(ctx context.Context, t ecs.Task) (metadata.Credentials, error) {
	as, err := r.ask(ctx, t.Role, t.ARN)
	if err != nil {
		return metadata.Credentials{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().UTC().Truncate(time.Second)
	if has := r.given[t.Key()]; has.role == as.Principal.EntityID && has.Expiration.Sub(now) > taskCredentialsRenew {
		return has.Credentials, nil
	}
	c, err := r.mint.Issue(caller.Session{
		Kind: caller.OfRole, Entity: t.Role[strings.LastIndexByte(t.Role, '/')+1:], EntityID: as.Principal.EntityID, Name: t.ID, Task: t.Key(),
		Issued: now, Expires: now.Add(taskCredentialsLife),
	})
	if err != nil {
		return metadata.Credentials{}, err
	}
	for key, old := range r.given {
		if old.Expiration.Before(now.Add(taskCredentialsRenew)) { // its task has others by now, or is gone
			delete(r.given, key)
		}
	}
	out := metadata.Credentials{RoleArn: t.Role, AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, Token: c.SessionToken, Expiration: c.Expires}
	if r.given == nil {
		r.given = map[string]given{}
	}
	r.given[t.Key()] = given{as.Principal.EntityID, out}
	return out, nil
}
