package ecs

import (
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
)

// deploymentMark begins the id of a deployment; its revision's id follows.
const deploymentMark = "ecs-svc/"

// Revision is the id of the revision that the deployment runs.
func (d *Deployment) Revision() string { return strings.TrimPrefix(d.ID, deploymentMark) }

// DeploymentID is the id of the deployment that runs a revision.
func DeploymentID(revision string) string { return deploymentMark + revision }

// NewDeployment is the deployment of the revision as it begins.
func (r *ServiceRevision) NewDeployment(at time.Time) Deployment {
	id := DeploymentID(r.ID)
	return Deployment{ID: id, Service: r.Service, Spec: r.Spec, CreatedAt: at, Rollout: Rollout{
		State:     types.DeploymentRolloutStateInProgress,
		Reason:    "ECS deployment " + id + " in progress.",
		UpdatedAt: at,
	}}
}

// launch is what a new service deployment is made from, apart from what it
// brings: its ids and the time, which no transaction may make.
type launch struct {
	revision   string // 19 digits
	deployment string // 21 letters, digits, - and _
	at         time.Time
}

const (
	digits   = "0123456789"
	urlChars = digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "abcdefghijklmnopqrstuvwxyz" + "_-"
)

func newLaunch() launch {
	return launch{revision: random(1, digits[1:]) + random(18, digits), deployment: random(21, urlChars), at: now()}
}

// random returns n of the characters.
func random(n int, chars string) string {
	b := make([]byte, n)
	for i := range b {
		c, _ := rand.Int(rand.Reader, big.NewInt(int64(len(chars)))) // never fails, by rand.Reader's contract
		b[i] = chars[c.Int64()]
	}
	return string(b)
}

// put makes a revision of spec and the service deployment that brings it, and
// makes that the current one of s, which the caller writes. last is the one
// before; the zero one for a new service.
func (l launch) put(tx store.Tx, s *Service, spec Spec, last ServiceDeployment) error {
	running, err := Deployments.List(tx, s.Key()+"/")
	if err != nil {
		return err
	}
	r := ServiceRevision{ID: l.revision, Service: s.Key(), Spec: spec, CreatedAt: l.at}
	next := ServiceDeployment{
		ID: l.deployment, Service: s.Key(), Target: r.ID, Fallback: last.known(), Config: s.DeploymentConfig, CreatedAt: l.at,
		Progress: Progress{Status: types.ServiceDeploymentStatusPending, UpdatedAt: l.at},
	}
	slices.SortFunc(running, func(a, b Deployment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, d := range running {
		next.Sources = append(next.Sources, d.Revision())
	}
	s.Current = next.ID
	d := r.NewDeployment(l.at)
	if err := ServiceRevisions.Put(tx, r.Key(), r); err != nil {
		return err
	}
	if err := Deployments.Put(tx, d.Key(), d); err != nil {
		return err
	}
	return ServiceDeployments.Put(tx, next.Key(), next)
}

// Deploying is the service's current service deployment; the zero one when its
// history is gone.
func (s *Service) Deploying(tx store.Tx) (ServiceDeployment, error) {
	d, err := ServiceDeployments.Get(tx, s.Key()+"/"+s.Current)
	if missing(err) {
		return ServiceDeployment{Service: s.Key()}, nil
	}
	return d, err
}

// Primary is the service's primary deployment; the zero one when it has none.
func (s *Service) Primary(tx store.Tx) (Deployment, error) {
	d, err := s.Deploying(tx)
	if err != nil {
		return Deployment{}, err
	}
	primary, err := Deployments.Get(tx, s.Key()+"/"+DeploymentID(d.Wanted()))
	if missing(err) {
		return Deployment{}, nil
	}
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

// known is the id of the revision that is known to work once the service
// deployment is the last one: the deployment after it rolls back to that.
func (d *ServiceDeployment) known() string {
	if d.Progress.Status == types.ServiceDeploymentStatusSuccessful || d.Progress.Shift.Proven() {
		return d.Target
	}
	return d.Fallback
}

// primary says whether o runs what the service is to run.
func (d *ServiceDeployment) primary(o *Deployment) bool { return o.ID == DeploymentID(d.Wanted()) }

// DeploymentsOf returns the deployments of the service of d, its current
// service deployment: the primary one first, then the newest first.
func DeploymentsOf(tx store.Tx, d *ServiceDeployment) ([]Deployment, error) {
	all, err := Deployments.List(tx, d.Service+"/")
	slices.SortFunc(all, func(a, b Deployment) int {
		if d.primary(&a) != d.primary(&b) {
			if d.primary(&a) {
				return -1
			}
			return 1
		}
		return b.CreatedAt.Compare(a.CreatedAt)
	})
	return all, err
}

// revisionARN is the ARN of a revision of the service at key.
func revisionARN(ns arn.Namespace, service, revision string) string {
	return ns.ARN("ecs", "service-revision/"+service+"/"+revision)
}

// wire returns the revision as the API has it.
func (r *ServiceRevision) wire(ns arn.Namespace, images []types.ContainerImage) types.ServiceRevision {
	cluster, _, _ := strings.Cut(r.Service, "/")
	out := types.ServiceRevision{
		ServiceRevisionArn: aws.String(revisionARN(ns, r.Service, r.ID)),
		ServiceArn:         aws.String(ns.ARN("ecs", "service/"+r.Service)), ClusterArn: aws.String(ns.ARN("ecs", "cluster/"+cluster)),
		TaskDefinition: &r.TaskDefinition, LaunchType: launched(r.LaunchType, r.Strategy),
		PlatformVersion: &r.Platform, PlatformFamily: aws.String("Linux"),
		NetworkConfiguration: r.Network.wire(),
		ContainerImages:      images,
		CreatedAt:            &r.CreatedAt,
	}
	if len(r.Strategy) > 0 {
		out.CapacityProviderStrategy = strategyOf(r.Strategy)
	}
	for i, l := range r.LoadBalancers {
		out.LoadBalancers = append(out.LoadBalancers, l.wire())
		if i == 0 && len(r.Groups) > 0 {
			out.ResolvedConfiguration = &types.ResolvedConfiguration{}
		}
		if i < len(r.Groups) {
			out.ResolvedConfiguration.LoadBalancers = append(out.ResolvedConfiguration.LoadBalancers, types.ServiceRevisionLoadBalancer{
				TargetGroupArn: aws.String(r.Groups[i]), ProductionListenerRule: str(l.Advanced.ProductionRule),
			})
		}
	}
	return out
}

// images tells what the containers of d run, by digest where that is known.
func (r *ServiceRevision) images(d types.TaskDefinition) []types.ContainerImage {
	var out []types.ContainerImage
	for _, c := range d.ContainerDefinitions {
		_, digest, _ := strings.Cut(r.Images[*c.Name], "@")
		out = append(out, types.ContainerImage{ContainerName: c.Name, Image: c.Image, ImageDigest: str(digest)})
	}
	return out
}

// Forget removes what is left of an inactive service of the same name.
func Forget(tx store.Tx, service string) error {
	return errors.Join(
		empty(tx, Deployments, service, func(d Deployment) string { return d.Key() }),
		empty(tx, ServiceDeployments, service, func(d ServiceDeployment) string { return d.Key() }),
		empty(tx, ServiceRevisions, service, func(r ServiceRevision) string { return r.Key() }),
		empty(tx, Events, service, EventKey),
	)
}

// empty deletes what a table has of a service.
func empty[T any](tx store.Tx, table *store.Table[T], service string, key func(T) string) error {
	all, err := table.List(tx, service+"/")
	for _, v := range all {
		if err := table.Delete(tx, key(v)); err != nil {
			return err
		}
	}
	return err
}
