// Package run takes each task through its life: from PROVISIONING to RUNNING
// to STOPPED.
//
// Every step is safe to repeat, and is written down before the next begins, so
// a task goes on where it was after Skylift, the engine or the machine died. A
// task leaves its target groups, and its requests are drained, before its
// containers get SIGTERM.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/definition"
	"github.com/skylift/skylift/internal/service/ecs/discovery"
	"github.com/skylift/skylift/internal/service/ecs/history"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/service/ecs/scene"
	"github.com/skylift/skylift/internal/service/ecs/ship"
	"github.com/skylift/skylift/internal/store"
)

// Network is what run needs for a task's interface. All is safe to repeat.
type Network interface {
	// Create makes the task's interface in the subnet, the same one every time, with a public address if it is to have one.
	Create(ctx context.Context, taskID, subnet string, groups []string, public bool) (ecs.ENI, error)
	// Attach puts it into the network namespace at path netns.
	Attach(ctx context.Context, eni ecs.ENI, netns string) error
	// Delete detaches and deletes it; a missing one is fine.
	Delete(ctx context.Context, eniID string) error
}

// Targets is what run needs from load balancing. All is safe to repeat.
type Targets interface {
	Register(ctx context.Context, group string, addr netip.Addr, port int32, zone string) error
	Deregister(ctx context.Context, group string, addr netip.Addr, port int32) error
	// TargetState returns "" or "unused" for a target that is gone or drained.
	TargetState(ctx context.Context, group string, addr netip.Addr, port int32) (state, description string, err error)
}

// Images brings images to the engine.
type Images interface {
	// Pull makes the image at ref present and returns it by digest, as the judge in
	// ctx lets it. Errors:
	// *engine.PullError; ctx's, when it isn't there yet (it goes on).
	Pull(ctx context.Context, ref string, login engine.Auth) (pinned string, err error)
}

// Logs is what run needs of the log shipper.
type Logs interface {
	Prepare(ctx context.Context, group, stream string, createGroup bool) error
	Follow(ship.Job)
	Finish(ship.Job)
	Drain(ctx context.Context, job ship.Job) error
	Forget(ctx context.Context, taskID string) error
}

// Config is what a Runner works with.
type Config struct {
	DB         store.DB
	Engine     engine.Engine
	Network    Network
	Targets    Targets
	Images     Images
	Logs       Logs
	Files      Files
	Inputs     *inputs.Reader       // nil: no task has an execution role
	Registries discovery.Registries // it may be absent: then no task has any
	Roles      role.Roles           // it may be absent: then no task can have one
	Region     string
	Endpoint   string // URL where tasks find the APIs; "": nowhere
	// HostAddress is where tasks find the machine that they run on; invalid: they
	// don't.
	HostAddress netip.Addr
	Resolver    netip.Addr    // where tasks ask for names; invalid: at the host's resolvers
	Retention   time.Duration // how long a STOPPED task can still be described
	Log         *slog.Logger
	// Full says that the disk has no room for anything, so that a task's last output
	// can't be stored soon. It may be absent.
	Full func() bool
	// Scene looks how a task that failed is doing, before it is told to stop. It may be absent.
	Scene func(context.Context, ecs.Task) scene.Scene
}

// Runner reconciles tasks.
type Runner struct {
	Config
	began time.Time
}

// New returns a Runner.
func New(c Config) *Runner { return &Runner{c, time.Now()} }

// Reconcile takes the task at key as far as it gets now.
func (r *Runner) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	for {
		t, err := r.read(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		done, again, err := r.step(ctx, t)
		if err != nil || done || again > 0 {
			return again, err
		}
	}
}

// step takes one step; done says that there is none to take until something changes or again has passed.
func (r *Runner) step(ctx context.Context, t task) (done bool, again time.Duration, err error) {
	if t.Desired == ecs.Stopped || t.Status != ecs.Provisioning { // what is there must be able to end
		ctx = store.Freeing(ctx)
	}
	switch {
	case t.Rewind(now()):
		return false, 0, r.change(ctx, t, func(t *ecs.Task) { t.Rewind(now()) })
	case t.Status == ecs.Stopped:
		again, err = r.expire(ctx, t)
		return true, again, err
	case t.Desired == ecs.Stopped:
		return r.down(ctx, t)
	}
	return r.up(ctx, t)
}

// task is a task's record with its definition as it is overridden, which is
// empty when it was deleted.
type task struct {
	ecs.Task
	def ecs.TaskDefinition
}

// container returns the definition of a container of the task.
func (t task) container(name string) types.ContainerDefinition {
	for _, d := range t.def.Definition.ContainerDefinitions {
		if aws.ToString(d.Name) == name {
			return d
		}
	}
	return types.ContainerDefinition{}
}

// fixed says that a container runs the image that its tag meant when the
// deployment began, and not what it means now.
func (t task) fixed(container string) bool {
	return t.container(container).VersionConsistency != types.VersionConsistencyDisabled
}

func (r *Runner) read(ctx context.Context, key string) (t task, err error) {
	err = r.DB.View(ctx, func(tx store.Tx) (err error) {
		if t.Task, err = ecs.Tasks.Get(tx, key); err != nil {
			return err
		}
		t.def, err = ecs.DefinitionByARN(tx, t.TaskDefinition)
		t.def.Definition = definition.Overridden(t.def.Definition, t.Overrides)
		if errors.Is(err, store.ErrNotFound) {
			return nil // deleted, as it may be once no task runs from it
		}
		return err
	})
	if err != nil {
		return t, fmt.Errorf("read task %s: %w", key, err)
	}
	return t, nil
}

// change writes what change says on top of what is true now, with the events
// that go with it.
func (r *Runner) change(ctx context.Context, t task, change func(t *ecs.Task), events ...string) error {
	now := time.Now()
	err := r.DB.Update(ctx, func(tx store.Tx) error {
		rec, err := ecs.Tasks.Get(tx, t.Key())
		if err != nil {
			return err
		}
		was := rec
		change(&rec)
		rec.Version++
		refused, err := discovery.Keep(tx, r.Registries, &was, &rec)
		if err != nil {
			return err
		}
		if err := ecs.Tasks.Put(tx, t.Key(), rec); err != nil {
			return err
		}
		return tell(tx, rec.Service, now, append(refused, events...))
	})
	if err != nil {
		return fmt.Errorf("write task %s: %w", t.ID, err)
	}
	return nil
}

// tellOnce writes those events of the service that it wasn't told lately.
func (r *Runner) tellOnce(ctx context.Context, service string, events []string) error {
	now := time.Now()
	err := r.DB.Update(ctx, func(tx store.Tx) error {
		news, err := history.News(tx, service, now, events)
		if err != nil {
			return err
		}
		return tell(tx, service, now, news)
	})
	if err != nil {
		return fmt.Errorf("tell service %s: %w", service, err)
	}
	return nil
}

// tell writes events of the service, if there is one.
func tell(tx store.Tx, service string, at time.Time, events []string) error {
	if service == "" || len(events) == 0 {
		return nil
	}
	s, err := ecs.Services.Get(tx, service)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for i, e := range events {
		if err := history.Tell(tx, &s, at.Add(time.Duration(i)), "%s", e); err != nil {
			return err
		}
	}
	return nil
}

// expire removes the record of a task that has been STOPPED for long enough.
func (r *Runner) expire(ctx context.Context, t task) (time.Duration, error) {
	if left := time.Until(t.StoppedAt.Add(r.Retention)); left > 0 {
		return left, nil
	}
	return 0, r.DB.Update(ctx, func(tx store.Tx) error {
		if err := ecs.LaunchEnded(tx, t.Task); err != nil {
			return err
		}
		return errors.Join(ecs.Tasks.Delete(tx, t.Key()), ecs.Evidences.Delete(tx, t.Key()))
	})
}

// now is the time as records have it: milliseconds.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
