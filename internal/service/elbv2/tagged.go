package elbv2

import (
	"context"
	"fmt"
	"iter"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every resource that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	for _, err := range []error{
		eachTagged(LoadBalancers.Peek(tx, ""), each, func(r *LoadBalancer) (string, []Tag) { return r.ARN, r.Tags }),
		eachTagged(TargetGroups.Peek(tx, ""), each, func(r *TargetGroup) (string, []Tag) { return r.ARN, r.Tags }),
		eachTagged(Listeners.Peek(tx, ""), each, func(r *Listener) (string, []Tag) { return r.ARN, r.Tags }),
		eachTagged(Rules.Peek(tx, ""), each, func(r *Rule) (string, []Tag) { return r.ARN, r.Tags }),
	} {
		if err != nil {
			return fmt.Errorf("list tagged resources of Elastic Load Balancing: %w", err)
		}
	}
	return nil
}

func eachTagged[T any](all iter.Seq2[*T, error], each func(arn string, tags map[string]string), of func(*T) (arn string, tags []Tag)) error {
	for r, err := range all {
		if err != nil {
			return err
		}
		arn, tags := of(r)
		if tags == nil {
			continue
		}
		set := make(map[string]string, len(tags))
		for _, t := range tags {
			set[t.Key] = t.Value
		}
		each(arn, set)
	}
	return nil
}

// Tag is AddTags for callers that know nothing of Elastic Load Balancing's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	in := &elb.AddTagsInput{ResourceArns: []string{arn}}
	for k, v := range tags {
		in.Tags = append(in.Tags, types.Tag{Key: &k, Value: &v})
	}
	_, err := a.AddTags(ctx, in)
	return err
}

// Untag is RemoveTags for callers that know nothing of Elastic Load Balancing's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.RemoveTags(ctx, &elb.RemoveTagsInput{ResourceArns: []string{arn}, TagKeys: keys})
	return err
}
