package deploy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy/plan"
	"github.com/skylift/skylift/internal/store"
)

// supersede ends the service deployments that a newer one took over from.
func (p *pass) supersede() error {
	open, err := ecs.ServiceDeployments.By(p.tx, "open", p.service.Key())
	if err != nil {
		return err
	}
	for _, d := range open {
		if d.ID == p.current.ID {
			continue
		}
		status := types.ServiceDeploymentStatusStopped
		if d.Progress.Rollback != nil {
			status = types.ServiceDeploymentStatusRollbackFailed
		}
		d.Progress.StoppedAt = p.now
		p.end(&d, status, "Service deployment stopped because a newer service deployment was started.")
		d.Progress.UpdatedAt = p.now
		if err := ecs.ServiceDeployments.Put(p.tx, d.Key(), d); err != nil {
			return err
		}
	}
	return nil
}

// count counts a failed task for the circuit breaker, unless it was the
// machine's fault: a container engine that restarts says nothing of a version.
func (p *pass) count(t *ecs.Task) {
	if !t.Lost && p.current.Open() && p.current.Progress.Rollback == nil && t.Deployment == ecs.DeploymentID(p.current.Target) {
		p.current.Progress.Failures++
		p.current.Progress.FailedAt = p.now
	}
}

// proveBreaker forgets the failures that the circuit breaker counted when a
// task of the target, after the last of them, has lasted. One that was healthy
// and then crashed proves nothing: that is how a crash loop looks.
func (p *pass) proveBreaker() {
	for _, t := range p.tasks {
		end := ecs.Happened(t.StartedAt, p.now).Add(lasted)
		if t.Desired == ecs.Running && t.Deployment == p.primary().ID && p.checked[t.ID].health == plan.Healthy &&
			end.After(p.current.Progress.FailedAt) && !p.now.Before(end) {
			p.current.Progress.Failures = 0
		}
	}
}

// The reasons of the end of a service deployment, as ECS has them.
const (
	tripped     = "Service deployment rolled back because the circuit breaker threshold was exceeded."
	trippedStop = "Service deployment stopped because the circuit breaker threshold was exceeded."
	asked       = "Service deployment rolled back because a user stopped it."
	askedStop   = "Service deployment stopped because a user stopped it."
	noCandidate = "No rollback candidate was found to run the rollback."
)

// advance takes the service deployment on: it begins, and it is given up when
// its end was asked for or the circuit breaker trips.
func (p *pass) advance() error {
	d := &p.current.Progress
	if d.Status == types.ServiceDeploymentStatusPending {
		d.Status, d.StartedAt = types.ServiceDeploymentStatusInProgress, p.now
	}
	if p.shifting() {
		return p.shift()
	}
	if d.Status != types.ServiceDeploymentStatusInProgress {
		return nil
	}
	p.proveBreaker()
	switch b := p.service.Breaker; {
	case p.current.Stop == types.StopServiceDeploymentStopTypeAbort:
		return p.giveUp("ECS deployment: ", "stopped by a user.", askedStop, "")
	case p.current.Stop != "":
		return p.giveUp("ECS deployment: ", "stopped by a user.", askedStop, asked)
	case !b.Enable || d.Failures < ecs.Threshold(p.service.Desired):
		return nil
	case !b.Rollback:
		d.Tripped = true
		return p.giveUp("ECS deployment circuit breaker: ", "tasks failed to start.", trippedStop, "")
	default:
		d.Tripped = true
		return p.giveUp("ECS deployment circuit breaker: ", "tasks failed to start.", trippedStop, tripped)
	}
}

// giveUp ends the deployment of the target: by what, and why; stop is the
// reason when it ends there, back, if not empty, that of going back to the
// revision that is known to work.
func (p *pass) giveUp(by, why, stop, back string) error {
	r := &p.primary().Rollout
	r.State, r.Reason = types.DeploymentRolloutStateFailed, by+why
	if err := p.tell("(deployment %s) deployment failed: %s", p.primary().ID, why); err != nil {
		return err
	}
	d := &p.current.Progress
	switch {
	case back == "":
		d.StoppedAt = p.now
		p.end(&p.current, types.ServiceDeploymentStatusStopped, stop)
		return nil
	case p.candidate() == "":
		d.Rollback = &ecs.Rollback{Reason: back, StartedAt: p.now}
		p.end(&p.current, types.ServiceDeploymentStatusRollbackFailed, noCandidate)
		return nil
	}
	d.Status, d.Reason = types.ServiceDeploymentStatusRollbackInProgress, back
	d.Rollback = &ecs.Rollback{Reason: back, Revision: p.candidate(), StartedAt: p.now}
	return p.restore(by)
}

// restore makes the deployment of the revision that is rolled back to the
// primary one. It is made anew when none of its tasks was left.
func (p *pass) restore(by string) (err error) {
	key := p.service.Key() + "/" + p.current.Wanted()
	if p.wanted, err = ecs.ServiceRevisions.Get(p.tx, key); err != nil {
		return fmt.Errorf("read revision %s: %w", key, err)
	}
	id := ecs.DeploymentID(p.wanted.ID)
	d := p.wanted.NewDeployment(p.now)
	i := slices.IndexFunc(p.deployments, func(d ecs.Deployment) bool { return d.ID == id })
	if i >= 0 {
		d.CreatedAt = p.deployments[i].CreatedAt
		p.deployments = slices.Delete(p.deployments, i, i+1)
	}
	d.Rollout.Reason = by + "rolling back to deploymentId " + id + "."
	p.deployments = slices.Insert(p.deployments, 0, d)
	return p.tell("rolling back to deployment %s.", id)
}

// succeed ends a service deployment that has come to a steady state.
func (p *pass) succeed() {
	switch d := &p.current; d.Progress.Status {
	case types.ServiceDeploymentStatusInProgress:
		p.end(d, types.ServiceDeploymentStatusSuccessful, "")
	case types.ServiceDeploymentStatusRollbackInProgress:
		p.end(d, types.ServiceDeploymentStatusRollbackSuccessful, d.Progress.Reason)
	}
}

// end ends a service deployment, with what runs at that moment.
func (p *pass) end(d *ecs.ServiceDeployment, status types.ServiceDeploymentStatus, why string) {
	p.ended = true
	g := &d.Progress
	g.Status, g.Reason, g.FinishedAt = status, why, p.now
	g.Desired, g.Counts = p.service.Desired, ecs.CountTasks(p.tasks)
	c := g.Counts[d.Wanted()]
	c.Requested = p.service.Desired
	g.Counts[d.Wanted()] = c
}

// keep writes the current service deployment when it came on.
func (p *pass) keep() error {
	was, err := ecs.ServiceDeployments.Get(p.tx, p.current.Key())
	if errors.Is(err, store.ErrNotFound) || err == nil && reflect.DeepEqual(was.Progress, p.current.Progress) {
		return nil
	}
	if err != nil {
		return err
	}
	p.current.Progress.UpdatedAt = p.now
	return ecs.ServiceDeployments.Put(p.tx, p.current.Key(), p.current)
}
