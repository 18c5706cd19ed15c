// Package api is the Amazon ECS API: the handlers, cut by what they are about.
//
// Handlers write what is wanted and read what is; they never touch a container.
package api

import (
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ecs/api/account"
	"github.com/skylift/skylift/internal/service/ecs/api/cluster"
	"github.com/skylift/skylift/internal/service/ecs/api/deployment"
	"github.com/skylift/skylift/internal/service/ecs/api/instance"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/api/service"
	"github.com/skylift/skylift/internal/service/ecs/api/tag"
	"github.com/skylift/skylift/internal/service/ecs/api/task"
	"github.com/skylift/skylift/internal/service/ecs/api/taskdef"
	"github.com/skylift/skylift/internal/service/ecs/discovery"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has all handlers of the service as its methods.
type API struct {
	*account.Settings
	*cluster.Clusters
	*deployment.Deployments
	*instance.Instances
	*service.Services
	*tag.Tags
	*task.Tasks
	*taskdef.Definitions
}

// New returns the handlers over db.
func New(db store.DB, ns arn.Namespace, net scope.Network, lb service.Balancing, registries discovery.Registries, capacity task.Capacity, roles role.Roles) *API {
	s := scope.New(db, ns, net)
	return &API{
		account.New(s), cluster.New(s), deployment.New(s), instance.New(s), service.New(s, lb, registries), tag.New(s), task.New(s, capacity, roles), taskdef.New(s),
	}
}

// Operations lists what is implemented, in the order of names.
func (a *API) Operations() []wire.Operation {
	all := slices.Concat(
		a.Settings.Operations(), a.Clusters.Operations(), a.Deployments.Operations(), a.Instances.Operations(), a.Services.Operations(),
		a.Tags.Operations(), a.Tasks.Operations(), a.Definitions.Operations(),
	)
	slices.SortFunc(all, func(x, y wire.Operation) int { return strings.Compare(x.Name(), y.Name()) })
	return all
}
