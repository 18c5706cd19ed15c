package efs

import (
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

const maxTags = 50

var (
	tagType = handler.TagType[types.Tag]{
		Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
		Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
	}
	tagRules = handler.TagRules{
		Most:     maxTags,
		TooMany:  func() error { return badRequest("A resource can have at most %d tags.", maxTags) },
		BadKey:   badTagKey,
		Reserved: badTagKey,
		Twice:    func(key string) error { return badRequest("The tag key '%s' is given more than once.", key) },
		Letters:  regexp.MustCompile(`\A[\p{L}\p{Z}\p{N}_.:/=+\-@]*\z`), // AWS's pattern without its look at "aws:"
	}
)

func badTagKey(key string) error {
	return invalid("1 validation error detected: Value '%s' at 'tagKey' failed to satisfy constraint: Member must satisfy regular expression pattern: "+
		`^(?![aA]{1}[wW]{1}[sS]{1}:)([\p{L}\p{Z}\p{N}_.:/=+\-@]+)$`, key)
}

// TagResource adds tags, or replaces those with the same keys.
func (a *API) TagResource(ctx context.Context, in *efs.TagResourceInput) (*efs.TagResourceOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.TagResourceOutput, error) {
		_, err := a.retag(tx, in.ResourceId, func(tags handler.Tags) (handler.Tags, error) { return tagRules.Add(tags, tagType.From(in.Tags)) })
		return &efs.TagResourceOutput{}, err
	})
}

// UntagResource removes the tags with those keys.
func (a *API) UntagResource(ctx context.Context, in *efs.UntagResourceInput) (*efs.UntagResourceOutput, error) {
	if err := tagRules.Keys(in.TagKeys); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.UntagResourceOutput, error) {
		_, err := a.retag(tx, in.ResourceId, func(tags handler.Tags) (handler.Tags, error) { return handler.Without(tags, in.TagKeys), nil })
		return &efs.UntagResourceOutput{}, err
	})
}

// ListTagsForResource returns tags in the order of their keys.
func (a *API) ListTagsForResource(ctx context.Context, in *efs.ListTagsForResourceInput) (*efs.ListTagsForResourceOutput, error) {
	page, err := pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*efs.ListTagsForResourceOutput, error) {
		tags, err := a.retag(tx, in.ResourceId, nil)
		part, next := handler.Cut(page, tagType.To(tags), func(t types.Tag) string { return *t.Key })
		return &efs.ListTagsForResourceOutput{Tags: part, NextToken: next}, err
	})
}

// retag returns the tags of a file system or access point, and writes what change makes of them when it is not nil.
func (a *API) retag(tx store.Tx, resource *string, change func(handler.Tags) (handler.Tags, error)) (handler.Tags, error) {
	id := a.local(resource)
	if strings.HasPrefix(id, "fsap-") || strings.Contains(id, ":access-point/") {
		return handler.Retag(tx, AccessPoints, id, noAccessPoint, func(p *AccessPoint) *handler.Tags { return &p.Tags }, change)
	}
	return handler.Retag(tx, FileSystems, id, noFileSystem, func(f *FileSystem) *handler.Tags { return &f.Tags }, change)
}

// nameOf returns the value of the tag that is a resource's name.
func nameOf(tags handler.Tags) *string {
	if name, ok := tags["Name"]; ok {
		return &name
	}
	return nil
}
