package instances

import (
	"context"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
)

// namespaceNamed returns the namespace with that name.
func namespaceNamed(tx store.Tx, name string) (record.Namespace, error) {
	all, err := record.Namespaces.By(tx, record.ByName, name)
	switch {
	case err != nil:
		return record.Namespace{}, err
	case len(all) == 0:
		return record.Namespace{}, &types.NamespaceNotFound{Message: new(fmt.Sprintf("Namespace with name %s was not found.", name))}
	}
	return all[0], nil
}

// serviceNamed returns the service with that name in a namespace.
func serviceNamed(tx store.Tx, n *record.Namespace, name string) (record.Service, error) {
	for s, err := range record.Services.PeekBy(tx, record.ByNamespace, n.ID) {
		switch {
		case err != nil:
			return record.Service{}, err
		case s.Name == name:
			return *s, nil
		}
	}
	return record.Service{}, &types.ServiceNotFound{Message: new(fmt.Sprintf("Service with name %s was not found in namespace %s.", name, n.Name))}
}

// within is the ARN of the namespace with a name.
func (a API) within(ctx context.Context, name *string) []string {
	n, _, err := a.look(ctx, name, nil, "")
	if err != nil {
		return nil
	}
	return []string{a.ARN(scope.NamespaceKind, n.ID)}
}

// named is the ARN of the service with a name.
func (a API) named(ctx context.Context, namespace, name *string) []string {
	_, s, err := a.look(ctx, namespace, name, "")
	if err != nil {
		return nil
	}
	return []string{a.ARN(scope.ServiceKind, s.ID)}
}

// look returns a namespace, and a service of it where a name is given. Owner is whose they must be; "" is ours.
func (a API) look(ctx context.Context, namespace, name *string, owner string) (n record.Namespace, s record.Service, err error) {
	err = a.DB.View(ctx, func(tx store.Tx) (err error) {
		if n, err = a.owned(tx, scope.Zero(namespace), owner); err == nil && name != nil {
			s, err = serviceNamed(tx, &n, *name)
		}
		return err
	})
	return n, s, err
}

// owned is namespaceNamed for one that must be an account's.
func (a API) owned(tx store.Tx, name, owner string) (record.Namespace, error) {
	if owner != "" && owner != a.NS.Account {
		return record.Namespace{}, &types.NamespaceNotFound{Message: new(fmt.Sprintf("Namespace with name %s was not found in account %s.", name, owner))}
	}
	return namespaceNamed(tx, name)
}

// usualFound is how many instances DiscoverInstances returns when nothing is said.
const usualFound = 100

// DiscoverInstances finds instances by the names of their namespace and service, and by their attributes.
func (a API) DiscoverInstances(ctx context.Context, in *sdk.DiscoverInstancesInput) (*sdk.DiscoverInstancesOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.DiscoverInstancesOutput, error) {
		n, err := a.owned(tx, *in.NamespaceName, scope.Zero(in.OwnerAccount))
		if err != nil {
			return nil, err
		}
		s, err := serviceNamed(tx, &n, *in.ServiceName)
		if err != nil {
			return nil, err
		}
		all, err := record.Instances.List(tx, record.InstanceKey(s.ID, ""))
		if err != nil {
			return nil, err
		}
		healths, err := a.healths(tx, &s, all)
		if err != nil {
			return nil, err
		}
		out := &sdk.DiscoverInstancesOutput{Instances: []types.HttpInstanceSummary{}, InstancesRevision: &s.Revision}
		most := usualFound
		if in.MaxResults != nil {
			most = int(*in.MaxResults)
		}
		for _, i := range found(all, healths, in) {
			if len(out.Instances) == most {
				break
			}
			out.Instances = append(out.Instances, types.HttpInstanceSummary{
				InstanceId: new(i.ID), NamespaceName: &n.Name, ServiceName: &s.Name, HealthStatus: healths[i.ID], Attributes: i.Attributes,
			})
		}
		return out, nil
	})
}

// found are those instances that a request looks for.
func found(all []record.Instance, healths map[string]types.HealthStatus, in *sdk.DiscoverInstancesInput) []record.Instance {
	all = having(all, in.QueryParameters)
	if with := having(all, in.OptionalParameters); len(with) > 0 {
		all = with
	}
	healthy := func(is bool) (some []record.Instance) {
		for _, i := range all {
			if (healths[i.ID] != types.HealthStatusUnhealthy) == is {
				some = append(some, i)
			}
		}
		return some
	}
	switch in.HealthStatus {
	case types.HealthStatusFilterAll:
		return all
	case types.HealthStatusFilterHealthy:
		return healthy(true)
	case types.HealthStatusFilterUnhealthy:
		return healthy(false)
	}
	if some := healthy(true); len(some) > 0 {
		return some
	}
	return all
}

// having are the instances with these attributes.
func having(all []record.Instance, want map[string]string) (some []record.Instance) {
next:
	for _, i := range all {
		for k, v := range want {
			if has, ok := i.Attributes[k]; !ok || has != v {
				continue next
			}
		}
		some = append(some, i)
	}
	return some
}

// healths are the healths of a service's instances by their ids.
func (a API) healths(tx store.Tx, s *record.Service, all []record.Instance) (map[string]types.HealthStatus, error) {
	var well map[string]bool
	if s.Check != nil {
		var err error
		if well, err = a.Zones.Well(tx); err != nil {
			return nil, err
		}
	}
	is := map[string]types.HealthStatus{}
	for _, i := range all {
		switch is[i.ID] = types.HealthStatusUnknown; {
		case i.Health != "":
			is[i.ID] = types.HealthStatus(i.Health)
		case i.Check != "" && well[i.Check]:
			is[i.ID] = types.HealthStatusHealthy
		case i.Check != "":
			is[i.ID] = types.HealthStatusUnhealthy
		}
	}
	return is, nil
}

// DiscoverInstancesRevision says whether what DiscoverInstances finds has changed.
func (a API) DiscoverInstancesRevision(ctx context.Context, in *sdk.DiscoverInstancesRevisionInput) (*sdk.DiscoverInstancesRevisionOutput, error) {
	_, s, err := a.look(ctx, in.NamespaceName, in.ServiceName, scope.Zero(in.OwnerAccount))
	if err != nil {
		return nil, err
	}
	return &sdk.DiscoverInstancesRevisionOutput{InstancesRevision: &s.Revision}, nil
}

// GetInstancesHealthStatus tells of the healths of a service's instances.
func (a API) GetInstancesHealthStatus(ctx context.Context, in *sdk.GetInstancesHealthStatusInput) (*sdk.GetInstancesHealthStatusOutput, error) {
	page, err := scope.Pages.Open(in.MaxResults, in.NextToken, scope.Zero(in.ServiceId), in.Instances)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.GetInstancesHealthStatusOutput, error) {
		s, _, err := scope.Service(tx, in.ServiceId)
		if err != nil {
			return nil, err
		}
		all, err := asked(tx, &s, in.Instances)
		if err != nil {
			return nil, err
		}
		healths, err := a.healths(tx, &s, all)
		if err != nil {
			return nil, err
		}
		out := &sdk.GetInstancesHealthStatusOutput{Status: map[string]types.HealthStatus{}}
		all, out.NextToken = handler.Cut(page, all, func(i record.Instance) string { return i.ID })
		for _, i := range all {
			out.Status[i.ID] = healths[i.ID]
		}
		return out, nil
	})
}

// asked are the instances with these ids, which must be there; without ids they are all.
func asked(tx store.Tx, s *record.Service, ids []string) (all []record.Instance, err error) {
	if len(ids) == 0 {
		return record.Instances.List(tx, record.InstanceKey(s.ID, ""))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		i, err := handler.Get(tx, record.Instances, record.InstanceKey(s.ID, id), scope.NoInstance)
		if err != nil {
			return nil, err
		}
		if !seen[id] {
			all = append(all, i)
		}
		seen[id] = true
	}
	return all, nil
}

// ListInstances lists the instances of a service.
func (a API) ListInstances(ctx context.Context, in *sdk.ListInstancesInput) (*sdk.ListInstancesOutput, error) {
	page, err := scope.Pages.Open(in.MaxResults, in.NextToken, scope.Zero(in.ServiceId))
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.ListInstancesOutput, error) {
		s, _, err := scope.Service(tx, in.ServiceId)
		if err != nil {
			return nil, err
		}
		all, err := record.Instances.List(tx, record.InstanceKey(s.ID, ""))
		out := &sdk.ListInstancesOutput{Instances: []types.InstanceSummary{}, ResourceOwner: &a.NS.Account}
		all, out.NextToken = handler.Cut(page, all, func(i record.Instance) string { return i.ID })
		for _, i := range all {
			out.Instances = append(out.Instances, types.InstanceSummary{Id: &i.ID, Attributes: i.Attributes, CreatedByAccount: &a.NS.Account})
		}
		return out, err
	})
}
