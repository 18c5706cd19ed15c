// Package servicediscovery answers AWS Cloud Map's API: namespaces, services and their instances, as records.
//
// A namespace with names is a hosted zone of Route 53, which Cloud Map alone changes, and an instance's names are record sets
// there. A handler writes both in one transaction, so an operation has ended when it is told of. ECS registers tasks in
// transactions of its own.
package servicediscovery

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/servicediscovery"

	"github.com/skylift/skylift/internal/service/servicediscovery/instances"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has a handler for each operation.
type API struct {
	*scope.Scope
	instances instances.API
}

// New returns the API.
func New(s *scope.Scope) *API { return &API{Scope: s, instances: instances.API{Scope: s}} }

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return record.Tables() }

// The limits (https://docs.aws.amazon.com/cloud-map/latest/dg/cloud-map-limits.html).
const (
	maxNamespaces = 50
	maxTags       = 50
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	const (
		namespace = "namespace: Id"
		service   = "service: Id"
		of        = "service: ServiceId"
		making    = "Name CreatorRequestId Description Tags{*}"
	)
	return append([]wire.Operation{
		wire.Op("CreateHttpNamespace", a.CreateHttpNamespace).Makes("namespace: *").Takes(making).
			Checks(func(in *sdk.CreateHttpNamespaceInput) []error { return nameFaults(in.Name) }),
		wire.Op("CreatePrivateDnsNamespace", a.CreatePrivateDnsNamespace).Makes("namespace: *").Takes(making + " Vpc Properties{*}").
			Checks(func(in *sdk.CreatePrivateDnsNamespaceInput) []error { return nameFaults(in.Name) }),
		wire.Op("CreatePublicDnsNamespace", a.CreatePublicDnsNamespace).Makes("namespace: *").Takes(making + " Properties{*}"),
		wire.Op("CreateService", a.CreateService).OnFound("namespace: NamespaceId|DnsConfig.NamespaceId", scope.Found(scope.NamespaceKind)).Makes("service: *").
			KeyFound("servicediscovery:NamespaceArn", func(_ context.Context, in *sdk.CreateServiceInput) []string {
				return []string{a.ARN(scope.NamespaceKind, scope.Bare(scope.NamespaceKind, namespaceOf(in)))}
			}).
			Takes(making + " NamespaceId DnsConfig{*} HealthCheckConfig{*} HealthCheckCustomConfig{*} Type").Checks(serviceFaults),
		wire.Op("DeleteNamespace", a.DeleteNamespace).OnFound(namespace, scope.Found(scope.NamespaceKind)).Takes("Id"),
		wire.Op("DeleteService", a.DeleteService).OnFound(service, scope.Found(scope.ServiceKind)).Lacks(scope.CreatorKey, scope.OneAccount).Takes("Id"),
		wire.Op("DeleteServiceAttributes", a.DeleteServiceAttributes).OnFound(of, scope.Found(scope.ServiceKind)).Lacks(scope.CreatorKey, scope.OneAccount).Takes("ServiceId Attributes"),
		wire.Op("GetNamespace", a.GetNamespace).OnFound(namespace, scope.Found(scope.NamespaceKind)).Takes("Id"),
		wire.Op("GetOperation", a.GetOperation).OnFound("namespace: OperationId", a.namespacesOf).Takes("OperationId OwnerAccount"),
		wire.Op("GetService", a.GetService).OnFound(service, scope.Found(scope.ServiceKind)).Takes("Id"),
		wire.Op("GetServiceAttributes", a.GetServiceAttributes).OnFound(of, scope.Found(scope.ServiceKind)).Takes("ServiceId"),
		wire.Op("ListNamespaces", a.ListNamespaces).Takes("NextToken MaxResults Filters{*}").Checks(namespaceFilterFaults),
		wire.Op("ListOperations", a.ListOperations).Takes("NextToken MaxResults Filters{*}").Checks(operationFilterFaults),
		wire.Op("ListServices", a.ListServices).Takes("NextToken MaxResults Filters{*}").Checks(serviceFilterFaults),
		wire.Op("ListTagsForResource", a.ListTagsForResource).Takes("ResourceARN"),
		wire.Op("TagResource", a.TagResource).OnFound("*: ResourceARN", scope.Resources).Takes("ResourceARN Tags{*}"),
		wire.Op("UntagResource", a.UntagResource).OnFound("*: ResourceARN", scope.Resources).Takes("ResourceARN TagKeys"),
		wire.Op("UpdateHttpNamespace", a.UpdateHttpNamespace).OnFound(namespace, scope.Found(scope.NamespaceKind)).Takes("Id UpdaterRequestId Namespace{*}"),
		wire.Op("UpdatePrivateDnsNamespace", a.UpdatePrivateDnsNamespace).OnFound(namespace, scope.Found(scope.NamespaceKind)).Takes("Id UpdaterRequestId Namespace{*}"),
		wire.Op("UpdatePublicDnsNamespace", a.UpdatePublicDnsNamespace).OnFound(namespace, scope.Found(scope.NamespaceKind)).Takes("Id UpdaterRequestId Namespace{*}"),
		wire.Op("UpdateService", a.UpdateService).OnFound(service, scope.Found(scope.ServiceKind)).Lacks(scope.CreatorKey, scope.OneAccount).Takes("Id Service{*}").Checks(changeFaults),
		wire.Op("UpdateServiceAttributes", a.UpdateServiceAttributes).OnFound(of, scope.Found(scope.ServiceKind)).Lacks(scope.CreatorKey, scope.OneAccount).Takes("ServiceId Attributes"),
	}, a.instances.Operations()...)
}

// Instances registers and finds instances.
func (a *API) Instances() instances.API { return a.instances }
