// Package service is the handlers of services. A change of what a service's tasks are made from makes a new
// revision and a service deployment that brings it.
package service

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/discovery"
	"github.com/skylift/skylift/internal/wire"
)

// Services answers for services.
type Services struct {
	*scope.Scope
	lb         Balancing
	registries discovery.Registries
}

// New returns the handlers.
func New(s *scope.Scope, lb Balancing, r discovery.Registries) *Services {
	return &Services{Scope: s, lb: lb, registries: r}
}

// What operations take, where it is long or several take it.
const (
	deployment = "deploymentConfiguration{minimumHealthyPercent maximumPercent deploymentCircuitBreaker{enable rollback} strategy " +
		"bakeTimeInMinutes linearConfiguration{*} canaryConfiguration{*} lifecycleHooks{*}}"
	ofService = "capacityProviderStrategy{*} placementConstraints{*} placementStrategy{*} platformVersion healthCheckGracePeriodSeconds " +
		"loadBalancers{targetGroupArn containerName containerPort advancedConfiguration{*}} deploymentController{type} " +
		"serviceRegistries{registryArn containerName containerPort port} propagateTags enableECSManagedTags availabilityZoneRebalancing " + scope.Awsvpc + " " + deployment
)

// Operations lists what is implemented.
func (a *Services) Operations() []wire.Operation {
	return []wire.Operation{
		keys(a, wire.Op("CreateService", a.CreateService), created).Makes("service: cluster=default serviceName").
			Takes("cluster serviceName taskDefinition desiredCount launchType schedulingStrategy clientToken tags{*}", ofService).
			Keeps("enableExecuteCommand", scope.NoExec).
			PassesFound(scope.ServicesPrincipal, func(_ context.Context, in *sdk.CreateServiceInput) []string { return shifters(in.LoadBalancers) }).
			Checks(func(in *sdk.CreateServiceInput) []error { return createFaults(in).Each(ecs.Invalid) }),
		wire.Op("DeleteService", a.DeleteService).OnThose("service", func(in *sdk.DeleteServiceInput) []string {
			return a.ARNs("service", in.Cluster, aws.ToString(in.Service))
		}).
			Keys(scope.ClusterKey).Takes("cluster force service"),
		wire.Op("DescribeServices", a.DescribeServices).OnThose("service", func(in *sdk.DescribeServicesInput) []string { return a.ARNs("service", in.Cluster, in.Services...) }).
			Keys(scope.ClusterKey).Takes("cluster include services"),
		wire.Op("ListServices", a.ListServices).Keys(scope.ClusterKey).Takes("cluster launchType maxResults nextToken schedulingStrategy"),
		wire.Op("ListServicesByNamespace", a.ListServicesByNamespace).Keys("ecs:namespace: namespace").Takes("maxResults namespace nextToken"),
		keys(a, wire.Op("UpdateService", a.UpdateService), updated).OnThose("service", func(in *sdk.UpdateServiceInput) []string {
			return a.ARNs("service", in.Cluster, aws.ToString(in.Service))
		}).
			Takes("cluster service desiredCount taskDefinition forceNewDeployment", ofService).
			Keeps("enableExecuteCommand", scope.NoExec).
			PassesFound(scope.ServicesPrincipal, func(_ context.Context, in *sdk.UpdateServiceInput) []string { return shifters(in.LoadBalancers) }).
			Checks(func(in *sdk.UpdateServiceInput) []error { return updateFaults(in).Each(ecs.Invalid) }),
	}
}

// shifters returns the roles that a service passes to ECS, for what it does with its load balancers.
func shifters(lbs []types.LoadBalancer) (roles []string) {
	for _, l := range lbs {
		if l.AdvancedConfiguration != nil && aws.ToString(l.AdvancedConfiguration.RoleArn) != "" {
			roles = append(roles, *l.AdvancedConfiguration.RoleArn)
		}
	}
	return roles
}
