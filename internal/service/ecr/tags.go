package ecr

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

var (
	tagType = handler.TagType[types.Tag]{
		Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
		Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
	}
	tagRules = handler.TagRules{
		Most: 50,
		TooMany: func() error {
			return &types.TooManyTagsException{Message: new("A repository can have at most 50 tags")}
		},
		BadKey: func(key string) error { return badTag("A tag key must have 1 to 128 characters: '" + key + "'") },
		BadValue: func(key, _ string) error {
			return badTag("A tag value must have at most 256 characters: that of '" + key + "'")
		},
		Reserved: func(key string) error { return badTag("Tag keys that start with 'aws:' are reserved: '" + key + "'") },
	}
)

func badTag(message string) error { return &types.InvalidTagParameterException{Message: &message} }

// tag adds the tags to the repository's.
func (r *Repository) tag(given []types.Tag) (err error) {
	r.Tags, err = tagRules.Add(r.Tags, tagType.From(given))
	return err
}

// TagResource adds tags to a repository.
func (a *API) TagResource(ctx context.Context, in *ecr.TagResourceInput) (*ecr.TagResourceOutput, error) {
	name, err := a.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = a.change(ctx, name, func(repo *Repository) error { return repo.tag(in.Tags) })
	return &ecr.TagResourceOutput{}, err
}

// UntagResource removes tags from a repository.
func (a *API) UntagResource(ctx context.Context, in *ecr.UntagResourceInput) (*ecr.UntagResourceOutput, error) {
	name, err := a.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = a.change(ctx, name, func(repo *Repository) error {
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
	return view(ctx, a, func(tx store.Tx) (*ecr.ListTagsForResourceOutput, error) {
		repo, err := a.records.repository(tx, name)
		return &ecr.ListTagsForResourceOutput{Tags: tagType.To(repo.Tags)}, err
	})
}

// resource returns the name of the repository that an ARN names.
func (a *API) resource(resourceARN *string) (string, error) {
	r, err := arn.Parse(aws.ToString(resourceARN))
	name, ok := strings.CutPrefix(r.Resource, "repository/")
	if err != nil || !ok || r.Service != "ecr" {
		return "", invalid("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	if r.Region != a.records.ns.Region {
		return "", invalid("Invalid parameter at 'resourceArn': the registry is in region '%s'", a.records.ns.Region)
	}
	return name, a.check(&r.Account, &name)
}
