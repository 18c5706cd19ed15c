package policies

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/policy/managed"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// Quotas of managed policies (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const (
	maxPolicies    = 1500
	maxVersions    = 5
	maxManagedText = 6144
)

// none is the error for a policy that isn't there.
func none(arn string) error { return record.NoSuch("Policy %s was not found.", arn) }

// checkManaged reads a document that is to be a version of a managed policy.
func checkManaged(text string) error {
	if _, err := document.Check(text, document.Managed); err != nil {
		return record.Malformed(err)
	}
	if record.Weight(text) > maxManagedText {
		return record.Exceeds("Cannot exceed quota for PolicySize: %d", maxManagedText)
	}
	return nil
}

// CreatePolicy makes a managed policy.
func (a *Policies) CreatePolicy(ctx context.Context, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	tags, err := record.AddTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	now := record.Now()
	p := record.Policy{
		Name: *in.PolicyName, Path: record.PathOr(in.Path), ID: record.NewID("ANPA"), Created: now, Updated: now, Tags: tags,
		Versions: []record.Version{{ID: "v1", Text: *in.PolicyDocument, Created: now}}, Default: "v1", Made: 1,
	}
	if in.Description != nil {
		p.Description = *in.Description
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.CreatePolicyOutput, error) {
		if _, there, err := handler.Find(tx, record.Policies, record.ID(p.Name)); err != nil {
			return nil, err
		} else if there {
			return nil, record.Exists("A policy called %s already exists. Duplicate names are not allowed.", p.Name)
		}
		if n, err := record.Count(record.Policies.Peek(tx, "")); err != nil {
			return nil, err
		} else if n >= maxPolicies {
			return nil, record.Exceeds("Cannot exceed quota for PoliciesPerAccount: %d", maxPolicies)
		}
		out, err := a.describe(tx, a.Of(p), false)
		if err != nil {
			return nil, err
		}
		return &iam.CreatePolicyOutput{Policy: &out}, record.Policies.Put(tx, record.ID(p.Name), p)
	})
}

// describe makes what answers say of a policy. Lists leave the description and the tags out.
func (a *Policies) describe(tx store.Tx, m record.Managed, whole bool) (types.Policy, error) {
	attached, err := record.AttachedTo(tx, m.ARN)
	if err != nil {
		return types.Policy{}, err
	}
	bounded, err := record.Bounded(tx, m.ARN)
	out := types.Policy{
		Arn: &m.ARN, PolicyName: &m.Name, PolicyId: &m.ID, Path: &m.Path, CreateDate: &m.Created, UpdateDate: &m.Updated, DefaultVersionId: &m.Default,
		AttachmentCount: new(int32(attached)), PermissionsBoundaryUsageCount: new(int32(bounded)), IsAttachable: true,
	}
	if whole {
		out.Tags = record.TagType.To(m.Tags)
		if m.Description != "" {
			out.Description = &m.Description
		}
	} else if len(m.Tags) > 0 {
		out.Tags = record.TagType.To(m.Tags)
	}
	return out, err
}

// find returns a policy, or AWS's error.
func (a *Policies) find(tx store.Tx, arn string) (record.Managed, error) {
	if err := checkARN(arn); err != nil {
		return record.Managed{}, err
	}
	m, ok, err := a.Managed(tx, arn)
	if err == nil && !ok {
		err = none(arn)
	}
	return m, err
}

// checkARN refuses what is no ARN.
func checkARN(arn string) error {
	if !strings.HasPrefix(arn, "arn:") || strings.Count(arn, ":") < 5 {
		return record.Invalid("Invalid ARN:  Could not be parsed!")
	}
	return nil
}

// change changes a policy of the account.
func (a *Policies) change(tx store.Tx, arn string, change func(*record.Policy) error) error {
	m, err := a.find(tx, arn)
	if err != nil {
		return err
	}
	if m.AWS {
		return record.Unmodifiable("Policy %s is an AWS managed policy: only AWS can change it.", arn)
	}
	if err := change(&m.Policy); err != nil {
		return err
	}
	return record.Policies.Put(tx, record.ID(m.Name), m.Policy)
}

// GetPolicy describes a policy.
func (a *Policies) GetPolicy(ctx context.Context, in *iam.GetPolicyInput) (*iam.GetPolicyOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetPolicyOutput, error) {
		m, err := a.find(tx, *in.PolicyArn)
		if err != nil {
			return nil, err
		}
		out, err := a.describe(tx, m, true)
		return &iam.GetPolicyOutput{Policy: &out}, err
	})
}

// ListPolicies lists the policies of the account, of AWS, or both.
func (a *Policies) ListPolicies(ctx context.Context, in *iam.ListPoliciesInput) (*iam.ListPoliciesOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListPoliciesOutput, error) {
		all, err := a.all(tx, in.Scope)
		if err != nil {
			return nil, err
		}
		var fits []types.Policy
		for _, m := range all {
			if !strings.HasPrefix(m.Path, record.PathOr(in.PathPrefix)) {
				continue
			}
			p, err := a.describe(tx, m, false)
			if err != nil {
				return nil, err
			}
			if listed(p, in) {
				fits = append(fits, p)
			}
		}
		part, next := handler.Cut(page, fits, func(p types.Policy) string { return *p.PolicyName + " " + *p.Arn })
		return &iam.ListPoliciesOutput{Policies: part, IsTruncated: next != nil, Marker: next}, nil
	})
}

// listed tells whether the request's filters let a policy pass.
func listed(p types.Policy, in *iam.ListPoliciesInput) bool {
	switch {
	case in.PolicyUsageFilter == types.PolicyUsageTypePermissionsBoundary:
		return *p.PermissionsBoundaryUsageCount > 0
	case in.OnlyAttached && in.PolicyUsageFilter == "":
		return *p.AttachmentCount+*p.PermissionsBoundaryUsageCount > 0
	case in.OnlyAttached:
		return *p.AttachmentCount > 0
	}
	return true
}

func (a *Policies) all(tx store.Tx, scope types.PolicyScopeType) (all []record.Managed, err error) {
	if scope != types.PolicyScopeTypeAws {
		for p, err := range record.Policies.Scan(tx, "", "") {
			if err != nil {
				return nil, err
			}
			all = append(all, a.Of(p))
		}
	}
	if scope != types.PolicyScopeTypeLocal {
		for _, p := range managed.All() {
			all = append(all, record.OfAWS(p))
		}
	}
	return all, nil
}

// DeletePolicy deletes a policy that nothing has and that has one version.
func (a *Policies) DeletePolicy(ctx context.Context, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.DeletePolicyOutput, error) {
		var name string
		err := a.change(tx, *in.PolicyArn, func(p *record.Policy) error {
			name = p.Name
			attached, err := record.AttachedTo(tx, *in.PolicyArn)
			if err != nil {
				return err
			}
			bounded, err := record.Bounded(tx, *in.PolicyArn)
			switch {
			case err != nil:
				return err
			case attached+bounded > 0:
				return &types.DeleteConflictException{Message: new("Cannot delete a policy attached to entities.")}
			case len(p.Versions) > 1:
				return &types.DeleteConflictException{Message: new("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		return &iam.DeletePolicyOutput{}, record.Policies.Delete(tx, record.ID(name))
	})
}

// CreatePolicyVersion adds a version.
func (a *Policies) CreatePolicyVersion(ctx context.Context, in *iam.CreatePolicyVersionInput) (*iam.CreatePolicyVersionOutput, error) {
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	now := record.Now()
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.CreatePolicyVersionOutput, error) {
		var v record.Version
		err := a.change(tx, *in.PolicyArn, func(p *record.Policy) error {
			if len(p.Versions) >= maxVersions {
				return record.Exceeds("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
			}
			p.Made++
			v = record.Version{ID: fmt.Sprintf("v%d", p.Made), Text: *in.PolicyDocument, Created: now}
			p.Versions = append(p.Versions, v)
			p.Updated = now
			if in.SetAsDefault {
				p.Default = v.ID
			}
			return nil
		})
		return &iam.CreatePolicyVersionOutput{PolicyVersion: &types.PolicyVersion{VersionId: &v.ID, CreateDate: &v.Created, IsDefaultVersion: in.SetAsDefault}}, err
	})
}

// version finds one of a policy's versions.
func version(m record.Managed, id string) (int, error) {
	i := slices.IndexFunc(m.Versions, func(v record.Version) bool { return v.ID == id })
	if i < 0 {
		return 0, record.NoSuch("Policy %s version %s does not exist or is not attachable.", m.ARN, id)
	}
	return i, nil
}

// GetPolicyVersion returns a version with its document.
func (a *Policies) GetPolicyVersion(ctx context.Context, in *iam.GetPolicyVersionInput) (*iam.GetPolicyVersionOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetPolicyVersionOutput, error) {
		m, err := a.find(tx, *in.PolicyArn)
		if err != nil {
			return nil, err
		}
		i, err := version(m, *in.VersionId)
		if err != nil {
			return nil, err
		}
		v := m.Versions[i]
		return &iam.GetPolicyVersionOutput{PolicyVersion: &types.PolicyVersion{
			VersionId: &v.ID, CreateDate: &v.Created, IsDefaultVersion: v.ID == m.Default, Document: record.Escape(v.Text),
		}}, nil
	})
}

// ListPolicyVersions lists versions, the last one first.
func (a *Policies) ListPolicyVersions(ctx context.Context, in *iam.ListPolicyVersionsInput) (*iam.ListPolicyVersionsOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	page.Descending = true
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListPolicyVersionsOutput, error) {
		m, err := a.find(tx, *in.PolicyArn)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, m.Versions, func(v record.Version) string { return fmt.Sprintf("%8s", v.ID) })
		out := &iam.ListPolicyVersionsOutput{IsTruncated: next != nil, Marker: next}
		for _, v := range part {
			out.Versions = append(out.Versions, types.PolicyVersion{VersionId: &v.ID, CreateDate: &v.Created, IsDefaultVersion: v.ID == m.Default})
		}
		return out, nil
	})
}

// DeletePolicyVersion deletes a version that is not the default one.
func (a *Policies) DeletePolicyVersion(ctx context.Context, in *iam.DeletePolicyVersionInput) (*iam.DeletePolicyVersionOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.DeletePolicyVersionOutput, error) {
		return &iam.DeletePolicyVersionOutput{}, a.change(tx, *in.PolicyArn, func(p *record.Policy) error {
			i, err := version(a.Of(*p), *in.VersionId)
			if err != nil {
				return err
			}
			if p.Default == *in.VersionId {
				return &types.DeleteConflictException{Message: new("Cannot delete the default version of a policy.")}
			}
			p.Versions = slices.Delete(p.Versions, i, i+1)
			return nil
		})
	})
}

// SetDefaultPolicyVersion makes a version the one that counts.
func (a *Policies) SetDefaultPolicyVersion(ctx context.Context, in *iam.SetDefaultPolicyVersionInput) (*iam.SetDefaultPolicyVersionOutput, error) {
	now := record.Now()
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.SetDefaultPolicyVersionOutput, error) {
		return &iam.SetDefaultPolicyVersionOutput{}, a.change(tx, *in.PolicyArn, func(p *record.Policy) error {
			_, err := version(a.Of(*p), *in.VersionId)
			p.Default, p.Updated = *in.VersionId, now
			return err
		})
	})
}

// TagPolicy adds tags.
func (a *Policies) TagPolicy(ctx context.Context, in *iam.TagPolicyInput) (*iam.TagPolicyOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.TagPolicyOutput, error) {
		return &iam.TagPolicyOutput{}, a.change(tx, *in.PolicyArn, func(p *record.Policy) (err error) {
			p.Tags, err = record.AddTags(p.Tags, in.Tags)
			return err
		})
	})
}

// UntagPolicy removes tags.
func (a *Policies) UntagPolicy(ctx context.Context, in *iam.UntagPolicyInput) (*iam.UntagPolicyOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.UntagPolicyOutput, error) {
		return &iam.UntagPolicyOutput{}, a.change(tx, *in.PolicyArn, func(p *record.Policy) error {
			p.Tags = record.WithoutTags(p.Tags, in.TagKeys)
			return nil
		})
	})
}

// ListPolicyTags lists the tags of a policy.
func (a *Policies) ListPolicyTags(ctx context.Context, in *iam.ListPolicyTagsInput) (*iam.ListPolicyTagsOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListPolicyTagsOutput, error) {
		m, err := a.find(tx, *in.PolicyArn)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, record.TagType.To(m.Tags), func(t types.Tag) string { return *t.Key })
		return &iam.ListPolicyTagsOutput{Tags: part, IsTruncated: next != nil, Marker: next}, nil
	})
}
