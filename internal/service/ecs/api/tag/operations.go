// Package tag is the handlers of tags, which all kinds of resources have.
package tag

import (
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/wire"
)

// Tags answers for tags.
type Tags struct {
	*scope.Scope
}

// New returns the handlers.
func New(s *scope.Scope) *Tags {
	return &Tags{Scope: s}
}

// Operations lists what is implemented.
func (a *Tags) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("ListTagsForResource", a.ListTagsForResource).On("*: resourceArn").Takes("resourceArn"),
		wire.Op("TagResource", a.TagResource).On("*: resourceArn").Takes("resourceArn tags{*}"),
		wire.Op("UntagResource", a.UntagResource).On("*: resourceArn").Takes("resourceArn tagKeys"),
	}
}
