package ecs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
)

// historyRef reads the ARN of something that a service has had: the key of its
// record.
func (a *API) historyRef(ref, kind string) (string, error) {
	key, err := a.ours(ref, kind)
	if err == nil && (!strings.HasPrefix(ref, "arn:") || strings.Count(key, "/") != 2) {
		err = invalid("Invalid identifier: %s is not the ARN of a %s.", ref, kind)
	}
	return key, err
}

// serviceOf returns the key of the service that ref names. Its ARN names the
// cluster too, when none is given.
func (a *API) serviceOf(tx store.Tx, cluster *string, ref string) (string, error) {
	if rest, err := a.ours(ref, "service"); err == nil && aws.ToString(cluster) == "" {
		if name, _, ok := strings.Cut(rest, "/"); ok {
			cluster = &name
		}
	}
	c, err := a.activeCluster(tx, cluster)
	if err != nil {
		return "", err
	}
	key, err := a.serviceKey(c.Name, ref)
	if err != nil {
		return "", err
	}
	if _, err := Services.Get(tx, key); missing(err) {
		return "", &types.ServiceNotFoundException{Message: aws.String("Service not found.")}
	} else if err != nil {
		return "", err
	}
	return key, nil
}

// ListServiceDeployments returns what a service's deployments have come to, the
// newest first.
func (a *API) ListServiceDeployments(ctx context.Context, in *ecs.ListServiceDeploymentsInput) (*ecs.ListServiceDeploymentsOutput, error) {
	n, err := limit(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	if in.MaxResults == nil {
		n = 20 // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
	}
	var found []ServiceDeployment
	err = a.db.View(ctx, func(tx store.Tx) error {
		key, err := a.serviceOf(tx, in.Cluster, *in.Service)
		if err != nil {
			return err
		}
		all, err := ServiceDeployments.List(tx, key+"/")
		found = slices.DeleteFunc(all, func(d ServiceDeployment) bool { return !d.fits(in) })
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(x, y ServiceDeployment) int { return strings.Compare(y.order(), x.order()) })
	found, next, err := page(found, func(d ServiceDeployment) string { return d.order() }, true, in.NextToken, n)
	if err != nil {
		return nil, err
	}
	out := &ecs.ListServiceDeploymentsOutput{ServiceDeployments: []types.ServiceDeploymentBrief{}, NextToken: next}
	for _, d := range found {
		out.ServiceDeployments = append(out.ServiceDeployments, d.brief(a.ns))
	}
	return out, nil
}

// fits says whether the filters of a list let the service deployment through.
func (d *ServiceDeployment) fits(in *ecs.ListServiceDeploymentsInput) bool {
	if len(in.Status) > 0 && !slices.Contains(in.Status, d.status()) {
		return false
	}
	return in.CreatedAt == nil ||
		(in.CreatedAt.After == nil || d.CreatedAt.After(*in.CreatedAt.After)) &&
			(in.CreatedAt.Before == nil || d.CreatedAt.Before(*in.CreatedAt.Before))
}

// order sorts service deployments by their age.
func (d *ServiceDeployment) order() string {
	return fmt.Sprintf("%020d-%s", d.CreatedAt.UnixNano(), d.ID)
}

// arn is the ARN of the service deployment.
func (d *ServiceDeployment) arn(ns arn.Namespace) string {
	return ns.ARN("ecs", "service-deployment/"+d.Key())
}

// status is the status as the API has it: what was asked for shows at once.
func (d *ServiceDeployment) status() types.ServiceDeploymentStatus {
	s := d.Progress.Status
	if d.Stop == "" || s != types.ServiceDeploymentStatusPending && s != types.ServiceDeploymentStatusInProgress {
		return s
	}
	if d.Stop == types.StopServiceDeploymentStopTypeAbort {
		return types.ServiceDeploymentStatusStopRequested
	}
	return types.ServiceDeploymentStatusRollbackRequested
}

func (d *ServiceDeployment) brief(ns arn.Namespace) types.ServiceDeploymentBrief {
	cluster, _, _ := strings.Cut(d.Service, "/")
	return types.ServiceDeploymentBrief{
		ServiceDeploymentArn: aws.String(d.arn(ns)),
		ServiceArn:           aws.String(ns.ARN("ecs", "service/"+d.Service)), ClusterArn: aws.String(ns.ARN("ecs", "cluster/"+cluster)),
		TargetServiceRevisionArn: aws.String(revisionARN(ns, d.Service, d.Target)),
		Status:                   d.status(), StatusReason: str(d.Progress.Reason),
		CreatedAt: at(d.CreatedAt), StartedAt: at(d.Progress.StartedAt), FinishedAt: at(d.Progress.FinishedAt),
	}
}

// mostDescribed is how many service deployments or revisions one call describes.
const mostDescribed = 20

// DescribeServiceDeployments returns up to 20 service deployments.
func (a *API) DescribeServiceDeployments(ctx context.Context, in *ecs.DescribeServiceDeploymentsInput) (*ecs.DescribeServiceDeploymentsOutput, error) {
	if n := len(in.ServiceDeploymentArns); n == 0 || n > mostDescribed {
		return nil, invalid("serviceDeploymentArns must have between 1 and %d items.", mostDescribed)
	}
	var out *ecs.DescribeServiceDeploymentsOutput
	err := a.db.View(ctx, func(tx store.Tx) error {
		out = &ecs.DescribeServiceDeploymentsOutput{ServiceDeployments: []types.ServiceDeployment{}, Failures: []types.Failure{}}
		for _, ref := range in.ServiceDeploymentArns {
			key, err := a.historyRef(ref, "service-deployment")
			if err != nil {
				return err
			}
			d, err := ServiceDeployments.Get(tx, key)
			if missing(err) {
				out.Failures = append(out.Failures, failure(ref, "MISSING"))
				continue
			}
			if err != nil {
				return err
			}
			v, err := viewServiceDeployment(tx, d)
			if err != nil {
				return err
			}
			out.ServiceDeployments = append(out.ServiceDeployments, v.wire(a.ns))
		}
		return nil
	})
	return out, err
}

// serviceDeploymentView is a service deployment with its tasks: as they are, or
// as they were when it ended.
type serviceDeploymentView struct {
	ServiceDeployment
	desired int32
	counts  map[string]Count
	routed  bool // its traffic is shifted by listener rules
	tested  bool // one of them is for test traffic
}

func viewServiceDeployment(tx store.Tx, d ServiceDeployment) (v serviceDeploymentView, err error) {
	v = serviceDeploymentView{ServiceDeployment: d, desired: d.Progress.Desired, counts: d.Progress.Counts}
	if d.Config.Method.Shifts() {
		target, err := ServiceRevisions.Get(tx, d.Service+"/"+d.Target)
		if err != nil {
			return v, fmt.Errorf("read revision %s: %w", d.Target, err)
		}
		v.routed = target.Choice()
		v.tested = slices.ContainsFunc(target.LoadBalancers, func(l LoadBalancer) bool { return l.Advanced.TestRule != "" })
	}
	if !d.Open() {
		return v, nil
	}
	s, err := Services.Get(tx, d.Service)
	if err != nil {
		return v, fmt.Errorf("read service %s: %w", d.Service, err)
	}
	live, err := Tasks.By(tx, "live", d.Service)
	v.desired, v.counts = s.Desired, CountTasks(live)
	for _, r := range d.Running() {
		c := v.counts[r]
		c.Requested = s.Desired
		v.counts[r] = c
	}
	return v, err
}

// CountTasks counts a service's tasks by the id of their revision.
func CountTasks(tasks []Task) map[string]Count {
	out := map[string]Count{}
	for _, t := range tasks {
		d := Deployment{ID: t.Deployment}
		c := out[d.Revision()]
		running, pending := t.counts()
		c.Running += running
		c.Pending += pending
		out[d.Revision()] = c
	}
	return out
}

// wire returns the service deployment as the API has it.
func (v serviceDeploymentView) wire(ns arn.Namespace) types.ServiceDeployment {
	p, b := v.Progress, v.brief(ns)
	out := types.ServiceDeployment{
		ServiceDeploymentArn: b.ServiceDeploymentArn, ServiceArn: b.ServiceArn, ClusterArn: b.ClusterArn,
		Status: b.Status, StatusReason: b.StatusReason, LifecycleStage: p.Shift.Stage, LifecycleHookDetails: v.hooks(),
		CreatedAt: b.CreatedAt, StartedAt: b.StartedAt, FinishedAt: b.FinishedAt, StoppedAt: at(p.StoppedAt), UpdatedAt: at(p.UpdatedAt),
		SourceServiceRevisions:   []types.ServiceRevisionSummary{},
		TargetServiceRevision:    new(v.summary(ns, v.Target)),
		DeploymentConfiguration:  v.Config.configuration(),
		DeploymentCircuitBreaker: v.breaker(),
	}
	for _, r := range v.Sources {
		out.SourceServiceRevisions = append(out.SourceServiceRevisions, v.summary(ns, r))
	}
	if r := p.Rollback; r != nil {
		out.Rollback = &types.Rollback{Reason: str(r.Reason), StartedAt: at(r.StartedAt)}
		if r.Revision != "" {
			out.Rollback.ServiceRevisionArn = aws.String(revisionARN(ns, v.Service, r.Revision))
		}
	}
	return out
}

func (v serviceDeploymentView) summary(ns arn.Namespace, revision string) types.ServiceRevisionSummary {
	c := v.counts[revision]
	out := types.ServiceRevisionSummary{
		Arn:                aws.String(revisionARN(ns, v.Service, revision)),
		RequestedTaskCount: c.Requested, RunningTaskCount: c.Running, PendingTaskCount: c.Pending,
	}
	v.traffic(revision, &out)
	return out
}

func (v serviceDeploymentView) breaker() *types.ServiceDeploymentCircuitBreaker {
	out := &types.ServiceDeploymentCircuitBreaker{
		Status: types.ServiceDeploymentRollbackMonitorsStatusMonitoring, FailureCount: v.Progress.Failures, Threshold: Threshold(v.desired),
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

// DescribeServiceRevisions returns up to 20 revisions of services.
func (a *API) DescribeServiceRevisions(ctx context.Context, in *ecs.DescribeServiceRevisionsInput) (*ecs.DescribeServiceRevisionsOutput, error) {
	if n := len(in.ServiceRevisionArns); n == 0 || n > mostDescribed {
		return nil, invalid("serviceRevisionArns must have between 1 and %d items.", mostDescribed)
	}
	var out *ecs.DescribeServiceRevisionsOutput
	err := a.db.View(ctx, func(tx store.Tx) error {
		out = &ecs.DescribeServiceRevisionsOutput{ServiceRevisions: []types.ServiceRevision{}, Failures: []types.Failure{}}
		for _, ref := range in.ServiceRevisionArns {
			key, err := a.historyRef(ref, "service-revision")
			if err != nil {
				return err
			}
			r, err := ServiceRevisions.Get(tx, key)
			if missing(err) {
				out.Failures = append(out.Failures, failure(ref, "MISSING"))
				continue
			}
			if err != nil {
				return err
			}
			d, err := DefinitionByARN(tx, r.TaskDefinition)
			if err != nil && !missing(err) { // a definition may be deleted once nothing runs of it
				return err
			}
			out.ServiceRevisions = append(out.ServiceRevisions, r.wire(a.ns, r.images(d.Definition)))
		}
		return nil
	})
	return out, err
}

// StopServiceDeployment asks for the end of a service deployment: back to the
// revision that is known to work, or, with ABORT, where it stands.
func (a *API) StopServiceDeployment(ctx context.Context, in *ecs.StopServiceDeploymentInput) (*ecs.StopServiceDeploymentOutput, error) {
	key, err := a.historyRef(*in.ServiceDeploymentArn, "service-deployment")
	if err != nil {
		return nil, err
	}
	stop := in.StopType
	if stop == "" {
		stop = types.StopServiceDeploymentStopTypeRollback
	}
	err = a.db.Update(ctx, func(tx store.Tx) error {
		d, err := ServiceDeployments.Get(tx, key)
		switch {
		case missing(err):
			return &types.ServiceDeploymentNotFoundException{Message: aws.String("Service deployment not found.")}
		case err != nil:
			return err
		case !d.Open():
			return &types.ConflictException{
				Message:     aws.String(fmt.Sprintf("The service deployment can't be stopped: it is %s.", d.Progress.Status)),
				ResourceIds: []string{*in.ServiceDeploymentArn},
			}
		case d.status() != types.ServiceDeploymentStatusPending && d.status() != types.ServiceDeploymentStatusInProgress:
			return nil // it is on its way to its end
		}
		if stop == types.StopServiceDeploymentStopTypeAbort && d.Config.Method.Shifts() {
			return invalid("The stop type ABORT is not supported for the %s deployment strategy, which would be left between two revisions. Use ROLLBACK.", d.Config.Method.Kind)
		}
		d.Stop = stop
		return ServiceDeployments.Put(tx, key, d)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.StopServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, nil
}

// What is kept of the history of a service: ECS's 90 days, and never more than
// the newest 100 deployments.
const (
	historyKept = 90 * 24 * time.Hour
	historyMost = 100
	historyStep = 30 // records deleted in one transaction
)

// PruneHistory removes the service deployments of a service that are too old,
// and the revisions that nothing refers to any more, some at a time; more says
// that there are others.
func PruneHistory(ctx context.Context, db store.DB, service string, at time.Time) (more bool, err error) {
	var old []ServiceDeployment
	var unused []ServiceRevision
	err = db.View(ctx, func(tx store.Tx) (err error) {
		old, unused, err = pastHistory(tx, service, at)
		return err
	})
	if err != nil || len(old)+len(unused) == 0 {
		return false, err
	}
	more = len(old)+len(unused) > historyStep
	old = old[:min(len(old), historyStep)]
	unused = unused[:min(len(unused), historyStep-len(old))]
	return more, db.Update(ctx, func(tx store.Tx) error {
		for _, d := range old {
			if err := ServiceDeployments.Delete(tx, d.Key()); err != nil {
				return err
			}
		}
		for _, r := range unused {
			if err := ServiceRevisions.Delete(tx, r.Key()); err != nil {
				return err
			}
		}
		return nil
	})
}

// pastHistory finds what PruneHistory removes.
func pastHistory(tx store.Tx, service string, at time.Time) (old []ServiceDeployment, unused []ServiceRevision, err error) {
	s, err := Services.Get(tx, service)
	if err != nil && !missing(err) {
		return nil, nil, err
	}
	all, err := ServiceDeployments.List(tx, service+"/")
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(all, func(x, y ServiceDeployment) int { return strings.Compare(y.order(), x.order()) })
	used := map[string]bool{}
	gone := s.Status == Inactive || s.Status == ""
	for i, d := range all {
		if gone || d.ID != s.Current && !d.Open() && (i >= historyMost || at.Sub(d.CreatedAt) > historyKept) {
			old = append(old, d)
			continue
		}
		for _, r := range append(slices.Clone(d.Sources), d.Target, d.Fallback) {
			used[r] = true
		}
	}
	running, err := Deployments.List(tx, service+"/")
	if err != nil {
		return nil, nil, err
	}
	for _, d := range running {
		used[d.Revision()] = true
	}
	revisions, err := ServiceRevisions.List(tx, service+"/")
	for _, r := range revisions {
		if !used[r.ID] {
			unused = append(unused, r)
		}
	}
	return old, unused, err
}
