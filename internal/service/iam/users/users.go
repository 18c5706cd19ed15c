// Package users is the part of IAM about users: their groups, access keys and passwords.
package users

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// Users answers for users.
type Users struct {
	record.Kit
	sealer *seal.Sealer
}

// New returns that part of the service. Sealer seals the secrets of access keys.
func New(k record.Kit, sealer *seal.Sealer) *Users { return &Users{k, sealer} }

// Operations lists what it answers.
func (a *Users) Operations() []wire.Operation {
	all := []wire.Operation{
		wire.Op("CreateUser", a.CreateUser).Keys("iam:PermissionsBoundary: PermissionsBoundary").Makes("user: Path/UserName").Takes("Path PermissionsBoundary Tags{*} UserName"),
		wire.Op("DeleteUser", a.DeleteUser).OnFound("user: UserName", a.found).Takes("UserName"),
		wire.Op("GetUser", a.GetUser).OnFound(oneself, a.found).Takes("UserName"),
		wire.Op("ListUserTags", a.ListUserTags).OnFound("user: UserName", a.found).Takes("Marker MaxItems UserName"),
		wire.Op("ListUsers", a.ListUsers).Takes("Marker MaxItems PathPrefix"),
		wire.Op("TagUser", a.TagUser).OnFound("user: UserName", a.found).Takes("Tags{*} UserName"),
		wire.Op("UntagUser", a.UntagUser).OnFound("user: UserName", a.found).Takes("TagKeys UserName"),
		wire.Op("UpdateUser", a.UpdateUser).OnFound("user: UserName", a.found).Takes("NewPath NewUserName UserName").Asks(a.userMoved),
	}
	for _, of := range []func() []wire.Operation{a.groupOperations, a.keyOperations, a.loginOperations, a.emptyOperations} {
		all = append(all, of()...)
	}
	return all
}

// oneself declares the user that a request names, else the caller: no name has a tilde.
const (
	oneself  = "user: UserName=" + standsIn
	standsIn = "~"
)

// found finds the ARNs of users that a request names. A caller who is no user stands for none; the handler says so.
func (a *Users) found(ctx context.Context, names []string) (arns []string) {
	if len(names) == 1 && names[0] == standsIn {
		if who := caller.From(ctx).ARN; strings.HasPrefix(who, a.ARN("user/")) {
			arns = append(arns, who)
		}
		return arns
	}
	_ = a.DB.View(ctx, func(tx store.Tx) error { // what can't be read is named without its path
		arns = record.AsUser.Found(tx, a.Kit, names)
		return nil
	})
	return arns
}

// userMoved asks about the user that is to be: who renames one, or gives it another path, must be allowed to update that, too
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html).
func (a *Users) userMoved(ctx context.Context, in *iam.UpdateUserInput) []authz.Question {
	return moved(ctx, a, record.AsUser, "iam:UpdateUser", in.UserName, in.NewPath, in.NewUserName)
}

func moved[T any](ctx context.Context, a *Users, h record.Holder[T], action string, name, newPath, newName *string) []authz.Question {
	if name == nil || newPath == nil && newName == nil {
		return nil
	}
	e := record.Entity{Name: *name, Path: "/"}
	_ = a.DB.View(ctx, func(tx store.Tx) error { // the handler says what can't be read
		if v, err := h.Get(tx, *name); err == nil {
			e = *h.Of(&v)
		}
		return nil
	})
	if newPath != nil {
		e.Path = *newPath
	}
	if newName != nil {
		e.Name = *newName
	}
	return []authz.Question{{Action: action, Resource: h.ARN(a.Kit, &e)}}
}

// named is the user that a request is about: the one that it names, else the caller.
func (a *Users) named(ctx context.Context, name *string) (string, error) {
	if name != nil && *name != "" {
		return *name, nil
	}
	who := caller.From(ctx).ARN
	if !strings.HasPrefix(who, a.ARN("user/")) {
		return "", record.Invalid("Must specify userName when calling with non-User credentials")
	}
	return who[strings.LastIndexByte(who, '/')+1:], nil
}

// maxUsers is a quota (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const maxUsers = 5000

// CreateUser makes a user.
func (a *Users) CreateUser(ctx context.Context, in *iam.CreateUserInput) (*iam.CreateUserOutput, error) {
	tags, err := record.AddTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	u := record.User{Entity: record.Entity{Name: *in.UserName, Path: record.PathOr(in.Path), ID: record.NewID("AIDA"), Created: record.Now(), Tags: tags}}
	if in.PermissionsBoundary != nil {
		u.Boundary = *in.PermissionsBoundary
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.CreateUserOutput, error) {
		if u.Boundary != "" {
			if err := a.CheckBoundary(tx, u.Boundary); err != nil {
				return nil, err
			}
		}
		return &iam.CreateUserOutput{User: a.describe(u)}, record.AsUser.Add(tx, u, maxUsers)
	})
}

// describe makes what answers say of a user.
func (a *Users) describe(u record.User) *types.User {
	out := a.Listed(u)
	out.PermissionsBoundary = u.BoundaryOut()
	if len(u.Tags) > 0 {
		out.Tags = record.TagType.To(u.Tags)
	}
	return &out
}

// Listed makes what lists say of a user: no tags, no boundary.
func (a *Users) Listed(u record.User) types.User {
	out := types.User{Arn: new(record.AsUser.ARN(a.Kit, &u.Entity)), UserName: &u.Name, UserId: &u.ID, Path: &u.Path, CreateDate: &u.Created}
	if u.Login != nil && !u.Login.Used.IsZero() {
		out.PasswordLastUsed = &u.Login.Used
	}
	return out
}

// GetUser describes a user, the caller where none is named.
func (a *Users) GetUser(ctx context.Context, in *iam.GetUserInput) (*iam.GetUserOutput, error) {
	who := caller.From(ctx)
	if root := a.ARN("root"); who.ARN == root && (in.UserName == nil || *in.UserName == "") {
		return &iam.GetUserOutput{User: &types.User{Arn: &root, UserId: &a.Account, CreateDate: new(record.Now()), Path: new("/"), UserName: new("root")}}, nil
	}
	name, err := a.named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetUserOutput, error) {
		u, err := record.AsUser.Get(tx, name)
		return &iam.GetUserOutput{User: a.describe(u)}, err
	})
}

// ListUsers lists the users below a path.
func (a *Users) ListUsers(ctx context.Context, in *iam.ListUsersInput) (*iam.ListUsersOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListUsersOutput, error) {
		rows := handler.Keep(record.Users.Scan(tx, "", page.After), func(u record.User) bool {
			return strings.HasPrefix(u.Path, record.PathOr(in.PathPrefix))
		})
		part, next, err := handler.Fill(page, rows, func(u record.User) string { return record.ID(u.Name) })
		out := &iam.ListUsersOutput{IsTruncated: next != nil, Marker: next}
		for _, u := range part {
			out.Users = append(out.Users, a.Listed(u))
		}
		return out, err
	})
}

// UpdateUser changes the name or the path. Keys and groups stay.
func (a *Users) UpdateUser(ctx context.Context, in *iam.UpdateUserInput) (*iam.UpdateUserOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.UpdateUserOutput, error) {
		u, err := record.AsUser.Get(tx, *in.UserName)
		if err != nil {
			return nil, err
		}
		before := record.ID(u.Name)
		if in.NewPath != nil {
			u.Path = *in.NewPath
		}
		if in.NewUserName != nil {
			u.Name = *in.NewUserName
		}
		after := record.ID(u.Name)
		if after == before {
			return &iam.UpdateUserOutput{}, record.Users.Put(tx, after, u)
		}
		if err := record.Users.Delete(tx, before); err != nil {
			return nil, err
		}
		if err := record.AsUser.Add(tx, u, maxUsers); err != nil {
			return nil, err
		}
		keys, err := record.Keys.By(tx, "user", before)
		for _, k := range keys {
			k.User = after
			if err := record.Keys.Put(tx, k.ID, k); err != nil {
				return nil, err
			}
		}
		return &iam.UpdateUserOutput{}, err
	})
}

// DeleteUser deletes a user that has nothing any more.
func (a *Users) DeleteUser(ctx context.Context, in *iam.DeleteUserInput) (*iam.DeleteUserOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.DeleteUserOutput, error) {
		u, err := record.AsUser.Get(tx, *in.UserName)
		if err != nil {
			return nil, err
		}
		keys, err := record.Keys.By(tx, "user", record.ID(u.Name))
		switch {
		case err != nil:
			return nil, err
		case len(u.Attached) > 0:
			return nil, record.Conflict("detach all policies")
		case len(u.Inline) > 0:
			return nil, record.Conflict("delete policies")
		case len(keys) > 0:
			return nil, record.Conflict("delete access keys")
		case u.Login != nil:
			return nil, record.Conflict("delete login profile")
		case len(u.Groups) > 0:
			return nil, record.Conflict("remove users from group")
		}
		return &iam.DeleteUserOutput{}, record.Users.Delete(tx, record.ID(u.Name))
	})
}

// TagUser adds tags.
func (a *Users) TagUser(ctx context.Context, in *iam.TagUserInput) (*iam.TagUserOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.TagUserOutput, error) {
		_, err := record.AsUser.Retag(tx, *in.UserName, record.Adding(in.Tags))
		return &iam.TagUserOutput{}, err
	})
}

// UntagUser removes tags.
func (a *Users) UntagUser(ctx context.Context, in *iam.UntagUserInput) (*iam.UntagUserOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.UntagUserOutput, error) {
		_, err := record.AsUser.Retag(tx, *in.UserName, record.Removing(in.TagKeys))
		return &iam.UntagUserOutput{}, err
	})
}

// ListUserTags lists the tags of a user.
func (a *Users) ListUserTags(ctx context.Context, in *iam.ListUserTagsInput) (*iam.ListUserTagsOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListUserTagsOutput, error) {
		tags, err := record.AsUser.Retag(tx, *in.UserName, nil)
		part, next := handler.Cut(page, record.TagType.To(tags), func(t types.Tag) string { return *t.Key })
		return &iam.ListUserTagsOutput{Tags: part, IsTruncated: next != nil, Marker: next}, err
	})
}
