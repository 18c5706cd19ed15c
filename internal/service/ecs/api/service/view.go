package service

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/service/ecs/history"
	"github.com/skylift/skylift/internal/store"
)

// serviceView is a service with all that the API shows of it.
type serviceView struct {
	service     ecs.Service
	current     ecs.ServiceDeployment
	deployments []ecs.Deployment // the primary one first
	tasks       []*ecs.Task      // the store's own
	events      []*ecs.Event     // likewise
}

func viewService(tx store.Tx, s ecs.Service) (v serviceView, err error) {
	v.service = s
	if v.current, err = s.Deploying(tx); err != nil {
		return v, fmt.Errorf("read the current service deployment: %w", err)
	}
	if v.deployments, err = ecs.DeploymentsOf(tx, &v.current); err != nil {
		return v, fmt.Errorf("read deployments: %w", err)
	}
	if v.tasks, err = store.Collect(ecs.Tasks.PeekBy(tx, "live", s.Key())); err != nil {
		return v, fmt.Errorf("read tasks: %w", err)
	}
	if v.events, err = store.Collect(ecs.Events.Peek(tx, s.Key()+"/")); err != nil {
		return v, fmt.Errorf("read events: %w", err)
	}
	v.events = v.events[max(0, len(v.events)-history.MaxEvents):]
	return v, nil
}

// wire returns the service as the API has it.
func (v serviceView) wire(ns arn.Namespace, tags bool) *types.Service {
	s := v.service
	out := &types.Service{
		ServiceName: &s.Name, ServiceArn: &s.ARN, ClusterArn: aws.String(ns.ARN("ecs", "cluster/"+s.Cluster)), Status: &s.Status,
		DesiredCount: s.Desired, LaunchType: s.LaunchType, PlatformVersion: &s.PlatformVersion, PlatformFamily: aws.String("Linux"),
		SchedulingStrategy:            types.SchedulingStrategyReplica,
		DeploymentController:          &types.DeploymentController{Type: types.DeploymentControllerTypeEcs},
		DeploymentConfiguration:       shape.DeploymentConfiguration(s.DeploymentConfig),
		AvailabilityZoneRebalancing:   rebalancing(&s),
		HealthCheckGracePeriodSeconds: s.HealthCheckGracePeriod,
		PropagateTags:                 s.PropagateTags, EnableECSManagedTags: s.ManagedTags, EnableExecuteCommand: s.ExecuteCommand,
		CreatedAt: &s.CreatedAt, CreatedBy: handler.Optional(s.CreatedBy),
		LoadBalancers: []types.LoadBalancer{}, ServiceRegistries: []types.ServiceRegistry{},
		PlacementConstraints: []types.PlacementConstraint{}, PlacementStrategy: []types.PlacementStrategy{},
		Deployments: []types.Deployment{}, Events: []types.ServiceEvent{}, CurrentServiceRevisions: []types.ServiceCurrentRevisionSummary{},
	}
	if v.current.ID != "" {
		out.CurrentServiceDeployment = aws.String(shape.ServiceDeploymentARN(&v.current, ns))
	}
	if out.PropagateTags == "" {
		out.PropagateTags = types.PropagateTagsNone
	}
	if tags {
		out.Tags = shape.TagType.To(s.Tags)
	}
	for _, e := range slices.Backward(v.events) {
		out.Events = append(out.Events, types.ServiceEvent{Id: aws.String(e.ID), CreatedAt: aws.Time(e.At), Message: aws.String(e.Message)})
	}
	for i, d := range v.deployments {
		w := v.deployment(d)
		out.CurrentServiceRevisions = append(out.CurrentServiceRevisions, types.ServiceCurrentRevisionSummary{
			Arn:                aws.String(shape.RevisionARN(ns, d.Service, d.Revision())),
			RequestedTaskCount: w.DesiredCount, RunningTaskCount: w.RunningCount, PendingTaskCount: w.PendingCount,
		})
		if i == 0 {
			out.TaskDefinition, out.NetworkConfiguration = w.TaskDefinition, w.NetworkConfiguration
			out.LaunchType, out.CapacityProviderStrategy = w.LaunchType, w.CapacityProviderStrategy
			out.ServiceRegistries = shape.Registries(d.Registries)
			for _, l := range d.LoadBalancers {
				out.LoadBalancers = append(out.LoadBalancers, shape.LoadBalancer(l))
			}
		}
		out.Deployments = append(out.Deployments, w)
		out.RunningCount += w.RunningCount
		out.PendingCount += w.PendingCount
	}
	return out
}

func (v serviceView) deployment(d ecs.Deployment) types.Deployment {
	out := types.Deployment{
		Id: aws.String(d.ID), Status: aws.String(ecs.Active), TaskDefinition: aws.String(d.TaskDefinition),
		LaunchType: shape.LaunchType(d.LaunchType, d.Strategy), PlatformVersion: aws.String(d.Platform), PlatformFamily: aws.String("Linux"),
		NetworkConfiguration: shape.Network(d.Network),
		CreatedAt:            aws.Time(d.CreatedAt), UpdatedAt: aws.Time(d.Rollout.UpdatedAt),
		RolloutState: d.Rollout.State, RolloutStateReason: handler.Optional(d.Rollout.Reason), FailedTasks: d.Rollout.Failed,
	}
	if len(d.Strategy) > 0 {
		out.CapacityProviderStrategy = shape.CapacityStrategy(d.Strategy)
	}
	for _, t := range v.tasks {
		if t.Deployment == d.ID {
			running, pending := t.Counts()
			out.RunningCount += running
			out.PendingCount += pending
		}
	}
	if v.current.IsPrimary(&d) {
		out.Status = aws.String("PRIMARY")
	}
	if slices.Contains(v.current.Running(), d.Revision()) {
		out.DesiredCount = v.service.Desired
	}
	return out
}
