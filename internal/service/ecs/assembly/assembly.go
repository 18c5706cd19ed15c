// Package assembly puts ECS together: its API, and the loops that make true what the API wrote. The program and the
// tests of ECS as a whole have both from here, so that what is tested is what runs.
package assembly

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/api/service"
	"github.com/skylift/skylift/internal/service/ecs/deploy"
	"github.com/skylift/skylift/internal/service/ecs/discovery"
	"github.com/skylift/skylift/internal/service/ecs/expire"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
	"github.com/skylift/skylift/internal/service/ecs/monitor"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/service/ecs/run"
	"github.com/skylift/skylift/internal/service/ecs/scene"
	"github.com/skylift/skylift/internal/store"
)

// Balancing is what ECS needs of load balancing.
type Balancing interface {
	service.Balancing
	deploy.Balancing
	run.Targets
}

// Images is what ECS needs of images.
type Images interface {
	deploy.Images
	run.Images
}

// Files is what ECS needs of file systems.
type Files interface {
	run.Files
	monitor.Files
}

// Config is what ECS works with.
type Config struct {
	DB         store.DB
	Namespace  arn.Namespace
	Engine     engine.Engine
	Capacity   *place.Ledger // of the machine; it follows the tasks of DB (ecs.Holdings), and somebody else runs it
	Subnets    scope.Network
	Network    run.Network
	Balancing  Balancing
	Images     Images
	Logs       run.Logs
	Files      Files
	Inputs     *inputs.Reader                              // see run.Config
	Registries discovery.Registries                        // Cloud Map; it may be absent: then no service has any
	Roles      role.Roles                                  // it may be absent: then no task can have one
	Endpoint   string                                      // see run.Config
	Disk       monitor.Pressure                            // nil: nobody watches the disk
	Full       func() bool                                 // see run.Config; it may be absent
	Scene      func(context.Context, ecs.Task) scene.Scene // see run.Config; it may be absent
	// Health names the services with tasks in a target group whose targets' health changed.
	Health      reconcile.Source
	HostAddress netip.Addr    // see run.Config
	Resolver    netip.Addr    // see run.Config
	Retention   time.Duration // how long a STOPPED task can still be described
	Resync      time.Duration // how often each loop goes over all its records; never when 0
	Log         *slog.Logger
}

// A Runner works until its context ends.
type Runner interface {
	Run(ctx context.Context) error
}

// ECS is the service as a whole.
type ECS struct {
	API *api.API
	// Loops write records, so they run in one process at a time. They are named for what they do, in logs too.
	Loops map[string]Runner
}

// How many keys loops work on at once. A task waits for the engine, the network and the log store most of its time.
const (
	workers     = 4
	taskWorkers = 32
)

// New returns ECS. Nothing works until its loops are run.
func New(c Config) ECS {
	loop := func(name string, r reconcile.Reconciler, workers int, sources ...reconcile.Source) Runner {
		return reconcile.New(name, r, reconcile.Options{Workers: workers, Resync: c.Resync, Log: c.Log}, sources...)
	}
	tasks := run.New(run.Config{
		DB: c.DB, Engine: c.Engine, Network: c.Network, Targets: c.Balancing, Images: c.Images, Logs: c.Logs, Files: c.Files, Inputs: c.Inputs, Registries: c.Registries, Roles: c.Roles, Endpoint: c.Endpoint,
		Region: c.Namespace.Region, HostAddress: c.HostAddress, Resolver: c.Resolver, Retention: c.Retention, Log: c.Log, Full: c.Full, Scene: c.Scene,
	})
	services := deploy.New(c.DB, c.Namespace, c.Balancing, c.Images, c.Inputs, c.Capacity, c.Log)
	definitions, tokens := expire.NewDefinitions(c.DB), expire.NewLaunches(c.DB)
	return ECS{
		API: api.New(c.DB, c.Namespace, c.Subnets, c.Balancing, c.Registries, c.Capacity, c.Roles),
		Loops: map[string]Runner{
			"ecs/deploy":      loop("ecs/deploy", services, workers, append(deploy.Sources(c.DB), c.Health, c.Capacity.Freed)...),
			"ecs/run":         loop("ecs/run", tasks, taskWorkers, reconcile.Rows(c.DB, ecs.Tasks, nil), run.Watch(c.DB, c.Engine, c.Log)),
			"ecs/sweep":       monitor.NewSweeper(c.DB, c.Engine, c.Log),
			"ecs/meter":       monitor.NewMeter(c.DB, c.Engine, c.Disk, c.Log),
			"ecs/processes":   monitor.NewCounter(c.DB, c.Engine, c.Log),
			"ecs/lookout":     monitor.NewLookout(c.DB, c.Files, c.Log),
			"ecs/definitions": freeing{loop("ecs/definitions", definitions, workers, definitions.Sources()...)},
			"ecs/launches":    freeing{loop("ecs/launches", tokens, workers, tokens.Sources()...)},
		},
	}
}

// freeing runs a loop that only removes records, so that it may use what the store reserves for a full disk.
type freeing struct{ Runner }

// Run runs the loop until ctx ends.
func (f freeing) Run(ctx context.Context) error { return f.Runner.Run(store.Freeing(ctx)) }
