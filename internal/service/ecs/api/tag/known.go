package tag

import (
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// Known returns the tags of the resource with that ARN; none when there is no such one.
func (a *Tags) Known(tx store.Tx, ref string) (tags, keys map[string]string, err error) {
	r, err := arn.Parse(ref)
	if err != nil || r.Region != a.NS.Region || r.Account != a.NS.Account {
		return nil, nil, nil //nolint:nilerr // it names nothing here
	}
	kind, name, _ := strings.Cut(r.Resource, "/")
	switch kind {
	case "cluster":
		tags, err = handler.TagsOf(tx, ecs.Clusters, name, func(c *ecs.Cluster) handler.Tags { return c.Tags })
	case "service":
		tags, err = handler.TagsOf(tx, ecs.Services, name, func(s *ecs.Service) handler.Tags { return s.Tags })
	case "task":
		tags, err = handler.TagsOf(tx, ecs.Tasks, name, func(t *ecs.Task) handler.Tags { return t.Tags })
	case "task-definition":
		family, revision, bad := ecs.ParseDefinition(name)
		if bad != nil {
			return nil, nil, nil //nolint:nilerr // so many stars name nothing
		}
		tags, err = handler.TagsOf(tx, ecs.Definitions, ecs.DefinitionKey(family, revision), func(d *ecs.TaskDefinition) handler.Tags { return d.Tags })
	}
	return tags, nil, err
}
