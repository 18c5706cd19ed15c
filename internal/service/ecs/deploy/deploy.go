// Package deploy keeps a service at its desired count, with tasks of its
// primary deployment.
//
// Healthy tasks are replaced only by healthy ones, within the service's
// minimum and maximum, and tasks that keep failing are started with back-off.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// targets is the one thing deploy needs from load balancing: what the checks
// of a target group say of a task.
type targets interface {
	// TargetState returns ELBv2's state (healthy, unhealthy, initial, unused, …)
	// and its description; "" when the target isn't registered.
	TargetState(ctx context.Context, group string, addr netip.Addr, port int32) (state, description string, err error)
}

// images finds the bytes behind an image's name.
type images interface {
	// Resolve returns ref by digest. Errors are the image's: no such tag, say.
	Resolve(ctx context.Context, ref string) (pinned string, err error)
}

// Deployer reconciles services.
type Deployer struct {
	db     store.DB
	ns     arn.Namespace
	lb     targets
	images images
	log    *slog.Logger
}

// New returns a Deployer.
func New(db store.DB, ns arn.Namespace, lb targets, images images, log *slog.Logger) *Deployer {
	return &Deployer{db: db, ns: ns, lb: lb, images: images, log: log}
}

// inactiveKept is how long an INACTIVE service can still be described.
const inactiveKept = time.Hour

// resolveWait bounds how long a reconcile waits for the digests of images; the
// engine goes on by itself meanwhile, and so does the rest of the service.
const resolveWait = 2 * time.Second

// Reconcile brings the service at key a step nearer to what is wanted of it.
func (d *Deployer) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	s, primary, live, err := d.read(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read service %s: %w", key, err)
	}
	if s.Status == ecs.Inactive {
		return d.bury(ctx, s)
	}
	pinned, err := d.resolve(ctx, s, primary)
	if err != nil {
		return 0, err
	}
	checked, err := d.check(ctx, live)
	if err != nil {
		return 0, err
	}
	p := pass{ns: d.ns, now: time.Now().UTC().Truncate(time.Millisecond), pinned: pinned, checked: checked}
	err = d.db.Update(ctx, func(tx store.Tx) error { return p.run(tx, key) })
	if err == nil && p.told > 0 {
		err = ecs.PruneEvents(ctx, d.db, key)
	}
	if err != nil {
		return 0, fmt.Errorf("deploy %s: %w", key, err)
	}
	return p.again, nil
}

func (d *Deployer) read(ctx context.Context, key string) (s ecs.Service, primary ecs.Deployment, live []ecs.Task, err error) {
	err = d.db.View(ctx, func(tx store.Tx) (err error) {
		if s, err = ecs.Services.Get(tx, key); err != nil {
			return err
		}
		ds, err := ecs.DeploymentsOf(tx, key)
		if err != nil {
			return err
		}
		if len(ds) > 0 {
			primary = ds[0]
		}
		live, err = ecs.Tasks.By(tx, "live", key)
		return err
	})
	return s, primary, live, err
}

// bury removes a service that has been INACTIVE for long enough.
func (d *Deployer) bury(ctx context.Context, s ecs.Service) (time.Duration, error) {
	if left := time.Until(s.StoppedAt.Add(inactiveKept)); left > 0 {
		return left, nil
	}
	return 0, d.db.Update(ctx, func(tx store.Tx) error {
		now, err := ecs.Services.Get(tx, s.Key())
		if errors.Is(err, store.ErrNotFound) || err == nil && now.Status != ecs.Inactive {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ecs.Forget(tx, s.Key()); err != nil {
			return err
		}
		return ecs.Services.Delete(tx, s.Key())
	})
}

// pins are the images of a deployment as they were resolved. Until ready none
// of its tasks may start.
type pins struct {
	deployment string
	ready      bool
	images     map[string]string // container name → image by digest; nil: an image can't be resolved
}

// resolve fixes the images of a deployment that has none fixed yet, so that all
// its tasks run the same bytes. An image that can't be resolved is left to the
// tasks, which stop and say why.
func (d *Deployer) resolve(ctx context.Context, s ecs.Service, primary ecs.Deployment) (pins, error) {
	p := pins{deployment: primary.ID, ready: true, images: primary.Rollout.Images}
	if p.images != nil || s.Desired == 0 || s.Status != ecs.Active {
		return p, nil
	}
	var def ecs.TaskDefinition
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		def, err = ecs.DefinitionByARN(tx, primary.TaskDefinition)
		return err
	})
	if err != nil {
		return p, fmt.Errorf("read task definition %s: %w", primary.TaskDefinition, err)
	}
	wait, cancel := context.WithTimeout(ctx, resolveWait)
	defer cancel()
	images := map[string]string{}
	for _, c := range def.Definition.ContainerDefinitions {
		if c.VersionConsistency == types.VersionConsistencyDisabled {
			continue // each task brings what the tag names then
		}
		ref, err := d.images.Resolve(wait, *c.Image)
		switch {
		case err == nil:
			images[*c.Name] = ref
		case ctx.Err() != nil:
			return p, ctx.Err()
		case wait.Err() != nil || errors.Is(err, engine.ErrUnavailable):
			p.ready = false
			return p, nil
		default:
			d.log.Warn("image can't be resolved", "service", s.Key(), "image", *c.Image, "err", err)
			return p, nil
		}
	}
	p.images = images
	return p, nil
}

// verdict is what the target groups say of a task.
type verdict struct {
	health health
	why    string // of a bad one: the stoppedReason
	told   string // and the event
}

// check asks the target groups about the tasks that are registered there.
func (d *Deployer) check(ctx context.Context, live []ecs.Task) (map[string]verdict, error) {
	out := map[string]verdict{}
	for _, t := range live {
		if t.Status != ecs.Running || t.Desired != ecs.Running {
			continue
		}
		v := verdict{health: healthy}
		for _, l := range t.LoadBalancers {
			state, why, err := d.lb.TargetState(ctx, l.TargetGroup, t.ENI.Addr, l.ContainerPort)
			if err != nil {
				return nil, fmt.Errorf("ask %s about task %s: %w", l.TargetGroup, t.ID, err)
			}
			switch state {
			case "healthy", "unused": // unused: no balancer forwards to the group, so nothing checks
			case "unhealthy":
				v = verdict{
					health: bad,
					why:    fmt.Sprintf("Task failed ELB health checks in (target-group %s)", l.TargetGroup),
					told:   fmt.Sprintf("(task %s) (port %d) is unhealthy in (target-group %s) due to (reason %s).", t.ID, l.ContainerPort, l.TargetGroup, why),
				}
			default:
				if v.health == healthy {
					v.health = starting
				}
			}
		}
		out[t.ID] = v
	}
	return out, nil
}

// pass is one transaction of Reconcile.
type pass struct {
	ns      arn.Namespace
	now     time.Time
	pinned  pins
	checked map[string]verdict
	again   time.Duration
	told    int // events in this pass

	tx          store.Tx
	service     ecs.Service
	deployments []ecs.Deployment
	tasks       []ecs.Task
}

// run may run more than once: it starts from what it reads.
func (p *pass) run(tx store.Tx, key string) (err error) {
	p.tx, p.again, p.told = tx, 0, 0
	if p.service, err = ecs.Services.Get(tx, key); errors.Is(err, store.ErrNotFound) {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
	}
	if p.deployments, err = ecs.DeploymentsOf(tx, key); err != nil || len(p.deployments) == 0 {
		return err
	}
	if p.tasks, err = ecs.Tasks.By(tx, "live", key); err != nil {
		return err
	}
	before := slices.Clone(p.deployments)
	if err := p.settle(); err != nil {
		return err
	}
	primary := &p.deployments[0]
	if primary.Rollout.Images == nil && primary.ID == p.pinned.deployment {
		primary.Rollout.Images = p.pinned.images
	}
	if err := p.act(primary); err != nil {
		return err
	}
	if err := p.conclude(primary); err != nil {
		return err
	}
	for i, d := range p.deployments {
		if !sameRollout(d.Rollout, before[i].Rollout) {
			d.Rollout.UpdatedAt = p.now
			if err := ecs.Deployments.Put(tx, d.Key(), d); err != nil {
				return err
			}
		}
	}
	return p.retire()
}

// maxStarts is how many tasks are started at once; a pass follows for the rest.
const maxStarts = 20

// imageWait is when to ask again for images that weren't there yet.
const imageWait = 500 * time.Millisecond

// mayStart says whether tasks of the deployment may start now; if not, when to
// look again.
func (p *pass) mayStart(primary *ecs.Deployment) bool {
	switch {
	case p.service.Desired == 0:
		return false
	case primary.ID != p.pinned.deployment: // a newer one, whose images nobody looked at yet
		p.wake(p.now)
		return false
	case !p.pinned.ready:
		p.wake(p.now.Add(imageWait))
		return false
	case p.now.Before(primary.Rollout.NotBefore):
		p.wake(primary.Rollout.NotBefore)
		return false
	}
	return true
}

// act carries out the plan.
func (p *pass) act(primary *ecs.Deployment) error {
	in := p.input(primary)
	a := plan(in)
	a.start = min(a.start, maxStarts)
	if err := p.block(&primary.Rollout, in, a); err != nil {
		return err
	}
	if err := p.start(primary, a.start); err != nil {
		return err
	}
	if err := p.stop(primary, a.stop); err != nil {
		return err
	}
	if a.start > 0 || len(a.stop) > 0 {
		primary.Rollout.Steady = false
	}
	return nil
}

// input reads the tasks for the plan. An unhealthy task within its grace
// period counts as starting.
func (p *pass) input(primary *ecs.Deployment) input {
	low, high := p.service.Bounds()
	in := input{desired: int(p.service.Desired), low: low, high: high, mayStart: p.mayStart(primary)}
	for _, t := range p.tasks {
		if t.Desired != ecs.Running {
			if t.Counted() {
				in.leaving++
			}
			continue
		}
		m := member{id: t.ID, current: t.Deployment == primary.ID, zone: t.Zone, health: p.checked[t.ID].health}
		if end := p.graceEnd(t); m.health == bad && p.now.Before(end) {
			m.health = starting
			p.wake(end)
		}
		if t.Protected(p.now) {
			p.wake(t.ProtectedUntil)
		}
		in.tasks = append(in.tasks, m)
	}
	return in
}

func (p *pass) graceEnd(t ecs.Task) time.Time {
	if p.service.HealthCheckGracePeriod == nil {
		return t.StartedAt
	}
	return t.StartedAt.Add(time.Duration(*p.service.HealthCheckGracePeriod) * time.Second)
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
	return ecs.Tell(p.tx, &p.service, p.now.Add(time.Duration(p.told)), format, args...)
}

func (p *pass) stop(primary *ecs.Deployment, stop []string) error {
	for i := range p.tasks {
		t := &p.tasks[i]
		if !slices.Contains(stop, t.ID) {
			continue
		}
		reason := fmt.Sprintf("Scaling activity initiated by (deployment %s)", primary.ID)
		if v := p.checked[t.ID]; v.health == bad && p.service.Desired > 0 && !p.now.Before(p.graceEnd(*t)) {
			reason = v.why
			if err := p.tell("%s", v.told); err != nil {
				return err
			}
		}
		t.Stop(types.TaskStopCodeServiceSchedulerInitiated, reason)
		if err := p.settleTask(t); err != nil {
			return err
		}
	}
	return nil
}
