// Package policies is the part of IAM about managed and inline policies, and who has them.
package policies

import (
	"context"

	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Policies answers for policies.
type Policies struct{ record.Kit }

// New returns that part of the service.
func New(k record.Kit) *Policies { return &Policies{k} }

// Operations lists what it answers.
func (a *Policies) Operations() []wire.Operation {
	return append(a.entityOperations(), []wire.Operation{
		wire.Op("CreatePolicy", a.CreatePolicy).Makes("policy: Path/PolicyName").Takes("Description Path PolicyDocument PolicyName Tags{*}"),
		wire.Op("CreatePolicyVersion", a.CreatePolicyVersion).On("policy: PolicyArn").Takes("PolicyArn PolicyDocument SetAsDefault"),
		wire.Op("DeletePolicy", a.DeletePolicy).On("policy: PolicyArn").Takes("PolicyArn"),
		wire.Op("DeletePolicyVersion", a.DeletePolicyVersion).On("policy: PolicyArn").Takes("PolicyArn VersionId"),
		wire.Op("GetPolicy", a.GetPolicy).On("policy: PolicyArn").Takes("PolicyArn"),
		wire.Op("GetPolicyVersion", a.GetPolicyVersion).On("policy: PolicyArn").Takes("PolicyArn VersionId"),
		wire.Op("ListEntitiesForPolicy", a.ListEntitiesForPolicy).On("policy: PolicyArn").Takes("EntityFilter Marker MaxItems PathPrefix PolicyArn PolicyUsageFilter"),
		wire.Op("ListPolicies", a.ListPolicies).Takes("Marker MaxItems OnlyAttached PathPrefix PolicyUsageFilter Scope"),
		wire.Op("ListPolicyTags", a.ListPolicyTags).On("policy: PolicyArn").Takes("Marker MaxItems PolicyArn"),
		wire.Op("ListPolicyVersions", a.ListPolicyVersions).On("policy: PolicyArn").Takes("Marker MaxItems PolicyArn"),
		wire.Op("SetDefaultPolicyVersion", a.SetDefaultPolicyVersion).On("policy: PolicyArn").Takes("PolicyArn VersionId"),
		wire.Op("TagPolicy", a.TagPolicy).On("policy: PolicyArn").Takes("PolicyArn Tags{*}"),
		wire.Op("UntagPolicy", a.UntagPolicy).On("policy: PolicyArn").Takes("PolicyArn TagKeys"),
	}...)
}

// entityOperations are those about the policies of users, groups and roles.
func (a *Policies) entityOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AttachGroupPolicy", a.AttachGroupPolicy).Keys("iam:PolicyARN: PolicyArn").OnFound("group: GroupName", a.groups).Takes("GroupName PolicyArn"),
		wire.Op("AttachRolePolicy", a.AttachRolePolicy).Keys("iam:PolicyARN: PolicyArn").Lacks("iam:RoleTemplateARN", record.NoTemplates).OnFound("role: RoleName", a.roles).Takes("PolicyArn RoleName"),
		wire.Op("AttachUserPolicy", a.AttachUserPolicy).Keys("iam:PolicyARN: PolicyArn").OnFound("user: UserName", a.users).Takes("PolicyArn UserName"),
		wire.Op("DeleteGroupPolicy", a.DeleteGroupPolicy).OnFound("group: GroupName", a.groups).Takes("GroupName PolicyName"),
		wire.Op("DeleteRolePermissionsBoundary", a.DeleteRolePermissionsBoundary).OnFound("role: RoleName", a.roles).Takes("RoleName"),
		wire.Op("DeleteRolePolicy", a.DeleteRolePolicy).OnFound("role: RoleName", a.roles).Takes("PolicyName RoleName"),
		wire.Op("DeleteUserPermissionsBoundary", a.DeleteUserPermissionsBoundary).OnFound("user: UserName", a.users).Takes("UserName"),
		wire.Op("DeleteUserPolicy", a.DeleteUserPolicy).OnFound("user: UserName", a.users).Takes("PolicyName UserName"),
		wire.Op("DetachGroupPolicy", a.DetachGroupPolicy).Keys("iam:PolicyARN: PolicyArn").OnFound("group: GroupName", a.groups).Takes("GroupName PolicyArn"),
		wire.Op("DetachRolePolicy", a.DetachRolePolicy).Keys("iam:PolicyARN: PolicyArn").OnFound("role: RoleName", a.roles).Takes("PolicyArn RoleName"),
		wire.Op("DetachUserPolicy", a.DetachUserPolicy).Keys("iam:PolicyARN: PolicyArn").OnFound("user: UserName", a.users).Takes("PolicyArn UserName"),
		wire.Op("GetGroupPolicy", a.GetGroupPolicy).OnFound("group: GroupName", a.groups).Takes("GroupName PolicyName"),
		wire.Op("GetRolePolicy", a.GetRolePolicy).OnFound("role: RoleName", a.roles).Takes("PolicyName RoleName"),
		wire.Op("GetUserPolicy", a.GetUserPolicy).OnFound("user: UserName", a.users).Takes("PolicyName UserName"),
		wire.Op("ListAttachedGroupPolicies", a.ListAttachedGroupPolicies).OnFound("group: GroupName", a.groups).Takes("GroupName Marker MaxItems PathPrefix"),
		wire.Op("ListAttachedRolePolicies", a.ListAttachedRolePolicies).OnFound("role: RoleName", a.roles).Takes("Marker MaxItems PathPrefix RoleName"),
		wire.Op("ListAttachedUserPolicies", a.ListAttachedUserPolicies).OnFound("user: UserName", a.users).Takes("Marker MaxItems PathPrefix UserName"),
		wire.Op("ListGroupPolicies", a.ListGroupPolicies).OnFound("group: GroupName", a.groups).Takes("GroupName Marker MaxItems"),
		wire.Op("ListRolePolicies", a.ListRolePolicies).OnFound("role: RoleName", a.roles).Takes("Marker MaxItems RoleName"),
		wire.Op("ListUserPolicies", a.ListUserPolicies).OnFound("user: UserName", a.users).Takes("Marker MaxItems UserName"),
		wire.Op("PutGroupPolicy", a.PutGroupPolicy).OnFound("group: GroupName", a.groups).Takes("GroupName PolicyDocument PolicyName"),
		wire.Op("PutRolePermissionsBoundary", a.PutRolePermissionsBoundary).Keys("iam:PermissionsBoundary: PermissionsBoundary").Lacks("iam:RoleTemplateARN", record.NoTemplates).OnFound("role: RoleName", a.roles).Takes("PermissionsBoundary RoleName"),
		wire.Op("PutRolePolicy", a.PutRolePolicy).Lacks("iam:RoleTemplateARN", record.NoTemplates).OnFound("role: RoleName", a.roles).Takes("PolicyDocument PolicyName RoleName"),
		wire.Op("PutUserPermissionsBoundary", a.PutUserPermissionsBoundary).Keys("iam:PermissionsBoundary: PermissionsBoundary").OnFound("user: UserName", a.users).Takes("PermissionsBoundary UserName"),
		wire.Op("PutUserPolicy", a.PutUserPolicy).OnFound("user: UserName", a.users).Takes("PolicyDocument PolicyName UserName"),
	}
}

// users, groups and roles find the ARNs of those that a request names.
func (a *Policies) users(ctx context.Context, names []string) []string {
	return found(ctx, a.Kit, record.AsUser, names)
}

func (a *Policies) groups(ctx context.Context, names []string) []string {
	return found(ctx, a.Kit, record.AsGroup, names)
}

func (a *Policies) roles(ctx context.Context, names []string) []string {
	return found(ctx, a.Kit, record.AsRole, names)
}

func found[T any](ctx context.Context, k record.Kit, h record.Holder[T], names []string) (arns []string) {
	_ = k.DB.View(ctx, func(tx store.Tx) error { // what can't be read is named without its path
		arns = h.Found(tx, k, names)
		return nil
	})
	return arns
}
