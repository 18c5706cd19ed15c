package scope

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
)

// TagRules returns ECS's limits of tags.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html
func TagRules() handler.TagRules {
	const most = 50
	return handler.TagRules{
		Most:    most,
		TooMany: func() error { return ecs.Invalid("The maximum number of tags per resource is %d.", most) },
		BadKey:  func(string) error { return ecs.Invalid("A tag's key must have 1 to 128 characters.") },
		BadValue: func(key, _ string) error {
			return ecs.Invalid("The value of tag %s must have at most 256 characters.", key)
		},
		Reserved: func(string) error {
			return ecs.Invalid("aws: prefixed tag key names are not allowed for external use.")
		},
		Twice: func(key string) error { return ecs.Invalid("Duplicate tag key: %s.", key) },
	}
}

// NewTags are the tags of a new resource; nil when none are given.
func NewTags(given []types.Tag) (handler.Tags, error) {
	return TagRules().Add(nil, shape.TagType.From(given))
}

// TagFaults notes all that is wrong with the tags of a new resource.
func TagFaults(f *ecs.Faults, given []types.Tag) {
	for _, err := range TagRules().Faults(shape.TagType.From(given)) {
		f.Take(err)
	}
}
