package service

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/store"
)

// checkCounts checks how many tasks a service is to have, and for how many
// seconds its checks don't count.
func checkCounts(f *ecs.Faults, desired, grace *int32) {
	if desired != nil && (*desired < 0 || *desired > maxDesired) {
		f.Add("desiredCount must be between 0 and %d.", maxDesired)
	}
	if grace != nil && *grace < 0 {
		f.Add("healthCheckGracePeriodSeconds must not be negative.")
	}
}

func checkController(c *types.DeploymentController) error {
	if c == nil || c.Type == types.DeploymentControllerTypeEcs {
		return nil
	}
	return &types.UnsupportedFeatureException{Message: aws.String("The deployment controller " + string(c.Type) + " is not supported by Skylift; use ECS.")}
}

// UpdateService changes a service; a change of what its tasks are made from,
// or forceNewDeployment, starts a new deployment.
func (a *Services) UpdateService(ctx context.Context, in *sdk.UpdateServiceInput) (*sdk.UpdateServiceOutput, error) {
	if err := checkUpdate(in); err != nil {
		return nil, err
	}
	c, err := a.readChange(ctx, in)
	if err != nil {
		return nil, err
	}
	view, err := a.changeService(a.shrinking(ctx, in), in.Cluster, *in.Service, func(tx store.Tx, s *ecs.Service) error {
		return c.apply(tx, a, in, s)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.UpdateServiceOutput{Service: view.wire(a.NS, false)}, nil
}

func checkUpdate(in *sdk.UpdateServiceInput) error {
	if err := updateFaults(in).Err(ecs.Invalid); err != nil {
		return err
	}
	return checkController(in.DeploymentController)
}

// updateFaults returns what is wrong with a change as it stands there.
func updateFaults(in *sdk.UpdateServiceInput) (f ecs.Faults) {
	checkCounts(&f, in.DesiredCount, in.HealthCheckGracePeriodSeconds)
	f.Take(scope.Unplaced(in.PlacementConstraints, in.PlacementStrategy))
	return f
}

// activeService returns the service, which must be ACTIVE.
func (a *Services) activeService(tx store.Tx, cluster *string, ref string) (ecs.Service, error) {
	c, err := a.ActiveCluster(tx, cluster)
	if err != nil {
		return ecs.Service{}, err
	}
	key, err := a.ServiceKey(c.Name, ref)
	if err != nil {
		return ecs.Service{}, err
	}
	s, err := handler.Get(tx, ecs.Services, key, scope.NoService)
	if err == nil && s.Status != ecs.Active {
		return s, &types.ServiceNotActiveException{Message: aws.String("Service was not ACTIVE.")}
	}
	return s, err
}

// changeService changes the service that ref names, which must be ACTIVE.
func (a *Services) changeService(ctx context.Context, cluster *string, ref string, change func(store.Tx, *ecs.Service) error) (serviceView, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (serviceView, error) {
		s, err := a.activeService(tx, cluster, ref)
		if err != nil {
			return serviceView{}, err
		}
		if err := change(tx, &s); err != nil {
			return serviceView{}, err
		}
		if err := ecs.Services.Put(tx, s.Key(), s); err != nil {
			return serviceView{}, err
		}
		return viewService(tx, s)
	})
}

// DeleteService drains a service that is scaled to 0, or any with force.
func (a *Services) DeleteService(ctx context.Context, in *sdk.DeleteServiceInput) (*sdk.DeleteServiceOutput, error) {
	view, err := a.changeService(ctx, in.Cluster, *in.Service, func(_ store.Tx, s *ecs.Service) error {
		if s.Desired > 0 && !aws.ToBool(in.Force) {
			return ecs.Invalid("The service cannot be stopped while it is scaled above 0.")
		}
		s.Status, s.Desired = ecs.Draining, 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteServiceOutput{Service: view.wire(a.NS, false)}, nil
}

// DescribeServices returns up to 10 services.
func (a *Services) DescribeServices(ctx context.Context, in *sdk.DescribeServicesInput) (*sdk.DescribeServicesOutput, error) {
	if len(in.Services) == 0 {
		return nil, ecs.Invalid("Services cannot be empty.")
	}
	if len(in.Services) > 10 {
		return nil, ecs.Invalid("Services can have at most 10 items.")
	}
	tags := slices.Contains(in.Include, types.ServiceFieldTags)
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.DescribeServicesOutput, error) {
		out := &sdk.DescribeServicesOutput{Services: []types.Service{}, Failures: []types.Failure{}}
		c, err := a.ActiveCluster(tx, in.Cluster)
		if err != nil {
			return nil, err
		}
		for _, ref := range in.Services {
			key, err := a.ServiceKey(c.Name, ref)
			if err != nil {
				return nil, err
			}
			s, ok, err := handler.Find(tx, ecs.Services, key)
			if err != nil {
				return nil, err
			}
			if !ok {
				out.Failures = append(out.Failures, shape.Failure(a.NS.ARN("ecs", "service/"+key), "MISSING"))
				continue
			}
			v, err := viewService(tx, s)
			if err != nil {
				return nil, err
			}
			out.Services = append(out.Services, *v.wire(a.NS, tags))
		}
		return out, nil
	})
}

// ListServices returns the ARNs of a cluster's services.
func (a *Services) ListServices(ctx context.Context, in *sdk.ListServicesInput) (*sdk.ListServicesOutput, error) {
	// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServices.html
	page, err := scope.Pages(10, 100).Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	fits := func(s ecs.Service) bool {
		return s.Status != ecs.Inactive && (in.LaunchType == "" || in.LaunchType == s.LaunchType) && in.SchedulingStrategy != types.SchedulingStrategyDaemon
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.ListServicesOutput, error) {
		c, err := a.ActiveCluster(tx, in.Cluster)
		if err != nil {
			return nil, err
		}
		found, next, err := handler.Fill(page, handler.Keep(ecs.Services.Scan(tx, c.Name+"/", page.After), fits), func(s ecs.Service) string { return s.Key() })
		if err != nil {
			return nil, err
		}
		out := &sdk.ListServicesOutput{ServiceArns: []string{}, NextToken: next}
		for _, s := range found {
			out.ServiceArns = append(out.ServiceArns, s.ARN)
		}
		return out, nil
	})
}

// ListServicesByNamespace finds no namespace: there is no Cloud Map.
func (a *Services) ListServicesByNamespace(_ context.Context, in *sdk.ListServicesByNamespaceInput) (*sdk.ListServicesByNamespaceOutput, error) {
	if _, err := scope.Pages(100, 100).Open(in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	if *in.Namespace == "" {
		return nil, ecs.Invalid("Namespace cannot be empty.")
	}
	return nil, &types.NamespaceNotFoundException{Message: aws.String("The specified namespace wasn't found.")}
}
