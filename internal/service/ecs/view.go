package ecs

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// serviceView is a service with all that the API shows of it.
type serviceView struct {
	service     Service
	current     ServiceDeployment
	deployments []Deployment // the primary one first
	tasks       []*Task      // the store's own
	events      []*Event     // likewise
}

func viewService(tx store.Tx, s Service) (v serviceView, err error) {
	v.service = s
	if v.current, err = s.Deploying(tx); err != nil {
		return v, fmt.Errorf("read the current service deployment: %w", err)
	}
	if v.deployments, err = DeploymentsOf(tx, &v.current); err != nil {
		return v, fmt.Errorf("read deployments: %w", err)
	}
	if v.tasks, err = store.Collect(Tasks.PeekBy(tx, "live", s.Key())); err != nil {
		return v, fmt.Errorf("read tasks: %w", err)
	}
	if v.events, err = store.Collect(Events.Peek(tx, s.Key()+"/")); err != nil {
		return v, fmt.Errorf("read events: %w", err)
	}
	v.events = v.events[max(0, len(v.events)-maxEvents):]
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
		DeploymentConfiguration:       s.configuration(),
		AvailabilityZoneRebalancing:   s.rebalancing(),
		HealthCheckGracePeriodSeconds: s.HealthCheckGracePeriod,
		PropagateTags:                 s.PropagateTags, EnableECSManagedTags: s.ManagedTags, EnableExecuteCommand: s.ExecuteCommand,
		CreatedAt: &s.CreatedAt, CreatedBy: str(s.CreatedBy),
		LoadBalancers: []types.LoadBalancer{}, ServiceRegistries: []types.ServiceRegistry{},
		PlacementConstraints: []types.PlacementConstraint{}, PlacementStrategy: []types.PlacementStrategy{},
		Deployments: []types.Deployment{}, Events: []types.ServiceEvent{}, CurrentServiceRevisions: []types.ServiceCurrentRevisionSummary{},
	}
	if v.current.ID != "" {
		out.CurrentServiceDeployment = aws.String(v.current.arn(ns))
	}
	if out.PropagateTags == "" {
		out.PropagateTags = types.PropagateTagsNone
	}
	if tags {
		out.Tags = append([]types.Tag{}, s.Tags...)
	}
	for _, e := range slices.Backward(v.events) {
		out.Events = append(out.Events, types.ServiceEvent{Id: aws.String(e.ID), CreatedAt: aws.Time(e.At), Message: aws.String(e.Message)})
	}
	for i, d := range v.deployments {
		w := v.deployment(d)
		out.CurrentServiceRevisions = append(out.CurrentServiceRevisions, types.ServiceCurrentRevisionSummary{
			Arn:                aws.String(revisionARN(ns, d.Service, d.Revision())),
			RequestedTaskCount: w.DesiredCount, RunningTaskCount: w.RunningCount, PendingTaskCount: w.PendingCount,
		})
		if i == 0 {
			out.TaskDefinition, out.NetworkConfiguration = w.TaskDefinition, w.NetworkConfiguration
			out.LaunchType, out.CapacityProviderStrategy = w.LaunchType, w.CapacityProviderStrategy
			for _, l := range d.LoadBalancers {
				out.LoadBalancers = append(out.LoadBalancers, l.wire())
			}
		}
		out.Deployments = append(out.Deployments, w)
		out.RunningCount += w.RunningCount
		out.PendingCount += w.PendingCount
	}
	return out
}

func (v serviceView) deployment(d Deployment) types.Deployment {
	out := types.Deployment{
		Id: aws.String(d.ID), Status: aws.String(Active), TaskDefinition: aws.String(d.TaskDefinition),
		LaunchType: launched(d.LaunchType, d.Strategy), PlatformVersion: aws.String(d.Platform), PlatformFamily: aws.String("Linux"),
		NetworkConfiguration: d.Network.wire(),
		CreatedAt:            aws.Time(d.CreatedAt), UpdatedAt: aws.Time(d.Rollout.UpdatedAt),
		RolloutState: d.Rollout.State, RolloutStateReason: str(d.Rollout.Reason), FailedTasks: d.Rollout.Failed,
	}
	if len(d.Strategy) > 0 {
		out.CapacityProviderStrategy = strategyOf(d.Strategy)
	}
	for _, t := range v.tasks {
		if t.Deployment == d.ID {
			running, pending := t.counts()
			out.RunningCount += running
			out.PendingCount += pending
		}
	}
	if v.current.primary(&d) {
		out.Status = aws.String("PRIMARY")
	}
	if slices.Contains(v.current.Running(), d.Revision()) {
		out.DesiredCount = v.service.Desired
	}
	return out
}

// maxEvents is how many events of a service are kept, as on ECS.
const maxEvents = 100

// EventKey is an event's key: a service's events sort by time.
func EventKey(e Event) string {
	return fmt.Sprintf("%s/%020d-%s", e.Service, e.At.UnixNano(), e.ID)
}

// Tell writes a service event. The message comes after "(service NAME) ".
func Tell(tx store.Tx, s *Service, at time.Time, format string, args ...any) error {
	e := Event{Service: s.Key(), ID: id.UUID(), At: at, Message: fmt.Sprintf("(service %s) ", s.Name) + fmt.Sprintf(format, args...)}
	return Events.Put(tx, EventKey(e), e)
}

// newsAfter is how long a service isn't told again what it was told.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages.html
const newsAfter = 6 * time.Hour

// News returns those messages, as Tell takes them, that a service wasn't told
// in the last six hours.
func News(tx store.Tx, service string, at time.Time, messages []string) ([]string, error) {
	told, err := Events.List(tx, service+"/")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(messages), func(m string) bool {
		return slices.ContainsFunc(told, func(e Event) bool {
			return at.Sub(e.At) < newsAfter && strings.HasSuffix(e.Message, ") "+m)
		})
	}), nil
}

// PruneEvents drops a service's oldest events beyond 100. It is not part of
// Tell: there, whoever tells something at the same time would be in the way.
func PruneEvents(ctx context.Context, db store.DB, service string) error {
	var old []Event
	err := db.View(ctx, func(tx store.Tx) error {
		all, err := Events.List(tx, service+"/")
		old = all[:max(0, len(all)-maxEvents)]
		return err
	})
	if err != nil || len(old) == 0 {
		return err
	}
	return db.Update(ctx, func(tx store.Tx) error {
		for _, e := range old {
			if err := Events.Delete(tx, EventKey(e)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Bounds returns how many tasks of desired must stay healthy and how many may
// run or start at once, rounded as ECS rounds: the minimum up, the maximum down.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_definition_parameters.html
func (s *Service) Bounds() (low, high int) {
	d := float64(s.Desired)
	return int(math.Ceil(d * float64(s.MinimumHealthyPercent) / 100)), int(math.Floor(d * float64(s.MaximumPercent) / 100))
}
