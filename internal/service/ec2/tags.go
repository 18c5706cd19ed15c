package ec2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
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
		Most: maxTags,
		TooMany: func() error {
			return awserr.New("TagLimitExceeded", "A resource can have at most %d tags.", maxTags)
		},
		BadKey: func(key string) error {
			return awserr.New("InvalidParameterValue", "Tag key '%s' must have between 1 and %d characters.", key, handler.MaxTagKey)
		},
		BadValue: func(key, _ string) error {
			return awserr.New("InvalidParameterValue", "The value of tag '%s' must have at most %d characters.", key, handler.MaxTagValue)
		},
		Reserved: func(key string) error {
			return awserr.New("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use: '%s'.", key)
		},
	}
)

// allTags returns the tags of every resource that has any or had some, by its id.
func allTags(tx store.Tx) (map[string]tagSet, error) {
	all, err := tagSets.List(tx, "")
	if err != nil {
		return nil, fmt.Errorf("list tags: %w", err)
	}
	out := make(map[string]tagSet, len(all))
	for _, s := range all {
		out[s.Resource] = s
	}
	return out, nil
}

// tagsFor returns the tags that specs, which may only be for resources of
// type typ, give to a new one.
func tagsFor(typ string, specs []types.TagSpecification) (handler.Tags, error) {
	if err := tagSpecFaults(typ, specs).First(); err != nil {
		return nil, err
	}
	return tagRules.Add(nil, tagsOf(specs))
}

// tagsOf returns the tags of all specs.
func tagsOf(specs []types.TagSpecification) (tags []handler.Tag) {
	for _, spec := range specs {
		tags = append(tags, tagType.From(spec.Tags)...)
	}
	return tags
}

// tagSpecFaults is what is wrong with the tags of a new resource of type typ.
func tagSpecFaults(typ string, specs []types.TagSpecification) (f awserr.Faults) {
	for _, spec := range specs {
		if string(spec.ResourceType) != typ {
			f.Add(awserr.New("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", spec.ResourceType))
		}
		if len(spec.Tags) == 0 {
			f.Add(awserr.New("InvalidParameterValue", "Tag specification must have at least one tag"))
		}
	}
	f.Add(tagRules.Faults(tagsOf(specs))...)
	return f
}

// putTags gives a new resource tags.
func putTags(tx store.Tx, resource, typ string, tags handler.Tags) error {
	if len(tags) == 0 {
		return nil
	}
	return tagSets.Put(tx, resource, tagSet{resource, typ, tags})
}

// dropTags forgets the tags of resources. It reads them at once: a group has
// more rules than a transaction may have reads.
func dropTags(tx store.Tx, resources ...string) error {
	all, err := allTags(tx)
	if err != nil {
		return err
	}
	for _, id := range resources {
		if _, ok := all[id]; !ok {
			continue
		}
		if err := tagSets.Delete(tx, id); err != nil {
			return err
		}
	}
	return nil
}

// typeOf returns the type of the resource called id, which must be there.
func typeOf(tx store.Tx, id string) (string, error) {
	prefix, _, _ := strings.Cut(id, "-")
	var err error
	switch prefix {
	case kindVpc.prefix:
		_, err = vpcByID(tx, id)
		return kindVpc.typ, err
	case kindSubnet.prefix:
		_, err = subnetByID(tx, id)
		return kindSubnet.typ, err
	case kindGroup.prefix:
		_, err = groupByID(tx, id)
		return kindGroup.typ, err
	case kindRule.prefix:
		_, _, err = ruleByID(tx, id)
		return kindRule.typ, err
	case kindInterface.prefix:
		_, err = byID(tx, Interfaces, kindInterface, id)
		return kindInterface.typ, err
	case kindTable.prefix:
		_, err = byID(tx, RouteTables, kindTable, id)
		return kindTable.typ, err
	case kindGateway.prefix:
		_, err = byID(tx, InternetGateways, kindGateway, id)
		return kindGateway.typ, err
	}
	return "", awserr.New("InvalidID", "The ID '%s' is not valid", id)
}

// CreateTags gives resources tags, or the tags that they have new values.
func (a *API) CreateTags(ctx context.Context, in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	added := tagType.From(in.Tags)
	return &ec2.CreateTagsOutput{}, a.retag(ctx, in.Resources, func(tags handler.Tags) (handler.Tags, error) { return tagRules.Add(tags, added) })
}

// DeleteTags takes tags from resources: by key, by key and value, or all.
func (a *API) DeleteTags(ctx context.Context, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	return &ec2.DeleteTagsOutput{}, a.retag(ctx, in.Resources, func(tags handler.Tags) (handler.Tags, error) {
		if len(in.Tags) == 0 {
			clear(tags)
		}
		for _, t := range in.Tags {
			if value, ok := tags[deref(t.Key)]; ok && (t.Value == nil || *t.Value == value) {
				delete(tags, deref(t.Key))
			}
		}
		return tags, nil
	})
}

// arnsOf returns the ARNs of the resources with these ids. An id of another kind, which the handler refuses,
// stays as it is.
func (a *API) arnsOf(_ context.Context, ids []string) (list []string) {
	for _, id := range ids {
		prefix, _, _ := strings.Cut(id, "-")
		for _, k := range []kind{kindVpc, kindSubnet, kindGroup, kindRule, kindInterface, kindTable, kindGateway} {
			if k.prefix == prefix {
				id = a.ns.ARN("ec2", k.typ+"/"+id)
				break
			}
		}
		list = append(list, id)
	}
	return list
}

// retag changes the tags of resources, all or none.
func (a *API) retag(ctx context.Context, resources []string, change func(handler.Tags) (handler.Tags, error)) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		for _, id := range resources {
			typ, err := typeOf(tx, id)
			if err != nil {
				return err
			}
			had, _, err := handler.Find(tx, tagSets, id)
			if err != nil {
				return err
			}
			tags, err := change(had.Tags)
			if err != nil {
				return err
			}
			if tags == nil { // it never had any
				continue
			}
			if err := tagSets.Put(tx, id, tagSet{id, typ, tags}); err != nil {
				return err
			}
		}
		return nil
	})
}

// tag is one tag of one resource.
type tag struct{ resource, typ, key, value string }

func (t tag) id() string { return t.resource + "\x00" + t.key }

// DescribeTags lists tags.
func (a *API) DescribeTags(ctx context.Context, in *ec2.DescribeTagsInput) (*ec2.DescribeTagsOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	sets, err := handler.View(ctx, a.db, allTags)
	if err != nil {
		return nil, err
	}
	var all []tag
	for _, s := range sets {
		for k, v := range s.Tags {
			all = append(all, tag{s.Resource, s.Type, k, v})
		}
	}
	slices.SortFunc(all, func(a, b tag) int { return strings.Compare(a.id(), b.id()) })
	all, next, err := tagListing(in.Filters).answer(all, question{filters: in.Filters, max: in.MaxResults, token: in.NextToken}, nil)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeTagsOutput{Tags: []types.TagDescription{}, NextToken: next}
	for _, t := range all {
		out.Tags = append(out.Tags, types.TagDescription{Key: new(t.key), Value: new(t.value), ResourceId: new(t.resource), ResourceType: types.ResourceType(t.typ)})
	}
	return out, nil
}

// tagListing sees, through "tag:KEY", the values of the tags with that key.
func tagListing(filters []types.Filter) listing[tag] {
	l := listing[tag]{kind{}, tag.id, map[string]func(tag) []string{
		"key":           func(t tag) []string { return one(t.key) },
		"resource-id":   func(t tag) []string { return one(t.resource) },
		"resource-type": func(t tag) []string { return one(t.typ) },
		"value":         func(t tag) []string { return one(t.value) },
	}}
	for _, f := range filters {
		if key, ok := strings.CutPrefix(deref(f.Name), "tag:"); ok {
			l.fields["tag:"+key] = func(t tag) []string {
				if t.key == key {
					return one(t.value)
				}
				return nil
			}
		}
	}
	return l
}
