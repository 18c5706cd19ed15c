// Package instance is the handlers of container instances and their attributes. There are no container
// instances: tasks run on this machine, as on Fargate.
package instance

import (
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/wire"
)

// Instances answers for container instances.
type Instances struct {
	*scope.Scope
}

// New returns the handlers.
func New(s *scope.Scope) *Instances {
	return &Instances{Scope: s}
}

// Operations lists what is implemented.
func (a *Instances) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("DeleteAttributes", a.DeleteAttributes).On("container-instance: cluster=default attributes.targetId").Keys(scope.ClusterKey).Takes("cluster attributes{*}"),
		wire.Op("DeregisterContainerInstance", a.DeregisterContainerInstance).On("cluster: cluster=default").Takes("cluster containerInstance force"),
		wire.Op("DescribeContainerInstances", a.DescribeContainerInstances).On("container-instance: cluster=default containerInstances").Keys(scope.ClusterKey).Takes("cluster containerInstances include"),
		wire.Op("ListAttributes", a.ListAttributes).On("cluster: cluster=default").Takes("attributeName attributeValue cluster maxResults nextToken targetType"),
		wire.Op("ListContainerInstances", a.ListContainerInstances).On("cluster: cluster=default").Takes("cluster maxResults nextToken status"),
		wire.Op("PutAttributes", a.PutAttributes).On("container-instance: cluster=default attributes.targetId").Keys(scope.ClusterKey).Takes("cluster attributes{*}"),
		wire.Op("UpdateContainerAgent", a.UpdateContainerAgent).On("container-instance: cluster=default containerInstance").Keys(scope.ClusterKey).Takes("cluster containerInstance"),
		wire.Op("UpdateContainerInstancesState", a.UpdateContainerInstancesState).On("container-instance: cluster=default containerInstances").Keys(scope.ClusterKey).Takes("cluster containerInstances status"),
	}
}
