// Package roles is the part of IAM about roles: who may assume them, the instance profiles that hold them, and those of
// AWS's services.
package roles

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Roles answers for roles.
type Roles struct{ record.Kit }

// New returns that part of the service.
func New(k record.Kit) *Roles { return &Roles{k} }

// Operations lists what it answers.
func (a *Roles) Operations() []wire.Operation {
	return append(a.profileOperations(), []wire.Operation{
		wire.Op("CreateRole", a.CreateRole).Keys("iam:PermissionsBoundary: PermissionsBoundary").Lacks("iam:RoleTemplateARN", record.NoTemplates).Makes("role: Path/RoleName").
			Takes("AssumeRolePolicyDocument Description MaxSessionDuration Path PermissionsBoundary RoleName Tags{*}"),
		wire.Op("CreateServiceLinkedRole", a.CreateServiceLinkedRole).Keys("iam:AWSServiceName: AWSServiceName").OnFound("role: AWSServiceName", a.linked).Takes("AWSServiceName CustomSuffix Description"),
		wire.Op("DeleteRole", a.DeleteRole).OnFound("role: RoleName", a.found).Takes("RoleName"),
		wire.Op("DeleteServiceLinkedRole", a.DeleteServiceLinkedRole).OnFound("role: RoleName", a.found).Takes("RoleName"),
		wire.Op("GetRole", a.GetRole).Lacks("iam:RoleTemplateARN", record.NoTemplates).OnFound("role: RoleName", a.found).Takes("RoleName"),
		wire.Op("GetServiceLinkedRoleDeletionStatus", a.GetServiceLinkedRoleDeletionStatus).OnFound("role: DeletionTaskId", a.deleted).Takes("DeletionTaskId"),
		wire.Op("ListRoleTags", a.ListRoleTags).OnFound("role: RoleName", a.found).Takes("Marker MaxItems RoleName"),
		wire.Op("ListRoles", a.ListRoles).Takes("Marker MaxItems PathPrefix"),
		wire.Op("TagRole", a.TagRole).Lacks("iam:RoleTemplateARN", record.NoTemplates).OnFound("role: RoleName", a.found).Takes("RoleName Tags{*}"),
		wire.Op("UntagRole", a.UntagRole).OnFound("role: RoleName", a.found).Takes("RoleName TagKeys"),
		wire.Op("UpdateAssumeRolePolicy", a.UpdateAssumeRolePolicy).OnFound("role: RoleName", a.found).Takes("PolicyDocument RoleName"),
		wire.Op("UpdateRole", a.UpdateRole).OnFound("role: RoleName", a.found).Takes("Description MaxSessionDuration RoleName"),
		wire.Op("UpdateRoleDescription", a.UpdateRoleDescription).OnFound("role: RoleName", a.found).Takes("Description RoleName"),
	}...)
}

// found finds the ARNs of roles that a request names.
func (a *Roles) found(ctx context.Context, names []string) (arns []string) {
	_ = a.DB.View(ctx, func(tx store.Tx) error { // what can't be read is named without its path
		arns = record.AsRole.Found(tx, a.Kit, names)
		return nil
	})
	return arns
}

// The bounds of a role's sessions, in seconds
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html).
const usualSession = 3600

// maxRoles is a quota (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const maxRoles = 1000

// CreateRole makes a role.
func (a *Roles) CreateRole(ctx context.Context, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	trust, err := readTrust(*in.AssumeRolePolicyDocument)
	if err != nil {
		return nil, err
	}
	tags, err := record.AddTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	r := record.Role{
		Entity:     record.Entity{Name: *in.RoleName, Path: record.PathOr(in.Path), ID: record.NewID("AROA"), Created: record.Now(), Tags: tags},
		MaxSession: usualSession, Trust: *in.AssumeRolePolicyDocument,
	}
	if in.MaxSessionDuration != nil {
		r.MaxSession = *in.MaxSessionDuration
	}
	if in.Description != nil {
		r.Description = *in.Description
	}
	if in.PermissionsBoundary != nil {
		r.Boundary = *in.PermissionsBoundary
	}
	if strings.HasPrefix(r.Path, servicePath) {
		return nil, record.Invalid("Roles with the path %s can be made by CreateServiceLinkedRole only.", servicePath)
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.CreateRoleOutput, error) {
		if r.Boundary != "" {
			if err := a.CheckBoundary(tx, r.Boundary); err != nil {
				return nil, err
			}
		}
		var err error
		if r.Principals, err = a.principals(tx, trust); err != nil {
			return nil, err
		}
		out, err := a.describe(tx, r)
		if err != nil {
			return nil, err
		}
		out.MaxSessionDuration, out.RoleLastUsed = nil, nil // AWS answers without
		return &iam.CreateRoleOutput{Role: &out}, record.AsRole.Add(tx, r, maxRoles)
	})
}

// describe makes what answers say of a role.
func (a *Roles) describe(tx store.Tx, r record.Role) (types.Role, error) {
	out, err := a.Listed(tx, r)
	if err != nil {
		return out, err
	}
	out.PermissionsBoundary = r.BoundaryOut()
	if len(r.Tags) > 0 {
		out.Tags = record.TagType.To(r.Tags)
	}
	out.RoleLastUsed = &types.RoleLastUsed{}
	u, used, err := handler.Find(tx, record.Uses, "role/"+record.ID(r.Name))
	if used {
		out.RoleLastUsed = &types.RoleLastUsed{LastUsedDate: &u.At, Region: &u.Region}
	}
	return out, err
}

// Listed makes what lists say of a role: no tags, no boundary, no last use.
func (a *Roles) Listed(tx store.Tx, r record.Role) (types.Role, error) {
	text, err := a.shown(tx, r)
	out := types.Role{
		Arn: new(record.AsRole.ARN(a.Kit, &r.Entity)), RoleName: &r.Name, RoleId: &r.ID, Path: &r.Path, CreateDate: &r.Created,
		AssumeRolePolicyDocument: record.Escape(text), MaxSessionDuration: &r.MaxSession,
	}
	if r.Description != "" {
		out.Description = &r.Description
	}
	return out, err
}

// GetRole describes a role.
func (a *Roles) GetRole(ctx context.Context, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetRoleOutput, error) {
		r, err := record.AsRole.Get(tx, *in.RoleName)
		if err != nil {
			return nil, err
		}
		out, err := a.describe(tx, r)
		return &iam.GetRoleOutput{Role: &out}, err
	})
}

// ListRoles lists the roles below a path.
func (a *Roles) ListRoles(ctx context.Context, in *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListRolesOutput, error) {
		rows := handler.Keep(record.Roles.Scan(tx, "", page.After), func(r record.Role) bool {
			return strings.HasPrefix(r.Path, record.PathOr(in.PathPrefix))
		})
		part, next, err := handler.Fill(page, rows, func(r record.Role) string { return record.ID(r.Name) })
		if err != nil {
			return nil, err
		}
		out := &iam.ListRolesOutput{IsTruncated: next != nil, Marker: next}
		for _, r := range part {
			one, err := a.Listed(tx, r)
			if err != nil {
				return nil, err
			}
			out.Roles = append(out.Roles, one)
		}
		return out, nil
	})
}

// change changes a role that isn't AWS's own.
func (a *Roles) change(ctx context.Context, name string, change func(tx store.Tx, r *record.Role) error) (record.Role, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (record.Role, error) {
		return record.AsRole.Change(tx, name, func(r *record.Role, e *record.Entity) error {
			if err := record.Own(e); err != nil {
				return err
			}
			return change(tx, r)
		})
	})
}

// UpdateRole changes the description and how long sessions may last; of a service-linked role the description only
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html#edit-service-linked-role).
func (a *Roles) UpdateRole(ctx context.Context, in *iam.UpdateRoleInput) (*iam.UpdateRoleOutput, error) {
	return &iam.UpdateRoleOutput{}, a.retouch(ctx, *in.RoleName, func(r *record.Role) error {
		if in.Description != nil {
			r.Description = *in.Description
		}
		if r.Service != "" && in.MaxSessionDuration == nil {
			return nil
		}
		if err := record.Own(&r.Entity); err != nil {
			return err
		}
		r.MaxSession = usualSession
		if in.MaxSessionDuration != nil {
			r.MaxSession = *in.MaxSessionDuration
		}
		return nil
	})
}

// UpdateRoleDescription changes the description; that of a service-linked role, too.
func (a *Roles) UpdateRoleDescription(ctx context.Context, in *iam.UpdateRoleDescriptionInput) (*iam.UpdateRoleDescriptionOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.UpdateRoleDescriptionOutput, error) {
		r, err := record.AsRole.Change(tx, *in.RoleName, func(r *record.Role, _ *record.Entity) error {
			r.Description = *in.Description
			return nil
		})
		if err != nil {
			return nil, err
		}
		out, err := a.Listed(tx, r)
		return &iam.UpdateRoleDescriptionOutput{Role: &out}, err
	})
}

// UpdateAssumeRolePolicy replaces the trust policy.
func (a *Roles) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	trust, err := readTrust(*in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	_, err = a.change(ctx, *in.RoleName, func(tx store.Tx, r *record.Role) (err error) {
		r.Trust = *in.PolicyDocument
		r.Principals, err = a.principals(tx, trust)
		return err
	})
	return &iam.UpdateAssumeRolePolicyOutput{}, err
}

// DeleteRole deletes a role that has no policies and is in no instance profile.
func (a *Roles) DeleteRole(ctx context.Context, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.DeleteRoleOutput, error) {
		r, err := record.AsRole.Get(tx, *in.RoleName)
		if err != nil {
			return nil, err
		}
		if err := record.Own(&r.Entity); err != nil {
			return nil, err
		}
		profiles, err := record.Profiles.By(tx, "role", record.ID(r.Name))
		switch {
		case err != nil:
			return nil, err
		case len(r.Attached) > 0:
			return nil, record.Conflict("detach all policies")
		case len(r.Inline) > 0:
			return nil, record.Conflict("delete policies")
		case len(profiles) > 0:
			return nil, record.Conflict("remove roles from instance profile")
		}
		return &iam.DeleteRoleOutput{}, remove(tx, r)
	})
}

// remove deletes what is kept of a role.
func remove(tx store.Tx, r record.Role) error {
	if err := record.Uses.Delete(tx, "role/"+record.ID(r.Name)); err != nil {
		return err
	}
	return record.Roles.Delete(tx, record.ID(r.Name))
}

// TagRole adds tags.
func (a *Roles) TagRole(ctx context.Context, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.TagRoleOutput, error) {
		_, err := record.AsRole.Retag(tx, *in.RoleName, record.Adding(in.Tags))
		return &iam.TagRoleOutput{}, err
	})
}

// retouch changes what may be changed of a service-linked role, too.
func (a *Roles) retouch(ctx context.Context, name string, change func(r *record.Role) error) error {
	_, err := handler.Update(ctx, a.DB, func(tx store.Tx) (record.Role, error) {
		return record.AsRole.Change(tx, name, func(r *record.Role, _ *record.Entity) error { return change(r) })
	})
	return err
}

// UntagRole removes tags.
func (a *Roles) UntagRole(ctx context.Context, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.UntagRoleOutput, error) {
		_, err := record.AsRole.Retag(tx, *in.RoleName, record.Removing(in.TagKeys))
		return &iam.UntagRoleOutput{}, err
	})
}

// ListRoleTags lists the tags of a role.
func (a *Roles) ListRoleTags(ctx context.Context, in *iam.ListRoleTagsInput) (*iam.ListRoleTagsOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListRoleTagsOutput, error) {
		tags, err := record.AsRole.Retag(tx, *in.RoleName, nil)
		part, next := handler.Cut(page, record.TagType.To(tags), func(t types.Tag) string { return *t.Key })
		return &iam.ListRoleTagsOutput{Tags: part, IsTruncated: next != nil, Marker: next}, err
	})
}
