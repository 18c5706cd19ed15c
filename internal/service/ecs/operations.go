package ecs

import "github.com/skylift/skylift/internal/wire"

// Operations lists what is implemented.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateCluster", a.CreateCluster),
		wire.Op("CreateService", a.CreateService),
		wire.Op("DeleteCluster", a.DeleteCluster),
		wire.Op("DeleteService", a.DeleteService),
		wire.Op("DeleteTaskDefinitions", a.DeleteTaskDefinitions),
		wire.Op("DeregisterTaskDefinition", a.DeregisterTaskDefinition),
		wire.Op("DescribeClusters", a.DescribeClusters),
		wire.Op("DescribeServices", a.DescribeServices),
		wire.Op("DescribeTaskDefinition", a.DescribeTaskDefinition),
		wire.Op("DescribeTasks", a.DescribeTasks),
		wire.Op("GetTaskProtection", a.GetTaskProtection),
		wire.Op("ListClusters", a.ListClusters),
		wire.Op("ListServices", a.ListServices),
		wire.Op("ListTagsForResource", a.ListTagsForResource),
		wire.Op("ListTaskDefinitionFamilies", a.ListTaskDefinitionFamilies),
		wire.Op("ListTaskDefinitions", a.ListTaskDefinitions),
		wire.Op("ListTasks", a.ListTasks),
		wire.Op("RegisterTaskDefinition", a.RegisterTaskDefinition),
		wire.Op("RunTask", a.RunTask),
		wire.Op("StopTask", a.StopTask),
		wire.Op("TagResource", a.TagResource),
		wire.Op("UntagResource", a.UntagResource),
		wire.Op("UpdateService", a.UpdateService),
		wire.Op("UpdateTaskProtection", a.UpdateTaskProtection),
	}
}
