package account

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy/managed"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// detail is one entry of GetAccountAuthorizationDetails: it adds itself to an answer.
type detail struct {
	key string
	add func(out *iam.GetAccountAuthorizationDetailsOutput) error
}

// GetAccountAuthorizationDetails lists users, groups, roles and managed policies with all that they may.
func (a *Account) GetAccountAuthorizationDetails(ctx context.Context, in *iam.GetAccountAuthorizationDetailsInput) (*iam.GetAccountAuthorizationDetailsOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetAccountAuthorizationDetailsOutput, error) {
		all, err := a.details(tx, in.Filter)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, all, func(d detail) string { return d.key })
		out := &iam.GetAccountAuthorizationDetailsOutput{
			IsTruncated: next != nil, Marker: next,
			UserDetailList: []types.UserDetail{}, GroupDetailList: []types.GroupDetail{}, RoleDetailList: []types.RoleDetail{}, Policies: []types.ManagedPolicyDetail{},
		}
		for _, d := range part {
			if err := d.add(out); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

func (a *Account) details(tx store.Tx, filter []types.EntityType) (all []detail, err error) {
	wanted := func(t types.EntityType) bool { return len(filter) == 0 || slices.Contains(filter, t) }
	if wanted(types.EntityTypeUser) {
		for u, err := range record.Users.Scan(tx, "", "") {
			if err != nil {
				return nil, err
			}
			all = append(all, detail{"1 " + record.ID(u.Name), func(out *iam.GetAccountAuthorizationDetailsOutput) error { return a.addUser(tx, out, u) }})
		}
	}
	if wanted(types.EntityTypeGroup) {
		for g, err := range record.Groups.Scan(tx, "", "") {
			if err != nil {
				return nil, err
			}
			all = append(all, detail{"2 " + record.ID(g.Name), func(out *iam.GetAccountAuthorizationDetailsOutput) error { a.addGroup(out, g); return nil }})
		}
	}
	if wanted(types.EntityTypeRole) {
		for r, err := range record.Roles.Scan(tx, "", "") {
			if err != nil {
				return nil, err
			}
			all = append(all, detail{"3 " + record.ID(r.Name), func(out *iam.GetAccountAuthorizationDetailsOutput) error { return a.addRole(tx, out, r) }})
		}
	}
	policies, err := a.managed(tx, wanted(types.EntityTypeLocalManagedPolicy), wanted(types.EntityTypeAWSManagedPolicy))
	for _, m := range policies {
		all = append(all, detail{"4 " + m.ARN, func(out *iam.GetAccountAuthorizationDetailsOutput) error { return addPolicy(tx, out, m) }})
	}
	return all, err
}

// managed are the policies of the account, and those of AWS that something has.
func (a *Account) managed(tx store.Tx, own, aws bool) (all []record.Managed, err error) {
	if own {
		for p, err := range record.Policies.Scan(tx, "", "") {
			if err != nil {
				return nil, err
			}
			all = append(all, a.Of(p))
		}
	}
	if !aws {
		return all, nil
	}
	for _, p := range managed.All() {
		attached, err := record.AttachedTo(tx, p.ARN)
		if err != nil {
			return nil, err
		}
		bounded, err := record.Bounded(tx, p.ARN)
		if err != nil {
			return nil, err
		}
		if attached+bounded > 0 {
			all = append(all, record.OfAWS(p))
		}
	}
	return all, nil
}

func inline(e *record.Entity) []types.PolicyDetail {
	list := []types.PolicyDetail{}
	for _, name := range e.Names() {
		list = append(list, types.PolicyDetail{PolicyName: &name, PolicyDocument: record.Escape(e.Inline[name])})
	}
	return list
}

func attached(e *record.Entity) []types.AttachedPolicy {
	list := []types.AttachedPolicy{}
	for _, arn := range e.Attached {
		list = append(list, types.AttachedPolicy{PolicyArn: &arn, PolicyName: record.NameOf(arn)})
	}
	return list
}

func (a *Account) addUser(tx store.Tx, out *iam.GetAccountAuthorizationDetailsOutput, u record.User) error {
	d := types.UserDetail{
		Arn: new(record.AsUser.ARN(a.Kit, &u.Entity)), UserName: &u.Name, UserId: &u.ID, Path: &u.Path, CreateDate: &u.Created, GroupList: []string{},
		UserPolicyList: inline(&u.Entity), AttachedManagedPolicies: attached(&u.Entity), PermissionsBoundary: u.BoundaryOut(), Tags: record.TagType.To(u.Tags),
	}
	for _, key := range u.Groups {
		g, err := record.Groups.Get(tx, key)
		if err != nil {
			return err
		}
		d.GroupList = append(d.GroupList, g.Name)
	}
	out.UserDetailList = append(out.UserDetailList, d)
	return nil
}

func (a *Account) addGroup(out *iam.GetAccountAuthorizationDetailsOutput, g record.Group) {
	out.GroupDetailList = append(out.GroupDetailList, types.GroupDetail{
		Arn: new(record.AsGroup.ARN(a.Kit, &g.Entity)), GroupName: &g.Name, GroupId: &g.ID, Path: &g.Path, CreateDate: &g.Created,
		GroupPolicyList: inline(&g.Entity), AttachedManagedPolicies: attached(&g.Entity),
	})
}

func (a *Account) addRole(tx store.Tx, out *iam.GetAccountAuthorizationDetailsOutput, r record.Role) error {
	one, err := a.roles.Listed(tx, r)
	if err != nil {
		return err
	}
	d := types.RoleDetail{
		Arn: one.Arn, RoleName: &r.Name, RoleId: &r.ID, Path: &r.Path, CreateDate: &r.Created, AssumeRolePolicyDocument: one.AssumeRolePolicyDocument, InstanceProfileList: []types.InstanceProfile{},
		RolePolicyList: inline(&r.Entity), AttachedManagedPolicies: attached(&r.Entity), PermissionsBoundary: r.BoundaryOut(), Tags: record.TagType.To(r.Tags), RoleLastUsed: &types.RoleLastUsed{},
	}
	profiles, err := record.Profiles.By(tx, "role", record.ID(r.Name))
	for _, p := range profiles {
		one, err := a.roles.Profile(tx, p)
		if err != nil {
			return err
		}
		d.InstanceProfileList = append(d.InstanceProfileList, one)
	}
	out.RoleDetailList = append(out.RoleDetailList, d)
	return err
}

func addPolicy(tx store.Tx, out *iam.GetAccountAuthorizationDetailsOutput, m record.Managed) error {
	attached, err := record.AttachedTo(tx, m.ARN)
	if err != nil {
		return err
	}
	bounded, err := record.Bounded(tx, m.ARN)
	d := types.ManagedPolicyDetail{
		Arn: &m.ARN, PolicyName: &m.Name, PolicyId: &m.ID, Path: &m.Path, CreateDate: &m.Created, UpdateDate: &m.Updated, DefaultVersionId: &m.Default, IsAttachable: true,
		AttachmentCount: new(int32(attached)), PermissionsBoundaryUsageCount: new(int32(bounded)),
	}
	for _, v := range slices.Backward(m.Versions) {
		d.PolicyVersionList = append(d.PolicyVersionList, types.PolicyVersion{VersionId: &v.ID, CreateDate: &v.Created, IsDefaultVersion: v.ID == m.Default, Document: record.Escape(v.Text)})
	}
	out.Policies = append(out.Policies, d)
	return err
}
