package policies

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/skylift/skylift/internal/service/iam/record"
)

// AttachUserPolicy gives a user a managed policy.
func (a *Policies) AttachUserPolicy(ctx context.Context, in *iam.AttachUserPolicyInput) (*iam.AttachUserPolicyOutput, error) {
	return &iam.AttachUserPolicyOutput{}, attach(ctx, a, record.AsUser, *in.UserName, *in.PolicyArn)
}

// DetachUserPolicy takes a managed policy from a user.
func (a *Policies) DetachUserPolicy(ctx context.Context, in *iam.DetachUserPolicyInput) (*iam.DetachUserPolicyOutput, error) {
	return &iam.DetachUserPolicyOutput{}, detach(ctx, a, record.AsUser, *in.UserName, *in.PolicyArn)
}

// ListAttachedUserPolicies lists the managed policies of a user.
func (a *Policies) ListAttachedUserPolicies(ctx context.Context, in *iam.ListAttachedUserPoliciesInput) (*iam.ListAttachedUserPoliciesOutput, error) {
	part, next, err := listAttached(ctx, a, record.AsUser, *in.UserName, in.PathPrefix, in.MaxItems, in.Marker)
	return &iam.ListAttachedUserPoliciesOutput{AttachedPolicies: part, IsTruncated: next != nil, Marker: next}, err
}

// PutUserPolicy gives a user an inline policy.
func (a *Policies) PutUserPolicy(ctx context.Context, in *iam.PutUserPolicyInput) (*iam.PutUserPolicyOutput, error) {
	return &iam.PutUserPolicyOutput{}, put(ctx, a, record.AsUser, *in.UserName, *in.PolicyName, *in.PolicyDocument)
}

// GetUserPolicy returns an inline policy of a user.
func (a *Policies) GetUserPolicy(ctx context.Context, in *iam.GetUserPolicyInput) (*iam.GetUserPolicyOutput, error) {
	e, text, err := get(ctx, a, record.AsUser, *in.UserName, *in.PolicyName)
	return &iam.GetUserPolicyOutput{UserName: &e.Name, PolicyName: in.PolicyName, PolicyDocument: record.Escape(text)}, err
}

// DeleteUserPolicy takes an inline policy from a user.
func (a *Policies) DeleteUserPolicy(ctx context.Context, in *iam.DeleteUserPolicyInput) (*iam.DeleteUserPolicyOutput, error) {
	return &iam.DeleteUserPolicyOutput{}, remove(ctx, a, record.AsUser, *in.UserName, *in.PolicyName)
}

// ListUserPolicies lists the inline policies of a user.
func (a *Policies) ListUserPolicies(ctx context.Context, in *iam.ListUserPoliciesInput) (*iam.ListUserPoliciesOutput, error) {
	part, next, err := list(ctx, a, record.AsUser, *in.UserName, in.MaxItems, in.Marker)
	return &iam.ListUserPoliciesOutput{PolicyNames: part, IsTruncated: next != nil, Marker: next}, err
}

// PutUserPermissionsBoundary sets the permissions boundary of a user.
func (a *Policies) PutUserPermissionsBoundary(ctx context.Context, in *iam.PutUserPermissionsBoundaryInput) (*iam.PutUserPermissionsBoundaryOutput, error) {
	return &iam.PutUserPermissionsBoundaryOutput{}, bound(ctx, a, record.AsUser, *in.UserName, *in.PermissionsBoundary)
}

// DeleteUserPermissionsBoundary takes the permissions boundary from a user.
func (a *Policies) DeleteUserPermissionsBoundary(ctx context.Context, in *iam.DeleteUserPermissionsBoundaryInput) (*iam.DeleteUserPermissionsBoundaryOutput, error) {
	return &iam.DeleteUserPermissionsBoundaryOutput{}, unbound(ctx, a, record.AsUser, *in.UserName)
}

// AttachGroupPolicy gives a group a managed policy.
func (a *Policies) AttachGroupPolicy(ctx context.Context, in *iam.AttachGroupPolicyInput) (*iam.AttachGroupPolicyOutput, error) {
	return &iam.AttachGroupPolicyOutput{}, attach(ctx, a, record.AsGroup, *in.GroupName, *in.PolicyArn)
}

// DetachGroupPolicy takes a managed policy from a group.
func (a *Policies) DetachGroupPolicy(ctx context.Context, in *iam.DetachGroupPolicyInput) (*iam.DetachGroupPolicyOutput, error) {
	return &iam.DetachGroupPolicyOutput{}, detach(ctx, a, record.AsGroup, *in.GroupName, *in.PolicyArn)
}

// ListAttachedGroupPolicies lists the managed policies of a group.
func (a *Policies) ListAttachedGroupPolicies(ctx context.Context, in *iam.ListAttachedGroupPoliciesInput) (*iam.ListAttachedGroupPoliciesOutput, error) {
	part, next, err := listAttached(ctx, a, record.AsGroup, *in.GroupName, in.PathPrefix, in.MaxItems, in.Marker)
	return &iam.ListAttachedGroupPoliciesOutput{AttachedPolicies: part, IsTruncated: next != nil, Marker: next}, err
}

// PutGroupPolicy gives a group an inline policy.
func (a *Policies) PutGroupPolicy(ctx context.Context, in *iam.PutGroupPolicyInput) (*iam.PutGroupPolicyOutput, error) {
	return &iam.PutGroupPolicyOutput{}, put(ctx, a, record.AsGroup, *in.GroupName, *in.PolicyName, *in.PolicyDocument)
}

// GetGroupPolicy returns an inline policy of a group.
func (a *Policies) GetGroupPolicy(ctx context.Context, in *iam.GetGroupPolicyInput) (*iam.GetGroupPolicyOutput, error) {
	e, text, err := get(ctx, a, record.AsGroup, *in.GroupName, *in.PolicyName)
	return &iam.GetGroupPolicyOutput{GroupName: &e.Name, PolicyName: in.PolicyName, PolicyDocument: record.Escape(text)}, err
}

// DeleteGroupPolicy takes an inline policy from a group.
func (a *Policies) DeleteGroupPolicy(ctx context.Context, in *iam.DeleteGroupPolicyInput) (*iam.DeleteGroupPolicyOutput, error) {
	return &iam.DeleteGroupPolicyOutput{}, remove(ctx, a, record.AsGroup, *in.GroupName, *in.PolicyName)
}

// ListGroupPolicies lists the inline policies of a group.
func (a *Policies) ListGroupPolicies(ctx context.Context, in *iam.ListGroupPoliciesInput) (*iam.ListGroupPoliciesOutput, error) {
	part, next, err := list(ctx, a, record.AsGroup, *in.GroupName, in.MaxItems, in.Marker)
	return &iam.ListGroupPoliciesOutput{PolicyNames: part, IsTruncated: next != nil, Marker: next}, err
}

// AttachRolePolicy gives a role a managed policy.
func (a *Policies) AttachRolePolicy(ctx context.Context, in *iam.AttachRolePolicyInput) (*iam.AttachRolePolicyOutput, error) {
	return &iam.AttachRolePolicyOutput{}, attach(ctx, a, record.AsRole, *in.RoleName, *in.PolicyArn)
}

// DetachRolePolicy takes a managed policy from a role.
func (a *Policies) DetachRolePolicy(ctx context.Context, in *iam.DetachRolePolicyInput) (*iam.DetachRolePolicyOutput, error) {
	return &iam.DetachRolePolicyOutput{}, detach(ctx, a, record.AsRole, *in.RoleName, *in.PolicyArn)
}

// ListAttachedRolePolicies lists the managed policies of a role.
func (a *Policies) ListAttachedRolePolicies(ctx context.Context, in *iam.ListAttachedRolePoliciesInput) (*iam.ListAttachedRolePoliciesOutput, error) {
	part, next, err := listAttached(ctx, a, record.AsRole, *in.RoleName, in.PathPrefix, in.MaxItems, in.Marker)
	return &iam.ListAttachedRolePoliciesOutput{AttachedPolicies: part, IsTruncated: next != nil, Marker: next}, err
}

// PutRolePolicy gives a role an inline policy.
func (a *Policies) PutRolePolicy(ctx context.Context, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	return &iam.PutRolePolicyOutput{}, put(ctx, a, record.AsRole, *in.RoleName, *in.PolicyName, *in.PolicyDocument)
}

// GetRolePolicy returns an inline policy of a role.
func (a *Policies) GetRolePolicy(ctx context.Context, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	e, text, err := get(ctx, a, record.AsRole, *in.RoleName, *in.PolicyName)
	return &iam.GetRolePolicyOutput{RoleName: &e.Name, PolicyName: in.PolicyName, PolicyDocument: record.Escape(text)}, err
}

// DeleteRolePolicy takes an inline policy from a role.
func (a *Policies) DeleteRolePolicy(ctx context.Context, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	return &iam.DeleteRolePolicyOutput{}, remove(ctx, a, record.AsRole, *in.RoleName, *in.PolicyName)
}

// ListRolePolicies lists the inline policies of a role.
func (a *Policies) ListRolePolicies(ctx context.Context, in *iam.ListRolePoliciesInput) (*iam.ListRolePoliciesOutput, error) {
	part, next, err := list(ctx, a, record.AsRole, *in.RoleName, in.MaxItems, in.Marker)
	return &iam.ListRolePoliciesOutput{PolicyNames: part, IsTruncated: next != nil, Marker: next}, err
}

// PutRolePermissionsBoundary sets the permissions boundary of a role.
func (a *Policies) PutRolePermissionsBoundary(ctx context.Context, in *iam.PutRolePermissionsBoundaryInput) (*iam.PutRolePermissionsBoundaryOutput, error) {
	return &iam.PutRolePermissionsBoundaryOutput{}, bound(ctx, a, record.AsRole, *in.RoleName, *in.PermissionsBoundary)
}

// DeleteRolePermissionsBoundary takes the permissions boundary from a role.
func (a *Policies) DeleteRolePermissionsBoundary(ctx context.Context, in *iam.DeleteRolePermissionsBoundaryInput) (*iam.DeleteRolePermissionsBoundaryOutput, error) {
	return &iam.DeleteRolePermissionsBoundaryOutput{}, unbound(ctx, a, record.AsRole, *in.RoleName)
}
