package ecs

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every resource that has tags or had some. Deleted clusters and services
// and stopped tasks are not among them, though their records are there for a while.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	for _, err := range []error{
		tagged(Clusters.Peek(tx, ""), each, func(c *Cluster) (string, []types.Tag, bool) { return c.ARN, c.Tags, c.Status != Inactive }),
		tagged(Services.Peek(tx, ""), each, func(s *Service) (string, []types.Tag, bool) { return s.ARN, s.Tags, s.Status != Inactive }),
		tagged(Tasks.Peek(tx, ""), each, func(t *Task) (string, []types.Tag, bool) { return t.ARN, t.Tags, t.Status != Stopped }),
		tagged(Definitions.Peek(tx, ""), each, func(d *TaskDefinition) (string, []types.Tag, bool) {
			return aws.ToString(d.Definition.TaskDefinitionArn), d.Tags, true
		}),
	} {
		if err != nil {
			return fmt.Errorf("list tagged resources of ECS: %w", err)
		}
	}
	return nil
}

func tagged[T any](all iter.Seq2[*T, error], each func(arn string, tags map[string]string), of func(*T) (arn string, tags []types.Tag, there bool)) error {
	for r, err := range all {
		if err != nil {
			return err
		}
		arn, tags, there := of(r)
		if !there || tags == nil {
			continue
		}
		set := make(map[string]string, len(tags))
		for _, t := range tags {
			set[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		each(arn, set)
	}
	return nil
}

// Tag is TagResource for callers that know nothing of ECS's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	in := &ecs.TagResourceInput{ResourceArn: &arn}
	for k, v := range tags {
		in.Tags = append(in.Tags, types.Tag{Key: &k, Value: &v})
	}
	_, err := a.TagResource(ctx, in)
	return err
}

// Untag is UntagResource for callers that know nothing of ECS's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: &arn, TagKeys: keys})
	return err
}
