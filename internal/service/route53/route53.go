// Package route53 answers Amazon Route 53's API: hosted zones, their record sets, and health checks, as records.
//
// A handler checks, writes what is wanted in one transaction and answers. The name server answers from the records, and
// route53/checks runs the health checks. A change is in sync when this process' name server answers as it is after it.
package route53

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/route53/health"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/service/route53/sets"
	"github.com/skylift/skylift/internal/service/route53/tags"
	"github.com/skylift/skylift/internal/service/route53/zones"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has a handler for each operation.
type API struct {
	db     store.DB
	zones  zones.API
	sets   sets.API
	health health.API
	tags   tags.API
}

// New returns the API.
func New(s *scope.Scope) *API {
	return &API{db: s.DB, zones: zones.API{Scope: s}, sets: sets.API{Scope: s}, health: health.API{Scope: s}, tags: tags.API{Scope: s}}
}

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return record.Tables() }

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	var all []wire.Operation
	all = append(all, a.zones.Operations()...)
	all = append(all, a.sets.Operations()...)
	all = append(all, a.health.Operations()...)
	return append(all, a.tags.Operations()...)
}

// Tagged calls each with the ARN and the tags of every resource that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return errors.Join(
		handler.EachTagged(tx, record.Zones, each, func(z *record.Zone) (string, handler.Tags) {
			return tags.ARN(types.TagResourceTypeHostedzone, z.ID), z.Tags
		}),
		handler.EachTagged(tx, record.Checks, each, func(c *record.Check) (string, handler.Tags) {
			return tags.ARN(types.TagResourceTypeHealthcheck, c.ID), c.Tags
		}),
	)
}

// split takes the ARN of a zone or a health check apart.
func split(ref string) (types.TagResourceType, string) {
	r, err := arn.Parse(ref)
	if err != nil || r.Service != "route53" {
		return "", ""
	}
	kind, id, _ := strings.Cut(r.Resource, "/")
	return types.TagResourceType(kind), id
}

// Tag adds tags to the resource with that ARN.
func (a *API) Tag(ctx context.Context, ref string, add map[string]string) error {
	kind, id := split(ref)
	return a.tags.Retag(ctx, kind, id, tags.Add(add))
}

// Untag removes tags from the resource with that ARN.
func (a *API) Untag(ctx context.Context, ref string, keys []string) error {
	kind, id := split(ref)
	return a.tags.Retag(ctx, kind, id, func(has handler.Tags) (handler.Tags, error) { return handler.Without(has, keys), nil })
}

// Known returns the tags of the resource with that ARN; none when there is no such one.
func (a *API) Known(tx store.Tx, ref string) (has, keys map[string]string, err error) {
	switch kind, id := split(ref); kind {
	case types.TagResourceTypeHostedzone:
		has, err = handler.TagsOf(tx, record.Zones, id, func(z *record.Zone) handler.Tags { return z.Tags })
	case types.TagResourceTypeHealthcheck:
		has, err = handler.TagsOf(tx, record.Checks, id, func(c *record.Check) handler.Tags { return c.Tags })
	}
	return has, nil, err
}
