package elbv2

import (
	"context"
	"errors"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

const (
	maxTags      = 50
	maxDescribed = 20 // in a call that names them
)

var (
	tagType = handler.TagType[types.Tag]{
		Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
		Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
	}
	// tagRules leaves the lengths and letters of tags to the wire, as AWS's model has them.
	tagRules = handler.TagRules{
		Most: maxTags,
		TooMany: func() error {
			return &types.TooManyTagsException{Message: new("A resource can have at most '50' tags")}
		},
		Reserved: func(key string) error { return invalid("Tag key '%s' cannot begin with 'aws:'", key) },
		Twice: func(key string) error {
			return &types.DuplicateTagKeysException{Message: new("Tag keys must be unique: '" + key + "' is given more than once")}
		},
	}
)

// AddTags adds tags to resources, or replaces those with the same keys.
func (a *API) AddTags(ctx context.Context, in *elb.AddTagsInput) (*elb.AddTagsOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.AddTagsOutput, error) {
		added := tagType.From(in.Tags)
		return &elb.AddTagsOutput{}, retag(tx, in.ResourceArns, func(tags handler.Tags) (handler.Tags, error) { return tagRules.Add(tags, added) })
	})
}

// RemoveTags removes the tags with the given keys.
func (a *API) RemoveTags(ctx context.Context, in *elb.RemoveTagsInput) (*elb.RemoveTagsOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.RemoveTagsOutput, error) {
		return &elb.RemoveTagsOutput{}, retag(tx, in.ResourceArns, func(tags handler.Tags) (handler.Tags, error) {
			return handler.Without(tags, in.TagKeys), nil
		})
	})
}

// DescribeTags returns the tags of resources.
func (a *API) DescribeTags(ctx context.Context, in *elb.DescribeTagsInput) (*elb.DescribeTagsOutput, error) {
	if len(in.ResourceArns) > maxDescribed {
		return nil, invalid("Cannot have more than %d resources described", maxDescribed)
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeTagsOutput, error) {
		out := &elb.DescribeTagsOutput{}
		for _, arn := range in.ResourceArns {
			tags, err := tagged(tx, arn, nil)
			if err != nil {
				return nil, err
			}
			out.TagDescriptions = append(out.TagDescriptions, types.TagDescription{ResourceArn: new(arn), Tags: tagType.To(tags)})
		}
		return out, nil
	})
}

func retag(tx store.Tx, arns []string, change func(handler.Tags) (handler.Tags, error)) error {
	for _, arn := range arns {
		if _, err := tagged(tx, arn, change); err != nil {
			return err
		}
	}
	return nil
}

// tagged returns the tags of the resource with that ARN. When change is not nil, it first puts what change makes of
// them in their place.
func tagged(tx store.Tx, arn string, change func(handler.Tags) (handler.Tags, error)) (handler.Tags, error) {
	switch {
	case kindLoadBalancer.is(arn):
		return handler.Retag(tx, LoadBalancers, arn, noLoadBalancer, func(r *LoadBalancer) *handler.Tags { return &r.Tags }, change)
	case kindTargetGroup.is(arn):
		return handler.Retag(tx, TargetGroups, arn, noTargetGroup, func(r *TargetGroup) *handler.Tags { return &r.Tags }, change)
	case kindListener.is(arn):
		return handler.Retag(tx, Listeners, arn, noListener, func(r *Listener) *handler.Tags { return &r.Tags }, change)
	case kindRule.is(arn):
		return handler.Retag(tx, Rules, arn, noRule, func(r *Rule) *handler.Tags { return &r.Tags }, change)
	default:
		return nil, invalid("'%s' is not a valid resource ARN", arn)
	}
}

// Tagged calls each with the ARN and the tags of every resource that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return errors.Join(
		handler.EachTagged(tx, LoadBalancers, each, func(r *LoadBalancer) (string, handler.Tags) { return r.ARN, r.Tags }),
		handler.EachTagged(tx, TargetGroups, each, func(r *TargetGroup) (string, handler.Tags) { return r.ARN, r.Tags }),
		handler.EachTagged(tx, Listeners, each, func(r *Listener) (string, handler.Tags) { return r.ARN, r.Tags }),
		handler.EachTagged(tx, Rules, each, func(r *Rule) (string, handler.Tags) { return r.ARN, r.Tags }),
	)
}

// Tag is AddTags for callers that know nothing of Elastic Load Balancing's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.AddTags(ctx, &elb.AddTagsInput{ResourceArns: []string{arn}, Tags: tagType.To(tags)})
	return err
}

// Untag is RemoveTags for callers that know nothing of Elastic Load Balancing's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.RemoveTags(ctx, &elb.RemoveTagsInput{ResourceArns: []string{arn}, TagKeys: keys})
	return err
}
