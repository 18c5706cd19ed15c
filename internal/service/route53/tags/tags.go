// Package tags adds, shows and removes tags of hosted zones and health checks.
package tags

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has the handlers.
type API struct{ *scope.Scope }

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("ChangeTagsForResource", a.ChangeTagsForResource).Takes("ResourceType ResourceId AddTags{*} RemoveTagKeys").
			OnThose("hostedzone", only(types.TagResourceTypeHostedzone, changed)).OnThose("healthcheck", only(types.TagResourceTypeHealthcheck, changed)),
		wire.Op("ListTagsForResource", a.ListTagsForResource).Takes("ResourceType ResourceId").
			OnThose("hostedzone", only(types.TagResourceTypeHostedzone, listed)).OnThose("healthcheck", only(types.TagResourceTypeHealthcheck, listed)),
		wire.Op("ListTagsForResources", a.ListTagsForResources).Takes("ResourceType ResourceIds").
			OnThose("hostedzone", only(types.TagResourceTypeHostedzone, listedAll)).OnThose("healthcheck", only(types.TagResourceTypeHealthcheck, listedAll)),
	}
}

// ARN is that of a zone or a health check.
func ARN(kind types.TagResourceType, id string) string {
	return arn.ARN{Partition: "aws", Service: "route53", Resource: string(kind) + "/" + id}.String()
}

// only makes ARNs of what a request names, where that is of a type.
func only[In any](kind types.TagResourceType, of func(*In) (types.TagResourceType, []string)) func(*In) []string {
	return func(in *In) (all []string) {
		is, ids := of(in)
		if is != kind {
			return nil
		}
		for _, id := range ids {
			all = append(all, ARN(kind, id))
		}
		return all
	}
}

func changed(in *route53.ChangeTagsForResourceInput) (types.TagResourceType, []string) {
	return in.ResourceType, []string{*in.ResourceId}
}

func listed(in *route53.ListTagsForResourceInput) (types.TagResourceType, []string) {
	return in.ResourceType, []string{*in.ResourceId}
}

func listedAll(in *route53.ListTagsForResourcesInput) (types.TagResourceType, []string) {
	return in.ResourceType, in.ResourceIds
}

var (
	tagType = handler.TagType[types.Tag]{
		Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
		Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
	}
	tagRules = handler.TagRules{
		Most: scope.MaxTags,
		TooMany: func() error {
			return record.InvalidInput("A resource can have at most %d tags.", scope.MaxTags)
		},
		BadKey:   func(key string) error { return record.InvalidInput("The tag key '%s' is not valid.", key) },
		BadValue: func(key, _ string) error { return record.InvalidInput("The value of the tag '%s' is not valid.", key) },
		Reserved: func(key string) error {
			return record.InvalidInput("The tag key '%s' begins with 'aws:', which is reserved.", key)
		},
		Twice: func(key string) error { return record.InvalidInput("The tag key '%s' is given more than once.", key) },
	}
)

// ChangeTagsForResource adds and removes tags.
func (a API) ChangeTagsForResource(ctx context.Context, in *route53.ChangeTagsForResourceInput) (*route53.ChangeTagsForResourceOutput, error) {
	err := a.Retag(ctx, in.ResourceType, *in.ResourceId, func(has handler.Tags) (handler.Tags, error) {
		if len(in.RemoveTagKeys) > 0 {
			has = handler.Without(has, in.RemoveTagKeys)
		}
		return tagRules.Add(has, tagType.From(in.AddTags))
	})
	if err != nil {
		return nil, err
	}
	return &route53.ChangeTagsForResourceOutput{}, nil
}

// Retag writes what change makes of the tags of a resource.
func (a API) Retag(ctx context.Context, kind types.TagResourceType, id string, change func(handler.Tags) (handler.Tags, error)) error {
	return a.DB.Update(ctx, func(tx store.Tx) error {
		_, err := retag(tx, kind, id, change)
		return err
	})
}

// Add is what Retag takes to add tags.
func Add(tags map[string]string) func(handler.Tags) (handler.Tags, error) {
	return func(has handler.Tags) (handler.Tags, error) { return tagRules.Add(has, handler.Sorted(tags)) }
}

// retag returns the tags of a resource, and writes what change makes of them when it is not nil. Ids are bare.
func retag(tx store.Tx, kind types.TagResourceType, id string, change func(handler.Tags) (handler.Tags, error)) (handler.Tags, error) {
	switch {
	case kind == types.TagResourceTypeHealthcheck:
		return handler.Retag(tx, record.Checks, id, record.NoCheck, func(c *record.Check) *handler.Tags { return &c.Tags }, change)
	case strings.Contains(id, "/"):
		return nil, record.InvalidInput("1 validation error detected: Value '%s' at 'resourceId' failed to satisfy constraint: Member must have length less than or equal to 32", id)
	}
	return handler.Retag(tx, record.Zones, id, record.NoZone, func(z *record.Zone) *handler.Tags { return &z.Tags }, change)
}

// ListTagsForResource shows the tags of a resource, in the order of their keys.
func (a API) ListTagsForResource(ctx context.Context, in *route53.ListTagsForResourceInput) (*route53.ListTagsForResourceOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.ListTagsForResourceOutput, error) {
		set, err := tagsOf(tx, in.ResourceType, *in.ResourceId)
		return &route53.ListTagsForResourceOutput{ResourceTagSet: &set}, err
	})
}

// ListTagsForResources shows the tags of several resources.
func (a API) ListTagsForResources(ctx context.Context, in *route53.ListTagsForResourcesInput) (*route53.ListTagsForResourcesOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.ListTagsForResourcesOutput, error) {
		out := &route53.ListTagsForResourcesOutput{ResourceTagSets: []types.ResourceTagSet{}}
		for _, id := range in.ResourceIds {
			set, err := tagsOf(tx, in.ResourceType, id)
			if err != nil {
				return nil, fmt.Errorf("tags of %s: %w", id, err)
			}
			out.ResourceTagSets = append(out.ResourceTagSets, set)
		}
		return out, nil
	})
}

func tagsOf(tx store.Tx, kind types.TagResourceType, id string) (types.ResourceTagSet, error) {
	has, err := retag(tx, kind, id, nil)
	return types.ResourceTagSet{ResourceType: kind, ResourceId: &id, Tags: tagType.To(has)}, err
}
