package tag

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every resource that has tags or had some. Deleted clusters and services
// and stopped tasks are not among them, though their records are there for a while.
func (a *Tags) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	for _, err := range []error{
		handler.EachTagged(tx, ecs.Clusters, each, func(c *ecs.Cluster) (string, handler.Tags) { return c.ARN, unless(c.Status == ecs.Inactive, c.Tags) }),
		handler.EachTagged(tx, ecs.Services, each, func(s *ecs.Service) (string, handler.Tags) { return s.ARN, unless(s.Status == ecs.Inactive, s.Tags) }),
		handler.EachTagged(tx, ecs.Tasks, each, func(t *ecs.Task) (string, handler.Tags) { return t.ARN, unless(t.Status == ecs.Stopped, t.Tags) }),
		handler.EachTagged(tx, ecs.Definitions, each, func(d *ecs.TaskDefinition) (string, handler.Tags) {
			return aws.ToString(d.Definition.TaskDefinitionArn), d.Tags
		}),
	} {
		if err != nil {
			return fmt.Errorf("list tagged resources of ECS: %w", err)
		}
	}
	return nil
}

// unless returns the tags of a resource that isn't gone.
func unless(gone bool, tags handler.Tags) handler.Tags {
	if gone {
		return nil
	}
	return tags
}

// Tag is TagResource for callers that know nothing of ECS's types.
func (a *Tags) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.TagResource(ctx, &sdk.TagResourceInput{ResourceArn: &arn, Tags: shape.TagType.To(tags)})
	return err
}

// Untag is UntagResource for callers that know nothing of ECS's types.
func (a *Tags) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.UntagResource(ctx, &sdk.UntagResourceInput{ResourceArn: &arn, TagKeys: keys})
	return err
}

// TagResource adds tags to a resource.
func (a *Tags) TagResource(ctx context.Context, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	rules, given := scope.TagRules(), shape.TagType.From(in.Tags)
	if err := rules.Faults(given).First(); err != nil {
		return nil, err
	}
	_, err := a.retag(ctx, *in.ResourceArn, func(tags handler.Tags) (handler.Tags, error) { return rules.Add(tags, given) })
	if err != nil {
		return nil, err
	}
	return &sdk.TagResourceOutput{}, nil
}

// UntagResource removes tags from a resource. A key that no tag has is no fault, whatever it looks like, but for those
// of AWS's own tags.
func (a *Tags) UntagResource(ctx context.Context, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	if i := slices.IndexFunc(in.TagKeys, handler.Reserved); i >= 0 {
		return nil, scope.TagRules().Reserved(in.TagKeys[i])
	}
	_, err := a.retag(ctx, *in.ResourceArn, func(tags handler.Tags) (handler.Tags, error) {
		return handler.Without(tags, in.TagKeys), nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.UntagResourceOutput{}, nil
}

// ListTagsForResource returns the tags of a resource, in the order of their keys.
func (a *Tags) ListTagsForResource(ctx context.Context, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	tags, err := a.retag(ctx, *in.ResourceArn, nil)
	if err != nil {
		return nil, err
	}
	return &sdk.ListTagsForResourceOutput{Tags: shape.TagType.To(tags)}, nil
}

// retag returns the tags of the resource and, when change isn't nil, puts in their place what it makes of them.
func (a *Tags) retag(ctx context.Context, ref string, change func(handler.Tags) (handler.Tags, error)) (handler.Tags, error) {
	r, err := arn.Parse(ref)
	if err != nil || r.Service != "ecs" {
		return nil, ecs.Invalid("The specified resource ARN is not valid: %s.", ref)
	}
	kind, _, _ := strings.Cut(r.Resource, "/")
	key, err := a.Ours(ref, kind)
	if err != nil {
		return nil, err
	}
	if (kind == "service" || kind == "task" || kind == "container-instance") && !strings.Contains(key, "/") {
		return nil, ecs.Invalid("Long arn format must be used for tagging operations")
	}
	if change == nil {
		return handler.View(ctx, a.DB, func(tx store.Tx) (handler.Tags, error) { return retag(tx, kind, key, ref, nil) })
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (handler.Tags, error) { return retag(tx, kind, key, ref, change) })
}

func retag(tx store.Tx, kind, key, ref string, change func(handler.Tags) (handler.Tags, error)) (handler.Tags, error) {
	switch kind {
	case "cluster":
		return handler.Retag(tx, ecs.Clusters, key, gone, func(c *ecs.Cluster) *handler.Tags { return &c.Tags }, change)
	case "service":
		return handler.Retag(tx, ecs.Services, key, gone, func(s *ecs.Service) *handler.Tags { return &s.Tags }, change)
	case "task":
		return handler.Retag(tx, ecs.Tasks, key, gone, func(t *ecs.Task) *handler.Tags { return &t.Tags }, change)
	case "task-definition":
		family, revision, err := ecs.ParseDefinition(key)
		if err != nil {
			return nil, err
		}
		return handler.Retag(tx, ecs.Definitions, ecs.DefinitionKey(family, revision), gone, func(d *ecs.TaskDefinition) *handler.Tags { return &d.Tags }, change)
	case "capacity-provider":
		return nil, tagProvider(key, change != nil)
	case "container-instance": // there are none
		return nil, gone(key)
	}
	return nil, ecs.Invalid("The specified resource cannot be tagged: %s.", ref)
}

// gone says that what is to be tagged isn't there.
func gone(string) error {
	return &types.ResourceNotFoundException{Message: aws.String("The specified resource was not found.")}
}

// tagProvider says why a capacity provider can't be tagged. FARGATE and FARGATE_SPOT belong to nobody and have no tags.
func tagProvider(name string, change bool) error {
	switch {
	case !slices.Contains(ecs.Providers, name):
		return gone(name)
	case change:
		return ecs.Invalid("The FARGATE and FARGATE_SPOT capacity providers can't be tagged.")
	}
	return nil
}
