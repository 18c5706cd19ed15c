package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/service/sts"
	"github.com/skylift/skylift/internal/service/sts/token"
	"github.com/skylift/skylift/internal/store"
)

// identities is the root key, IAM's users and roles, and the sessions that STS gave out, as the gateway sees them.
type identities struct {
	root credential.Root
	iam  *iam.API
	mint *token.Mint
	db   store.DB
}

// identities makes them of the services.
func (m *machine) identities(services []part) identities {
	return identities{root: m.root, db: m.db, iam: apiOf[*iam.API](services), mint: apiOf[*sts.API](services).Mint}
}

// Lookup returns whose access key it is, and its secret. An inactive key is as unknown as one that isn't there, and so is one of a session
// whose role or user is gone.
func (i identities) Lookup(accessKeyID, sessionToken string) (c caller.Caller, secret string, err error) {
	ctx := context.Background()
	if sessionToken != "" {
		return i.session(ctx, accessKeyID, sessionToken)
	}
	if c, secret, err = i.root.Lookup(accessKeyID, ""); err == nil {
		return c, secret, nil
	}
	key, ok, err := i.iam.Key(ctx, accessKeyID)
	if err != nil {
		return c, "", fmt.Errorf("look up access key %s: %w", accessKeyID, err)
	}
	if !ok {
		return c, "", caller.ErrUnknownKey
	}
	return caller.Caller{Account: i.root.Account, ARN: key.ARN, UserID: key.UserID, AccessKeyID: key.ID}, key.Secret, nil
}

// session returns whose temporary credentials they are.
func (i identities) session(ctx context.Context, accessKeyID, sessionToken string) (c caller.Caller, secret string, err error) {
	s, secret, err := i.mint.Open(accessKeyID, sessionToken)
	if err != nil {
		return c, "", err
	}
	if !time.Now().Before(s.Expires) {
		return c, "", caller.ErrExpired
	}
	ok, err := i.lives(ctx, s)
	if err != nil {
		return c, "", fmt.Errorf("look up whose session %s is: %w", accessKeyID, err)
	}
	who, there, err := i.principal(ctx, &s)
	if err != nil {
		return c, "", fmt.Errorf("look up whose session %s is: %w", accessKeyID, err)
	}
	if !ok || !there {
		return c, "", caller.ErrUnknownKey
	}
	return caller.Caller{Account: i.root.Account, ARN: who.Principal.ARN, UserID: who.Principal.UserID, AccessKeyID: accessKeyID, Session: &s}, secret, nil
}

// lives says whether the task is still there that a session is for, if it is for one: until its containers have ended.
func (i identities) lives(ctx context.Context, s caller.Session) (bool, error) {
	if s.Task == "" {
		return true, nil
	}
	return handler.View(ctx, i.db, func(tx store.Tx) (bool, error) {
		t, there, err := handler.Find(tx, ecs.Tasks, s.Task)
		return there && t.HasRole(), err
	})
}

// Identity returns what policy must know of a caller, as it is now; caller.ErrUnknownKey says that it is gone.
func (i identities) Identity(ctx context.Context, c caller.Caller) (gateway.Identity, error) {
	switch {
	case c.ARN == "":
		return gateway.Identity{}, nil
	case c.Session != nil:
		who, ok, err := i.principal(ctx, c.Session)
		if err == nil && ok {
			ok, err = i.lives(ctx, *c.Session)
		}
		if err == nil && !ok { // it went since the call was let in, or since a login to the registry
			return gateway.Identity{}, caller.ErrUnknownKey
		}
		return who, err
	case c.ARN == i.rootARN():
		return gateway.Identity{Principal: i.rootPrincipal()}, nil
	}
	who, ok, err := i.user(ctx, c.ARN[strings.LastIndexByte(c.ARN, '/')+1:], c.UserID)
	if err == nil && !ok {
		return gateway.Identity{}, caller.ErrUnknownKey
	}
	return who, err
}

func (i identities) rootARN() string { return "arn:aws:iam::" + i.root.Account + ":root" }

func (i identities) rootPrincipal() policy.Principal {
	return policy.Principal{Type: policy.Root, Account: i.root.Account, ARN: i.rootARN(), UserID: i.root.Account}
}

func userPrincipal(account, arn, id string) policy.Principal {
	return policy.Principal{Type: policy.User, Account: account, ARN: arn, Entity: arn, EntityID: id, UserID: id}
}

// user returns the user with that name, if it is the one with that unique id.
func (i identities) user(ctx context.Context, name, id string) (who gateway.Identity, ok bool, err error) {
	b, ok, err := i.iam.UserNamed(ctx, name)
	if err != nil || !ok || b.ID != id {
		return who, false, err
	}
	return gateway.Identity{
		Principal: userPrincipal(i.root.Account, b.ARN, b.ID), Policies: policy.Policies{Identity: b.Identity, Boundary: b.Boundary}, Tags: b.Tags,
	}, true, nil
}

// principal returns who a session is and what it may do; ok is false when its role or user is gone, or another one has its name.
func (i identities) principal(ctx context.Context, s *caller.Session) (who gateway.Identity, ok bool, err error) {
	switch {
	case s.Kind == caller.OfRole:
		r, there, err := i.iam.RoleNamed(ctx, s.Entity)
		if err != nil || !there || r.ID != s.EntityID {
			return who, false, err
		}
		who.Principal, who.Policies, who.Tags = r.ForSessions().Session(s.Name), policy.Policies{Identity: r.Identity, Boundary: r.Boundary}, r.Tags
	case s.Entity == "" && s.EntityID == i.root.Account:
		who.Principal = i.rootPrincipal()
	default:
		if who, ok, err = i.user(ctx, s.Entity, s.EntityID); err != nil || !ok {
			return who, false, err
		}
	}
	if s.Kind == caller.Federated {
		if who, err = i.federated(who, s); err != nil {
			return who, false, err
		}
	}
	if s.Restricted() {
		if who.Policies.Session, err = i.iam.SessionPolicies(ctx, s.Policy, s.Policies); err != nil {
			return who, false, err
		}
	}
	who.Tags, who.Issued = overlaid(who.Tags, s.Tags), s.Issued
	return who, true, nil
}

// federated returns somebody whom a user, or root, vouches for.
func (i identities) federated(who gateway.Identity, s *caller.Session) (gateway.Identity, error) {
	p := who.Principal
	if p.Type == policy.Root {
		all, err := i.iam.Everything()
		if err != nil {
			return who, err
		}
		who.Policies.Identity = []*policy.Policy{all}
	}
	who.Principal = policy.Principal{
		Type: policy.FederatedUser, Account: i.root.Account, ARN: "arn:aws:sts::" + i.root.Account + ":federated-user/" + s.Name,
		Entity: p.ARN, EntityID: p.EntityID, UserID: i.root.Account + ":" + s.Name,
	}
	return who, nil
}

// overlaid returns the tags of a role or user with those of its session over them, whose keys count without regard to case.
func overlaid(own, more map[string]string) map[string]string {
	if len(more) == 0 {
		return own
	}
	out := make(map[string]string, len(own)+len(more))
	for key, value := range own {
		out[strings.ToLower(key)] = value
	}
	for key, value := range more {
		out[strings.ToLower(key)] = value
	}
	return out
}
