package users

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// Quotas (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const (
	maxGroups        = 300
	maxGroupsPerUser = 10
)

func (a *Users) groupOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AddUserToGroup", a.AddUserToGroup).OnFound("group: GroupName", a.groupsFound).Takes("GroupName UserName"),
		wire.Op("CreateGroup", a.CreateGroup).On("group: Path/GroupName").Takes("GroupName Path"),
		wire.Op("DeleteGroup", a.DeleteGroup).OnFound("group: GroupName", a.groupsFound).Takes("GroupName"),
		wire.Op("GetGroup", a.GetGroup).OnFound("group: GroupName", a.groupsFound).Takes("GroupName Marker MaxItems"),
		wire.Op("ListGroups", a.ListGroups).Takes("Marker MaxItems PathPrefix"),
		wire.Op("ListGroupsForUser", a.ListGroupsForUser).OnFound("user: UserName", a.found).Takes("Marker MaxItems UserName"),
		wire.Op("RemoveUserFromGroup", a.RemoveUserFromGroup).OnFound("group: GroupName", a.groupsFound).Takes("GroupName UserName"),
		wire.Op("UpdateGroup", a.UpdateGroup).OnFound("group: GroupName", a.groupsFound).Takes("GroupName NewGroupName NewPath").Asks(a.groupMoved),
	}
}

// groupsFound finds the ARNs of groups that a request names.
func (a *Users) groupsFound(ctx context.Context, names []string) (arns []string) {
	_ = a.DB.View(ctx, func(tx store.Tx) error { // what can't be read is named without its path
		arns = record.AsGroup.Found(tx, a.Kit, names)
		return nil
	})
	return arns
}

// groupMoved asks about the group that is to be, as userMoved does
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateGroup.html).
func (a *Users) groupMoved(ctx context.Context, in *iam.UpdateGroupInput) []authz.Question {
	return moved(ctx, a, record.AsGroup, "iam:UpdateGroup", in.GroupName, in.NewPath, in.NewGroupName)
}

// Group makes what answers say of a group.
func (a *Users) Group(g record.Group) *types.Group {
	return &types.Group{Arn: new(record.AsGroup.ARN(a.Kit, &g.Entity)), GroupName: &g.Name, GroupId: &g.ID, Path: &g.Path, CreateDate: &g.Created}
}

// CreateGroup makes a group.
func (a *Users) CreateGroup(ctx context.Context, in *iam.CreateGroupInput) (*iam.CreateGroupOutput, error) {
	g := record.Group{Entity: record.Entity{Name: *in.GroupName, Path: record.PathOr(in.Path), ID: record.NewID("AGPA"), Created: record.Now()}}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.CreateGroupOutput, error) {
		return &iam.CreateGroupOutput{Group: a.Group(g)}, record.AsGroup.Add(tx, g, maxGroups)
	})
}

// GetGroup describes a group and lists its users.
func (a *Users) GetGroup(ctx context.Context, in *iam.GetGroupInput) (*iam.GetGroupOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetGroupOutput, error) {
		g, err := record.AsGroup.Get(tx, *in.GroupName)
		if err != nil {
			return nil, err
		}
		members, err := store.Collect(record.Members(tx, record.ID(g.Name)))
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, members, func(u *record.User) string { return record.ID(u.Name) })
		out := &iam.GetGroupOutput{Group: a.Group(g), IsTruncated: next != nil, Marker: next, Users: []types.User{}}
		for _, u := range part {
			out.Users = append(out.Users, a.Listed(*u))
		}
		return out, nil
	})
}

// ListGroups lists the groups below a path.
func (a *Users) ListGroups(ctx context.Context, in *iam.ListGroupsInput) (*iam.ListGroupsOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListGroupsOutput, error) {
		rows := handler.Keep(record.Groups.Scan(tx, "", page.After), func(g record.Group) bool {
			return strings.HasPrefix(g.Path, record.PathOr(in.PathPrefix))
		})
		part, next, err := handler.Fill(page, rows, func(g record.Group) string { return record.ID(g.Name) })
		out := &iam.ListGroupsOutput{IsTruncated: next != nil, Marker: next}
		for _, g := range part {
			out.Groups = append(out.Groups, *a.Group(g))
		}
		return out, err
	})
}

// ListGroupsForUser lists the groups of a user.
func (a *Users) ListGroupsForUser(ctx context.Context, in *iam.ListGroupsForUserInput) (*iam.ListGroupsForUserOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListGroupsForUserOutput, error) {
		u, err := record.AsUser.Get(tx, *in.UserName)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, u.Groups, func(key string) string { return key })
		out := &iam.ListGroupsForUserOutput{IsTruncated: next != nil, Marker: next}
		for _, key := range part {
			g, err := record.Groups.Get(tx, key)
			if err != nil {
				return nil, err
			}
			out.Groups = append(out.Groups, *a.Group(g))
		}
		return out, nil
	})
}

// AddUserToGroup makes a user a member; a second time does nothing.
func (a *Users) AddUserToGroup(ctx context.Context, in *iam.AddUserToGroupInput) (*iam.AddUserToGroupOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.AddUserToGroupOutput, error) {
		if _, err := record.AsGroup.Get(tx, *in.GroupName); err != nil {
			return nil, err
		}
		_, err := record.AsUser.Change(tx, *in.UserName, func(u *record.User, _ *record.Entity) error {
			group := record.ID(*in.GroupName)
			switch {
			case slices.Contains(u.Groups, group):
				return nil
			case len(u.Groups) >= maxGroupsPerUser:
				return record.Exceeds("Cannot exceed quota for GroupsPerUser: %d", maxGroupsPerUser)
			}
			u.Groups = append(u.Groups, group)
			return nil
		})
		return &iam.AddUserToGroupOutput{}, err
	})
}

// RemoveUserFromGroup ends a membership; where there is none it does nothing.
func (a *Users) RemoveUserFromGroup(ctx context.Context, in *iam.RemoveUserFromGroupInput) (*iam.RemoveUserFromGroupOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.RemoveUserFromGroupOutput, error) {
		if _, err := record.AsGroup.Get(tx, *in.GroupName); err != nil {
			return nil, err
		}
		_, err := record.AsUser.Change(tx, *in.UserName, func(u *record.User, _ *record.Entity) error {
			u.Groups = slices.DeleteFunc(u.Groups, func(g string) bool { return g == record.ID(*in.GroupName) })
			return nil
		})
		return &iam.RemoveUserFromGroupOutput{}, err
	})
}

// UpdateGroup changes the name or the path. Its users stay.
func (a *Users) UpdateGroup(ctx context.Context, in *iam.UpdateGroupInput) (*iam.UpdateGroupOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.UpdateGroupOutput, error) {
		g, err := record.AsGroup.Get(tx, *in.GroupName)
		if err != nil {
			return nil, err
		}
		before := record.ID(g.Name)
		if in.NewPath != nil {
			g.Path = *in.NewPath
		}
		if in.NewGroupName != nil {
			g.Name = *in.NewGroupName
		}
		after := record.ID(g.Name)
		if after == before {
			return &iam.UpdateGroupOutput{}, record.Groups.Put(tx, after, g)
		}
		if err := record.Groups.Delete(tx, before); err != nil {
			return nil, err
		}
		if err := record.AsGroup.Add(tx, g, maxGroups); err != nil {
			return nil, err
		}
		members, err := record.Users.By(tx, "group", before)
		for _, u := range members {
			u.Groups[slices.Index(u.Groups, before)] = after
			if err := record.Users.Put(tx, record.ID(u.Name), u); err != nil {
				return nil, err
			}
		}
		return &iam.UpdateGroupOutput{}, err
	})
}

// DeleteGroup deletes a group that has no users and no policies.
func (a *Users) DeleteGroup(ctx context.Context, in *iam.DeleteGroupInput) (*iam.DeleteGroupOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.DeleteGroupOutput, error) {
		g, err := record.AsGroup.Get(tx, *in.GroupName)
		if err != nil {
			return nil, err
		}
		members, err := record.Count(record.Members(tx, record.ID(g.Name)))
		switch {
		case err != nil:
			return nil, err
		case members > 0:
			return nil, record.Conflict("remove users from group")
		case len(g.Attached) > 0:
			return nil, record.Conflict("detach all policies")
		case len(g.Inline) > 0:
			return nil, record.Conflict("delete policies")
		}
		return &iam.DeleteGroupOutput{}, record.Groups.Delete(tx, record.ID(g.Name))
	})
}
