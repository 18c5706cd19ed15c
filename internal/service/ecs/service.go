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
	if in.HealthCheckGracePeriodSeconds != nil && len(balancers) == 0 {
		return nil, invalid("Health check grace period is only valid for services configured to use load balancers")
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
			PropagateTags: in.PropagateTags, ManagedTags: in.EnableECSManagedTags, ClientToken: aws.ToString(in.ClientToken), Tags: in.Tags,
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
	err := refuse(in, invalid, "", "Cluster", "ServiceName", "TaskDefinition", "DesiredCount", "LaunchType", "CapacityProviderStrategy", "PlacementConstraints", "PlacementStrategy",
		"NetworkConfiguration", "LoadBalancers", "DeploymentConfiguration", "HealthCheckGracePeriodSeconds", "PlatformVersion",
		"SchedulingStrategy", "Tags", "ClientToken", "DeploymentController", "PropagateTags", "EnableECSManagedTags", "AvailabilityZoneRebalancing")
	switch {
	case err != nil:
		return err
	case !nameForm.MatchString(*in.ServiceName):
		return invalid("Invalid service name: up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.")
	case aws.ToString(in.TaskDefinition) == "":
		return invalid("TaskDefinition cannot be empty.")
	case in.SchedulingStrategy == types.SchedulingStrategyDaemon:
		return invalid("The daemon scheduling strategy is not supported for Fargate tasks")
	case in.DesiredCount == nil:
		return invalid("desiredCount is required for the REPLICA scheduling strategy.")
	case *in.DesiredCount < 0 || *in.DesiredCount > maxDesired:
		return invalid("desiredCount must be between 0 and %d.", maxDesired)
	case in.DeploymentController != nil && in.DeploymentController.Type != types.DeploymentControllerTypeEcs:
		return &types.UnsupportedFeatureException{Message: aws.String("The deployment controller " + string(in.DeploymentController.Type) + " is not supported by Skylift; use ECS.")}
	case in.HealthCheckGracePeriodSeconds != nil && *in.HealthCheckGracePeriodSeconds < 0:
		return invalid("healthCheckGracePeriodSeconds must not be negative.")
	}
	if err := fargateOnly(in.LaunchType); err != nil {
		return err
	}
	if err := unplaced(in.PlacementConstraints, in.PlacementStrategy); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

// loadBalancers checks the target groups of a service.
func (a *API) loadBalancers(ctx context.Context, in []types.LoadBalancer) ([]LoadBalancer, error) {
	if len(in) > 5 {
		return nil, invalid("loadBalancers can have at most 5 items.")
	}
	var out []LoadBalancer
	for _, l := range in {
		if err := refuse(&l, invalid, "loadBalancers", "TargetGroupArn", "ContainerName", "ContainerPort", "AdvancedConfiguration"); err != nil {
			return nil, err
		}
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
	err := refuse(in, invalid, "", "Cluster", "Service", "DesiredCount", "TaskDefinition", "ForceNewDeployment",
		"DeploymentConfiguration", "HealthCheckGracePeriodSeconds", "NetworkConfiguration", "LoadBalancers", "PlatformVersion",
		"PropagateTags", "EnableECSManagedTags", "DeploymentController", "CapacityProviderStrategy", "PlacementConstraints", "PlacementStrategy", "AvailabilityZoneRebalancing")
	switch {
	case err != nil:
		return err
	case in.DesiredCount != nil && (*in.DesiredCount < 0 || *in.DesiredCount > maxDesired):
		return invalid("desiredCount must be between 0 and %d.", maxDesired)
	case in.HealthCheckGracePeriodSeconds != nil && *in.HealthCheckGracePeriodSeconds < 0:
		return invalid("healthCheckGracePeriodSeconds must not be negative.")
	case in.DeploymentController != nil && in.DeploymentController.Type != types.DeploymentControllerTypeEcs:
		return &types.UnsupportedFeatureException{Message: aws.String("The deployment controller " + string(in.DeploymentController.Type) + " is not supported by Skylift; use ECS.")}
	}
	return unplaced(in.PlacementConstraints, in.PlacementStrategy)
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
	if err := refuse(in, invalid, "", "Cluster", "MaxResults", "NextToken", "LaunchType", "SchedulingStrategy"); err != nil {
		return nil, err
	}
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
