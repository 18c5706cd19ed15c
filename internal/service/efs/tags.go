package efs

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/store"
)

const maxTags = 50

// tagKey is the part of AWS's pattern that is not about who may use "aws:".
var tagKey = regexp.MustCompile(`\A[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}\z`)

// TagResource adds tags, or replaces those with the same keys.
func (a *API) TagResource(ctx context.Context, in *efs.TagResourceInput) (*efs.TagResourceOutput, error) {
	return update(ctx, a.db, func(tx store.Tx) (*efs.TagResourceOutput, error) {
		_, err := a.tagged(tx, in.ResourceId, func(tags []Tag) ([]Tag, error) { return withTags(tags, in.Tags) })
		return &efs.TagResourceOutput{}, err
	})
}

// UntagResource removes the tags with those keys.
func (a *API) UntagResource(ctx context.Context, in *efs.UntagResourceInput) (*efs.UntagResourceOutput, error) {
	for _, k := range in.TagKeys {
		if err := checkKey(k); err != nil {
			return nil, err
		}
	}
	return update(ctx, a.db, func(tx store.Tx) (*efs.UntagResourceOutput, error) {
		_, err := a.tagged(tx, in.ResourceId, func(tags []Tag) ([]Tag, error) {
			return slices.DeleteFunc(tags, func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
		})
		return &efs.UntagResourceOutput{}, err
	})
}

// ListTagsForResource returns tags in the order of their keys.
func (a *API) ListTagsForResource(ctx context.Context, in *efs.ListTagsForResourceInput) (*efs.ListTagsForResourceOutput, error) {
	return view(ctx, a.db, func(tx store.Tx) (*efs.ListTagsForResourceOutput, error) {
		tags, err := a.tagged(tx, in.ResourceId, nil)
		if err != nil {
			return nil, err
		}
		part, next, err := page(tags, func(t Tag) string { return t.Key }, in.NextToken, in.MaxResults)
		return &efs.ListTagsForResourceOutput{Tags: wireTags(part), NextToken: next}, err
	})
}

// tagged returns the tags of a file system or access point, and writes what
// change makes of them when it is not nil.
func (a *API) tagged(tx store.Tx, resource *string, change func([]Tag) ([]Tag, error)) ([]Tag, error) {
	id := a.local(resource)
	if strings.HasPrefix(id, "fsap-") || strings.Contains(id, ":access-point/") {
		return tagsOf(tx, AccessPoints, id, noAccessPoint, func(p *AccessPoint) *[]Tag { return &p.Tags }, change)
	}
	return tagsOf(tx, FileSystems, id, noFileSystem, func(f *FileSystem) *[]Tag { return &f.Tags }, change)
}

func tagsOf[T any](tx store.Tx, t *store.Table[T], id string, none func(string) error, tags func(*T) *[]Tag, change func([]Tag) ([]Tag, error)) ([]Tag, error) {
	v, err := get(tx, t, id, none)
	if err != nil || change == nil {
		return *tags(&v), err
	}
	if *tags(&v), err = change(*tags(&v)); err != nil {
		return nil, err
	}
	return *tags(&v), t.Put(tx, id, v)
}

// tagFaults is what is wrong with tags that are to be added, whatever is there.
func tagFaults(added []types.Tag) (f awserr.Faults) {
	seen := map[string]bool{}
	for _, t := range added {
		if t.Key == nil || t.Value == nil {
			f.Add(badRequest("A tag must have a key and a value."))
			continue
		}
		f.Add(checkKey(*t.Key))
		if seen[*t.Key] {
			f.Add(badRequest("The tag key '%s' is given more than once.", *t.Key))
		}
		seen[*t.Key] = true
	}
	if len(seen) > maxTags {
		f.Add(tooManyTags())
	}
	return f
}

func tooManyTags() error { return badRequest("A resource can have at most %d tags.", maxTags) }

// withTags returns tags and the added ones.
func withTags(tags []Tag, added []types.Tag) ([]Tag, error) {
	if err := tagFaults(added).First(); err != nil {
		return nil, err
	}
	for _, t := range added {
		i := slices.IndexFunc(tags, func(o Tag) bool { return o.Key == *t.Key })
		if i < 0 {
			tags = append(tags, Tag{Key: *t.Key})
			i = len(tags) - 1
		}
		tags[i].Value = *t.Value
	}
	if len(tags) > maxTags {
		return nil, tooManyTags()
	}
	return tags, nil
}

// checkKey holds a key to AWS's pattern.
func checkKey(key string) error {
	if tagKey.MatchString(key) && !strings.HasPrefix(strings.ToLower(key), "aws:") {
		return nil
	}
	return invalid("1 validation error detected: Value '%s' at 'tagKey' failed to satisfy constraint: Member must satisfy regular expression pattern: "+
		`^(?![aA]{1}[wW]{1}[sS]{1}:)([\p{L}\p{Z}\p{N}_.:/=+\-@]+)$`, key)
}

func wireTags(tags []Tag) []types.Tag {
	out := make([]types.Tag, len(tags))
	for i, t := range tags {
		out[i] = types.Tag{Key: new(t.Key), Value: new(t.Value)}
	}
	return out
}

// nameOf returns the value of the tag that is a resource's name.
func nameOf(tags []Tag) *string {
	for _, t := range tags {
		if t.Key == "Name" {
			return new(t.Value)
		}
	}
	return nil
}
