package api

import (
	"context"
	"errors"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/store"
)

// AddTags adds tags to resources, or replaces those with the same keys.
func (a *API) AddTags(ctx context.Context, in *elb.AddTagsInput) (*elb.AddTagsOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.AddTagsOutput, error) {
		added := request.TagType.From(in.Tags)
		return &elb.AddTagsOutput{}, retag(tx, in.ResourceArns, func(tags handler.Tags) (handler.Tags, error) { return request.TagRules.Add(tags, added) })
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
	if len(in.ResourceArns) > request.MaxDescribed {
		return nil, request.Invalid("Cannot have more than %d resources described", request.MaxDescribed)
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeTagsOutput, error) {
		out := &elb.DescribeTagsOutput{}
		for _, arn := range in.ResourceArns {
			tags, err := tagged(tx, arn, nil)
			if err != nil {
				return nil, err
			}
			out.TagDescriptions = append(out.TagDescriptions, types.TagDescription{ResourceArn: new(arn), Tags: request.TagType.To(tags)})
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
	case request.LoadBalancer.Is(arn):
		return handler.Retag(tx, elbv2.LoadBalancers, arn, request.LoadBalancer.None, func(r *elbv2.LoadBalancer) *handler.Tags { return &r.Tags }, change)
	case request.TargetGroup.Is(arn):
		return handler.Retag(tx, elbv2.TargetGroups, arn, request.TargetGroup.None, func(r *elbv2.TargetGroup) *handler.Tags { return &r.Tags }, change)
	case request.Listener.Is(arn):
		return handler.Retag(tx, elbv2.Listeners, arn, request.Listener.None, func(r *elbv2.Listener) *handler.Tags { return &r.Tags }, change)
	case request.Rule.Is(arn):
		return handler.Retag(tx, elbv2.Rules, arn, request.Rule.None, func(r *elbv2.Rule) *handler.Tags { return &r.Tags }, change)
	default:
		return nil, request.Invalid("'%s' is not a valid resource ARN", arn)
	}
}

// Tagged calls each with the ARN and the tags of every resource that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return errors.Join(
		handler.EachTagged(tx, elbv2.LoadBalancers, each, func(r *elbv2.LoadBalancer) (string, handler.Tags) { return r.ARN, r.Tags }),
		handler.EachTagged(tx, elbv2.TargetGroups, each, func(r *elbv2.TargetGroup) (string, handler.Tags) { return r.ARN, r.Tags }),
		handler.EachTagged(tx, elbv2.Listeners, each, func(r *elbv2.Listener) (string, handler.Tags) { return r.ARN, r.Tags }),
		handler.EachTagged(tx, elbv2.Rules, each, func(r *elbv2.Rule) (string, handler.Tags) { return r.ARN, r.Tags }),
	)
}

// Tag is AddTags for callers that know nothing of Elastic Load Balancing's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.AddTags(ctx, &elb.AddTagsInput{ResourceArns: []string{arn}, Tags: request.TagType.To(tags)})
	return err
}

// Untag is RemoveTags for callers that know nothing of Elastic Load Balancing's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.RemoveTags(ctx, &elb.RemoveTagsInput{ResourceArns: []string{arn}, TagKeys: keys})
	return err
}

// Known returns the tags of the resource with that ARN; none when there is no such one.
func (a *API) Known(tx store.Tx, arn string) (tags, keys map[string]string, err error) {
	switch {
	case request.LoadBalancer.Is(arn):
		tags, err = handler.TagsOf(tx, elbv2.LoadBalancers, arn, func(r *elbv2.LoadBalancer) handler.Tags { return r.Tags })
	case request.TargetGroup.Is(arn):
		tags, err = handler.TagsOf(tx, elbv2.TargetGroups, arn, func(r *elbv2.TargetGroup) handler.Tags { return r.Tags })
	case request.Listener.Is(arn):
		tags, err = handler.TagsOf(tx, elbv2.Listeners, arn, func(r *elbv2.Listener) handler.Tags { return r.Tags })
	case request.Rule.Is(arn):
		tags, err = handler.TagsOf(tx, elbv2.Rules, arn, func(r *elbv2.Rule) handler.Tags { return r.Tags })
	}
	return tags, nil, err
}
