package daemon

import (
	"context"

	tagging "github.com/skylift/skylift/internal/service/resourcegroupstaggingapi"
)

var taggingService = service{make: (*builder).tagging}

// tagging makes the Resource Groups Tagging API over all services that were made before it.
func (b *builder) tagging(context.Context) (part, error) {
	sources := map[string]tagging.Source{}
	for _, p := range b.made {
		if p.tagged != nil {
			sources[p.name] = p.tagged
		}
	}
	api := tagging.New(b.m.db, b.m.ns, sources)
	return part{name: "tagging", title: "Resource Groups Tagging API", api: api, operations: api.Operations()}, nil
}
