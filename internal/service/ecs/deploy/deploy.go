// Package deploy keeps a service at its desired count, with tasks of its
// primary deployment.
//
// Healthy tasks are replaced only by healthy ones, within the service's
// minimum and maximum, and tasks that keep failing are started with back-off.
//
// It is one package of more than 1,500 lines because a pass over a service is one transaction whose steps all read and
// change the same service, deployments and tasks. What can be decided without them is in deploy/plan and deploy/shift.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy/plan"
	"github.com/skylift/skylift/internal/service/ecs/history"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/store"
)

// Balancing is what deploy needs from load balancing: what the checks of a
// target group say of a task, and the rules whose weights decide which target
// group serves.
type Balancing interface {
	// TargetState returns ELBv2's state (healthy, unhealthy, initial, unused, …)
	// and its description; "" when the target isn't registered.
	TargetState(ctx context.Context, group string, addr netip.Addr, port int32) (state, description string, err error)
	// Weights returns the target groups that a rule forwards to.
	Weights(ctx context.Context, rule string) (map[string]int32, error)
	// As returns a context in which the role is judged that ECS assumes for services; session.ErrDenied says that it can't.
	As(ctx context.Context, role string) (context.Context, error)
	// Shift gives target groups of a rule their weights, all at once.
	Shift(ctx context.Context, rule string, weights map[string]int32) error
}

// Images finds the bytes behind an image's name.
type Images interface {
	// Resolve returns ref by digest, as the judge in ctx lets it. Errors are the image's: no such tag, say.
	Resolve(ctx context.Context, ref string, login engine.Auth) (pinned string, err error)
}

// Deployer reconciles services.
type Deployer struct {
	db       store.DB
	ns       arn.Namespace
	lb       Balancing
	images   Images
	inputs   *inputs.Reader // nil: no definition has an execution role
	capacity capacity
	log      *slog.Logger

	small atomic.Bool // the store takes small transactions only
}

// New returns a Deployer.
func New(db store.DB, ns arn.Namespace, lb Balancing, images Images, in *inputs.Reader, capacity capacity, log *slog.Logger) *Deployer {
	return &Deployer{db: db, ns: ns, lb: lb, images: images, inputs: in, capacity: capacity, log: log}
}

// inactiveKept is how long an INACTIVE service can still be described.
const inactiveKept = time.Hour

// resolveWait bounds how long a reconcile waits for the digests of images; the
// engine goes on by itself meanwhile, and so does the rest of the service.
const resolveWait = 2 * time.Second

// Reconcile brings the service at key a step nearer to what is wanted of it.
func (d *Deployer) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	v, err := d.read(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		d.capacity.Wait(key, place.Wait{})
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read service %s: %w", key, err)
	}
	if v.service.Status == ecs.Inactive {
		d.capacity.Wait(key, place.Wait{})
		return d.bury(ctx, v.service)
	}
	l := look{key: key, ns: d.ns, space: d.writes()}
	if l.route, err = d.route(ctx, v.current, v.target, v.fallback); err != nil {
		return 0, err
	}
	if l.pinned, err = d.resolve(ctx, v.service, v.wanted); err != nil {
		return 0, err
	}
	if l.checked, err = d.check(ctx, v.tasks); err != nil {
		return 0, err
	}
	l.now = time.Now().UTC().Truncate(time.Millisecond)
	p, err := d.reserved(ctx, l)
	if errors.Is(err, store.ErrTooLarge) && !d.small.Swap(true) {
		return time.Millisecond, nil
	}
	if err == nil && p.told > 0 {
		err = history.PruneEvents(store.Freeing(ctx), d.db, key)
	}
	if err == nil && p.ended {
		err = d.forgetPast(ctx, key)
	}
	if err != nil {
		return 0, fmt.Errorf("deploy %s: %w", key, err)
	}
	return p.again, nil
}

// view is what is asked about outside of the transaction.
type view struct {
	service  ecs.Service
	current  ecs.ServiceDeployment
	wanted   ecs.ServiceRevision // that the service is to run
	target   ecs.ServiceRevision // that the service deployment brings
	fallback ecs.ServiceRevision // that it goes back to; the zero one if there is none
	tasks    []*ecs.Task         // the store's own
}

// How much is written in one transaction. An etcd of one's own takes no more
// than 128 operations by default; that it does is known when it refused more.
const (
	largeWrites = 1000
	smallWrites = 100
)

func (d *Deployer) writes() int {
	if d.small.Load() {
		return smallWrites
	}
	return largeWrites
}

// engineWait is when to ask again an engine that was away.
const engineWait = 500 * time.Millisecond

func (d *Deployer) read(ctx context.Context, key string) (v view, err error) {
	err = d.db.View(ctx, func(tx store.Tx) (err error) {
		if v.service, err = ecs.Services.Get(tx, key); err != nil || v.service.Status == ecs.Inactive {
			return err
		}
		if v.current, err = v.service.Deploying(tx); err != nil {
			return err
		}
		for into, id := range map[*ecs.ServiceRevision]string{&v.wanted: v.current.Wanted(), &v.target: v.current.Target, &v.fallback: v.current.Fallback} {
			if id == "" {
				continue
			}
			if *into, err = ecs.ServiceRevisions.Get(tx, key+"/"+id); err != nil {
				return fmt.Errorf("read revision %s: %w", id, err)
			}
		}
		v.tasks, err = store.Collect(ecs.Tasks.PeekBy(tx, "live", key))
		return err
	})
	return v, err
}

// forgetPast removes what of a service's history is too old.
func (d *Deployer) forgetPast(ctx context.Context, key string) error {
	for {
		more, err := history.Prune(store.Freeing(ctx), d.db, key, time.Now())
		if err != nil || !more {
			return err
		}
	}
}

// bury removes the history of a service that became INACTIVE, as ECS does, and
// the service when it has been that for long enough.
func (d *Deployer) bury(ctx context.Context, s ecs.Service) (time.Duration, error) {
	if err := d.forgetPast(ctx, s.Key()); err != nil {
		return 0, fmt.Errorf("forget the history of service %s: %w", s.Key(), err)
	}
	if left := time.Until(s.StoppedAt.Add(inactiveKept)); left > 0 {
		return left, nil
	}
	return 0, d.db.Update(store.Freeing(ctx), func(tx store.Tx) error {
		now, err := ecs.Services.Get(tx, s.Key())
		if errors.Is(err, store.ErrNotFound) || err == nil && now.Status != ecs.Inactive {
			return nil
		}
		if err != nil {
			return err
		}
		if err := history.Forget(tx, s.Key()); err != nil {
			return err
		}
		return ecs.Services.Delete(tx, s.Key())
	})
}

// pins are the images of a revision as they were resolved. Until ready none of
// its tasks may start.
type pins struct {
	revision string
	ready    bool
	again    time.Duration     // when to ask again, while it isn't
	images   map[string]string // container name → image by digest; nil: an image can't be resolved
}

// resolve fixes the images of a revision that has none fixed yet, so that all
// its tasks run the same bytes. An image that can't be resolved is left to the
// tasks, which stop and say why.
func (d *Deployer) resolve(ctx context.Context, s ecs.Service, wanted ecs.ServiceRevision) (pins, error) {
	p := pins{revision: wanted.ID, ready: true, images: wanted.Images}
	if p.images != nil || s.Desired == 0 || s.Status != ecs.Active {
		return p, nil
	}
	var def ecs.TaskDefinition
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		def, err = ecs.DefinitionByARN(tx, wanted.TaskDefinition)
		return err
	})
	if err != nil {
		return p, fmt.Errorf("read task definition %s: %w", wanted.TaskDefinition, err)
	}
	as, logins, err := d.logins(ctx, s, def.Definition)
	if refused, ok := errors.AsType[*inputs.Error](err); ok {
		d.log.Warn("images can't be resolved", "service", s.Key(), "err", refused)
		return p, nil
	}
	if err != nil {
		return p, err
	}
	wait, cancel := context.WithTimeout(as, resolveWait)
	defer cancel()
	images := map[string]string{}
	for _, c := range def.Definition.ContainerDefinitions {
		if c.VersionConsistency == types.VersionConsistencyDisabled {
			continue // each task brings what the tag names then
		}
		ref, err := d.images.Resolve(wait, *c.Image, logins[*c.Name])
		switch {
		case err == nil:
			images[*c.Name] = ref
		case ctx.Err() != nil:
			return p, ctx.Err()
		case wait.Err() != nil: // ask on at once: who comes too late never hears why an image can't be brought
			p.ready, p.again = false, time.Millisecond
			return p, nil
		case errors.Is(err, engine.ErrUnavailable):
			p.ready, p.again = false, engineWait
			return p, nil
		default:
			d.log.Warn("image can't be resolved", "service", s.Key(), "image", *c.Image, "err", err)
			return p, nil
		}
	}
	p.images = images
	return p, nil
}

// logins returns what images of a revision are brought with, and a context in which its execution role is judged.
func (d *Deployer) logins(ctx context.Context, s ecs.Service, def types.TaskDefinition) (context.Context, map[string]engine.Auth, error) {
	if aws.ToString(def.ExecutionRoleArn) == "" {
		return ctx, nil, nil
	}
	return d.inputs.Logins(ctx, inputs.For{Source: s.ARN, TaskDefinition: def})
}

// verdict is what the checks of its containers and of its target groups say of
// a task.
type verdict struct {
	health plan.Health
	why    string // of a bad one: the stoppedReason
	told   string // and the event
}

// check asks about the tasks that run.
func (d *Deployer) check(ctx context.Context, live []*ecs.Task) (map[string]verdict, error) {
	out := map[string]verdict{}
	for _, t := range live {
		if t.Status != ecs.Running || t.Desired != ecs.Running {
			continue
		}
		v := checkContainers(t)
		for _, l := range t.LoadBalancers {
			state, why, err := d.lb.TargetState(ctx, l.TargetGroup, t.ENI.Addr, l.ContainerPort)
			if err != nil {
				return nil, fmt.Errorf("ask %s about task %s: %w", l.TargetGroup, t.ID, err)
			}
			switch state {
			case "healthy", "unused": // unused: no balancer forwards to the group, so nothing checks
			case "unhealthy":
				v = verdict{
					health: plan.Unhealthy,
					why:    fmt.Sprintf("Task failed ELB health checks in (target-group %s)", l.TargetGroup),
					told:   fmt.Sprintf("(task %s) (port %d) is unhealthy in (target-group %s) due to (reason %s).", t.ID, l.ContainerPort, l.TargetGroup, why),
				}
			default:
				if v.health == plan.Healthy {
					v.health = plan.Starting
				}
			}
		}
		out[t.ID] = v
	}
	return out, nil
}

// checkContainers is what the health checks of the task's containers say.
func checkContainers(t *ecs.Task) verdict {
	switch t.Health {
	case "", types.HealthStatusHealthy:
		return verdict{health: plan.Healthy}
	case types.HealthStatusUnhealthy:
		return verdict{health: plan.Unhealthy, why: ecs.FailedChecks, told: fmt.Sprintf("(task %s) failed container health checks.", t.ID)}
	}
	return verdict{health: plan.Starting}
}
