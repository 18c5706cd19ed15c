package secretsmanager

import (
	"context"
	"errors"
	"slices"
	"strings"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// entry is what lists say of a secret.
func (a *API) entry(s Secret) types.SecretListEntry {
	e := types.SecretListEntry{ARN: new(a.arn(s)), Name: &s.Name, CreatedDate: &s.CreatedAt, LastChangedDate: &s.ChangedAt, Tags: tagType.To(s.Tags)}
	if s.Description != "" {
		e.Description = &s.Description
	}
	if s.KeyID != "" {
		e.KmsKeyId = &s.KeyID
	}
	if !s.AccessedAt.IsZero() {
		e.LastAccessedDate = &s.AccessedAt
	}
	if s.marked() {
		e.DeletedDate = &s.DeletedAt
	}
	for _, stage := range sortedKeys(s.Stages) {
		if e.SecretVersionsToStages == nil {
			e.SecretVersionsToStages = map[string][]string{}
		}
		e.SecretVersionsToStages[s.Stages[stage]] = append(e.SecretVersionsToStages[s.Stages[stage]], stage)
	}
	return e
}

// meets says whether a secret meets every filter: it begins with one of its values,
// or with none of those that begin with "!"
// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html).
func meets(s Secret, filters []types.Filter) bool {
	return !slices.ContainsFunc(filters, func(f types.Filter) bool { return !meetsOne(s, f) })
}

func meetsOne(s Secret, f types.Filter) bool {
	texts := map[types.FilterNameStringType][]string{
		types.FilterNameStringTypeName: {s.Name}, types.FilterNameStringTypeDescription: {lower(s.Description)},
	}
	for k, v := range s.Tags {
		texts[types.FilterNameStringTypeTagKey] = append(texts[types.FilterNameStringTypeTagKey], k)
		texts[types.FilterNameStringTypeTagValue] = append(texts[types.FilterNameStringTypeTagValue], v)
	}
	wanted, unwanted := false, false
	for _, v := range f.Values {
		v, not := strings.CutPrefix(v, "!")
		has := false
		switch f.Key {
		case types.FilterNameStringTypeAll:
			has = mentions(s, v)
		case types.FilterNameStringTypeDescription:
			has = begins(texts[f.Key], lower(v))
		default:
			has = begins(texts[f.Key], v)
		}
		if not {
			unwanted = unwanted || has
			wanted = wanted || !has
		} else {
			wanted = wanted || has
		}
	}
	return wanted && !unwanted
}

func begins(texts []string, prefix string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.HasPrefix(t, prefix) })
}

// mentions says whether a secret has each word of text in what is told of it.
func mentions(s Secret, text string) bool {
	told := []string{s.Name, s.Description}
	for k, v := range s.Tags {
		told = append(told, k, v)
	}
	all := lower(strings.Join(told, "\n"))
	for word := range strings.FieldsSeq(lower(text)) {
		if !strings.Contains(all, word) {
			return false
		}
	}
	return true
}

// selected returns the secrets that meet filters.
func selected(tx store.Tx, filters []types.Filter, planned bool) ([]Secret, error) {
	all, err := Secrets.List(tx, "")
	return slices.DeleteFunc(all, func(s Secret) bool { return s.marked() && !planned || !meets(s, filters) }), err
}

// ListSecrets lists secrets, the newest first unless the call says otherwise.
func (a *API) ListSecrets(ctx context.Context, in *sm.ListSecretsInput) (*sm.ListSecretsOutput, error) {
	page, err := pages(100).Open(in.MaxResults, in.NextToken, in.Filters, in.IncludePlannedDeletion, in.SortBy, in.SortOrder)
	if err != nil {
		return nil, err
	}
	page.Descending = in.SortOrder != types.SortOrderTypeAsc
	return handler.View(ctx, a.db, func(tx store.Tx) (*sm.ListSecretsOutput, error) {
		all, err := selected(tx, in.Filters, in.IncludePlannedDeletion != nil && *in.IncludePlannedDeletion)
		if err != nil {
			return nil, err
		}
		list, next := handler.Cut(page, all, func(s Secret) string { return s.order(in.SortBy) })
		out := &sm.ListSecretsOutput{SecretList: []types.SecretListEntry{}, NextToken: next}
		for _, s := range list {
			out.SecretList = append(out.SecretList, a.entry(s))
		}
		return out, nil
	})
}

// order is a secret's place in a list. Secrets of the same time are in the order of
// their names.
func (s Secret) order(by types.SortByType) string {
	const sortable = "20060102150405.000000000"
	switch by {
	case types.SortByTypeName:
		return s.Name
	case types.SortByTypeLastChangedDate:
		return s.ChangedAt.Format(sortable) + s.Name
	case types.SortByTypeLastAccessedDate:
		return s.AccessedAt.Format(sortable) + s.Name
	}
	return s.CreatedAt.Format(sortable) + s.Name
}

// getOne is GetSecretValue with the question whether the caller may, as the front door asks it.
func (a *API) getOne(ctx context.Context, ref string) (*sm.GetSecretValueOutput, error) {
	on := a.ns.ARN("secretsmanager", "secret:*") // who may not read it isn't told that it isn't there
	for _, arn := range a.named(ctx, []string{ref}) {
		on = arn
	}
	if err := caller.Allowed(ctx, "secretsmanager:GetSecretValue", on, nil); err != nil {
		return nil, err
	}
	return a.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: &ref})
}

// BatchGetSecretValue returns the current values of up to 20 secrets, and says of
// each other one why not. The caller must be allowed to read each, and with filters to list them
// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html).
func (a *API) BatchGetSecretValue(ctx context.Context, in *sm.BatchGetSecretValueInput) (*sm.BatchGetSecretValueOutput, error) {
	out := &sm.BatchGetSecretValueOutput{SecretValues: []types.SecretValueEntry{}, Errors: []types.APIErrorType{}}
	refs := in.SecretIdList
	switch {
	case (len(refs) > 0) == (len(in.Filters) > 0):
		return nil, invalid("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case len(refs) > 0 && (in.MaxResults != nil || in.NextToken != nil):
		return nil, invalid("'Filters' not specified. 'Filters' must also be specified when 'MaxResults' or 'NextToken' is provided.")
	case len(in.Filters) > 0:
		if err := caller.Allowed(ctx, "secretsmanager:ListSecrets", "*", nil); err != nil {
			return nil, err
		}
		page, err := pages(20).Open(in.MaxResults, in.NextToken, in.Filters)
		if err != nil {
			return nil, err
		}
		err = a.db.View(ctx, func(tx store.Tx) error {
			all, err := selected(tx, in.Filters, false)
			list, next := handler.Cut(page, all, func(s Secret) string { return s.Name })
			refs, out.NextToken = nil, next
			for _, s := range list {
				refs = append(refs, s.Name)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, ref := range refs {
		v, err := a.getOne(ctx, ref)
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			out.Errors = append(out.Errors, types.APIErrorType{SecretId: &ref, ErrorCode: new(e.ErrorCode()), Message: new(e.ErrorMessage())})
			continue
		}
		if err != nil {
			return nil, err
		}
		out.SecretValues = append(out.SecretValues, types.SecretValueEntry{
			ARN: v.ARN, Name: v.Name, VersionId: v.VersionId, VersionStages: v.VersionStages, CreatedDate: v.CreatedDate,
			SecretString: v.SecretString, SecretBinary: v.SecretBinary,
		})
	}
	return out, nil
}
