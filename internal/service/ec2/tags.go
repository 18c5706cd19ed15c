package ec2

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/store"
)

const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
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

// shape returns the tags as the wire has them, sorted by key.
func (s tagSet) shape() []types.Tag {
	out := []types.Tag{}
	for _, k := range slices.Sorted(maps.Keys(s.Tags)) {
		out = append(out, types.Tag{Key: new(k), Value: new(s.Tags[k])})
	}
	return out
}

// tagsFor returns the tags that specs, which may only be for resources of
// type typ, give to a new one.
func tagsFor(typ string, specs []types.TagSpecification) (map[string]string, error) {
	if err := tagSpecFaults(typ, specs).First(); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, spec := range specs {
		if err := addTags(tags, spec.Tags); err != nil {
			return nil, err
		}
	}
	return tags, nil
}

// tagSpecFaults is what is wrong with the tags of a new resource of type typ.
func tagSpecFaults(typ string, specs []types.TagSpecification) (f awserr.Faults) {
	keys := map[string]bool{}
	for _, spec := range specs {
		if string(spec.ResourceType) != typ {
			f.Add(awserr.New("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", spec.ResourceType))
		}
		if len(spec.Tags) == 0 {
			f.Add(awserr.New("InvalidParameterValue", "Tag specification must have at least one tag"))
		}
		for _, t := range spec.Tags {
			f.Add(tagFault(t))
			keys[deref(t.Key)] = true
		}
	}
	if len(keys) > maxTags {
		f.Add(tooManyTags())
	}
	return f
}

func tagFault(t types.Tag) error {
	key, value := deref(t.Key), deref(t.Value)
	switch {
	case key == "" || len([]rune(key)) > maxTagKey:
		return awserr.New("InvalidParameterValue", "Tag key '%s' must have between 1 and %d characters.", key, maxTagKey)
	case strings.HasPrefix(strings.ToLower(key), "aws:"):
		return awserr.New("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use: '%s'.", key)
	case len([]rune(value)) > maxTagValue:
		return awserr.New("InvalidParameterValue", "The value of tag '%s' must have at most %d characters.", key, maxTagValue)
	}
	return nil
}

func tooManyTags() error {
	return awserr.New("TagLimitExceeded", "A resource can have at most %d tags.", maxTags)
}

// addTags checks tags and adds them to set.
func addTags(set map[string]string, tags []types.Tag) error {
	for _, t := range tags {
		if err := tagFault(t); err != nil {
			return err
		}
		set[deref(t.Key)] = deref(t.Value)
	}
	if len(set) > maxTags {
		return tooManyTags()
	}
	return nil
}

// putTags gives a new resource tags.
func putTags(tx store.Tx, resource, typ string, tags map[string]string) error {
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
	err := a.retag(ctx, in.Resources, func(set map[string]string) error { return addTags(set, in.Tags) })
	return &ec2.CreateTagsOutput{}, err
}

// DeleteTags takes tags from resources: by key, by key and value, or all.
func (a *API) DeleteTags(ctx context.Context, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	err := a.retag(ctx, in.Resources, func(set map[string]string) error {
		if len(in.Tags) == 0 {
			clear(set)
		}
		for _, t := range in.Tags {
			if value, ok := set[deref(t.Key)]; ok && (t.Value == nil || *t.Value == value) {
				delete(set, deref(t.Key))
			}
		}
		return nil
	})
	return &ec2.DeleteTagsOutput{}, err
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
func (a *API) retag(ctx context.Context, resources []string, change func(set map[string]string) error) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		for _, id := range resources {
			typ, err := typeOf(tx, id)
			if err != nil {
				return err
			}
			s, err := tagSets.Get(tx, id)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("read tags of %s: %w", id, err)
			}
			if s.Tags == nil {
				s.Tags = map[string]string{}
			}
			if err := change(s.Tags); err != nil {
				return err
			}
			if len(s.Tags) == 0 && s.Resource == "" { // it never had any
				continue
			}
			if err := tagSets.Put(tx, id, tagSet{id, typ, s.Tags}); err != nil {
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
	sets, err := view(ctx, a.db, allTags)
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
