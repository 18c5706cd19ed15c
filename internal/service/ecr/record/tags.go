package record

import (
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
)

var (
	// TagType is the API's type of a tag.
	TagType = handler.TagType[types.Tag]{
		Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
		Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
	}
	// TagRules are ECR's.
	TagRules = handler.TagRules{
		Most: 50,
		TooMany: func() error {
			return &types.TooManyTagsException{Message: new("A repository can have at most 50 tags")}
		},
		BadKey: func(key string) error { return badTag("A tag key must have 1 to 128 characters: '" + key + "'") },
		BadValue: func(key, _ string) error {
			return badTag("A tag value must have at most 256 characters: that of '" + key + "'")
		},
		Reserved: func(key string) error { return badTag("Tag keys that start with 'aws:' are reserved: '" + key + "'") },
	}
)

func badTag(message string) error { return &types.InvalidTagParameterException{Message: &message} }

// Tag adds the tags to the repository's.
func (r *Repository) Tag(given []types.Tag) (err error) {
	r.Tags, err = TagRules.Add(r.Tags, TagType.From(given))
	return err
}
