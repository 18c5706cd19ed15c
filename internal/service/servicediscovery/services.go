package servicediscovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
)

// namespaceOf is the namespace that a request names; the one beside the records is deprecated.
func namespaceOf(in *sdk.CreateServiceInput) *string {
	if in.NamespaceId == nil && in.DnsConfig != nil {
		return in.DnsConfig.NamespaceId //nolint:staticcheck // deprecated by AWS, and used
	}
	return in.NamespaceId
}

// serviceName is what the names of services are, and maxServiceName how many characters they have
// (https://docs.aws.amazon.com/cloud-map/latest/api/API_CreateService.html).
var serviceName = regexp.MustCompile(`^(([a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|[a-zA-Z0-9])(\.([a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|[a-zA-Z0-9]))*|\.)$`)

const maxServiceName = 127

// maxDomain is how many characters a domain name has at most (RFC 1035, 2.3.4, without the dot at its end).
const maxDomain = 253

func invalidName(service, namespace string) error {
	return scope.Invalid("The name %s.%s would be longer than %d characters.", service, namespace, maxDomain)
}

// serviceFaults is what is wrong with a new service, whatever its namespace is.
func serviceFaults(in *sdk.CreateServiceInput) (faults []error) {
	add := func(format string, args ...any) { faults = append(faults, scope.Invalid(format, args...)) }
	if name := scope.Zero(in.Name); len(name) > maxServiceName || !serviceName.MatchString(name) {
		add("The service name '%.140s' is not valid: it is one label or several, divided by dots, of letters, digits, hyphens and underscores, and at most %d characters long.", name, maxServiceName)
	}
	if namespaceOf(in) == nil {
		add("NamespaceId is missing: a service is in a namespace.")
	}
	if d := in.DnsConfig; d != nil {
		if in.NamespaceId != nil && d.NamespaceId != nil { //nolint:staticcheck // deprecated by AWS, and used
			add("Specify NamespaceId, or DnsConfig.NamespaceId, not both.")
		}
		faults = append(faults, recordFaults(d.DnsRecords, d.RoutingPolicy)...)
		if in.Type == types.ServiceTypeOptionHttp {
			add("A service of type HTTP has no DnsConfig.")
		}
	}
	if in.HealthCheckConfig != nil && in.HealthCheckCustomConfig != nil {
		add("Specify HealthCheckConfig or HealthCheckCustomConfig, not both.")
	}
	return append(faults, checkFaults(in.HealthCheckConfig)...)
}

// recordFaults is what is wrong with the records that instances are to have
// (https://docs.aws.amazon.com/cloud-map/latest/api/API_DnsRecord.html).
func recordFaults(all []types.DnsRecord, policy types.RoutingPolicy) (faults []error) {
	if len(all) == 0 {
		faults = append(faults, scope.Invalid("DnsConfig.DnsRecords has no record."))
	}
	seen := map[types.RecordType]bool{}
	for _, r := range all {
		if seen[r.Type] {
			faults = append(faults, scope.Invalid("DnsConfig.DnsRecords has several records of type %s.", r.Type))
		}
		seen[r.Type] = true
	}
	cname, srv := seen[types.RecordTypeCname], seen[types.RecordTypeSrv]
	switch {
	case cname && len(seen) > 1:
		faults = append(faults, scope.Invalid("A service with a record of type CNAME has no other record."))
	case srv && len(seen) > 1:
		faults = append(faults, scope.Invalid("A service with a record of type SRV has no other record: Cloud Map makes the A and AAAA records that it leads to."))
	case cname && policy != types.RoutingPolicyWeighted:
		faults = append(faults, scope.Invalid("A service with a record of type CNAME must have the routing policy WEIGHTED."))
	}
	return faults
}

// checkFaults is what is wrong with a health check of Route 53's.
func checkFaults(c *types.HealthCheckConfig) (faults []error) {
	if c != nil && c.Type == types.HealthCheckTypeTcp && c.ResourcePath != nil {
		faults = append(faults, scope.Invalid("HealthCheckConfig.ResourcePath can't be given for a health check of type TCP."))
	}
	return faults
}

// withDefaults is a health check with what it doesn't say (https://docs.aws.amazon.com/cloud-map/latest/api/API_HealthCheckConfig.html).
func withDefaults(c *types.HealthCheckConfig) *types.HealthCheckConfig {
	if c == nil {
		return nil
	}
	is := *c
	if is.FailureThreshold == nil {
		is.FailureThreshold = new(int32(1))
	}
	if is.Type != types.HealthCheckTypeTcp && scope.Zero(is.ResourcePath) == "" {
		is.ResourcePath = new("/")
	}
	return &is
}

// CreateService makes a service.
func (a *API) CreateService(ctx context.Context, in *sdk.CreateServiceInput) (*sdk.CreateServiceOutput, error) {
	tags, err := tagRules.Add(nil, tagType.From(in.Tags))
	if err != nil {
		return nil, err
	}
	asked, err := handler.Digest(in)
	if err != nil {
		return nil, err
	}
	s := record.Service{
		ID: record.NewID("srv-", 16), Name: *in.Name, Description: scope.Zero(in.Description), Request: scope.Zero(in.CreatorRequestId), Asked: asked,
		Check: withDefaults(in.HealthCheckConfig), Custom: in.HealthCheckCustomConfig != nil, Created: time.Now().UTC(), Tags: tags,
	}
	if d := in.DnsConfig; d != nil {
		s.Records, s.Policy = d.DnsRecords, d.RoutingPolicy
		if s.Policy == "" {
			s.Policy = types.RoutingPolicyMultivalue
		}
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.CreateServiceOutput, error) {
		n, err := scope.Namespace(tx, namespaceOf(in))
		if err != nil {
			return nil, err
		}
		s.Namespace = n.ID
		if again, err := a.fits(tx, &n, &s); again != nil || err != nil {
			return again, err
		}
		return &sdk.CreateServiceOutput{Service: a.shape(&s, 0)}, record.Services.Put(tx, s.ID, s)
	})
}

// fits says whether a service can be in a namespace. Again is the answer when the same request made one before.
func (a *API) fits(tx store.Tx, n *record.Namespace, s *record.Service) (again *sdk.CreateServiceOutput, err error) {
	switch {
	case n.Zone == "" && len(s.Records) > 0:
		return nil, scope.Invalid("The namespace %s is of type HTTP, where services have no DnsConfig.", n.ID)
	case len(s.Records) > 0 && len(s.Name)+1+len(n.Name) > maxDomain:
		return nil, invalidName(s.Name, n.Name)
	case n.Type == types.NamespaceTypeDnsPrivate && s.Check != nil:
		return nil, scope.Invalid("HealthCheckConfig isn't for services of a private DNS namespace, which Route 53's health checkers don't reach: use HealthCheckCustomConfig.")
	}
	for has, err := range record.Services.PeekBy(tx, record.ByNamespace, n.ID) {
		switch {
		case err != nil:
			return nil, err
		case !strings.EqualFold(has.Name, s.Name):
		case s.Request != "" && has.Request == s.Request && has.Asked == s.Asked:
			count, err := record.CountInstances(tx, has.ID)
			return &sdk.CreateServiceOutput{Service: a.shape(has, count)}, err
		default:
			return nil, &types.ServiceAlreadyExists{
				Message: new(fmt.Sprintf("Service %s already exists in namespace %s.", s.Name, n.ID)), ServiceId: new(has.ID),
				ServiceArn: new(a.ARN(scope.ServiceKind, has.ID)), CreatorRequestId: handler.Optional(has.Request),
			}
		}
	}
	return nil, nil
}

// shape is a service in an answer.
func (a *API) shape(s *record.Service, instances int32) *types.Service {
	return &types.Service{
		Id: new(s.ID), Arn: new(a.ARN(scope.ServiceKind, s.ID)), ResourceOwner: &a.NS.Account, Name: new(s.Name), NamespaceId: new(s.Namespace),
		Description: handler.Optional(s.Description), InstanceCount: &instances, DnsConfig: dnsConfig(s), Type: s.Type(),
		HealthCheckConfig: s.Check, HealthCheckCustomConfig: custom(s), CreateDate: new(s.Created), CreatorRequestId: handler.Optional(s.Request),
		CreatedByAccount: &a.NS.Account,
	}
}

func dnsConfig(s *record.Service) *types.DnsConfig {
	if len(s.Records) == 0 {
		return nil
	}
	return &types.DnsConfig{NamespaceId: new(s.Namespace), RoutingPolicy: s.Policy, DnsRecords: slices.Clone(s.Records)} //nolint:staticcheck // deprecated by AWS, and used
}

// custom says that somebody tells of instances' health. AWS answers with a threshold of 1, whatever was asked for
// (https://docs.aws.amazon.com/cloud-map/latest/api/API_HealthCheckCustomConfig.html).
func custom(s *record.Service) *types.HealthCheckCustomConfig {
	if !s.Custom {
		return nil
	}
	return &types.HealthCheckCustomConfig{FailureThreshold: new(int32(1))} //nolint:staticcheck // deprecated by AWS, and used
}

// GetService tells of a service.
func (a *API) GetService(ctx context.Context, in *sdk.GetServiceInput) (*sdk.GetServiceOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.GetServiceOutput, error) {
		s, _, err := scope.Service(tx, in.Id)
		if err != nil {
			return nil, err
		}
		count, err := record.CountInstances(tx, s.ID)
		return &sdk.GetServiceOutput{Service: a.shape(&s, count)}, err
	})
}

// changeFaults is what is wrong with a change, whatever the service is.
func changeFaults(in *sdk.UpdateServiceInput) []error {
	if in.Service == nil {
		return nil
	}
	return checkFaults(in.Service.HealthCheckConfig)
}

// UpdateService changes a service: its description, the TTL of its records and its health check. Records and a check that the
// request leaves out go (https://docs.aws.amazon.com/cloud-map/latest/api/API_UpdateService.html).
func (a *API) UpdateService(ctx context.Context, in *sdk.UpdateServiceInput) (*sdk.UpdateServiceOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.UpdateServiceOutput, error) {
		s, n, err := scope.Service(tx, in.Id)
		if err != nil {
			return nil, err
		}
		old := s
		if d := in.Service.Description; d != nil {
			s.Description = *d
		}
		if s.Records, err = changed(old.Records, in.Service.DnsConfig); err != nil {
			return nil, err
		}
		if s.Check = withDefaults(in.Service.HealthCheckConfig); s.Check != nil {
			switch {
			case n.Type == types.NamespaceTypeDnsPrivate:
				return nil, scope.Invalid("HealthCheckConfig isn't for services of a private DNS namespace.")
			case s.Custom:
				return nil, scope.Invalid("The service %s has HealthCheckCustomConfig: it can't have HealthCheckConfig as well.", s.ID)
			}
		}
		if err := a.instances.Renew(tx, &n, &old, &s); err != nil {
			return nil, err
		}
		op, err := scope.Ended(tx, types.OperationTypeUpdateService, map[types.OperationTargetType]string{types.OperationTargetTypeService: s.ID})
		return &sdk.UpdateServiceOutput{OperationId: op}, errors.Join(err, record.Services.Put(tx, s.ID, s))
	})
}

// changed are a service's records as a request wants them: of the types that they are, and of other TTLs.
func changed(has []types.DnsRecord, c *types.DnsConfigChange) ([]types.DnsRecord, error) {
	if c == nil {
		return nil, nil
	}
	kinds := func(all []types.DnsRecord) []types.RecordType {
		var list []types.RecordType
		for _, r := range all {
			list = append(list, r.Type)
		}
		slices.Sort(list)
		return list
	}
	if !slices.Equal(kinds(has), kinds(c.DnsRecords)) {
		return nil, scope.Invalid("The types of a service's records can't be changed, from %v to %v: delete the service and make a new one.", kinds(has), kinds(c.DnsRecords))
	}
	return c.DnsRecords, nil
}

// DeleteService deletes a service without instances.
func (a *API) DeleteService(ctx context.Context, in *sdk.DeleteServiceInput) (*sdk.DeleteServiceOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.DeleteServiceOutput, error) {
		s, _, err := scope.Service(tx, in.Id)
		if err != nil {
			return nil, err
		}
		count, err := record.CountInstances(tx, s.ID)
		switch {
		case err != nil:
			return nil, err
		case count > 0:
			return nil, &types.ResourceInUse{Message: new(fmt.Sprintf("Service %s has registered instances (%d): deregister them first.", s.ID, count))}
		}
		return &sdk.DeleteServiceOutput{}, record.Services.Delete(tx, s.ID)
	})
}

// GetServiceAttributes returns what people keep with a service.
func (a *API) GetServiceAttributes(ctx context.Context, in *sdk.GetServiceAttributesInput) (*sdk.GetServiceAttributesOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.GetServiceAttributesOutput, error) {
		s, _, err := scope.Service(tx, in.ServiceId)
		if s.Attributes == nil {
			s.Attributes = map[string]string{}
		}
		return &sdk.GetServiceAttributesOutput{ServiceAttributes: &types.ServiceAttributes{
			Attributes: s.Attributes, ResourceOwner: &a.NS.Account, ServiceArn: new(a.ARN(scope.ServiceKind, s.ID)),
		}}, err
	})
}

// UpdateServiceAttributes adds attributes to a service, or changes them.
func (a *API) UpdateServiceAttributes(ctx context.Context, in *sdk.UpdateServiceAttributesInput) (*sdk.UpdateServiceAttributesOutput, error) {
	return &sdk.UpdateServiceAttributesOutput{}, a.attributes(ctx, in.ServiceId, func(has map[string]string) error {
		maps.Copy(has, in.Attributes)
		if len(has) > scope.MaxAttributes {
			return &types.ServiceAttributesLimitExceededException{Message: new(fmt.Sprintf("A service can have at most %d attributes.", scope.MaxAttributes))}
		}
		return nil
	})
}

// DeleteServiceAttributes removes attributes of a service.
func (a *API) DeleteServiceAttributes(ctx context.Context, in *sdk.DeleteServiceAttributesInput) (*sdk.DeleteServiceAttributesOutput, error) {
	return &sdk.DeleteServiceAttributesOutput{}, a.attributes(ctx, in.ServiceId, func(has map[string]string) error {
		for _, k := range in.Attributes {
			delete(has, k)
		}
		return nil
	})
}

func (a *API) attributes(ctx context.Context, ref *string, change func(map[string]string) error) error {
	return a.DB.Update(ctx, func(tx store.Tx) error {
		s, _, err := scope.Service(tx, ref)
		if err != nil {
			return err
		}
		if s.Attributes == nil {
			s.Attributes = map[string]string{}
		}
		if err := change(s.Attributes); err != nil {
			return err
		}
		return record.Services.Put(tx, s.ID, s)
	})
}
