package ssm

import (
	"context"
	"errors"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

var tagType = handler.TagType[types.Tag]{
	Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
	Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
}

// tagRules is what Parameter Store says of tags. The wire has checked their letters.
var tagRules = handler.TagRules{
	Most: 50, TooMany: func() error { return &types.TooManyTagsError{Message: new("A parameter can have at most 50 tags.")} },
	Letters: regexp.MustCompile(`\A[\p{L}\p{Z}\p{N}_.:/=+\-@]*\z`),
	Reserved: func(key string) error {
		return invalid("The tag key '%s' is not valid: keys that begin with 'aws:' are reserved.", key)
	},
	Twice: func(key string) error { return invalid("The tag key '%s' is there twice.", key) },
}

func typeFault(typ types.ResourceTypeForTagging) error {
	if typ != types.ResourceTypeForTaggingParameter {
		return &types.InvalidResourceType{Message: new("The resource type " + string(typ) + " is not supported by Skylift: there are parameters only.")}
	}
	return nil
}

func (a *API) retag(ctx context.Context, resource string, change func(handler.Tags) (handler.Tags, error)) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		p, err := a.tagged(tx, resource)
		if err != nil {
			return err
		}
		if p.Tags, err = change(p.Tags); err != nil {
			return err
		}
		return Parameters.Put(tx, p.Name, p)
	})
}

// AddTagsToResource sets tags of a parameter.
func (a *API) AddTagsToResource(ctx context.Context, in *ssm.AddTagsToResourceInput) (*ssm.AddTagsToResourceOutput, error) {
	if err := typeFault(in.ResourceType); err != nil {
		return nil, err
	}
	return &ssm.AddTagsToResourceOutput{}, a.retag(ctx, *in.ResourceId, func(has handler.Tags) (handler.Tags, error) {
		return tagRules.Add(has, tagType.From(in.Tags))
	})
}

// RemoveTagsFromResource removes tags of a parameter.
func (a *API) RemoveTagsFromResource(ctx context.Context, in *ssm.RemoveTagsFromResourceInput) (*ssm.RemoveTagsFromResourceOutput, error) {
	if err := typeFault(in.ResourceType); err != nil {
		return nil, err
	}
	if err := tagRules.Keys(in.TagKeys); err != nil {
		return nil, err
	}
	return &ssm.RemoveTagsFromResourceOutput{}, a.retag(ctx, *in.ResourceId, func(has handler.Tags) (handler.Tags, error) {
		return handler.Without(has, in.TagKeys), nil
	})
}

// ListTagsForResource lists the tags of a parameter.
func (a *API) ListTagsForResource(ctx context.Context, in *ssm.ListTagsForResourceInput) (*ssm.ListTagsForResourceOutput, error) {
	if err := typeFault(in.ResourceType); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*ssm.ListTagsForResourceOutput, error) {
		p, err := a.tagged(tx, *in.ResourceId)
		return &ssm.ListTagsForResourceOutput{TagList: tagType.To(p.Tags)}, err
	})
}

// Tagged calls each with the ARN and the tags of every parameter that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return handler.EachTagged(tx, Parameters, each, func(p *Parameter) (string, handler.Tags) { return a.arn(p.Name), p.Tags })
}

// Tag is AddTagsToResource for callers that know nothing of Parameter Store's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.AddTagsToResource(ctx, &ssm.AddTagsToResourceInput{ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: &arn, Tags: tagType.To(tags)})
	return err
}

// Untag is RemoveTagsFromResource for callers that know nothing of Parameter Store's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.RemoveTagsFromResource(ctx, &ssm.RemoveTagsFromResourceInput{ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: &arn, TagKeys: keys})
	return err
}

// Known returns the tags of the parameter with that ARN; none when there is no such one.
func (a *API) Known(tx store.Tx, arn string) (tags, keys map[string]string, err error) {
	p, err := a.tagged(tx, arn)
	if _, none := errors.AsType[smithy.APIError](err); none {
		return nil, nil, nil
	}
	return p.Tags, nil, err
}
