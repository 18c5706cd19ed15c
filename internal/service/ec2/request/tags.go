package request

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/store"
)

// TagMembers names what a call takes that gives tags to a new resource.
const TagMembers = "TagSpecification{*}"

const maxTags = 50

var (
	// TagType reads and makes the API's tags.
	TagType = handler.TagType[types.Tag]{
		Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
		Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
	}
	// TagRules is what EC2 asks of tags.
	TagRules = handler.TagRules{
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

// AllTags returns the tags of every resource that has any or had some, by its id.
func AllTags(tx store.Tx) (map[string]ec2.TagSet, error) {
	all, err := ec2.TagSets.List(tx, "")
	if err != nil {
		return nil, fmt.Errorf("list tags: %w", err)
	}
	out := make(map[string]ec2.TagSet, len(all))
	for _, s := range all {
		out[s.Resource] = s
	}
	return out, nil
}

// TagsFor returns the tags that specs, which may only be for resources of
// type typ, give to a new one.
func TagsFor(typ string, specs []types.TagSpecification) (handler.Tags, error) {
	if err := TagSpecFaults(typ, specs).First(); err != nil {
		return nil, err
	}
	return TagRules.Add(nil, tagsOf(specs))
}

// tagsOf returns the tags of all specs.
func tagsOf(specs []types.TagSpecification) (tags []handler.Tag) {
	for _, spec := range specs {
		tags = append(tags, TagType.From(spec.Tags)...)
	}
	return tags
}

// TagSpecFaults returns the faults of the tags of a new resource of type typ.
func TagSpecFaults(typ string, specs []types.TagSpecification) (f awserr.Faults) {
	for _, spec := range specs {
		if string(spec.ResourceType) != typ {
			f.Add(awserr.New("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", spec.ResourceType))
		}
		if len(spec.Tags) == 0 {
			f.Add(awserr.New("InvalidParameterValue", "Tag specification must have at least one tag"))
		}
	}
	f.Add(TagRules.Faults(tagsOf(specs))...)
	return f
}

// PutTags gives a new resource tags.
func PutTags(tx store.Tx, resource, typ string, tags handler.Tags) error {
	if len(tags) == 0 {
		return nil
	}
	return ec2.TagSets.Put(tx, resource, ec2.TagSet{Resource: resource, Type: typ, Tags: tags})
}

// DropTags forgets the tags of resources. It reads them at once: a group has
// more rules than a transaction may have reads.
func DropTags(tx store.Tx, resources ...string) error {
	all, err := AllTags(tx)
	if err != nil {
		return err
	}
	for _, id := range resources {
		if _, ok := all[id]; !ok {
			continue
		}
		if err := ec2.TagSets.Delete(tx, id); err != nil {
			return err
		}
	}
	return nil
}

// Tagged is TagsFor and PutTags for a new resource that is made with an SDK's input.
func Tagged(tx store.Tx, id string, k Kind, specs []types.TagSpecification) ([]types.Tag, error) {
	tags, err := TagsFor(k.Type, specs)
	if err != nil {
		return nil, err
	}
	return TagType.To(tags), PutTags(tx, id, k.Type, tags)
}
