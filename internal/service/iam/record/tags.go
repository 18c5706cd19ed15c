package record

import (
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

const maxTags = 50

// Tags are IAM's (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html): keys that differ only in case are
// one.
var (
	TagType = handler.TagType[types.Tag]{
		Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
		Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
	}
	tagRules = handler.TagRules{
		Most:     maxTags,
		TooMany:  func() error { return Exceeds("The number of tags has reached the maximum limit.") },
		BadKey:   badKey,
		Reserved: func(string) error { return Input("Tag keys starting with 'aws:' are reserved for system use.") },
		Letters:  regexp.MustCompile(`\A[\p{L}\p{Z}\p{N}_.:/=+\-@]*\z`),
	}
)

func badKey(key string) error {
	return Invalid("1 validation error detected: Value '%s' at 'tagKey' failed to satisfy constraint: Member must satisfy regular expression pattern: "+
		`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`, key)
}

// AddTags returns has with tags in it.
func AddTags(has handler.Tags, given []types.Tag) (handler.Tags, error) {
	tags := TagType.From(given)
	seen := map[string]bool{}
	for _, t := range tags {
		if seen[strings.ToLower(t.Key)] {
			return nil, Input("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[strings.ToLower(t.Key)] = true
	}
	has = WithoutTags(has, keysOf(tags)) // a key in other case goes
	return tagRules.Add(has, tags)
}

func keysOf(tags []handler.Tag) (keys []string) {
	for _, t := range tags {
		keys = append(keys, t.Key)
	}
	return keys
}

// WithoutTags returns has without those keys, whatever their case.
func WithoutTags(has handler.Tags, keys []string) handler.Tags {
	var gone []string
	for k := range has {
		for _, key := range keys {
			if strings.EqualFold(k, key) {
				gone = append(gone, k)
			}
		}
	}
	return handler.Without(has, gone)
}

// Retag returns the tags of an entity, and writes what change makes of them when it is not nil.
func (h Holder[T]) Retag(tx store.Tx, name string, change func(handler.Tags) (handler.Tags, error)) (handler.Tags, error) {
	return handler.Retag(tx, h.Table, ID(name), func(string) error { return h.None(name) }, func(v *T) *handler.Tags { return &h.Of(v).Tags }, change)
}

// Adding and Removing are changes of tags.
func Adding(given []types.Tag) func(handler.Tags) (handler.Tags, error) {
	return func(has handler.Tags) (handler.Tags, error) { return AddTags(has, given) }
}

// Removing is the change that takes away tags.
func Removing(keys []string) func(handler.Tags) (handler.Tags, error) {
	return func(has handler.Tags) (handler.Tags, error) { return WithoutTags(has, keys), nil }
}
