package servicediscovery

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
)

// filter is a condition that entries of a list must meet.
type filter struct {
	name      string
	values    []string
	condition types.FilterCondition
}

// conditions are those that a filter may have: the first is that of one that says none.
var conditions = map[string][]types.FilterCondition{
	string(types.NamespaceFilterNameType):          {types.FilterConditionEq, types.FilterConditionIn},
	string(types.NamespaceFilterNameName):          {types.FilterConditionEq, types.FilterConditionBeginsWith},
	string(types.NamespaceFilterNameHttpName):      {types.FilterConditionEq, types.FilterConditionBeginsWith},
	string(types.NamespaceFilterNameResourceOwner): {types.FilterConditionEq},
	string(types.ServiceFilterNameNamespaceId):     {types.FilterConditionEq},
	string(types.OperationFilterNameServiceId):     {types.FilterConditionEq},
	string(types.OperationFilterNameStatus):        {types.FilterConditionEq, types.FilterConditionIn},
	string(types.OperationFilterNameUpdateDate):    {types.FilterConditionBetween},
}

// filterFaults is what is wrong with filters.
func filterFaults(all []filter) (faults []error) {
	for _, f := range all {
		allowed := conditions[f.name]
		switch {
		case f.condition != "" && !slices.Contains(allowed, f.condition):
			faults = append(faults, scope.Invalid("The filter %s can't have the condition %s, only %v.", f.name, f.condition, allowed))
		case f.of() == types.FilterConditionBetween && len(f.values) != 2:
			faults = append(faults, scope.Invalid("The filter %s needs two values: the begin and the end, in seconds since 1970.", f.name))
		case f.of() != types.FilterConditionIn && f.of() != types.FilterConditionBetween && len(f.values) != 1:
			faults = append(faults, scope.Invalid("The filter %s needs one value for the condition %s.", f.name, f.of()))
		}
	}
	return faults
}

func (f filter) of() types.FilterCondition {
	if f.condition == "" {
		return conditions[f.name][0]
	}
	return f.condition
}

// takes says whether a value meets the condition.
func (f filter) takes(value string) bool {
	switch f.of() {
	case types.FilterConditionBeginsWith:
		return strings.HasPrefix(value, f.values[0])
	case types.FilterConditionBetween:
		at, _ := strconv.ParseFloat(value, 64)
		from, err := strconv.ParseFloat(f.values[0], 64)
		to, bad := strconv.ParseFloat(f.values[1], 64)
		return err == nil && bad == nil && from <= at && at <= to
	}
	return slices.Contains(f.values, value)
}

// meets says whether values, by the names of filters, meet all of them.
func meets(all []filter, values map[string]string) bool {
	for _, f := range all {
		if !f.takes(values[f.name]) {
			return false
		}
	}
	return true
}

// owner is what RESOURCE_OWNER is for what there is.
const owner = "SELF"

func namespaceFilters(given []types.NamespaceFilter) (all []filter) {
	for _, f := range given {
		all = append(all, filter{string(f.Name), f.Values, f.Condition})
	}
	return all
}

func serviceFilters(given []types.ServiceFilter) (all []filter) {
	for _, f := range given {
		is := filter{string(f.Name), f.Values, f.Condition}
		if f.Name == types.ServiceFilterNameNamespaceId {
			is.values = nil
			for _, v := range f.Values {
				is.values = append(is.values, scope.Bare(scope.NamespaceKind, &v))
			}
		}
		all = append(all, is)
	}
	return all
}

func operationFilters(given []types.OperationFilter) (all []filter) {
	for _, f := range given {
		all = append(all, filter{string(f.Name), f.Values, f.Condition})
	}
	return all
}

func namespaceFilterFaults(in *sdk.ListNamespacesInput) []error {
	return filterFaults(namespaceFilters(in.Filters))
}

func serviceFilterFaults(in *sdk.ListServicesInput) []error {
	return filterFaults(serviceFilters(in.Filters))
}

func operationFilterFaults(in *sdk.ListOperationsInput) []error {
	return filterFaults(operationFilters(in.Filters))
}

// ListNamespaces lists namespaces.
func (a *API) ListNamespaces(ctx context.Context, in *sdk.ListNamespacesInput) (*sdk.ListNamespacesOutput, error) {
	page, err := scope.Pages.Open(in.MaxResults, in.NextToken, in.Filters)
	if err != nil {
		return nil, err
	}
	filters := namespaceFilters(in.Filters)
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.ListNamespacesOutput, error) {
		fit := handler.Keep(record.Namespaces.Scan(tx, "", page.After), func(n record.Namespace) bool {
			return meets(filters, map[string]string{"TYPE": string(n.Type), "NAME": n.Name, "HTTP_NAME": n.Name, "RESOURCE_OWNER": owner})
		})
		all, next, err := handler.Fill(page, fit, func(n record.Namespace) string { return n.ID })
		out := &sdk.ListNamespacesOutput{Namespaces: []types.NamespaceSummary{}, NextToken: next}
		for _, n := range all {
			count := servicesIn(tx, n.ID)
			out.Namespaces = append(out.Namespaces, types.NamespaceSummary{
				Id: &n.ID, Arn: new(a.ARN(scope.NamespaceKind, n.ID)), ResourceOwner: &a.NS.Account, Name: &n.Name, Type: n.Type,
				Description: handler.Optional(n.Description), ServiceCount: &count, Properties: properties(&n), CreateDate: &n.Created,
			})
		}
		return out, err
	})
}

// ListServices lists services.
func (a *API) ListServices(ctx context.Context, in *sdk.ListServicesInput) (*sdk.ListServicesOutput, error) {
	page, err := scope.Pages.Open(in.MaxResults, in.NextToken, in.Filters)
	if err != nil {
		return nil, err
	}
	filters := serviceFilters(in.Filters)
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.ListServicesOutput, error) {
		fit := handler.Keep(record.Services.Scan(tx, "", page.After), func(s record.Service) bool {
			return meets(filters, map[string]string{"NAMESPACE_ID": s.Namespace, "RESOURCE_OWNER": owner})
		})
		all, next, err := handler.Fill(page, fit, func(s record.Service) string { return s.ID })
		out := &sdk.ListServicesOutput{Services: []types.ServiceSummary{}, NextToken: next}
		for _, s := range all {
			count, err := record.CountInstances(tx, s.ID)
			if err != nil {
				return nil, err
			}
			is := a.shape(&s, count)
			out.Services = append(out.Services, types.ServiceSummary{
				Id: is.Id, Arn: is.Arn, ResourceOwner: is.ResourceOwner, Name: is.Name, Type: is.Type, Description: is.Description,
				InstanceCount: is.InstanceCount, DnsConfig: is.DnsConfig, HealthCheckConfig: is.HealthCheckConfig,
				HealthCheckCustomConfig: is.HealthCheckCustomConfig, CreateDate: is.CreateDate, CreatedByAccount: is.CreatedByAccount,
			})
		}
		return out, err
	})
}

// status is what became of an operation.
func status(o *record.Operation) types.OperationStatus {
	if o.Code != "" {
		return types.OperationStatusFail
	}
	return types.OperationStatusSuccess
}

// ListOperations lists operations.
func (a *API) ListOperations(ctx context.Context, in *sdk.ListOperationsInput) (*sdk.ListOperationsOutput, error) {
	page, err := scope.Pages.Open(in.MaxResults, in.NextToken, in.Filters)
	if err != nil {
		return nil, err
	}
	filters := operationFilters(in.Filters)
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.ListOperationsOutput, error) {
		fit := handler.Keep(record.Operations.Scan(tx, "", page.After), func(o record.Operation) bool {
			return meets(filters, map[string]string{
				"NAMESPACE_ID": o.Targets[string(types.OperationTargetTypeNamespace)], "SERVICE_ID": o.Targets[string(types.OperationTargetTypeService)],
				"STATUS": string(status(&o)), "TYPE": string(o.Type), "UPDATE_DATE": strconv.FormatInt(o.Created.Unix(), 10),
			})
		})
		all, next, err := handler.Fill(page, fit, func(o record.Operation) string { return o.ID })
		out := &sdk.ListOperationsOutput{Operations: []types.OperationSummary{}, NextToken: next}
		for _, o := range all {
			out.Operations = append(out.Operations, types.OperationSummary{Id: &o.ID, Status: status(&o)})
		}
		return out, err
	})
}

// GetOperation says what became of a request.
func (a *API) GetOperation(ctx context.Context, in *sdk.GetOperationInput) (*sdk.GetOperationOutput, error) {
	if in.OwnerAccount != nil && *in.OwnerAccount != a.NS.Account {
		return nil, scope.NoOperation(*in.OperationId)
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.GetOperationOutput, error) {
		o, err := handler.Get(tx, record.Operations, *in.OperationId, scope.NoOperation)
		return &sdk.GetOperationOutput{Operation: &types.Operation{
			Id: &o.ID, OwnerAccount: &a.NS.Account, Type: o.Type, Status: status(&o), ErrorCode: handler.Optional(o.Code), ErrorMessage: handler.Optional(o.Message),
			CreateDate: &o.Created, UpdateDate: &o.Created, Targets: o.Targets,
		}}, err
	})
}

// namespacesOf are the namespaces that operations are about.
func (a *API) namespacesOf(ctx context.Context, operations []string) (ids []string) {
	_ = a.DB.View(ctx, func(tx store.Tx) error { // what can't be read is the handler's to say
		for _, id := range operations {
			o, ok, err := handler.Find(tx, record.Operations, id)
			if err != nil || !ok {
				return err
			}
			n := o.Targets[string(types.OperationTargetTypeNamespace)]
			if s := o.Targets[string(types.OperationTargetTypeService)]; n == "" && s != "" {
				if s, ok, err := handler.Find(tx, record.Services, s); err == nil && ok {
					n = s.Namespace
				}
			}
			if n != "" {
				ids = append(ids, n)
			}
		}
		return nil
	})
	return ids
}

// Forget deletes an operation that nobody can ask about any more. It returns how long it is until it must be called again; 0 is
// never.
func (a *API) Forget(ctx context.Context, id string) (again time.Duration, err error) {
	return handler.Update(store.Freeing(ctx), a.DB, func(tx store.Tx) (time.Duration, error) {
		o, ok, err := handler.Find(tx, record.Operations, id)
		if err != nil || !ok {
			return 0, err
		}
		if left := time.Until(o.Created.Add(record.OperationLife)); left > 0 {
			return left, nil
		}
		return 0, record.Operations.Delete(tx, id)
	})
}
