package servicediscovery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
)

// defaultTTL is how long it may be kept that a name isn't there, in seconds
// (https://docs.aws.amazon.com/cloud-map/latest/api/API_SOA.html).
const defaultTTL = 15

// CreateHttpNamespace makes a namespace whose instances are found by DiscoverInstances only.
func (a *API) CreateHttpNamespace(ctx context.Context, in *sdk.CreateHttpNamespaceInput) (*sdk.CreateHttpNamespaceOutput, error) {
	n := record.Namespace{Name: *in.Name, Type: types.NamespaceTypeHttp, Description: scope.Zero(in.Description), Request: scope.Zero(in.CreatorRequestId)}
	op, err := a.create(ctx, n, in.Tags)
	return &sdk.CreateHttpNamespaceOutput{OperationId: op}, err
}

// CreatePrivateDnsNamespace makes a namespace with a private hosted zone.
func (a *API) CreatePrivateDnsNamespace(ctx context.Context, in *sdk.CreatePrivateDnsNamespaceInput) (*sdk.CreatePrivateDnsNamespaceOutput, error) {
	n := record.Namespace{
		Name: *in.Name, Type: types.NamespaceTypeDnsPrivate, Description: scope.Zero(in.Description), Request: scope.Zero(in.CreatorRequestId), VPC: *in.Vpc, TTL: defaultTTL,
	}
	if p := in.Properties; p != nil && p.DnsProperties != nil && p.DnsProperties.SOA != nil {
		n.TTL = scope.Zero(p.DnsProperties.SOA.TTL)
	}
	op, err := a.create(ctx, n, in.Tags)
	return &sdk.CreatePrivateDnsNamespaceOutput{OperationId: op}, err
}

// CreatePublicDnsNamespace makes a namespace with a public hosted zone.
func (a *API) CreatePublicDnsNamespace(ctx context.Context, in *sdk.CreatePublicDnsNamespaceInput) (*sdk.CreatePublicDnsNamespaceOutput, error) {
	n := record.Namespace{
		Name: *in.Name, Type: types.NamespaceTypeDnsPublic, Description: scope.Zero(in.Description), Request: scope.Zero(in.CreatorRequestId), TTL: defaultTTL,
	}
	if p := in.Properties; p != nil && p.DnsProperties != nil && p.DnsProperties.SOA != nil {
		n.TTL = scope.Zero(p.DnsProperties.SOA.TTL)
	}
	op, err := a.create(ctx, n, in.Tags)
	return &sdk.CreatePublicDnsNamespaceOutput{OperationId: op}, err
}

// maxName is how many characters the name of a namespace has at most.
const maxName = 1024

// nameFaults is what is wrong with the name of a namespace (https://docs.aws.amazon.com/cloud-map/latest/api/API_CreateHttpNamespace.html);
// Route 53 says what is wrong with that of a zone.
func nameFaults(name *string) []error {
	s := scope.Zero(name)
	odd := strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' })
	if s == "" || len(s) > maxName || odd || strings.HasPrefix(s, "arn:") {
		return []error{scope.Invalid("The name '%.100s' is not valid: a namespace's has 1 to %d printable ASCII characters, no space, and doesn't begin with arn:.", s, maxName)}
	}
	return nil
}

// create makes a namespace, and returns the id of the operation. What keeps Route 53 from making the zone is the operation's
// failure, and not the call's.
func (a *API) create(ctx context.Context, n record.Namespace, tags []types.Tag) (*string, error) {
	t, err := tagRules.Add(nil, tagType.From(tags))
	if err != nil {
		return nil, err
	}
	n.ID, n.Tags, n.Created = record.NewID("ns-", 16), t, time.Now().UTC()
	if n.VPC != "" {
		if err := a.Network.CheckVPC(ctx, n.VPC); err != nil {
			return a.failed(ctx, n, err)
		}
	}
	op, err := handler.Update(ctx, a.DB, func(tx store.Tx) (*string, error) {
		if again, err := room(tx, n); again != "" || err != nil {
			return &again, err
		}
		if n.Type != types.NamespaceTypeHttp {
			if n.Zone, err = a.Zones.Create(tx, a.zoneOf(&n)); err != nil {
				return nil, &zoneError{err}
			}
		}
		op, err := scope.Ended(tx, types.OperationTypeCreateNamespace, map[types.OperationTargetType]string{types.OperationTargetTypeNamespace: n.ID})
		n.Operation = *op
		return op, errors.Join(err, record.Namespaces.Put(tx, n.ID, n))
	})
	if e, ok := errors.AsType[*zoneError](err); ok {
		return a.failed(ctx, n, e.err)
	}
	return op, err
}

// zoneError is what kept Route 53 from making a zone.
type zoneError struct{ err error }

func (e *zoneError) Error() string { return e.err.Error() }

// failed writes that a namespace wasn't made, where that is a client's doing. The words are those that AWS gives.
func (a *API) failed(ctx context.Context, n record.Namespace, why error) (*string, error) {
	e, ok := errors.AsType[smithy.APIError](why)
	if !ok {
		return nil, why
	}
	o := record.Operation{
		ID: scope.NewOperationID(), Type: types.OperationTypeCreateNamespace, Code: "CANNOT_CREATE_HOSTED_ZONE",
		Message: fmt.Sprintf("%s (Service: AmazonRoute53; Status Code: 400; Error Code: %s)", e.ErrorMessage(), e.ErrorCode()),
		Targets: map[string]string{string(types.OperationTargetTypeNamespace): n.ID}, Created: n.Created,
	}
	return &o.ID, a.DB.Update(ctx, func(tx store.Tx) error { return record.Operations.Put(tx, o.ID, o) })
}

// room says whether there is room for a namespace. Again is the operation that made it, when the same request did.
func room(tx store.Tx, n record.Namespace) (again string, err error) {
	count := 0
	for has, err := range record.Namespaces.Peek(tx, "") {
		switch {
		case err != nil:
			return "", err
		case has.Name != n.Name:
		case n.Request != "" && has.Request == n.Request && has.Type == n.Type && has.VPC == n.VPC && has.Description == n.Description:
			return has.Operation, nil
		default:
			return "", &types.NamespaceAlreadyExists{
				Message:     new(fmt.Sprintf("The namespace %s already exists.", n.Name)),
				NamespaceId: new(has.ID), CreatorRequestId: handler.Optional(has.Request),
			}
		}
		count++
	}
	if count >= maxNamespaces {
		return "", &types.ResourceLimitExceeded{Message: new(fmt.Sprintf("An account can have at most %d namespaces in a region.", maxNamespaces))}
	}
	return "", nil
}

// GetNamespace tells of a namespace.
func (a *API) GetNamespace(ctx context.Context, in *sdk.GetNamespaceInput) (*sdk.GetNamespaceOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.GetNamespaceOutput, error) {
		n, err := scope.Namespace(tx, in.Id)
		if err != nil {
			return nil, err
		}
		services := servicesIn(tx, n.ID)
		return &sdk.GetNamespaceOutput{Namespace: &types.Namespace{
			Id: &n.ID, Arn: new(a.ARN(scope.NamespaceKind, n.ID)), ResourceOwner: &a.NS.Account, Name: &n.Name, Type: n.Type,
			Description: handler.Optional(n.Description), ServiceCount: &services, Properties: properties(&n),
			CreateDate: &n.Created, CreatorRequestId: handler.Optional(n.Request),
		}}, nil
	})
}

// properties are how a namespace's instances are found.
func properties(n *record.Namespace) *types.NamespaceProperties {
	p := &types.NamespaceProperties{HttpProperties: &types.HttpProperties{HttpName: &n.Name}}
	if n.Zone != "" {
		p.DnsProperties = &types.DnsProperties{HostedZoneId: &n.Zone, SOA: &types.SOA{TTL: &n.TTL}}
	}
	return p
}

// servicesIn counts the services of a namespace.
func servicesIn(tx store.Tx, id string) (count int32) {
	for range record.Services.Keys(tx, record.ByNamespace, id, "") {
		count++
	}
	return count
}

// UpdateHttpNamespace changes the description of a namespace.
func (a *API) UpdateHttpNamespace(ctx context.Context, in *sdk.UpdateHttpNamespaceInput) (*sdk.UpdateHttpNamespaceOutput, error) {
	op, err := a.update(ctx, in.Id, types.NamespaceTypeHttp, in.Namespace.Description, nil)
	return &sdk.UpdateHttpNamespaceOutput{OperationId: op}, err
}

// UpdatePrivateDnsNamespace changes the description of a namespace, and its zone's TTL.
func (a *API) UpdatePrivateDnsNamespace(ctx context.Context, in *sdk.UpdatePrivateDnsNamespaceInput) (*sdk.UpdatePrivateDnsNamespaceOutput, error) {
	var ttl *int64
	if p := in.Namespace.Properties; p != nil && p.DnsProperties != nil && p.DnsProperties.SOA != nil {
		ttl = p.DnsProperties.SOA.TTL
	}
	op, err := a.update(ctx, in.Id, types.NamespaceTypeDnsPrivate, in.Namespace.Description, ttl)
	return &sdk.UpdatePrivateDnsNamespaceOutput{OperationId: op}, err
}

// UpdatePublicDnsNamespace changes the description of a namespace, and its zone's TTL.
func (a *API) UpdatePublicDnsNamespace(ctx context.Context, in *sdk.UpdatePublicDnsNamespaceInput) (*sdk.UpdatePublicDnsNamespaceOutput, error) {
	var ttl *int64
	if p := in.Namespace.Properties; p != nil && p.DnsProperties != nil && p.DnsProperties.SOA != nil {
		ttl = p.DnsProperties.SOA.TTL
	}
	op, err := a.update(ctx, in.Id, types.NamespaceTypeDnsPublic, in.Namespace.Description, ttl)
	return &sdk.UpdatePublicDnsNamespaceOutput{OperationId: op}, err
}

// update changes a namespace of that type.
func (a *API) update(ctx context.Context, ref *string, kind types.NamespaceType, description *string, ttl *int64) (*string, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*string, error) {
		n, err := scope.Namespace(tx, ref)
		switch {
		case err != nil:
			return nil, err
		case n.Type != kind:
			return nil, scope.Invalid("The namespace %s is of type %s, not %s.", n.ID, n.Type, kind)
		}
		if description != nil {
			n.Description = *description
		}
		if ttl != nil {
			n.TTL = *ttl
		}
		if n.Zone != "" {
			if err := a.Zones.Update(tx, n.Zone, a.zoneOf(&n)); err != nil {
				return nil, err
			}
		}
		if err := record.Namespaces.Put(tx, n.ID, n); err != nil {
			return nil, err
		}
		return scope.Ended(tx, types.OperationTypeUpdateNamespace, map[types.OperationTargetType]string{types.OperationTargetTypeNamespace: n.ID})
	})
}

// DeleteNamespace deletes a namespace without services.
func (a *API) DeleteNamespace(ctx context.Context, in *sdk.DeleteNamespaceInput) (*sdk.DeleteNamespaceOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.DeleteNamespaceOutput, error) {
		n, err := scope.Namespace(tx, in.Id)
		if err != nil {
			return nil, err
		}
		if services := servicesIn(tx, n.ID); services > 0 {
			return nil, &types.ResourceInUse{Message: new(fmt.Sprintf("The namespace %s has %d services: delete them first.", n.ID, services))}
		}
		if n.Zone != "" {
			if err := a.Zones.Delete(tx, n.Zone); err != nil {
				return nil, err
			}
		}
		op, err := scope.Ended(tx, types.OperationTypeDeleteNamespace, map[types.OperationTargetType]string{types.OperationTargetTypeNamespace: n.ID})
		return &sdk.DeleteNamespaceOutput{OperationId: op}, errors.Join(err, record.Namespaces.Delete(tx, n.ID))
	})
}

// zoneOf is the zone that a namespace is to have.
func (a *API) zoneOf(n *record.Namespace) scope.Zone {
	return scope.Zone{Name: n.Name, Description: n.Description, Owner: a.ARN(scope.NamespaceKind, n.ID), VPC: n.VPC, TTL: n.TTL}
}
