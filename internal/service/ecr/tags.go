package ecr

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// TagResource adds tags to a repository.
func (a *API) TagResource(ctx context.Context, in *ecr.TagResourceInput) (*ecr.TagResourceOutput, error) {
	name, err := a.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = a.records.Change(ctx, name, func(repo *record.Repository) error { return repo.Tag(in.Tags) })
	return &ecr.TagResourceOutput{}, err
}

// UntagResource removes tags from a repository.
func (a *API) UntagResource(ctx context.Context, in *ecr.UntagResourceInput) (*ecr.UntagResourceOutput, error) {
	name, err := a.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = a.records.Change(ctx, name, func(repo *record.Repository) error {
		repo.Tags = handler.Without(repo.Tags, in.TagKeys)
		return nil
	})
	return &ecr.UntagResourceOutput{}, err
}

// ListTagsForResource lists a repository's tags in order of their keys.
func (a *API) ListTagsForResource(ctx context.Context, in *ecr.ListTagsForResourceInput) (*ecr.ListTagsForResourceOutput, error) {
	name, err := a.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return record.View(ctx, a.records, func(tx store.Tx) (*ecr.ListTagsForResourceOutput, error) {
		repo, err := a.records.Get(tx, name)
		return &ecr.ListTagsForResourceOutput{Tags: record.TagType.To(repo.Tags)}, err
	})
}

// resource returns the name of the repository that an ARN names.
func (a *API) resource(resourceARN *string) (string, error) {
	r, err := arn.Parse(aws.ToString(resourceARN))
	name, ok := strings.CutPrefix(r.Resource, "repository/")
	if err != nil || !ok || r.Service != "ecr" {
		return "", record.Invalid("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	if r.Region != a.records.NS.Region {
		return "", record.Invalid("Invalid parameter at 'resourceArn': the registry is in region '%s'", a.records.NS.Region)
	}
	return name, a.records.Check(&r.Account, &name)
}
