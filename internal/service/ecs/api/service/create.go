package service

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/history"
	"github.com/skylift/skylift/internal/store"
)

// CreateService makes a service and its first deployment.
func (a *Services) CreateService(ctx context.Context, in *sdk.CreateServiceInput) (*sdk.CreateServiceOutput, error) {
	c, err := a.readCreation(ctx, in)
	if err != nil {
		return nil, err
	}
	view, err := handler.Update(ctx, a.DB, func(tx store.Tx) (serviceView, error) { return c.apply(tx, a, in) })
	if err != nil {
		return nil, err
	}
	return &sdk.CreateServiceOutput{Service: view.wire(a.NS, true)}, nil
}

// creation is a new service as far as it is known before the transaction that makes it.
type creation struct {
	service ecs.Service // without its cluster
	spec    ecs.Spec    // without task definition and capacity provider strategy
	launch  launch
}

// readCreation reads what the request says by itself, and what it says of other services' resources.
func (a *Services) readCreation(ctx context.Context, in *sdk.CreateServiceInput) (c creation, err error) {
	if err := checkCreate(in); err != nil {
		return c, err
	}
	s := ecs.Service{
		Name: *in.ServiceName, Status: ecs.Active, Desired: aws.ToInt32(in.DesiredCount),
		HealthCheckGracePeriod: in.HealthCheckGracePeriodSeconds, LaunchType: types.LaunchTypeFargate,
		PropagateTags: in.PropagateTags, ManagedTags: in.EnableECSManagedTags, ExecuteCommand: in.EnableExecuteCommand,
		ClientToken: aws.ToString(in.ClientToken), CreatedBy: caller.From(ctx).ARN,
	}
	if s.Tags, err = scope.NewTags(in.Tags); err != nil {
		return c, err
	}
	if s.DeploymentConfig, err = configure(in.DeploymentConfiguration, ecs.DeploymentConfig{MinimumHealthyPercent: 100, MaximumPercent: 200}); err != nil {
		return c, err
	}
	if s.Rebalance, err = rebalanceNew(in.AvailabilityZoneRebalancing, s.DeploymentConfig); err != nil {
		return c, err
	}
	if s.PlatformVersion, err = scope.PlatformVersion(in.PlatformVersion); err != nil {
		return c, err
	}
	spec := ecs.Spec{LaunchType: s.LaunchType, Platform: scope.PlatformRevision}
	if spec.Network, err = a.Placement(ctx, in.NetworkConfiguration); err != nil {
		return c, err
	}
	if spec.LoadBalancers, err = a.loadBalancers(ctx, in.LoadBalancers); err != nil {
		return c, err
	}
	if spec.Registries, err = a.registriesOf(ctx, in.ServiceRegistries); err != nil {
		return c, err
	}
	if len(spec.LoadBalancers) > 0 && s.HealthCheckGracePeriod == nil {
		s.HealthCheckGracePeriod = aws.Int32(0)
	}
	c = creation{service: s, spec: spec, launch: newLaunch()}
	c.service.CreatedAt = c.launch.at
	return c, suits(s.Method, spec.LoadBalancers)
}

// apply makes the service, its first revision and its first service deployment. A service that was made with the same
// client token is returned as it is.
func (c creation) apply(tx store.Tx, a *Services, in *sdk.CreateServiceInput) (serviceView, error) {
	s, spec := c.service, c.spec
	cluster, err := a.ActiveCluster(tx, in.Cluster)
	if err != nil {
		return serviceView{}, err
	}
	s.Cluster, s.ARN = cluster.Name, a.NS.ARN("ecs", "service/"+cluster.Name+"/"+s.Name)
	d, err := a.LaunchableDefinition(tx, aws.ToString(in.TaskDefinition))
	if err != nil {
		return serviceView{}, err
	}
	spec.TaskDefinition = *d.Definition.TaskDefinitionArn
	if err := checkPortsOf(spec, d.Definition); err != nil {
		return serviceView{}, err
	}
	if spec.Strategy, err = scope.Capacity(&cluster, in.LaunchType, in.CapacityProviderStrategy); err != nil {
		return serviceView{}, err
	}
	old, ok, err := handler.Find(tx, ecs.Services, s.Key())
	switch {
	case err != nil:
		return serviceView{}, err
	case ok && old.Status == ecs.Active && s.ClientToken != "" && old.ClientToken == s.ClientToken:
		return viewService(tx, old)
	case ok && old.Status == ecs.Active:
		return serviceView{}, ecs.Invalid("Creation of service was not idempotent.")
	case ok && old.Status == ecs.Draining:
		return serviceView{}, ecs.Invalid("Unable to Start a service that is still Draining.")
	}
	if err := history.Forget(tx, s.Key()); err != nil {
		return serviceView{}, err
	}
	if err := c.launch.put(tx, &s, spec, ecs.ServiceDeployment{}); err != nil {
		return serviceView{}, err
	}
	if err := ecs.Services.Put(tx, s.Key(), s); err != nil {
		return serviceView{}, err
	}
	return viewService(tx, s)
}

// maxDesired is how many tasks a service may have.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
const maxDesired = 5000

func checkCreate(in *sdk.CreateServiceInput) error {
	if err := createFaults(in).Err(ecs.Invalid); err != nil {
		return err
	}
	return checkController(in.DeploymentController)
}

// createFaults returns what is wrong with a new service as it stands there,
// whatever else there is.
func createFaults(in *sdk.CreateServiceInput) (f ecs.Faults) {
	if !ecs.ValidName(*in.ServiceName) {
		f.Add("Invalid service name: up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.")
	}
	if aws.ToString(in.TaskDefinition) == "" {
		f.Add("TaskDefinition cannot be empty.")
	}
	switch {
	case in.SchedulingStrategy == types.SchedulingStrategyDaemon:
		f.Add("The daemon scheduling strategy is not supported for Fargate tasks")
	case in.DesiredCount == nil:
		f.Add("desiredCount is required for the REPLICA scheduling strategy.")
	}
	checkCounts(&f, in.DesiredCount, in.HealthCheckGracePeriodSeconds)
	f.Take(scope.FargateOnly(in.LaunchType))
	f.Take(scope.Unplaced(in.PlacementConstraints, in.PlacementStrategy))
	scope.TagFaults(&f, in.Tags)
	return f
}
