package ecs

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
)

// maxTags is how many tags a resource may have, besides those of ECS itself.
const maxTags = 50

func tooManyTags() error { return invalid("The maximum number of tags per resource is %d.", maxTags) }

func reservedTag() error {
	return invalid("aws: prefixed tag key names are not allowed for external use.")
}

// checkTags holds tags to ECS's limits: 50 a resource, keys of 128 and values
// of 256 characters, and none that begin with aws:.
func checkTags(tags []types.Tag) error {
	if len(tags) > maxTags {
		return tooManyTags()
	}
	seen := map[string]bool{}
	for _, t := range tags {
		k := aws.ToString(t.Key)
		switch {
		case k == "" || utf8.RuneCountInString(k) > 128:
			return invalid("A tag's key must have 1 to 128 characters.")
		case utf8.RuneCountInString(aws.ToString(t.Value)) > 256:
			return invalid("The value of tag %s must have at most 256 characters.", k)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return reservedTag()
		case seen[k]:
			return invalid("Duplicate tag key: %s.", k)
		}
		seen[k] = true
	}
	return nil
}

// managed are the keys of the tags that ECS itself puts on tasks.
var managed = []string{"aws:ecs:clusterName", "aws:ecs:serviceName"}

// merge returns tags with more put over them.
func merge(tags, more []types.Tag) []types.Tag {
	keys := make([]string, len(more))
	for i, t := range more {
		keys[i] = aws.ToString(t.Key)
	}
	return append(without(tags, keys), more...)
}

// given returns the tags that a new record has: nil when there are none.
func given(tags []types.Tag) []types.Tag {
	if len(tags) == 0 {
		return nil
	}
	return tags
}

func without(tags []types.Tag, keys []string) []types.Tag {
	drop := map[string]bool{}
	for _, k := range keys {
		drop[k] = true
	}
	out := []types.Tag{}
	for _, t := range tags {
		if !drop[aws.ToString(t.Key)] {
			out = append(out, t)
		}
	}
	return out
}

// sameTags says whether two resources have the same tags, in whatever order.
func sameTags(a, b []types.Tag) bool {
	values := map[string]string{}
	for _, t := range a {
		values[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return len(a) == len(b) && !slices.ContainsFunc(b, func(t types.Tag) bool {
		v, ok := values[aws.ToString(t.Key)]
		return !ok || v != aws.ToString(t.Value)
	})
}

// TagResource puts tags on a resource.
func (a *API) TagResource(ctx context.Context, in *ecs.TagResourceInput) (*ecs.TagResourceOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	_, err := a.retag(ctx, *in.ResourceArn, func(tags []types.Tag) ([]types.Tag, error) {
		tags = merge(tags, in.Tags)
		if len(without(tags, managed)) > maxTags {
			return nil, tooManyTags()
		}
		return tags, nil
	})
	if err != nil {
		return nil, err
	}
	return &ecs.TagResourceOutput{}, nil
}

// UntagResource takes tags off a resource.
func (a *API) UntagResource(ctx context.Context, in *ecs.UntagResourceInput) (*ecs.UntagResourceOutput, error) {
	for _, k := range in.TagKeys {
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return nil, reservedTag()
		}
	}
	_, err := a.retag(ctx, *in.ResourceArn, func(tags []types.Tag) ([]types.Tag, error) {
		return without(tags, in.TagKeys), nil
	})
	if err != nil {
		return nil, err
	}
	return &ecs.UntagResourceOutput{}, nil
}

// ListTagsForResource returns the tags of a resource.
func (a *API) ListTagsForResource(ctx context.Context, in *ecs.ListTagsForResourceInput) (*ecs.ListTagsForResourceOutput, error) {
	tags, err := a.retag(ctx, *in.ResourceArn, nil)
	if err != nil {
		return nil, err
	}
	return &ecs.ListTagsForResourceOutput{Tags: append([]types.Tag{}, tags...)}, nil
}

// retag reads the tags of the resource and, with change, writes them.
func (a *API) retag(ctx context.Context, ref string, change func([]types.Tag) ([]types.Tag, error)) (tags []types.Tag, err error) {
	r, err := arn.Parse(ref)
	if err != nil || r.Service != "ecs" {
		return nil, invalid("The specified resource ARN is not valid: %s.", ref)
	}
	kind, _, _ := strings.Cut(r.Resource, "/")
	rest, err := a.ours(ref, kind)
	if err != nil {
		return nil, err
	}
	if (kind == "service" || kind == "task" || kind == "container-instance") && !strings.Contains(rest, "/") {
		return nil, invalid("Long arn format must be used for tagging operations")
	}
	if kind == "capacity-provider" {
		return nil, tagProvider(rest, change != nil)
	}
	run := a.db.Update
	if change == nil {
		run = a.db.View
	}
	err = run(ctx, func(tx store.Tx) error {
		switch kind {
		case "cluster":
			return retag(tx, Clusters, rest, &tags, change, func(c *Cluster) *[]types.Tag { return &c.Tags })
		case "service":
			return retag(tx, Services, rest, &tags, change, func(s *Service) *[]types.Tag { return &s.Tags })
		case "task":
			return retag(tx, Tasks, rest, &tags, change, func(t *Task) *[]types.Tag { return &t.Tags })
		case "task-definition":
			family, revision, err := parseDefinition(rest)
			if err != nil {
				return err
			}
			return retag(tx, Definitions, DefinitionKey(family, revision), &tags, change, func(d *TaskDefinition) *[]types.Tag { return &d.Tags })
		}
		if kind == "container-instance" { // there are none
			return gone()
		}
		return invalid("The specified resource cannot be tagged: %s.", ref)
	})
	return tags, err
}

// gone says that what is to be tagged isn't there.
func gone() error {
	return &types.ResourceNotFoundException{Message: aws.String("The specified resource was not found.")}
}

// tagProvider says why a capacity provider can't be tagged: those that there
// are belong to nobody, and have no tags.
func tagProvider(name string, change bool) error {
	switch {
	case !slices.Contains(providers, name):
		return gone()
	case change:
		return invalid("The FARGATE and FARGATE_SPOT capacity providers can't be tagged.")
	}
	return nil
}

func retag[T any](tx store.Tx, table *store.Table[T], key string, tags *[]types.Tag, change func([]types.Tag) ([]types.Tag, error), of func(*T) *[]types.Tag) error {
	v, err := table.Get(tx, key)
	if missing(err) {
		return gone()
	}
	if err != nil {
		return err
	}
	*tags = *of(&v)
	if change == nil {
		return nil
	}
	if *of(&v), err = change(*tags); err != nil {
		return err
	}
	return table.Put(tx, key, v)
}
