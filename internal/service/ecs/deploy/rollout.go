package deploy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy/plan"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/ecs/setting"
)

// lasted is how long a task must have run for its end not to count as one
// more failure in a row.
const lasted = time.Minute

// backoff is how long starts are held back after so many rounds of failures in
// a row: after the first only so long that the next round is a later one.
func backoff(streak int) time.Duration {
	if streak < 2 {
		return time.Millisecond
	}
	return min(time.Second<<min(streak-2, 10), 5*time.Minute)
}

// impaired is after how many rounds of failures the service says so.
const impaired = 3

// settle draws the conclusions from tasks that are to stop, each once.
func (p *pass) settle() error {
	for i := range p.tasks {
		if t := &p.tasks[i]; t.Desired == ecs.Stopped && !t.Settled {
			if p.fit(1, settleWrites) == 0 {
				return nil
			}
			if err := p.settleTask(t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pass) settleTask(t *ecs.Task) error {
	t.Settled = true
	if err := ecs.Tasks.Put(p.tx, t.Key(), *t); err != nil {
		return err
	}
	i := slices.IndexFunc(p.deployments, func(d ecs.Deployment) bool { return d.ID == t.Deployment })
	if i < 0 {
		return nil
	}
	r := &p.deployments[i].Rollout
	r.Steady = false
	if !t.Failed() {
		return nil
	}
	r.Failed++
	if t.Crowded {
		if elsewhere, err := p.crowd(&p.deployments[i], t); elsewhere || err != nil {
			return err
		}
	}
	p.count(t)
	if !t.StartedAt.IsZero() && t.StopAt.Sub(t.StartedAt) >= lasted {
		r.Streak = 0
	}
	if t.CreatedAt.After(r.FailedAt) { // one round of failures counts once
		r.Streak++
		r.FailedAt = p.now
		r.NotBefore = p.now.Add(backoff(r.Streak))
	}
	if err := p.tellFailed(t); err != nil {
		return err
	}
	if r.Streak >= impaired && !r.Impaired {
		r.Impaired = true
		return p.tell("is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.")
	}
	return nil
}

func (p *pass) tellFailed(t *ecs.Task) error {
	return p.tell("(task %s) failed: %s.", t.ID, strings.TrimSuffix(t.Ending(), "."))
}

// start makes n tasks of a deployment, which runs r, or as many as one pass may.
func (p *pass) start(d *ecs.Deployment, r *ecs.ServiceRevision, n int) error {
	if n = p.fit(min(n, maxStarts), startWrites); n == 0 {
		return nil
	}
	def, err := ecs.DefinitionByARN(p.tx, d.TaskDefinition)
	if err != nil {
		return fmt.Errorf("read task definition %s: %w", d.TaskDefinition, err)
	}
	granted := p.granted(d.ID, ecs.SizeOf(def.Definition), n)
	if len(granted) == 0 {
		return nil
	}
	blocks, err := setting.LogsBlock(p.tx, p.ns)
	if err != nil {
		return fmt.Errorf("read the mode of logs: %w", err)
	}
	places := p.spread(d, granted)
	for i, provider := range place.Providers(d.Strategy, p.placed(d), len(granted)) {
		t := ecs.NewTask(p.ns, p.service.Cluster, granted[i], def.Definition)
		t.PlaceAt(places[i])
		t.CreatedAt, t.LogsBlock = p.now, blocks
		t.Service, t.Deployment, t.StartedBy = p.service.Key(), d.ID, d.ID
		t.Group = "service:" + p.service.Name
		t.LaunchType, t.Provider, t.Platform = d.LaunchType, provider, d.Platform
		t.Network, t.LoadBalancers, t.Registries = d.Network, r.Placed(), d.Registries
		t.Tags, t.ExecuteCommand = p.service.TaskTags(def.Tags), p.service.ExecuteCommand
		for i := range t.Containers {
			t.Containers[i].Pinned = r.Images[t.Containers[i].Name]
		}
		if err := ecs.Tasks.Put(p.tx, t.Key(), t); err != nil {
			return err
		}
		p.tasks = append(p.tasks, t)
	}
	return p.tellStarted(p.tasks[len(p.tasks)-len(granted):])
}

// placed counts the deployment's tasks that are to run by capacity provider.
func (p *pass) placed(d *ecs.Deployment) map[string]int {
	n := map[string]int{}
	for _, t := range p.tasks {
		if t.Deployment == d.ID && t.Desired == ecs.Running {
			n[t.Provider]++
		}
	}
	return n
}

// block says so when the service's bounds let a deployment neither start a task
// nor stop one: what must stay healthy is all that may run.
func (p *pass) block(r *ecs.Rollout, in plan.Input, a plan.Action) error {
	blocked := in.MayStart && in.Low >= in.High && a.Start == 0 && len(a.Stop) == 0 &&
		len(in.Tasks) >= in.High && slices.ContainsFunc(in.Tasks, func(m plan.Member) bool { return !m.Current })
	if blocked == r.Blocked {
		return nil
	}
	if r.Blocked = blocked; !blocked {
		return nil
	}
	return p.tell("was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.")
}

// protecting says so when nothing but protection keeps tasks that are to go.
func (p *pass) protecting(in plan.Input, a plan.Action) error {
	still := a.Start == 0 && len(a.Stop) == 0 && !slices.ContainsFunc(in.Tasks, func(m plan.Member) bool { return m.Current && m.Health == plan.Starting })
	for i := range p.deployments {
		d := &p.deployments[i]
		held := 0
		for j, t := range p.tasks {
			if still && t.Deployment == d.ID && t.Desired == ecs.Running && p.protected(p.tasks[j]) {
				held++
			}
		}
		if i == 0 {
			held = min(held, max(0, in.CurrentTasks()-in.Desired-a.Moving))
		}
		if d.Rollout.Held == held {
			continue
		}
		if d.Rollout.Held = held; held == 0 {
			continue
		}
		if err := p.tell("was unable to reach steady state because (taskSet %s) was unable to scale in due to (reason %d tasks under protection)", d.ID, held); err != nil {
			return err
		}
	}
	return nil
}

// conclude says what the deployment has come to.
func (p *pass) conclude() error {
	if p.full {
		return nil
	}
	primary := p.primary()
	r := &primary.Rollout
	if p.service.Status != ecs.Active || p.shifting() && !p.shifted || !p.steady() {
		return nil
	}
	p.succeed()
	r.Failed, r.Impaired = 0, false
	if r.Steady {
		return nil
	}
	r.Steady = true
	if r.State == types.DeploymentRolloutStateInProgress {
		r.State = types.DeploymentRolloutStateCompleted
		r.Reason = "ECS deployment " + primary.ID + " completed."
		if err := p.tell("(deployment %s) deployment completed.", primary.ID); err != nil {
			return err
		}
	}
	return p.tell("has reached a steady state.")
}

// proof is how long a task must have run before it counts that it does.
const proof = 5 * time.Second

// proven says whether a task has run for long enough:
// at once when its checks say that it is healthy, but longer and longer when
// others failed before it, for one that crashes a moment after its start isn't
// steady in between.
func (p *pass) proven(t ecs.Task) bool {
	streak := 0
	if i := p.deploymentAt(t.Deployment); i >= 0 {
		streak = p.deployments[i].Rollout.Streak
	}
	if streak == 0 && checked(t) {
		return true
	}
	return !p.until(t.StartedAt, min(proof+backoff(streak), lasted))
}

// steady says that the desired count of current tasks is healthy, and has been
// for long enough, and no other task runs.
func (p *pass) steady() bool {
	fit := 0
	for _, t := range p.tasks {
		switch {
		case t.Desired != ecs.Running:
			if serves(t) {
				return false
			}
		case t.Deployment != p.primary().ID || t.Status != ecs.Running || p.health(t) != plan.Healthy || !p.proven(t):
			return false
		default:
			fit++
		}
	}
	return fit == int(p.service.Desired)
}

// serves says that requests may still be answered by the task: it runs, or its
// last ones are being drained.
func serves(t ecs.Task) bool { return t.Status == ecs.Running || t.Status == ecs.Deactivating }

// drainedAgain is how long after a pass a service that drains is looked at again,
// though nothing said that its tasks changed.
const drainedAgain = 30 * time.Second

// retire removes old deployments that no task of counts for any more, and ends
// a service that is drained.
func (p *pass) retire() error {
	for _, d := range p.deployments[1:] {
		if !slices.ContainsFunc(p.tasks, func(t ecs.Task) bool { return t.Deployment == d.ID && (t.Counted() || serves(t)) }) {
			if err := ecs.Deployments.Delete(p.tx, d.Key()); err != nil {
				return err
			}
		}
	}
	s := p.service
	if s.Status != ecs.Draining {
		return nil
	}
	if slices.ContainsFunc(p.tasks, func(t ecs.Task) bool { return t.Status != ecs.Stopped }) {
		p.wake(p.now.Add(drainedAgain)) // the last to stop may do so before a loop that begins sees the tasks
		return nil
	}
	s.Status, s.StoppedAt = ecs.Inactive, p.now
	if err := ecs.Services.Put(p.tx, s.Key(), s); err != nil {
		return err
	}
	for _, d := range p.deployments {
		if err := ecs.Deployments.Delete(p.tx, d.Key()); err != nil {
			return err
		}
	}
	p.wake(p.now.Add(inactiveKept))
	return nil
}
