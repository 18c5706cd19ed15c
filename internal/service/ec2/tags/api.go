// Package tags answers EC2's calls about the tags of any of its resources.
package tags

import (
	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for tags.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateTags", a.CreateTags).Lacks(operatorKeys, noOperators).OnFound("*: ResourceId", a.arnsOf).Takes("DryRun ResourceId Tag{*}"),
		wire.Op("DeleteTags", a.DeleteTags).OnFound("*: ResourceId", a.arnsOf).Takes("DryRun ResourceId Tag{*}"),
		wire.Op("DescribeTags", a.DescribeTags).Takes(list.Members),
	}
}
