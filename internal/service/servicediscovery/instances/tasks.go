package instances

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
)

// Ports says whether instances of the service with that ARN must say a port.
func (a API) Ports(ctx context.Context, ref string) (bool, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (bool, error) {
		s, _, err := scope.Service(tx, &ref)
		return slices.ContainsFunc(s.Records, func(r types.DnsRecord) bool { return r.Type == types.RecordTypeSrv }), err
	})
}

// Announce makes an instance of the service with that ARN, or changes it, in the caller's transaction. Ill says that it must not be
// found while others are well.
func (a API) Announce(tx store.Tx, ref, id string, ill bool, attributes map[string]string) error {
	s, n, err := scope.Service(tx, &ref)
	if err != nil {
		return err
	}
	i := record.Instance{Service: s.ID, ID: id, Attributes: maps.Clone(attributes)}
	if s.Custom {
		if i.Health = types.CustomHealthStatusHealthy; ill {
			i.Health = types.CustomHealthStatusUnhealthy
		}
		i.Attributes[record.InitHealth] = string(i.Health)
	}
	if err := suits(&n, &s, &i); err != nil {
		return err
	}
	return a.put(tx, &n, &s, i)
}

// Withdraw removes an instance of the service with that ARN, in the caller's transaction. Neither need be there.
func (a API) Withdraw(tx store.Tx, ref, id string) error {
	s, there, err := handler.Find(tx, record.Services, scope.Bare(scope.ServiceKind, &ref))
	if err != nil || !there {
		return err
	}
	i, there, err := handler.Find(tx, record.Instances, record.InstanceKey(s.ID, id))
	if err != nil || !there {
		return err
	}
	n, err := scope.Namespace(tx, &s.Namespace)
	if err != nil {
		return err
	}
	return a.remove(tx, &n, &s, i)
}

// Told says whether names are answered as they are written for the service with that ARN.
func (a API) Told(ctx context.Context, ref string) (bool, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (bool, error) {
		_, n, err := scope.Service(tx, &ref)
		if err != nil || n.Zone == "" {
			return true, err
		}
		return a.Zones.Told(tx, n.Zone)
	})
}
