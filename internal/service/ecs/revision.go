package ecs

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// Threshold is how many failed tasks of a service deployment trip the circuit
// breaker: half of the desired count, at least 3 and at most 200.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
func Threshold(desired int32) int32 { return min(max((desired+1)/2, 3), 200) }

// deploymentMark begins the id of a deployment; its revision's id follows.
const deploymentMark = "ecs-svc/"

// Revision is the id of the revision that the deployment runs.
func (d *Deployment) Revision() string { return strings.TrimPrefix(d.ID, deploymentMark) }

// DeploymentID is the id of the deployment that runs a revision.
func DeploymentID(revision string) string { return deploymentMark + revision }

// NewDeployment is the deployment of the revision as it begins.
func (r *ServiceRevision) NewDeployment(at time.Time) Deployment {
	own := DeploymentID(r.ID)
	return Deployment{ID: own, Service: r.Service, Spec: r.Spec, CreatedAt: at, Rollout: Rollout{
		State:     types.DeploymentRolloutStateInProgress,
		Reason:    "ECS deployment " + own + " in progress.",
		UpdatedAt: at,
	}}
}

const (
	digits   = "0123456789"
	urlChars = digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "abcdefghijklmnopqrstuvwxyz" + "_-"
)

// NewRevisionID makes the id of a service revision: 19 digits.
func NewRevisionID() string { return id.Text(1, digits[1:]) + id.Text(18, digits) }

// NewServiceDeploymentID makes the id of a service deployment: 21 letters, digits, - and _.
func NewServiceDeploymentID() string { return id.Text(21, urlChars) }

// Deploying is the service's current service deployment; the zero one when its
// history is gone.
func (s *Service) Deploying(tx store.Tx) (ServiceDeployment, error) {
	d, ok, err := handler.Find(tx, ServiceDeployments, s.Key()+"/"+s.Current)
	if !ok {
		d = ServiceDeployment{Service: s.Key()}
	}
	return d, err
}

// Primary is the service's primary deployment; the zero one when it has none.
func (s *Service) Primary(tx store.Tx) (Deployment, error) {
	d, err := s.Deploying(tx)
	if err != nil {
		return Deployment{}, err
	}
	primary, _, err := handler.Find(tx, Deployments, s.Key()+"/"+DeploymentID(d.Wanted()))
	return primary, err
}

// Wanted is the id of the revision that the service is to run: the target, or
// what the deployment rolls back to.
func (d *ServiceDeployment) Wanted() string {
	if r := d.Progress.Rollback; r != nil && r.Revision != "" {
		return r.Revision
	}
	return d.Target
}

// Open says that the service deployment hasn't ended.
func (d *ServiceDeployment) Open() bool {
	switch d.Progress.Status {
	case types.ServiceDeploymentStatusPending, types.ServiceDeploymentStatusInProgress,
		types.ServiceDeploymentStatusStopRequested, types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackInProgress:
		return true
	}
	return false
}

// NextFallback is the id of the revision that is known to work once the service
// deployment is the last one: the deployment after it rolls back to that.
func (d *ServiceDeployment) NextFallback() string {
	if d.Progress.Status == types.ServiceDeploymentStatusSuccessful || d.Progress.Shift.Proven() {
		return d.Target
	}
	return d.Fallback
}

// IsPrimary says whether o runs what the service is to run.
func (d *ServiceDeployment) IsPrimary(o *Deployment) bool { return o.ID == DeploymentID(d.Wanted()) }

// DeploymentsOf returns the deployments of the service of d, its current
// service deployment: the primary one first, then the newest first.
func DeploymentsOf(tx store.Tx, d *ServiceDeployment) ([]Deployment, error) {
	all, err := Deployments.List(tx, d.Service+"/")
	slices.SortFunc(all, func(a, b Deployment) int {
		if d.IsPrimary(&a) != d.IsPrimary(&b) {
			if d.IsPrimary(&a) {
				return -1
			}
			return 1
		}
		return b.CreatedAt.Compare(a.CreatedAt)
	})
	return all, err
}

// Order sorts service deployments by their age.
func (d *ServiceDeployment) Order() string {
	return fmt.Sprintf("%020d-%s", d.CreatedAt.UnixNano(), d.ID)
}

// CountTasks counts a service's tasks by the id of their revision.
func CountTasks(tasks []Task) map[string]Count {
	out := map[string]Count{}
	for _, t := range tasks {
		d := Deployment{ID: t.Deployment}
		c := out[d.Revision()]
		running, pending := t.Counts()
		c.Running += running
		c.Pending += pending
		out[d.Revision()] = c
	}
	return out
}

// Name is the strategy by its name.
func (s Strategy) Name() types.DeploymentStrategy {
	if s.Kind == "" {
		return types.DeploymentStrategyRolling
	}
	return s.Kind
}

// Groups are the target groups that tasks behind the load balancer can be in.
func (l LoadBalancer) Groups() []string {
	if l.Advanced.AlternateTargetGroup == "" {
		return []string{l.TargetGroup}
	}
	return []string{l.TargetGroup, l.Advanced.AlternateTargetGroup}
}

// Choice says whether the revision's tasks can be in one target group or
// another.
func (r *ServiceRevision) Choice() bool {
	return slices.ContainsFunc(r.LoadBalancers, func(l LoadBalancer) bool { return len(l.Groups()) > 1 })
}

// Placed are the load balancers of the revision's tasks, each with the one
// target group that they are in.
func (r *ServiceRevision) Placed() []LoadBalancer {
	out := slices.Clone(r.LoadBalancers)
	for i := range out {
		if out[i].Advanced = (Advanced{}); i < len(r.Groups) {
			out[i].TargetGroup = r.Groups[i]
		}
	}
	return out
}

// NewHookID makes the id of a lifecycle hook that a deployment came to.
func NewHookID() string { return "ecs-pause-" + id.Text(43, urlChars) }

// Bounds returns how many tasks of desired must stay healthy and how many may
// run or start at once, rounded as ECS rounds: the minimum up, the maximum down.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_definition_parameters.html
func (s *Service) Bounds() (low, high int) {
	d := float64(s.Desired)
	return int(math.Ceil(d * float64(s.MinimumHealthyPercent) / 100)), int(math.Floor(d * float64(s.MaximumPercent) / 100))
}
