// Package cluster is the handlers of clusters and of their capacity providers.
package cluster

import (
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/wire"
)

// Clusters answers for clusters and capacity providers.
type Clusters struct {
	*scope.Scope
}

// New returns the handlers.
func New(s *scope.Scope) *Clusters {
	return &Clusters{Scope: s}
}

// The condition keys of several operations.
const (
	kmsKey       = "ecs:fargate-ephemeral-storage-kms-key: configuration.managedStorageConfiguration.fargateEphemeralStorageKmsKeyId"
	providersKey = "ecs:capacity-provider: capacityProviders"
	managedKeys  = "ecs:instance-metadata-tags-propagation ecs:propagate-tags"
	noManaged    = "they are for managed instances"
)

// Operations lists what is implemented.
func (a *Clusters) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateCapacityProvider", a.CreateCapacityProvider).Makes("capacity-provider: name").Lacks(managedKeys, noManaged).Takes("name cluster tags{*}"),
		wire.Op("CreateCluster", a.CreateCluster).Makes("cluster: clusterName=default").Keys(kmsKey, providersKey).
			Takes("clusterName settings{name} tags{*} capacityProviders defaultCapacityProviderStrategy{*}").
			Keeps(insightsSetting, scope.NoInsights).Keeps(execConfiguration, scope.NoExec),
		wire.Op("DeleteCapacityProvider", a.DeleteCapacityProvider).On("capacity-provider: capacityProvider").Takes("capacityProvider"),
		wire.Op("DeleteCluster", a.DeleteCluster).On("cluster: cluster").Takes("cluster"),
		wire.Op("DescribeCapacityProviders", a.DescribeCapacityProviders).On("capacity-provider: capacityProviders").Takes("capacityProviders cluster include maxResults nextToken"),
		wire.Op("DescribeClusters", a.DescribeClusters).On("cluster: clusters=default").Takes("clusters include"),
		wire.Op("ListClusters", a.ListClusters).Takes("maxResults nextToken"),
		wire.Op("PutClusterCapacityProviders", a.PutClusterCapacityProviders).On("cluster: cluster").Keys(providersKey).Takes("capacityProviders cluster defaultCapacityProviderStrategy{*}"),
		wire.Op("UpdateCapacityProvider", a.UpdateCapacityProvider).On("capacity-provider: name").Lacks(managedKeys, noManaged).Takes("name cluster"),
		wire.Op("UpdateCluster", a.UpdateCluster).On("cluster: cluster").Keys(kmsKey).Takes("cluster settings{name}").
			Keeps(insightsSetting, scope.NoInsights).Keeps(execConfiguration, scope.NoExec),
		wire.Op("UpdateClusterSettings", a.UpdateClusterSettings).On("cluster: cluster").Takes("cluster settings{name}").Keeps(insightsSetting, scope.NoInsights),
	}
}
