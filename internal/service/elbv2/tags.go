package elbv2

import (
	"context"
	"slices"
	"strings"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/store"
)

const (
	maxTags      = 50
	maxDescribed = 20 // in a call that names them
)

// AddTags adds tags to resources, or replaces those with the same keys.
func (a *API) AddTags(ctx context.Context, in *elb.AddTagsInput) (*elb.AddTagsOutput, error) {
	err := a.retag(ctx, in.ResourceArns, func(tags []Tag) ([]Tag, error) { return withTags(tags, in.Tags) })
	if err != nil {
		return nil, err
	}
	return &elb.AddTagsOutput{}, nil
}

// RemoveTags removes the tags with the given keys.
func (a *API) RemoveTags(ctx context.Context, in *elb.RemoveTagsInput) (*elb.RemoveTagsOutput, error) {
	err := a.retag(ctx, in.ResourceArns, func(tags []Tag) ([]Tag, error) {
		return slices.DeleteFunc(tags, func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
	})
	if err != nil {
		return nil, err
	}
	return &elb.RemoveTagsOutput{}, nil
}

// DescribeTags returns the tags of resources.
func (a *API) DescribeTags(ctx context.Context, in *elb.DescribeTagsInput) (*elb.DescribeTagsOutput, error) {
	if len(in.ResourceArns) > maxDescribed {
		return nil, invalid("Cannot have more than %d resources described", maxDescribed)
	}
	out := &elb.DescribeTagsOutput{}
	err := a.db.View(ctx, func(tx store.Tx) error {
		for _, arn := range in.ResourceArns {
			tags, err := tagged(tx, arn, nil)
			if err != nil {
				return err
			}
			out.TagDescriptions = append(out.TagDescriptions, types.TagDescription{ResourceArn: new(arn), Tags: wireTags(tags)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (a *API) retag(ctx context.Context, arns []string, change func([]Tag) ([]Tag, error)) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		for _, arn := range arns {
			if _, err := tagged(tx, arn, change); err != nil {
				return err
			}
		}
		return nil
	})
}

// tagged returns the tags of the resource with that ARN, and writes what change
// makes of them when it is not nil.
func tagged(tx store.Tx, arn string, change func([]Tag) ([]Tag, error)) ([]Tag, error) {
	switch {
	case kindLoadBalancer.is(arn):
		return tagsOf(tx, LoadBalancers, kindLoadBalancer, arn, noLoadBalancer, func(r *LoadBalancer) *[]Tag { return &r.Tags }, change)
	case kindTargetGroup.is(arn):
		return tagsOf(tx, TargetGroups, kindTargetGroup, arn, noTargetGroup, func(r *TargetGroup) *[]Tag { return &r.Tags }, change)
	case kindListener.is(arn):
		return tagsOf(tx, Listeners, kindListener, arn, noListener, func(r *Listener) *[]Tag { return &r.Tags }, change)
	case kindRule.is(arn):
		return tagsOf(tx, Rules, kindRule, arn, noRule, func(r *Rule) *[]Tag { return &r.Tags }, change)
	default:
		return nil, invalid("'%s' is not a valid resource ARN", arn)
	}
}

func tagsOf[T any](tx store.Tx, t *store.Table[T], k kind, arn string, none func() error, tags func(*T) *[]Tag, change func([]Tag) ([]Tag, error)) ([]Tag, error) {
	v, err := get(tx, t, k, arn, none)
	if err != nil || change == nil {
		return *tags(&v), err
	}
	if *tags(&v), err = change(*tags(&v)); err != nil {
		return nil, err
	}
	return nil, t.Put(tx, arn, v)
}

// tagFaults is what is wrong with tags that are to be added, whatever is there.
func tagFaults(added []types.Tag) (f awserr.Faults) {
	seen := make(map[string]bool)
	for _, t := range added {
		key := deref(t.Key)
		switch {
		case seen[key]:
			f.Add(&types.DuplicateTagKeysException{Message: new("Tag keys must be unique: '" + key + "' is given more than once")})
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			f.Add(invalid("Tag key '%s' cannot begin with 'aws:'", key))
		}
		seen[key] = true
	}
	if len(seen) > maxTags {
		f.Add(tooManyTags())
	}
	return f
}

func tooManyTags() error {
	return &types.TooManyTagsException{Message: new("A resource can have at most '50' tags")}
}

// withTags returns tags and the added ones.
func withTags(tags []Tag, added []types.Tag) ([]Tag, error) {
	if err := tagFaults(added).First(); err != nil {
		return nil, err
	}
	for _, t := range added {
		key := deref(t.Key)
		i := slices.IndexFunc(tags, func(o Tag) bool { return o.Key == key })
		if i < 0 {
			tags = append(tags, Tag{Key: key})
			i = len(tags) - 1
		}
		tags[i].Value = deref(t.Value)
	}
	if len(tags) > maxTags {
		return nil, tooManyTags()
	}
	return tags, nil
}

func wireTags(tags []Tag) []types.Tag {
	out := make([]types.Tag, len(tags))
	for i, t := range tags {
		out[i] = types.Tag{Key: new(t.Key), Value: new(t.Value)}
	}
	return out
}
