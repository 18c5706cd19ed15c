package deployment

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/store"
)

// revisionOut returns the revision as the API has it.
func revisionOut(r *ecs.ServiceRevision, ns arn.Namespace, images []types.ContainerImage) types.ServiceRevision {
	cluster, _, _ := strings.Cut(r.Service, "/")
	out := types.ServiceRevision{
		ServiceRevisionArn: aws.String(shape.RevisionARN(ns, r.Service, r.ID)),
		ServiceArn:         aws.String(ns.ARN("ecs", "service/"+r.Service)), ClusterArn: aws.String(ns.ARN("ecs", "cluster/"+cluster)),
		TaskDefinition: &r.TaskDefinition, LaunchType: shape.LaunchType(r.LaunchType, r.Strategy),
		PlatformVersion: &r.Platform, PlatformFamily: aws.String("Linux"),
		NetworkConfiguration: shape.Network(r.Network),
		ContainerImages:      images,
		CreatedAt:            &r.CreatedAt,
	}
	if len(r.Strategy) > 0 {
		out.CapacityProviderStrategy = shape.CapacityStrategy(r.Strategy)
	}
	if len(r.Registries) > 0 {
		out.ServiceRegistries = shape.Registries(r.Registries)
	}
	for i, l := range r.LoadBalancers {
		out.LoadBalancers = append(out.LoadBalancers, shape.LoadBalancer(l))
		if i == 0 && len(r.Groups) > 0 {
			out.ResolvedConfiguration = &types.ResolvedConfiguration{}
		}
		if i < len(r.Groups) {
			out.ResolvedConfiguration.LoadBalancers = append(out.ResolvedConfiguration.LoadBalancers, types.ServiceRevisionLoadBalancer{
				TargetGroupArn: aws.String(r.Groups[i]), ProductionListenerRule: handler.Optional(l.Advanced.ProductionRule),
			})
		}
	}
	return out
}

// imagesOf tells what the containers of d run, by digest where that is known.
func imagesOf(r *ecs.ServiceRevision, d types.TaskDefinition) []types.ContainerImage {
	var out []types.ContainerImage
	for _, c := range d.ContainerDefinitions {
		_, digest, _ := strings.Cut(r.Images[*c.Name], "@")
		out = append(out, types.ContainerImage{ContainerName: c.Name, Image: c.Image, ImageDigest: handler.Optional(digest)})
	}
	return out
}

// status is the status as the API has it: what was asked for shows at once.
func status(d *ecs.ServiceDeployment) types.ServiceDeploymentStatus {
	s := d.Progress.Status
	if d.Stop == "" || s != types.ServiceDeploymentStatusPending && s != types.ServiceDeploymentStatusInProgress {
		return s
	}
	if d.Stop == types.StopServiceDeploymentStopTypeAbort {
		return types.ServiceDeploymentStatusStopRequested
	}
	return types.ServiceDeploymentStatusRollbackRequested
}

func brief(d *ecs.ServiceDeployment, ns arn.Namespace) types.ServiceDeploymentBrief {
	cluster, _, _ := strings.Cut(d.Service, "/")
	return types.ServiceDeploymentBrief{
		ServiceDeploymentArn: aws.String(shape.ServiceDeploymentARN(d, ns)),
		ServiceArn:           aws.String(ns.ARN("ecs", "service/"+d.Service)), ClusterArn: aws.String(ns.ARN("ecs", "cluster/"+cluster)),
		TargetServiceRevisionArn: aws.String(shape.RevisionARN(ns, d.Service, d.Target)),
		Status:                   status(d), StatusReason: handler.Optional(d.Progress.Reason),
		CreatedAt: shape.Time(d.CreatedAt), StartedAt: shape.Time(d.Progress.StartedAt), FinishedAt: shape.Time(d.Progress.FinishedAt),
	}
}

// serviceDeploymentView is a service deployment with its tasks: as they are, or
// as they were when it ended.
type serviceDeploymentView struct {
	ecs.ServiceDeployment
	desired int32
	counts  map[string]ecs.Count
	routed  bool // its traffic is shifted by listener rules
	tested  bool // one of them is for test traffic
}

func viewServiceDeployment(tx store.Tx, d ecs.ServiceDeployment) (v serviceDeploymentView, err error) {
	v = serviceDeploymentView{ServiceDeployment: d, desired: d.Progress.Desired, counts: d.Progress.Counts}
	if d.Config.Method.Shifts() {
		target, err := ecs.ServiceRevisions.Get(tx, d.Service+"/"+d.Target)
		if err != nil {
			return v, fmt.Errorf("read revision %s: %w", d.Target, err)
		}
		v.routed = target.Choice()
		v.tested = slices.ContainsFunc(target.LoadBalancers, func(l ecs.LoadBalancer) bool { return l.Advanced.TestRule != "" })
	}
	if !d.Open() {
		return v, nil
	}
	s, err := ecs.Services.Get(tx, d.Service)
	if err != nil {
		return v, fmt.Errorf("read service %s: %w", d.Service, err)
	}
	live, err := ecs.Tasks.By(tx, "live", d.Service)
	v.desired, v.counts = s.Desired, ecs.CountTasks(live)
	for _, r := range d.Running() {
		c := v.counts[r]
		c.Requested = s.Desired
		v.counts[r] = c
	}
	return v, err
}

// wire returns the service deployment as the API has it.
func (v serviceDeploymentView) wire(ns arn.Namespace) types.ServiceDeployment {
	p, b := v.Progress, brief(&v.ServiceDeployment, ns)
	out := types.ServiceDeployment{
		ServiceDeploymentArn: b.ServiceDeploymentArn, ServiceArn: b.ServiceArn, ClusterArn: b.ClusterArn,
		Status: b.Status, StatusReason: b.StatusReason, LifecycleStage: p.Shift.Stage, LifecycleHookDetails: v.hooks(),
		CreatedAt: b.CreatedAt, StartedAt: b.StartedAt, FinishedAt: b.FinishedAt, StoppedAt: shape.Time(p.StoppedAt), UpdatedAt: shape.Time(p.UpdatedAt),
		SourceServiceRevisions:   []types.ServiceRevisionSummary{},
		TargetServiceRevision:    new(v.summary(ns, v.Target)),
		DeploymentConfiguration:  shape.DeploymentConfiguration(v.Config),
		DeploymentCircuitBreaker: v.breaker(),
	}
	for _, r := range v.Sources {
		out.SourceServiceRevisions = append(out.SourceServiceRevisions, v.summary(ns, r))
	}
	if r := p.Rollback; r != nil {
		out.Rollback = &types.Rollback{Reason: handler.Optional(r.Reason), StartedAt: shape.Time(r.StartedAt)}
		if r.Revision != "" {
			out.Rollback.ServiceRevisionArn = aws.String(shape.RevisionARN(ns, v.Service, r.Revision))
		}
	}
	return out
}

func (v serviceDeploymentView) summary(ns arn.Namespace, revision string) types.ServiceRevisionSummary {
	c := v.counts[revision]
	out := types.ServiceRevisionSummary{
		Arn:                aws.String(shape.RevisionARN(ns, v.Service, revision)),
		RequestedTaskCount: c.Requested, RunningTaskCount: c.Running, PendingTaskCount: c.Pending,
	}
	v.traffic(revision, &out)
	return out
}

func (v serviceDeploymentView) breaker() *types.ServiceDeploymentCircuitBreaker {
	out := &types.ServiceDeploymentCircuitBreaker{
		Status: types.ServiceDeploymentRollbackMonitorsStatusMonitoring, FailureCount: v.Progress.Failures, Threshold: ecs.Threshold(v.desired),
	}
	switch {
	case !v.Config.Breaker.Enable:
		return &types.ServiceDeploymentCircuitBreaker{Status: types.ServiceDeploymentRollbackMonitorsStatusDisabled}
	case v.Progress.Tripped:
		out.Status = types.ServiceDeploymentRollbackMonitorsStatusTriggered
	case !v.Open():
		out.Status = types.ServiceDeploymentRollbackMonitorsStatusMonitoringComplete
	}
	return out
}

// traffic fills in how much of the traffic is a revision's.
func (v serviceDeploymentView) traffic(revision string, out *types.ServiceRevisionSummary) {
	s := v.Progress.Shift
	if !v.routed || s.Stage == "" {
		return
	}
	switch revision {
	case v.Target:
		out.RequestedProductionTrafficWeight = aws.Float64(s.Production)
		out.RequestedTestTrafficWeight = aws.Float64(s.Test)
	case s.Blue:
		out.RequestedProductionTrafficWeight = aws.Float64(100 - s.Production)
		out.RequestedTestTrafficWeight = aws.Float64(100 - s.Test)
	default:
		out.RequestedProductionTrafficWeight, out.RequestedTestTrafficWeight = aws.Float64(0), aws.Float64(0)
	}
	if !v.tested {
		out.RequestedTestTrafficWeight = nil
	}
}

// hooks are the lifecycle hooks that the deployment came to last.
func (v serviceDeploymentView) hooks() (out []types.DeploymentLifecycleHookDetail) {
	for _, h := range v.Progress.Shift.Hooks {
		out = append(out, types.DeploymentLifecycleHookDetail{
			HookId: aws.String(h.ID), TargetType: types.DeploymentLifecycleHookTargetTypePause, Status: hookStatus(&v.ServiceDeployment, h),
			ExpiresAt: shape.Time(h.ExpiresAt), TimeoutAction: h.OnTimeout,
		})
	}
	return out
}

// hookStatus is the status of a hook; an answer shows at once.
func hookStatus(d *ecs.ServiceDeployment, h ecs.HookRun) types.DeploymentLifecycleHookStatus {
	if h.Status != types.DeploymentLifecycleHookStatusAwaitingAction {
		return h.Status
	}
	switch d.Answers[h.ID] {
	case types.DeploymentLifecycleHookActionContinue:
		return types.DeploymentLifecycleHookStatusSucceeded
	case types.DeploymentLifecycleHookActionRollback:
		return types.DeploymentLifecycleHookStatusFailed
	}
	return h.Status
}
