// Package resourcegroupstaggingapi is the Resource Groups Tagging API: the tags of the resources of all services.
//
// It keeps nothing. The tags belong to the other services, which list them and change them by their own rules.
package resourcegroupstaggingapi

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Source is a service whose resources can have tags.
type Source interface {
	// Tagged calls each with every resource that has tags, or once had some. Each may change the map that it gets.
	Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error
	// Tag and Untag change the tags of one resource. They fail with a client's error when there is no such resource,
	// or when the service does not allow the change.
	Tag(ctx context.Context, arn string, tags map[string]string) error
	Untag(ctx context.Context, arn string, keys []string) error
}

// API answers for the Resource Groups Tagging API.
type API struct {
	db      store.DB
	ns      arn.Namespace
	sources map[string]Source
}

// New returns the API over sources, which are keyed by the service in their ARNs. Their records are in db.
func New(db store.DB, ns arn.Namespace, sources map[string]Source) *API {
	return &API{db: db, ns: ns, sources: sources}
}

// Operations lists what the API answers. There are no tag policies that a resource could comply with.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("GetResources", a.GetResources).Takes("PaginationToken ResourceARNList ResourceTypeFilters ResourcesPerPage TagFilters{*} TagsPerPage " +
			"ExcludeCompliantResources=false IncludeComplianceDetails=false"),
		wire.Op("GetTagKeys", a.GetTagKeys).Takes("PaginationToken"),
		wire.Op("GetTagValues", a.GetTagValues).Takes("Key PaginationToken"),
		wire.Op("TagResources", a.TagResources).Takes("ResourceARNList Tags"),
		wire.Op("UntagResources", a.UntagResources).Takes("ResourceARNList TagKeys"),
	}
}

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: new(fmt.Sprintf(format, args...))}
}

// resource is one that has tags, or had some.
type resource struct {
	arn  string
	tags map[string]string
}

// of says whether the resource's ARN is of a type such as ecs or ecs:service.
func (r resource) of(service, typ string) bool {
	name, err := arn.Parse(r.arn)
	if err != nil || name.Service != service {
		return false
	}
	rest, ok := strings.CutPrefix(name.Resource, typ)
	return ok && (typ == "" || rest == "" || rest[0] == '/' || rest[0] == ':')
}

// list returns the resources of all services, in no order.
func (a *API) list(ctx context.Context) ([]resource, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (all []resource, err error) {
		for _, s := range a.sources {
			if err := s.Tagged(tx, func(arn string, tags map[string]string) { all = append(all, resource{arn, tags}) }); err != nil {
				return nil, err
			}
		}
		return all, nil
	})
}
