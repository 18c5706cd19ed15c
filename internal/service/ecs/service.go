package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/store"
)

// CreateService makes a service and its first deployment.
func (a *API) CreateService(ctx context.Context, in *ecs.CreateServiceInput) (*ecs.CreateServiceOutput, error) {
	if err := checkCreate(in); err != nil {
		return nil, err
	}
	config, err := configure(in.DeploymentConfiguration, DeploymentConfig{MinimumHealthyPercent: 100, MaximumPercent: 200})
	if err != nil {
		return nil, err
	}
	rebalance, err := rebalanceNew(in.AvailabilityZoneRebalancing, config)
	if err != nil {
		return nil, err
	}
	platform, err := platformVersion(in.PlatformVersion)
	if err != nil {
		return nil, err
	}
	net, err := a.placement(ctx, in.NetworkConfiguration)
	if err != nil {
		return nil, err
	}
	balancers, err := a.loadBalancers(ctx, in.LoadBalancers)
	if err != nil {
		return nil, err
	}
	if err := config.Method.suits(balancers); err != nil {
		return nil, err
	}
	first := newLaunch()
	var view serviceView
	err = a.db.Update(ctx, func(tx store.Tx) error {
		c, err := a.activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		d, err := a.launchable(tx, aws.ToString(in.TaskDefinition))
		if err != nil {
			return err
		}
		if err := checkPortsOf(balancers, d.Definition); err != nil {
			return err
		}
		strategy, err := c.capacity(in.LaunchType, in.CapacityProviderStrategy)
		if err != nil {
			return err
		}
		s := Service{
			Cluster: c.Name, Name: *in.ServiceName, ARN: a.ns.ARN("ecs", "service/"+c.Name+"/"+*in.ServiceName), Status: Active,
			Desired: aws.ToInt32(in.DesiredCount), DeploymentConfig: config, Rebalance: rebalance,
			HealthCheckGracePeriod: in.HealthCheckGracePeriodSeconds, LaunchType: types.LaunchTypeFargate, PlatformVersion: platform,
			PropagateTags: in.PropagateTags, ManagedTags: in.EnableECSManagedTags, ExecuteCommand: in.EnableExecuteCommand, ClientToken: aws.ToString(in.ClientToken), Tags: given(in.Tags),
			CreatedAt: first.at, CreatedBy: caller.From(ctx).ARN,
		}
		if len(balancers) > 0 && s.HealthCheckGracePeriod == nil {
			s.HealthCheckGracePeriod = aws.Int32(0)
		}
		old, err := Services.Get(tx, s.Key())
		switch {
		case err == nil && old.Status == Active && s.ClientToken != "" && old.ClientToken == s.ClientToken:
			view, err = viewService(tx, old)
			return err
		case err == nil && old.Status == Active:
			return invalid("Creation of service was not idempotent.")
		case err == nil && old.Status == Draining:
			return invalid("Unable to Start a service that is still Draining.")
		case err != nil && !missing(err):
			return err
		}
		if err := Forget(tx, s.Key()); err != nil {
			return err
		}
		spec := Spec{TaskDefinition: *d.Definition.TaskDefinitionArn, LaunchType: s.LaunchType, Strategy: strategy, Platform: platform, Network: net, LoadBalancers: balancers}
		if err := first.put(tx, &s, spec, ServiceDeployment{}); err != nil {
			return err
		}
		if err := Services.Put(tx, s.Key(), s); err != nil {
			return err
		}
		view, err = viewService(tx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ecs.CreateServiceOutput{Service: view.wire(a.ns, true)}, nil
}

// maxDesired is how many tasks a service may have.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
const maxDesired = 5000

func checkCreate(in *ecs.CreateServiceInput) error {
	if err := createFaults(in).err(invalid); err != nil {
		return err
	}
	return checkController(in.DeploymentController)
}

// createFaults returns what is wrong with a new service as it stands there,
// whatever else there is.
func createFaults(in *ecs.CreateServiceInput) (f faults) {
	if !nameForm.MatchString(*in.ServiceName) {
		f.add("Invalid service name: up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.")
	}
	if aws.ToString(in.TaskDefinition) == "" {
		f.add("TaskDefinition cannot be empty.")
	}
	switch {
	case in.SchedulingStrategy == types.SchedulingStrategyDaemon:
		f.add("The daemon scheduling strategy is not supported for Fargate tasks")
	case in.DesiredCount == nil:
		f.add("desiredCount is required for the REPLICA scheduling strategy.")
	}
	checkCounts(&f, in.DesiredCount, in.HealthCheckGracePeriodSeconds)
	f.take(fargateOnly(in.LaunchType))
	f.take(unplaced(in.PlacementConstraints, in.PlacementStrategy))
	f.take(checkTags(in.Tags))
	return f
}

// checkCounts checks how many tasks a service is to have, and for how many
// seconds its checks don't count.
func checkCounts(f *faults, desired, grace *int32) {
	if desired != nil && (*desired < 0 || *desired > maxDesired) {
		f.add("desiredCount must be between 0 and %d.", maxDesired)
	}
	if grace != nil && *grace < 0 {
		f.add("healthCheckGracePeriodSeconds must not be negative.")
	}
}

func checkController(c *types.DeploymentController) error {
	if c == nil || c.Type == types.DeploymentControllerTypeEcs {
		return nil
	}
	return &types.UnsupportedFeatureException{Message: aws.String("The deployment controller " + string(c.Type) + " is not supported by Skylift; use ECS.")}
}

// loadBalancers checks the target groups of a service.
func (a *API) loadBalancers(ctx context.Context, in []types.LoadBalancer) ([]LoadBalancer, error) {
	if len(in) > 5 {
		return nil, invalid("loadBalancers can have at most 5 items.")
	}
	var out []LoadBalancer
	for _, l := range in {
		group := aws.ToString(l.TargetGroupArn)
		switch {
		case group == "":
			return nil, invalid("targetGroupArn cannot be blank.")
		case aws.ToString(l.ContainerName) == "":
			return nil, invalid("containerName cannot be blank.")
		case l.ContainerPort == nil:
			return nil, invalid("containerPort cannot be blank.")
		}
		balancers, kind, err := a.lb.GroupBalancers(ctx, group)
		if _, ok := errors.AsType[smithy.APIError](err); !ok && err != nil {
			return nil, fmt.Errorf("read target group %s: %w", group, err)
		}
		if err != nil {
			return nil, invalid("Unable to assume role and validate the specified targetGroupArn. The target group %s does not exist.", group)
		}
		if kind != "ip" {
			return nil, invalid("The provided target group %s has target type %s, which is incompatible with the awsvpc network mode specified in the task definition.", group, kind)
		}
		if len(balancers) == 0 {
			return nil, invalid("The target group with targetGroupArn %s does not have an associated load balancer.", group)
		}
		advanced, err := a.advanced(ctx, group, l.AdvancedConfiguration)
		if err != nil {
			return nil, err
		}
		b := LoadBalancer{TargetGroup: group, ContainerName: *l.ContainerName, ContainerPort: *l.ContainerPort, Advanced: advanced}
		if slices.Contains(out, b) {
			return nil, invalid("loadBalancers has port %d of container %s in target group %s twice.", b.ContainerPort, b.ContainerName, group)
		}
		out = append(out, b)
	}
	return out, checkAdvanced(out)
}

// checkPortsOf says whether the task definition has the containers and ports
// that the load balancers are to reach.
func checkPortsOf(lbs []LoadBalancer, d types.TaskDefinition) error {
	for _, l := range lbs {
		i := slices.IndexFunc(d.ContainerDefinitions, func(c types.ContainerDefinition) bool { return *c.Name == l.ContainerName })
		if i < 0 {
			return invalid("The container %s does not exist in the task definition.", l.ContainerName)
		}
		has := slices.ContainsFunc(d.ContainerDefinitions[i].PortMappings, func(p types.PortMapping) bool {
			return aws.ToInt32(p.ContainerPort) == l.ContainerPort && p.Protocol == types.TransportProtocolTcp
		})
		if !has {
			return invalid("The container %s did not have a container port %d defined.", l.ContainerName, l.ContainerPort)
		}
	}
	return nil
}

// UpdateService changes a service; a change of what its tasks are made from,
// or forceNewDeployment, starts a new deployment.
func (a *API) UpdateService(ctx context.Context, in *ecs.UpdateServiceInput) (*ecs.UpdateServiceOutput, error) {
	if err := checkUpdate(in); err != nil {
		return nil, err
	}
	c, err := a.readChange(ctx, in)
	if err != nil {
		return nil, err
	}
	view, err := a.changeService(a.shrinking(ctx, in), in.Cluster, *in.Service, func(tx store.Tx, s *Service) error {
		return c.apply(tx, a, in, s)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.UpdateServiceOutput{Service: view.wire(a.ns, false)}, nil
}

func checkUpdate(in *ecs.UpdateServiceInput) error {
	if err := updateFaults(in).err(invalid); err != nil {
		return err
	}
	return checkController(in.DeploymentController)
}

// updateFaults returns what is wrong with a change as it stands there.
func updateFaults(in *ecs.UpdateServiceInput) (f faults) {
	checkCounts(&f, in.DesiredCount, in.HealthCheckGracePeriodSeconds)
	f.take(unplaced(in.PlacementConstraints, in.PlacementStrategy))
	return f
}

// activeService returns the service, which must be ACTIVE.
func (a *API) activeService(tx store.Tx, cluster *string, ref string) (Service, error) {
	c, err := a.activeCluster(tx, cluster)
	if err != nil {
		return Service{}, err
	}
	key, err := a.serviceKey(c.Name, ref)
	if err != nil {
		return Service{}, err
	}
	s, err := Services.Get(tx, key)
	if missing(err) {
		return s, &types.ServiceNotFoundException{Message: aws.String("Service not found.")}
	}
	if err == nil && s.Status != Active {
		return s, &types.ServiceNotActiveException{Message: aws.String("Service was not ACTIVE.")}
	}
	return s, err
}

// changeService changes the service that ref names, which must be ACTIVE.
func (a *API) changeService(ctx context.Context, cluster *string, ref string, change func(store.Tx, *Service) error) (view serviceView, err error) {
	err = a.db.Update(ctx, func(tx store.Tx) error {
		s, err := a.activeService(tx, cluster, ref)
		if err != nil {
			return err
		}
		if err := change(tx, &s); err != nil {
			return err
		}
		if err := Services.Put(tx, s.Key(), s); err != nil {
			return err
		}
		view, err = viewService(tx, s)
		return err
	})
	return view, err
}

// DeleteService drains a service that is scaled to 0, or any with force.
func (a *API) DeleteService(ctx context.Context, in *ecs.DeleteServiceInput) (*ecs.DeleteServiceOutput, error) {
	view, err := a.changeService(ctx, in.Cluster, *in.Service, func(_ store.Tx, s *Service) error {
		if s.Desired > 0 && !aws.ToBool(in.Force) {
			return invalid("The service cannot be stopped while it is scaled above 0.")
		}
		s.Status, s.Desired = Draining, 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ecs.DeleteServiceOutput{Service: view.wire(a.ns, false)}, nil
}

// DescribeServices returns up to 10 services.
func (a *API) DescribeServices(ctx context.Context, in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
	if len(in.Services) == 0 {
		return nil, invalid("Services cannot be empty.")
	}
	if len(in.Services) > 10 {
		return nil, invalid("Services can have at most 10 items.")
	}
	tags := tagsOf(in.Include, types.ServiceFieldTags, []types.Tag{}) != nil
	var out *ecs.DescribeServicesOutput
	err := a.db.View(ctx, func(tx store.Tx) error {
		out = &ecs.DescribeServicesOutput{Services: []types.Service{}, Failures: []types.Failure{}}
		c, err := a.activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		for _, ref := range in.Services {
			key, err := a.serviceKey(c.Name, ref)
			if err != nil {
				return err
			}
			s, err := Services.Get(tx, key)
			if missing(err) {
				out.Failures = append(out.Failures, failure(a.ns.ARN("ecs", "service/"+key), "MISSING"))
				continue
			}
			if err != nil {
				return err
			}
			v, err := viewService(tx, s)
			if err != nil {
				return err
			}
			out.Services = append(out.Services, *v.wire(a.ns, tags))
		}
		return nil
	})
	return out, err
}

// ListServices returns the ARNs of a cluster's services.
func (a *API) ListServices(ctx context.Context, in *ecs.ListServicesInput) (*ecs.ListServicesOutput, error) {
	n, err := limit(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	if in.MaxResults == nil {
		n = 10 // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServices.html
	}
	after, err := position(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &ecs.ListServicesOutput{}
	err = a.db.View(ctx, func(tx store.Tx) error {
		out.ServiceArns, out.NextToken = []string{}, nil
		c, err := a.activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		last := ""
		for s, err := range Services.Scan(tx, c.Name+"/", after) {
			switch {
			case err != nil:
				return err
			case s.Status == Inactive || in.LaunchType != "" && in.LaunchType != s.LaunchType || in.SchedulingStrategy == types.SchedulingStrategyDaemon:
				continue
			case len(out.ServiceArns) == int(n):
				out.NextToken = positionAt(last)
				return nil
			}
			out.ServiceArns = append(out.ServiceArns, s.ARN)
			last = s.Key()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
