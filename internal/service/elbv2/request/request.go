// Package request is what the handlers of Elastic Load Balancing have in
// common: how they read ARNs, names, tags and attributes, find the records
// that these name, cut lists, and refuse.
package request

import (
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
)

const maxTags = 50

// MaxDescribed is how many resources a call can ask for by name.
const MaxDescribed = 20

// Pages is how lists are cut
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeLoadBalancers.html).
var Pages = handler.Pages{
	Default: 400, Most: 400,
	BadToken: func(marker string) error { return Invalid("Marker '%s' is not valid", marker) },
}

var (
	// TagType reads and makes the API's tags.
	TagType = handler.TagType[types.Tag]{
		Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
		Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
	}
	// TagRules leaves the lengths and letters of tags to the wire, as AWS's model has them.
	TagRules = handler.TagRules{
		Most: maxTags,
		TooMany: func() error {
			return &types.TooManyTagsException{Message: new("A resource can have at most '50' tags")}
		},
		Reserved: func(key string) error { return Invalid("Tag key '%s' cannot begin with 'aws:'", key) },
		Twice: func(key string) error {
			return &types.DuplicateTagKeysException{Message: new("Tag keys must be unique: '" + key + "' is given more than once")}
		},
	}
)

// Or returns what p points at, or what holds when it is nil.
func Or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
