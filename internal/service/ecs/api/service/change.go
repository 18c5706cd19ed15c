package service

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/store"
)

// newStrategy is the strategy of a service after an update: an empty list goes
// back to the launch type, none leaves it as it was.
func (a *Services) newStrategy(tx store.Tx, in *sdk.UpdateServiceInput, old []place.StrategyItem) ([]place.StrategyItem, error) {
	if in.CapacityProviderStrategy == nil {
		return old, nil
	}
	c, err := a.ActiveCluster(tx, in.Cluster)
	if err != nil {
		return nil, err
	}
	s, err := scope.Capacity(&c, "", in.CapacityProviderStrategy)
	if len(in.CapacityProviderStrategy) == 0 {
		s, err = nil, nil
	}
	if err == nil && !slices.Equal(s, old) && !in.ForceNewDeployment {
		err = ecs.Invalid("When switching from launch type to capacity provider strategy on an existing service, or making a change to a capacity provider strategy on a service that is already using one, you must force a new deployment.")
	}
	return s, err
}

// change is what of an UpdateService had to be looked up before its
// transaction.
type change struct {
	net        *ecs.Network
	balancers  []ecs.LoadBalancer // nil: as they were
	registries []ecs.Registry     // nil: as they were
	platform   string             // as asked for; "": as it was
	launch     launch
}

func (a *Services) readChange(ctx context.Context, in *sdk.UpdateServiceInput) (change, error) {
	c := change{launch: newLaunch()}
	if in.NetworkConfiguration != nil && in.NetworkConfiguration.AwsvpcConfiguration != nil {
		net, err := a.Placement(ctx, in.NetworkConfiguration)
		if err != nil {
			return c, err
		}
		c.net = &net
	}
	if in.LoadBalancers != nil {
		lbs, err := a.loadBalancers(ctx, in.LoadBalancers)
		if err != nil {
			return c, err
		}
		c.balancers = append([]ecs.LoadBalancer{}, lbs...)
	}
	if in.ServiceRegistries != nil {
		all, err := a.registriesOf(ctx, in.ServiceRegistries)
		if err != nil {
			return c, err
		}
		c.registries = append([]ecs.Registry{}, all...)
	}
	if in.PlatformVersion != nil {
		v, err := scope.PlatformVersion(in.PlatformVersion)
		if err != nil {
			return c, err
		}
		c.platform = v
	}
	return c, nil
}

// apply changes s and, where its tasks are to be made anew, puts a new primary
// deployment in place of the one that is.
func (c change) apply(tx store.Tx, a *Services, in *sdk.UpdateServiceInput, s *ecs.Service) error {
	current, err := s.Deploying(tx)
	if err != nil {
		return err
	}
	old, err := ecs.ServiceRevisions.Get(tx, s.Key()+"/"+current.Wanted())
	if err != nil {
		return fmt.Errorf("read the revision that service %s runs: %w", s.Key(), err)
	}
	next := old.Spec
	if in.TaskDefinition != nil {
		d, err := a.LaunchableDefinition(tx, *in.TaskDefinition)
		if err != nil {
			return err
		}
		next.TaskDefinition = *d.Definition.TaskDefinitionArn
	}
	if c.net != nil {
		next.Network = *c.net
	}
	if c.balancers != nil {
		next.LoadBalancers = c.balancers
	}
	if c.registries != nil {
		next.Registries = c.registries
	}
	if c.platform != "" {
		next.Platform, s.PlatformVersion = scope.PlatformRevision, c.platform
	}
	if next.Strategy, err = a.newStrategy(tx, in, old.Strategy); err != nil {
		return err
	}
	d, err := ecs.DefinitionByARN(tx, next.TaskDefinition)
	if err != nil {
		return err
	}
	if err := checkPortsOf(next, d.Definition); err != nil {
		return err
	}
	if err := set(s, in); err != nil {
		return err
	}
	if err := follows(s.Method, &current, &old, next.LoadBalancers); err != nil {
		return err
	}
	if in.ForceNewDeployment || !next.Same(old.Spec) {
		return c.launch.put(tx, s, next, current)
	}
	if !current.Open() || reflect.DeepEqual(current.Config, s.DeploymentConfig) {
		return nil
	}
	current.Config = s.DeploymentConfig
	return ecs.ServiceDeployments.Put(tx, current.Key(), current)
}

// set takes over what of a service can change without a new deployment.
func set(s *ecs.Service, in *sdk.UpdateServiceInput) (err error) {
	if s.DeploymentConfig, err = configure(in.DeploymentConfiguration, s.DeploymentConfig); err != nil {
		return err
	}
	if in.AvailabilityZoneRebalancing != "" {
		s.Rebalance = in.AvailabilityZoneRebalancing == types.AvailabilityZoneRebalancingEnabled
	}
	if s.Rebalance && !rebalanceable(s.DeploymentConfig) {
		return cannotRebalance("updated")
	}
	if in.DesiredCount != nil {
		s.Desired = *in.DesiredCount
	}
	if in.HealthCheckGracePeriodSeconds != nil {
		s.HealthCheckGracePeriod = in.HealthCheckGracePeriodSeconds
	}
	if in.PropagateTags != "" {
		s.PropagateTags = in.PropagateTags
	}
	if in.EnableExecuteCommand != nil {
		s.ExecuteCommand = *in.EnableExecuteCommand
	}
	if in.EnableECSManagedTags != nil {
		s.ManagedTags = *in.EnableECSManagedTags
	}
	return nil
}

// shrinking returns a ctx that may use the store's reserve when all that is asked
// for is that a service has no more tasks than now.
func (a *Services) shrinking(ctx context.Context, in *sdk.UpdateServiceInput) context.Context {
	only := sdk.UpdateServiceInput{Cluster: in.Cluster, Service: in.Service, DesiredCount: in.DesiredCount}
	if in.DesiredCount == nil || !reflect.DeepEqual(*in, only) {
		return ctx
	}
	fewer := false
	err := a.DB.View(ctx, func(tx store.Tx) error {
		s, err := a.activeService(tx, in.Cluster, *in.Service)
		fewer = err == nil && *in.DesiredCount <= s.Desired
		return err
	})
	if err != nil || !fewer { // the change itself says what is wrong
		return ctx
	}
	return store.Freeing(ctx)
}
