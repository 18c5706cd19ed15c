// Package templates keeps what repositories get that nobody creates: the ones that a push or a pull through the cache makes.
package templates

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/lifecycle"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// reader reads the policies of repositories.
type reader interface {
	Prepare(ctx context.Context, text string) (record.Policy, error)
}

// roles are IAM's.
type roles interface {
	// As returns a context in which a role is judged that ECR assumes. The error is for the caller.
	As(ctx context.Context, role string) (context.Context, error)
}

// API has a handler for every operation about templates.
type API struct {
	records  *record.Records
	policies reader
	roles    roles
}

// New returns the API.
func New(records *record.Records, p reader, r roles) *API { return &API{records, p, r} }

const settings = "prefix description encryptionConfiguration{encryptionType} resourceTags{*} imageTagMutability imageTagMutabilityExclusionFilters{*} repositoryPolicy lifecyclePolicy appliedFor customRoleArn"

// Operations lists the handlers by the names that AWS has for them.
func (a *API) Operations() []wire.Operation {
	const passes = "ecr.amazonaws.com: customRoleArn"
	return []wire.Operation{
		wire.Op("CreateRepositoryCreationTemplate", a.CreateRepositoryCreationTemplate).Takes(settings).Passes(passes).
			Checks(func(in *sdk.CreateRepositoryCreationTemplateInput) []error { return a.faults(given(*in)) }),
		wire.Op("DeleteRepositoryCreationTemplate", a.DeleteRepositoryCreationTemplate).Takes("prefix"),
		wire.Op("DescribeRepositoryCreationTemplates", a.DescribeRepositoryCreationTemplates).Takes("prefixes maxResults nextToken"),
		wire.Op("UpdateRepositoryCreationTemplate", a.UpdateRepositoryCreationTemplate).Takes(settings).Passes(passes).
			Checks(func(in *sdk.UpdateRepositoryCreationTemplateInput) []error { return a.faults(given(createOf(*in))) }),
	}
}

// given is what a request says of a template.
type given sdk.CreateRepositoryCreationTemplateInput

// createOf returns the request that creates what another one changes.
func createOf(in sdk.UpdateRepositoryCreationTemplateInput) sdk.CreateRepositoryCreationTemplateInput {
	return sdk.CreateRepositoryCreationTemplateInput{
		Prefix: in.Prefix, Description: in.Description, EncryptionConfiguration: in.EncryptionConfiguration, ResourceTags: in.ResourceTags,
		ImageTagMutability: in.ImageTagMutability, ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters,
		RepositoryPolicy: in.RepositoryPolicy, LifecyclePolicy: in.LifecyclePolicy, AppliedFor: in.AppliedFor, CustomRoleArn: in.CustomRoleArn,
	}
}

// roleARN is that of a role of an account.
var roleARN = regexp.MustCompile(`^arn:aws:iam::(\d{12}):role/[\w+=,.@/-]+$`)

// faults is what is wrong with a request, whatever templates there are.
func (a *API) faults(in given) (f awserr.Faults) {
	f.Add(record.MutabilityFaults(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)...)
	if e := in.EncryptionConfiguration; e != nil {
		f.Add(record.CheckEncryption(e.EncryptionType))
	}
	f.Add(record.TagRules.Faults(record.TagType.From(in.ResourceTags))...)
	if text := aws.ToString(in.LifecyclePolicy); text != "" {
		if _, err := lifecycle.Parse(text); err != nil {
			f.Add(record.Constraint("LifecyclePolicy", fmt.Sprintf("Lifecycle policy validation failure: %v", err)))
		}
	}
	if role := aws.ToString(in.CustomRoleArn); role != "" {
		if m := roleARN.FindStringSubmatch(role); m == nil || m[1] != a.records.NS.Account {
			f.Add(record.Invalid("Invalid parameter at 'customRoleArn': it must be the ARN of a role of the account '%s'", a.records.NS.Account))
		}
	}
	return f
}

// apply changes a template as a request says.
func (in given) apply(t *record.Template) (err error) {
	if in.Description != nil {
		t.Description = *in.Description
	}
	if in.AppliedFor != nil {
		t.AppliedFor = slices.Compact(slices.Sorted(slices.Values(in.AppliedFor)))
	}
	if in.ImageTagMutability != "" {
		var r record.Repository
		r.SetMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
		t.Mutability, t.Exclusions = r.Mutability, r.Exclusions
	}
	if in.ResourceTags != nil {
		if t.Tags, err = record.TagRules.Add(nil, record.TagType.From(in.ResourceTags)); err != nil {
			return err
		}
	}
	for to, from := range map[*string]*string{&t.Policy: in.RepositoryPolicy, &t.Lifecycle: in.LifecyclePolicy, &t.Role: in.CustomRoleArn} {
		if from != nil {
			*to = *from
		}
	}
	t.UpdatedAt = record.Now()
	return nil
}

// check refuses a request that is wrong by itself, or names somebody who isn't there.
func (a *API) check(ctx context.Context, in given) error {
	if err := a.faults(in).First(); err != nil {
		return err
	}
	if text := aws.ToString(in.RepositoryPolicy); text != "" {
		if _, err := a.policies.Prepare(ctx, text); err != nil {
			return err
		}
	}
	if role := aws.ToString(in.CustomRoleArn); role != "" {
		_, err := a.roles.As(ctx, role)
		return err
	}
	return nil
}

func prefix(p *string) string { return strings.TrimSuffix(aws.ToString(p), "/") }

// most is how many templates there can be.
const most = 100

// CreateRepositoryCreationTemplate makes a template.
func (a *API) CreateRepositoryCreationTemplate(ctx context.Context, in *sdk.CreateRepositoryCreationTemplateInput) (*sdk.CreateRepositoryCreationTemplateOutput, error) {
	if err := a.check(ctx, given(*in)); err != nil {
		return nil, err
	}
	t := record.Template{Prefix: prefix(in.Prefix), Mutability: types.ImageTagMutabilityMutable, CreatedAt: record.Now()}
	if err := given(*in).apply(&t); err != nil {
		return nil, err
	}
	t.UpdatedAt = t.CreatedAt
	err := a.records.DB.Update(ctx, func(tx store.Tx) error {
		_, exists, err := handler.Find(tx, record.TemplateRows, t.Prefix)
		if err != nil {
			return err
		}
		if exists {
			return &types.TemplateAlreadyExistsException{Message: new(fmt.Sprintf("The repository creation template with prefix '%s' already exists in the registry with id '%s'", t.Prefix, a.records.NS.Account))}
		}
		n := 0
		for _, err := range record.TemplateRows.Peek(tx, "") {
			if err != nil {
				return err
			}
			if n++; n == most {
				return &types.LimitExceededException{Message: new(fmt.Sprintf("A registry can have at most %d repository creation templates", most))}
			}
		}
		return record.TemplateRows.Put(tx, t.Prefix, t)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateRepositoryCreationTemplateOutput{RegistryId: &a.records.NS.Account, RepositoryCreationTemplate: shown(t)}, nil
}

func (a *API) none(prefix string) error {
	return &types.TemplateNotFoundException{Message: new(fmt.Sprintf("The repository creation template with prefix '%s' does not exist in the registry with id '%s'", prefix, a.records.NS.Account))}
}

// UpdateRepositoryCreationTemplate changes what is given of a template. Repositories that are there stay as they are.
func (a *API) UpdateRepositoryCreationTemplate(ctx context.Context, in *sdk.UpdateRepositoryCreationTemplateInput) (*sdk.UpdateRepositoryCreationTemplateOutput, error) {
	says := given(createOf(*in))
	if err := a.check(ctx, says); err != nil {
		return nil, err
	}
	t, err := handler.Update(ctx, a.records.DB, func(tx store.Tx) (record.Template, error) {
		return handler.Change(tx, record.TemplateRows, prefix(in.Prefix), a.none, says.apply)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.UpdateRepositoryCreationTemplateOutput{RegistryId: &a.records.NS.Account, RepositoryCreationTemplate: shown(t)}, nil
}

// DeleteRepositoryCreationTemplate removes a template. Repositories that were made from it stay.
func (a *API) DeleteRepositoryCreationTemplate(ctx context.Context, in *sdk.DeleteRepositoryCreationTemplateInput) (*sdk.DeleteRepositoryCreationTemplateOutput, error) {
	t, err := handler.Update(ctx, a.records.DB, func(tx store.Tx) (record.Template, error) {
		t, err := handler.Get(tx, record.TemplateRows, prefix(in.Prefix), a.none)
		if err != nil {
			return t, err
		}
		return t, record.TemplateRows.Delete(tx, t.Prefix)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteRepositoryCreationTemplateOutput{RegistryId: &a.records.NS.Account, RepositoryCreationTemplate: shown(t)}, nil
}

// DescribeRepositoryCreationTemplates describes the templates with the prefixes asked for, or all, page by page.
func (a *API) DescribeRepositoryCreationTemplates(ctx context.Context, in *sdk.DescribeRepositoryCreationTemplatesInput) (*sdk.DescribeRepositoryCreationTemplatesOutput, error) {
	page, err := record.Pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	all, err := handler.View(ctx, a.records.DB, func(tx store.Tx) ([]record.Template, error) { return record.TemplateRows.List(tx, "") })
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	if len(in.Prefixes) > 0 {
		all = slices.DeleteFunc(all, func(t record.Template) bool {
			return !slices.ContainsFunc(in.Prefixes, func(p string) bool { return prefix(&p) == t.Prefix })
		})
	}
	part, next := handler.Cut(page, all, func(t record.Template) string { return t.Prefix })
	out := &sdk.DescribeRepositoryCreationTemplatesOutput{RegistryId: &a.records.NS.Account, RepositoryCreationTemplates: []types.RepositoryCreationTemplate{}, NextToken: next}
	for _, t := range part {
		out.RepositoryCreationTemplates = append(out.RepositoryCreationTemplates, *shown(t))
	}
	return out, nil
}

// shown is a template as the API shows it.
func shown(t record.Template) *types.RepositoryCreationTemplate {
	out := &types.RepositoryCreationTemplate{
		Prefix: &t.Prefix, AppliedFor: t.AppliedFor, CreatedAt: &t.CreatedAt, UpdatedAt: &t.UpdatedAt, ImageTagMutability: t.Mutability,
		EncryptionConfiguration:            &types.EncryptionConfigurationForRepositoryCreationTemplate{EncryptionType: types.EncryptionTypeAes256},
		ImageTagMutabilityExclusionFilters: record.Filters(t.Exclusions), ResourceTags: record.TagType.To(t.Tags),
	}
	for to, from := range map[**string]string{&out.Description: t.Description, &out.RepositoryPolicy: t.Policy, &out.LifecyclePolicy: t.Lifecycle, &out.CustomRoleArn: t.Role} {
		if from != "" {
			*to = &from
		}
	}
	return out
}
