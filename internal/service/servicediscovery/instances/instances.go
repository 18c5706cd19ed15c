// Package instances registers, finds and removes the instances of Cloud Map's services, with their names.
package instances

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has the handlers.
type API struct{ *scope.Scope }

// The limits (https://docs.aws.amazon.com/cloud-map/latest/dg/cloud-map-limits.html).
const (
	maxInstances   = 1000 // of a service
	maxInNamespace = 2000 // of a namespace with names
)

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	const (
		of     = "service: ServiceId"
		byName = "NamespaceName ServiceName"
		key    = "servicediscovery:ServiceArn"
	)
	return []wire.Operation{
		wire.Op("DeregisterInstance", a.DeregisterInstance).OnFound(of, scope.Found(scope.ServiceKind)).Lacks(scope.CreatorKey, scope.OneAccount).
			KeyFound(key, func(_ context.Context, in *sdk.DeregisterInstanceInput) []string { return a.Key(in.ServiceId) }).Takes("ServiceId InstanceId"),
		wire.Op("DiscoverInstances", a.DiscoverInstances).
			OnRead(scope.NamespaceKind, func(ctx context.Context, in *sdk.DiscoverInstancesInput) []string {
				return a.within(ctx, in.NamespaceName)
			}).
			OnRead(scope.ServiceKind, func(ctx context.Context, in *sdk.DiscoverInstancesInput) []string {
				return a.named(ctx, in.NamespaceName, in.ServiceName)
			}).
			Keys("servicediscovery:NamespaceName: NamespaceName", "servicediscovery:ServiceName: ServiceName").
			Takes(byName + " MaxResults QueryParameters OptionalParameters HealthStatus OwnerAccount"),
		wire.Op("DiscoverInstancesRevision", a.DiscoverInstancesRevision).
			OnRead(scope.NamespaceKind, func(ctx context.Context, in *sdk.DiscoverInstancesRevisionInput) []string {
				return a.within(ctx, in.NamespaceName)
			}).
			OnRead(scope.ServiceKind, func(ctx context.Context, in *sdk.DiscoverInstancesRevisionInput) []string {
				return a.named(ctx, in.NamespaceName, in.ServiceName)
			}).
			Keys("servicediscovery:NamespaceName: NamespaceName", "servicediscovery:ServiceName: ServiceName").Takes(byName + " OwnerAccount"),
		wire.Op("GetInstance", a.GetInstance).OnFound(of, scope.Found(scope.ServiceKind)).
			KeyFound(key, func(_ context.Context, in *sdk.GetInstanceInput) []string { return a.Key(in.ServiceId) }).Takes("ServiceId InstanceId"),
		wire.Op("GetInstancesHealthStatus", a.GetInstancesHealthStatus).OnFound(of, scope.Found(scope.ServiceKind)).
			KeyFound(key, func(_ context.Context, in *sdk.GetInstancesHealthStatusInput) []string { return a.Key(in.ServiceId) }).Takes("ServiceId Instances MaxResults NextToken"),
		wire.Op("ListInstances", a.ListInstances).OnFound(of, scope.Found(scope.ServiceKind)).
			KeyFound(key, func(_ context.Context, in *sdk.ListInstancesInput) []string { return a.Key(in.ServiceId) }).Takes("ServiceId NextToken MaxResults"),
		wire.Op("RegisterInstance", a.RegisterInstance).OnFound(of, scope.Found(scope.ServiceKind)).Lacks(scope.CreatorKey, scope.OneAccount).
			KeyFound(key, func(_ context.Context, in *sdk.RegisterInstanceInput) []string { return a.Key(in.ServiceId) }).
			Takes("ServiceId InstanceId CreatorRequestId Attributes").Checks(instanceFaults),
		wire.Op("UpdateInstanceCustomHealthStatus", a.UpdateInstanceCustomHealthStatus).OnFound(of, scope.Found(scope.ServiceKind)).Lacks(scope.CreatorKey, scope.OneAccount).
			KeyFound(key, func(_ context.Context, in *sdk.UpdateInstanceCustomHealthStatusInput) []string {
				return a.Key(in.ServiceId)
			}).Takes("ServiceId InstanceId Status"),
	}
}

// The bounds of attributes (https://docs.aws.amazon.com/cloud-map/latest/api/API_RegisterInstance.html).
const (
	maxKey   = 255
	maxValue = 1024
	maxAll   = 5000 // characters of all keys and values
)

// instanceFaults is what is wrong with an instance, whatever its service is.
func instanceFaults(in *sdk.RegisterInstanceInput) (faults []error) {
	add := func(format string, args ...any) { faults = append(faults, scope.Invalid(format, args...)) }
	size := 0
	for _, k := range slices.Sorted(maps.Keys(in.Attributes)) {
		v := in.Attributes[k]
		size += len(k) + len(v)
		switch {
		case len(k) > maxKey:
			add("The attribute %.20s… is longer than %d characters.", k, maxKey)
		case len(v) > maxValue:
			add("The value of the attribute %s is longer than %d characters.", k, maxValue)
		}
		if why := attributeFault(k, v); why != "" {
			add("The value '%s' of the attribute %s %s.", v, k, why)
		}
	}
	if len(in.Attributes) > scope.MaxAttributes {
		add("An instance can have at most %d attributes.", scope.MaxAttributes)
	}
	if size > maxAll {
		add("The attributes of an instance can have at most %d characters together.", maxAll)
	}
	if in.Attributes[record.Alias] != "" {
		for _, k := range []string{record.IPv4, record.IPv6, record.Port, record.CNAME} {
			if in.Attributes[k] != "" {
				add("The attribute %s can't be given beside %s.", k, record.Alias)
			}
		}
	}
	return faults
}

// attributeFault is what is wrong with the value of an attribute that Cloud Map reads; "" is nothing.
func attributeFault(key, value string) string {
	addr, err := netip.ParseAddr(value)
	switch key {
	case record.IPv4:
		if err != nil || !addr.Is4() {
			return "is not an IPv4 address"
		}
	case record.IPv6:
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "is not an IPv6 address"
		}
	case record.Port:
		if n, err := strconv.Atoi(value); err != nil || n < 0 || n > 65535 {
			return "is not a port"
		}
	case record.EC2:
		return "names an EC2 instance: Skylift has none"
	case record.InitHealth:
		if value != string(types.CustomHealthStatusHealthy) && value != string(types.CustomHealthStatusUnhealthy) {
			return "must be HEALTHY or UNHEALTHY"
		}
	}
	return ""
}

// RegisterInstance makes an instance of a service, or replaces the one with that id.
func (a API) RegisterInstance(ctx context.Context, in *sdk.RegisterInstanceInput) (*sdk.RegisterInstanceOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.RegisterInstanceOutput, error) {
		s, n, err := scope.Service(tx, in.ServiceId)
		if err != nil {
			return nil, err
		}
		i := record.Instance{Service: s.ID, ID: *in.InstanceId, Request: scope.Zero(in.CreatorRequestId), Attributes: in.Attributes}
		if err := suits(&n, &s, &i); err != nil {
			return nil, err
		}
		if s.Custom {
			if i.Health = types.CustomHealthStatus(i.Attributes[record.InitHealth]); i.Health == "" {
				i.Health = types.CustomHealthStatusHealthy
			}
		}
		if err := a.put(tx, &n, &s, i); err != nil {
			return nil, err
		}
		op, err := scope.Ended(tx, types.OperationTypeRegisterInstance, targetsOf(&i))
		return &sdk.RegisterInstanceOutput{OperationId: op}, err
	})
}

func targetsOf(i *record.Instance) map[types.OperationTargetType]string {
	return map[types.OperationTargetType]string{types.OperationTargetTypeInstance: i.ID, types.OperationTargetTypeService: i.Service}
}

// suits says whether an instance has what its service needs.
func suits(n *record.Namespace, s *record.Service, i *record.Instance) error {
	if missing, why := record.Missing(s, i.Attributes); missing != "" {
		return scope.Invalid("The attribute %s is missing: %s.", missing, why)
	}
	alias := i.Attributes[record.Alias] != ""
	switch {
	case alias && (n.Zone == "" || len(s.Records) == 0):
		return scope.Invalid("The attribute %s is for services with records.", record.Alias)
	case alias && s.Policy != types.RoutingPolicyWeighted:
		return scope.Invalid("The attribute %s is for services with the routing policy WEIGHTED.", record.Alias)
	case alias && (s.Check != nil || s.Custom):
		return scope.Invalid("The attribute %s is for services without a health check.", record.Alias)
	case i.Attributes[record.InitHealth] != "" && !s.Custom:
		return scope.Invalid("The attribute %s is for services with HealthCheckCustomConfig.", record.InitHealth)
	}
	return nil
}

// put writes an instance, with its names.
func (a API) put(tx store.Tx, n *record.Namespace, s *record.Service, i record.Instance) error {
	all, err := record.Instances.List(tx, record.InstanceKey(s.ID, ""))
	if err != nil {
		return err
	}
	was := record.Names(n, s, all)
	at := slices.IndexFunc(all, func(has record.Instance) bool { return has.ID == i.ID })
	if at < 0 {
		if err := roomFor(tx, n, len(all)); err != nil {
			return err
		}
		at, all = len(all), append(all, record.Instance{Service: s.ID, ID: i.ID})
	}
	if i.Check = all[at].Check; i.Check == "" || !sameEndpoint(all[at].Attributes, i.Attributes) {
		if err := a.rewatch(tx, s, &i); err != nil {
			return err
		}
	}
	all[at] = i
	return errors.Join(record.Instances.Put(tx, i.Key(), i), a.revise(tx, n, s, was, record.Names(n, s, all)))
}

// sameEndpoint says whether two instances are to be checked at the same address and port.
func sameEndpoint(a, b map[string]string) bool {
	for _, k := range []string{record.IPv4, record.IPv6, record.Port} {
		if a[k] != b[k] {
			return false
		}
	}
	return true
}

// roomFor says whether a service with so many instances may have one more.
func roomFor(tx store.Tx, n *record.Namespace, has int) error {
	if has >= maxInstances {
		return &types.ResourceLimitExceeded{Message: new(fmt.Sprintf("A service can have at most %d instances.", maxInstances))}
	}
	if n.Zone == "" {
		return nil
	}
	count := int32(0)
	for id := range record.Services.Keys(tx, record.ByNamespace, n.ID, "") {
		c, err := record.CountInstances(tx, id)
		if err != nil {
			return err
		}
		count += c
	}
	if count >= maxInNamespace {
		return &types.ResourceLimitExceeded{Message: new(fmt.Sprintf("A namespace with names can have at most %d instances.", maxInNamespace))}
	}
	return nil
}

// rewatch has an instance the health check that its service wants, in place of the one that it has.
func (a API) rewatch(tx store.Tx, s *record.Service, i *record.Instance) error {
	if i.Check != "" {
		if err := a.Zones.Unwatch(tx, i.Check); err != nil {
			return err
		}
		i.Check = ""
	}
	if s.Check == nil {
		return nil
	}
	addr := i.Attributes[record.IPv4]
	if addr == "" {
		addr = i.Attributes[record.IPv6]
	}
	port, err := strconv.Atoi(i.Attributes[record.Port])
	if err != nil {
		port = map[types.HealthCheckType]int{types.HealthCheckTypeHttps: 443}[s.Check.Type]
	}
	if port == 0 {
		port = 80
	}
	i.Check, err = a.Zones.Watch(tx, addr, int32(port), *s.Check)
	return err
}

// revise writes that a service's instances are others than before.
func (a API) revise(tx store.Tx, n *record.Namespace, s *record.Service, was, is []record.Set) error {
	s.Revision++
	return errors.Join(record.Services.Put(tx, s.ID, *s), a.replace(tx, n, was, is))
}

// DeregisterInstance removes an instance and its names.
func (a API) DeregisterInstance(ctx context.Context, in *sdk.DeregisterInstanceInput) (*sdk.DeregisterInstanceOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.DeregisterInstanceOutput, error) {
		s, n, err := scope.Service(tx, in.ServiceId)
		if err != nil {
			return nil, err
		}
		i, err := handler.Get(tx, record.Instances, record.InstanceKey(s.ID, *in.InstanceId), scope.NoInstance)
		if err != nil {
			return nil, err
		}
		if err := a.remove(tx, &n, &s, i); err != nil {
			return nil, err
		}
		op, err := scope.Ended(tx, types.OperationTypeDeregisterInstance, targetsOf(&i))
		return &sdk.DeregisterInstanceOutput{OperationId: op}, err
	})
}

// remove deletes an instance, with its names.
func (a API) remove(tx store.Tx, n *record.Namespace, s *record.Service, i record.Instance) error {
	all, err := record.Instances.List(tx, record.InstanceKey(s.ID, ""))
	if err != nil {
		return err
	}
	was := record.Names(n, s, all)
	all = slices.DeleteFunc(all, func(has record.Instance) bool { return has.ID == i.ID })
	if i.Check != "" {
		if err := a.Zones.Unwatch(tx, i.Check); err != nil {
			return err
		}
	}
	return errors.Join(record.Instances.Delete(tx, i.Key()), a.revise(tx, n, s, was, record.Names(n, s, all)))
}

// UpdateInstanceCustomHealthStatus tells of an instance's health.
func (a API) UpdateInstanceCustomHealthStatus(ctx context.Context, in *sdk.UpdateInstanceCustomHealthStatusInput) (*sdk.UpdateInstanceCustomHealthStatusOutput, error) {
	return &sdk.UpdateInstanceCustomHealthStatusOutput{}, a.DB.Update(ctx, func(tx store.Tx) error {
		s, n, err := scope.Service(tx, in.ServiceId)
		if err != nil {
			return err
		}
		i, err := handler.Get(tx, record.Instances, record.InstanceKey(s.ID, *in.InstanceId), scope.NoInstance)
		switch {
		case err != nil:
			return err
		case !s.Custom:
			return &types.CustomHealthNotFound{Message: new(fmt.Sprintf("The service %s has no HealthCheckCustomConfig.", s.ID))}
		case i.Health == in.Status:
			return nil
		}
		i.Health = in.Status
		return a.put(tx, &n, &s, i)
	})
}

// GetInstance tells of an instance.
func (a API) GetInstance(ctx context.Context, in *sdk.GetInstanceInput) (*sdk.GetInstanceOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.GetInstanceOutput, error) {
		s, _, err := scope.Service(tx, in.ServiceId)
		if err != nil {
			return nil, err
		}
		i, err := handler.Get(tx, record.Instances, record.InstanceKey(s.ID, *in.InstanceId), scope.NoInstance)
		return &sdk.GetInstanceOutput{ResourceOwner: &a.NS.Account, Instance: &types.Instance{
			Id: &i.ID, CreatorRequestId: handler.Optional(i.Request), Attributes: i.Attributes, CreatedByAccount: &a.NS.Account,
		}}, err
	})
}

// Renew has all instances of a service the names and health checks that the service wants now.
func (a API) Renew(tx store.Tx, n *record.Namespace, old, s *record.Service) error {
	all, err := record.Instances.List(tx, record.InstanceKey(s.ID, ""))
	if err != nil {
		return err
	}
	was := record.Names(n, old, all)
	for i := range all {
		if err := a.rewatch(tx, s, &all[i]); err != nil {
			return err
		}
		if err := record.Instances.Put(tx, all[i].Key(), all[i]); err != nil {
			return err
		}
	}
	return a.replace(tx, n, was, record.Names(n, s, all))
}

// replace has a namespace's zone hold other sets.
func (a API) replace(tx store.Tx, n *record.Namespace, was, is []record.Set) error {
	if n.Zone == "" || len(was) == 0 && len(is) == 0 {
		return nil
	}
	return a.Zones.Replace(tx, n.Zone, was, is)
}
