package ecr

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/store"
)

const mostTags = 50

// tagFaults is what is wrong with tags that are to be added, whatever is there.
func tagFaults(tags []types.Tag) (f awserr.Faults) {
	keys := map[string]bool{}
	for _, t := range tags {
		key, value := deref(t.Key), deref(t.Value)
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128:
			f.Add(badTag("A tag key must have 1 to 128 characters: '" + key + "'"))
		case utf8.RuneCountInString(value) > 256:
			f.Add(badTag("A tag value must have at most 256 characters: that of '" + key + "'"))
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			f.Add(badTag("Tag keys that start with 'aws:' are reserved: '" + key + "'"))
		}
		keys[key] = true
	}
	if len(keys) > mostTags {
		f.Add(tooManyTags())
	}
	return f
}

func tooManyTags() error {
	return &types.TooManyTagsException{Message: new("A repository can have at most 50 tags")}
}

// tag adds the tags to the repository's.
func (r *Repository) tag(tags []types.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	if err := tagFaults(tags).First(); err != nil {
		return err
	}
	all := maps.Clone(r.Tags)
	if all == nil {
		all = map[string]string{}
	}
	for _, t := range tags {
		all[deref(t.Key)] = deref(t.Value)
	}
	if len(all) > mostTags {
		return tooManyTags()
	}
	r.Tags = all
	return nil
}

func badTag(message string) error { return &types.InvalidTagParameterException{Message: &message} }

// TagResource adds tags to a repository.
func (a *API) TagResource(ctx context.Context, in *ecr.TagResourceInput) (*ecr.TagResourceOutput, error) {
	name, err := a.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if err := a.update(ctx, name, func(repo *Repository) error { return repo.tag(in.Tags) }); err != nil {
		return nil, err
	}
	return &ecr.TagResourceOutput{}, nil
}

// UntagResource removes tags from a repository.
func (a *API) UntagResource(ctx context.Context, in *ecr.UntagResourceInput) (*ecr.UntagResourceOutput, error) {
	name, err := a.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	err = a.update(ctx, name, func(repo *Repository) error {
		for _, key := range in.TagKeys {
			delete(repo.Tags, key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ecr.UntagResourceOutput{}, nil
}

// ListTagsForResource lists a repository's tags in order of their keys.
func (a *API) ListTagsForResource(ctx context.Context, in *ecr.ListTagsForResourceInput) (*ecr.ListTagsForResourceOutput, error) {
	name, err := a.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &ecr.ListTagsForResourceOutput{}
	err = a.records.db.View(ctx, func(tx store.Tx) error {
		repo, err := a.records.repository(tx, name)
		if err != nil {
			return err
		}
		out.Tags = []types.Tag{}
		for _, key := range slices.Sorted(maps.Keys(repo.Tags)) {
			out.Tags = append(out.Tags, types.Tag{Key: &key, Value: new(repo.Tags[key])})
		}
		return nil
	})
	if err != nil {
		return nil, forCaller(err)
	}
	return out, nil
}

// resource returns the name of the repository that an ARN names.
func (a *API) resource(resourceARN *string) (string, error) {
	r, err := arn.Parse(deref(resourceARN))
	name, ok := strings.CutPrefix(r.Resource, "repository/")
	if err != nil || !ok || r.Service != "ecr" {
		return "", invalid("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	if r.Region != a.records.ns.Region {
		return "", invalid("Invalid parameter at 'resourceArn': the registry is in region '%s'", a.records.ns.Region)
	}
	return name, a.check(&r.Account, &name)
}
