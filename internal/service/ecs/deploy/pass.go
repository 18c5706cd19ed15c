package deploy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy/plan"
	"github.com/skylift/skylift/internal/service/ecs/history"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/store"
)

// look is what Reconcile finds out before its transaction. Nothing in it changes
// afterwards.
type look struct {
	key      string // the service's
	ns       arn.Namespace
	now      time.Time
	pinned   pins
	route    routing
	checked  map[string]verdict // by task
	space    int                // how many writes fit into one transaction
	reserved reservations
}

// pass is one transaction of Reconcile. A transaction that runs again is another
// pass.
type pass struct {
	look
	tx     store.Tx
	writes int // that still fit into the transaction

	service     ecs.Service
	current     ecs.ServiceDeployment
	wanted      ecs.ServiceRevision
	deployments []ecs.Deployment // the primary one, of the wanted revision, first
	tasks       []ecs.Task

	moving  bool // tasks that start are to move between zones
	shifted bool // the traffic is where it is to be, and so are the tasks

	again   time.Duration  // until another pass is due; 0: when something changes
	full    bool           // nothing more fits into the transaction: another pass follows
	told    int            // events in this pass
	ended   bool           // a service deployment ended in it
	asks    map[string]ask // the capacity that it lacks, by deployment
	started map[string]int // how many tasks were made, by deployment
	wait    place.Wait     // for capacity for more
}

// pass makes a pass in tx.
func (l look) pass(tx store.Tx) (*pass, error) {
	p := &pass{look: l, tx: tx, writes: l.space, asks: map[string]ask{}, started: map[string]int{}}
	return p, p.run()
}

func (p *pass) run() error {
	if ok, err := p.read(); err != nil || !ok {
		return err
	}
	before := slices.Clone(p.deployments)
	for _, step := range []func() error{p.rewind, p.supersede, p.settle, p.place, p.advance, p.pin, p.act, p.conclude} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, d := range p.deployments {
		i := slices.IndexFunc(before, func(b ecs.Deployment) bool { return b.ID == d.ID })
		if i >= 0 && reflect.DeepEqual(d.Rollout, before[i].Rollout) {
			continue
		}
		d.Rollout.UpdatedAt = p.now
		if err := ecs.Deployments.Put(p.tx, d.Key(), d); err != nil {
			return err
		}
	}
	if err := p.retire(); err != nil {
		return err
	}
	return p.keep()
}

// read reads the service; false when there is nothing to do for it.
func (p *pass) read() (ok bool, err error) {
	if p.service, err = ecs.Services.Get(p.tx, p.key); errors.Is(err, store.ErrNotFound) {
		return false, nil // deleted meanwhile
	}
	if err != nil || p.service.Status == ecs.Inactive {
		return false, err
	}
	if p.current, err = p.service.Deploying(p.tx); err != nil {
		return false, err
	}
	if p.wanted, err = ecs.ServiceRevisions.Get(p.tx, p.key+"/"+p.current.Wanted()); err != nil {
		return false, fmt.Errorf("read revision %s: %w", p.current.Wanted(), err)
	}
	if p.deployments, err = ecs.DeploymentsOf(p.tx, &p.current); err != nil {
		return false, err
	}
	p.tasks, err = ecs.Tasks.By(p.tx, "live", p.key)
	return true, err
}

// primary is the deployment that is to run.
func (p *pass) primary() *ecs.Deployment { return &p.deployments[0] }

// pin fixes the images of the revision that is to run.
func (p *pass) pin() error {
	if p.wanted.Images != nil || p.pinned.images == nil || p.wanted.ID != p.pinned.revision {
		return nil
	}
	p.wanted.Images = p.pinned.images
	return ecs.ServiceRevisions.Put(p.tx, p.wanted.Key(), p.wanted)
}

// rewind follows a clock that was set back: what is said to happen later than now
// happened now, and back-off is no longer than it was meant to be.
func (p *pass) rewind() error {
	for i := range p.deployments {
		r := &p.deployments[i].Rollout
		r.Rewind(p.now, backoff(r.Streak))
	}
	p.current.Progress.Rewind(p.now)
	return nil
}

// maxStarts is how many tasks of a deployment one pass starts; another follows
// for the rest.
const maxStarts = 20

// mayStart says whether tasks of the primary deployment may start now; if not,
// it sees to when to look again.
func (p *pass) mayStart() bool {
	r := p.primary().Rollout
	switch {
	case p.service.Desired == 0 || r.State == types.DeploymentRolloutStateFailed:
		return false
	case p.wanted.ID != p.pinned.revision: // a newer one, whose images nobody looked at yet
		p.wake(p.now)
		return false
	case p.wanted.Choice() && p.wanted.Groups == nil: // likewise
		p.wake(p.now)
		return false
	case !p.pinned.ready:
		p.wake(p.now.Add(p.pinned.again))
		return false
	case p.now.Before(r.NotBefore):
		p.wake(r.NotBefore)
		return false
	}
	return true
}

// How many writes are made by settling, starting or stopping a
// task: its record, the entries of its indexes and its event.
const (
	settleWrites = 5
	startWrites  = 10
	stopWrites   = 12
)

// fit reserves the writes for n of something, or for as many as fit.
func (p *pass) fit(n, each int) int {
	fits := min(n, p.writes/each)
	p.writes -= fits * each
	if fits < n {
		p.full = true
		p.wake(p.now)
	}
	return fits
}

// act carries out the plan. It waits when there is more to settle than fits:
// the plan is to know how tasks ended.
func (p *pass) act() error {
	if p.full {
		return nil
	}
	if p.unseen() {
		p.wake(p.now)
		return nil
	}
	zones := p.zones()
	if err := p.stopRebalancing(zones); err != nil {
		return err
	}
	if p.shifting() {
		return p.actSides()
	}
	primary := p.primary()
	in := p.input()
	in.Zones = zones
	a := plan.Decide(in)
	p.moving = a.Moving > 0
	if err := p.rebalance(in, a); err != nil {
		return err
	}
	if err := p.hold(primary, in, a); err != nil {
		return err
	}
	if err := p.block(&primary.Rollout, in, a); err != nil {
		return err
	}
	if err := p.protecting(in, a); err != nil {
		return err
	}
	if err := p.start(primary, &p.wanted, a.Start); err != nil {
		return err
	}
	if err := p.stop(a.Stop); err != nil {
		return err
	}
	if a.Start > 0 || len(a.Stop) > 0 {
		primary.Rollout.Steady = false
	}
	return nil
}

// unseen says whether a task runs whose health nobody has checked, because it
// didn't run when the tasks were read: it may be one of those that must stay.
func (p *pass) unseen() bool {
	return slices.ContainsFunc(p.tasks, func(t ecs.Task) bool {
		_, asked := p.checked[t.ID]
		return !asked && t.Status == ecs.Running && t.Desired == ecs.Running
	})
}

// input reads the tasks for the plan.
func (p *pass) input() plan.Input {
	low, high := p.service.Bounds()
	in := plan.Input{Desired: int(p.service.Desired), Low: low, High: high, MayStart: p.mayStart()}
	p.limit(&in, p.primary().ID)
	for _, t := range p.tasks {
		if t.Desired != ecs.Running {
			if t.Counted() {
				in.Leaving++
			}
			if t.Status != ecs.Stopped {
				in.Freeing++
			}
			continue
		}
		in.Tasks = append(in.Tasks, p.member(t, t.Deployment == p.primary().ID))
	}
	return in
}

func (p *pass) member(t ecs.Task, current bool) plan.Member {
	m := plan.Member{ID: t.ID, Current: current, Protected: p.protected(t), Zone: t.Zone, Health: p.health(t)}
	if !current && p.checked[t.ID].health == plan.Unhealthy {
		m.Health = plan.Unhealthy // not starting, for it may be all that answers
	}
	return m
}

// protected says whether neither scale-in nor a deployment may stop the task. A
// service that is deleted goes with all of its tasks.
func (p *pass) protected(t ecs.Task) bool {
	if p.service.Status != ecs.Active || !t.Protected(p.now) {
		return false
	}
	p.wake(t.ProtectedUntil)
	return true
}

// health is what a task is worth now. An unhealthy one within its grace period
// counts as starting, and so does one of the primary deployment that nothing
// checks and that runs only since a moment: many a version that doesn't work
// ends within seconds, and until then the old tasks had better stay.
func (p *pass) health(t ecs.Task) plan.Health {
	h := p.checked[t.ID].health
	switch {
	case h == plan.Unhealthy && p.graceful(t):
		return plan.Starting
	case h == plan.Healthy && !checked(t) && t.Deployment == p.primary().ID && !p.proven(t):
		return plan.Starting
	}
	return h
}

// checked says whether anything tells how the task is, apart from that it runs.
func checked(t ecs.Task) bool { return t.Health != "" || len(t.LoadBalancers) > 0 }

// graceful says whether the task is within its service's grace period.
func (p *pass) graceful(t ecs.Task) bool {
	if p.service.HealthCheckGracePeriod == nil {
		return false
	}
	return p.until(t.StartedAt, time.Duration(*p.service.HealthCheckGracePeriod)*time.Second)
}

// until says whether less than d has passed since at, and sees to another pass
// when it has.
func (p *pass) until(at time.Time, d time.Duration) bool {
	over := ecs.Happened(at, p.now).Add(d)
	if !p.now.Before(over) {
		return false
	}
	p.wake(over)
	return true
}

// wake asks for another pass at t.
func (p *pass) wake(t time.Time) {
	d := max(t.Sub(p.now), time.Millisecond)
	if p.again == 0 || d < p.again {
		p.again = d
	}
}

// tell writes a service event, later than those before it.
func (p *pass) tell(format string, args ...any) error {
	p.told++
	return history.Tell(p.tx, &p.service, p.now.Add(time.Duration(p.told)), format, args...)
}

func (p *pass) stop(stop []string) error {
	for i := range p.tasks {
		t := &p.tasks[i]
		if !slices.Contains(stop, t.ID) {
			continue
		}
		if p.fit(1, stopWrites) == 0 {
			return nil
		}
		reason := fmt.Sprintf("Scaling activity initiated by (deployment %s)", p.primary().ID)
		if v := p.checked[t.ID]; v.health == plan.Unhealthy && p.service.Desired > 0 && !p.graceful(*t) {
			reason = v.why
			if err := p.tell("%s", v.told); err != nil {
				return err
			}
		}
		t.Moved = p.primary().Rollout.Rebalancing && p.checked[t.ID].health == plan.Healthy
		t.Stop(types.TaskStopCodeServiceSchedulerInitiated, reason)
		if err := p.settleTask(t); err != nil {
			return err
		}
	}
	return nil
}
