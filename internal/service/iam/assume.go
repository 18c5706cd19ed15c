package iam

import (
	"context"
	"fmt"
	"strings"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// Session is a session of a role: who it is, and what it may do for as long as nobody changes the role.
type Session struct {
	Principal  policy.Principal
	Policies   policy.Policies // the role's and its boundary
	Tags       map[string]string
	MaxSession int32 // seconds
}

// RoleAt returns the role with that ARN; ok is false when there is none.
func (a *API) RoleAt(ctx context.Context, arn string) (r Role, ok bool, err error) {
	r, ok, err = a.RoleNamed(ctx, arn[strings.LastIndexByte(arn, '/')+1:])
	return r, ok && r.ARN == arn, err
}

// Assume returns the session of the role with that ARN that q asks for. The error is session.ErrDenied when there is no such role or
// its trust policy, or the caller's policies, don't let the caller assume it.
//
// A service of AWS's, say ECS for a task, asks so:
//
//	Assume(ctx, role, session.Request{Caller: session.Service("ecs-tasks.amazonaws.com", taskARN, account, now), Name: taskID})
func (a *API) Assume(ctx context.Context, arn string, q session.Request) (Session, error) {
	r, ok, err := a.RoleAt(ctx, arn)
	if err != nil {
		return Session{}, fmt.Errorf("read role %s: %w", arn, err)
	}
	if d, _ := r.ForSessions().Decide(q); !ok || !d.Allowed() {
		return Session{}, session.ErrDenied
	}
	return Session{
		Principal: r.ForSessions().Session(q.Name), Policies: policy.Policies{Identity: r.Identity, Boundary: r.Boundary},
		Tags: r.Tags, MaxSession: r.MaxSession,
	}, nil
}

// SessionPolicies returns the policies that narrow a session: a text, "" for none, and managed policies, as they are now. One that is gone
// allows nothing. The list is not nil.
func (a *API) SessionPolicies(ctx context.Context, text string, arns []string) (list []*policy.Policy, err error) {
	err = a.db.View(ctx, func(tx store.Tx) (err error) {
		list, err = a.finder.Session(tx, text, arns)
		return err
	})
	return list, err
}

// Everything returns a policy that allows all: what root's federated users may do where their session policies do.
func (a *API) Everything() (*policy.Policy, error) {
	return a.finder.Compile(policy.Name{Name: "root"}, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, nil)
}

// HasPolicy says whether there is a managed policy with that ARN.
func (a *API) HasPolicy(ctx context.Context, arn string) (bool, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (bool, error) {
		_, ok, err := a.finder.Managed(tx, arn)
		return ok, err
	})
}

// HasKey says whether it is the access key of a user, whether it is active or not.
func (a *API) HasKey(ctx context.Context, id string) (bool, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (bool, error) {
		_, ok, err := handler.Find(tx, record.Keys, id)
		return ok, err
	})
}
