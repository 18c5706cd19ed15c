package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/attach"
	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/disk"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy"
	"github.com/skylift/skylift/internal/service/ecs/metadata"
	"github.com/skylift/skylift/internal/service/ecs/run"
	"github.com/skylift/skylift/internal/service/ecs/ship"
	"github.com/skylift/skylift/internal/service/efs"
	efsattach "github.com/skylift/skylift/internal/service/efs/attach"
	"github.com/skylift/skylift/internal/service/efs/volumes"
	"github.com/skylift/skylift/internal/service/elbv2"
	elbattach "github.com/skylift/skylift/internal/service/elbv2/attach"
	"github.com/skylift/skylift/internal/service/elbv2/health"
	"github.com/skylift/skylift/internal/service/logs"
	"github.com/skylift/skylift/internal/service/sts"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// build makes every part once and hands it all it needs.
func build(ctx context.Context, m *machine, key credential.Root, ln net.Listener) (map[string]Runner, error) {
	net := ec2.New(m.db, m.ns, m.is.VPCCIDR)
	if err := net.EnsureDefaults(ctx); err != nil {
		return nil, fmt.Errorf("make the default VPC: %w", err)
	}
	balancing := elbv2.New(m.db, m.ns, balancerNetwork{net}, m.checkPort)
	repositories, err := ecr.NewRecords(ctx, m.db, m.ns, m.is.Listen)
	if err != nil {
		return nil, fmt.Errorf("open the repositories: %w", err)
	}
	blobs, err := registry.New(ctx, registry.Config{
		Root: filepath.Join(m.DataDir, "registry"), Records: repositories, Log: m.Log,
		MaxRequests: m.limits.budget.Blobs, Full: func() bool { return m.disk.Reached(disk.NoPushes) },
	})
	if err != nil {
		return nil, fmt.Errorf("open the registry: %w", err)
	}
	images := ecr.New(repositories, blobs)
	events := logs.New(logs.Config{DB: m.db, Events: m.events, Namespace: m.ns, Log: m.Log})
	shipper := ship.New(ship.Config{Engine: m.Engine, Sink: events, Log: m.Log})
	groups := targetGroups{balancing}
	files := volumes.New(volumes.Config{
		DB: m.db, Dir: filepath.Join(m.DataDir, filesDir), Mounts: filepath.Join(m.DataDir, mountsDir), Region: m.is.Region, Log: m.Log,
	})
	tasks := run.New(run.Config{
		DB: m.db, Engine: m.Engine, Network: taskNetwork{net, m.Network}, Targets: groups, Images: imageStore{images, m.Engine},
		Logs: shipping{shipper, events}, Files: taskFiles{files}, Region: m.is.Region, HostAddress: m.hostAddress(), Retention: m.retention(), Log: m.Log,
		Full: func() bool { return m.disk.Reached(disk.Full) },
	})
	p := &plane{m: m}
	term := map[string]Runner{
		"deploy":      m.loop("deploy", deploy.New(m.db, m.ns, groups, imageStore{images, m.Engine}, m.room, m.Log), 4, append(deploy.Sources(m.db), m.targetHealth(), m.room.Room)...),
		"run":         m.loop("run", tasks, 32, reconcile.Rows(m.db, ecs.Tasks, nil), run.Watch(m.db, m.Engine, m.Log)),
		"sweep":       run.NewSweeper(m.db, m.Engine, m.Log),
		"meter":       run.NewMeter(m.db, m.Engine, m.pressure(files), m.Log),
		"processes":   run.NewCounter(m.db, m.Engine, m.Log),
		"lookout":     run.NewLookout(m.db, files, m.Log),
		"definitions": freed(m.sourced("definitions", run.NewDefinitions(m.db))),
		"launches":    freed(m.sourced("launches", run.NewLaunches(m.db))),
		"attach":      freed(m.sourced("elbv2/attach", attach.New(m.db, interfaces{net}, elbattach.Balancers{}))),
		"mounts":      freed(m.sourced("efs/attach", attach.New(m.db, interfaces{net}, efsattach.MountTargets{}))),
		"volumes":     freed(m.sourced("volumes", files)),
		"health":      freed(m.sourced("health", health.New(m.db, m.lb))),
		"registry":    blobs,
	}
	orders := ecs.New(m.db, m.ns, placement{net}, groups, m.room)
	services, err := bind(operations(apis{
		sts: sts.New(), ec2: net, elbv2: balancing, ecr: images, logs: events, ecs: orders,
		efs: efs.New(m.db, m.ns, fileNetwork{net}, m.encrypted),
	}))
	if err != nil {
		return nil, err
	}
	door := gateway.New(gateway.Config{
		Region: m.is.Region, Keys: key, Services: services, Ready: m.isReady, Unavailable: unavailable, Context: operationContext, Conns: m.limits.api, Log: m.Log,
		Mounts: []gateway.Mount{{Prefix: "/v2/", Handler: blobs}, {Prefix: "/skylift/", Service: "skylift", Handler: m.inside()}},
	})
	return map[string]Runner{
		"gateway": runner(func(ctx context.Context) error { return door.Serve(ctx, ln) }),
		"plane":   m.loop("plane", p, 1, p.sources()...),
		"network": m.Network, "balancers": m.lb, "logs": freed(events), "disk": m.disk, "shipper": shipper, "room": m.room, "metadata": m.metadata(orders, net),
		"term": runner(func(ctx context.Context) error { return m.lead(ctx, term) }),
	}, nil
}

// apis are the services.
type apis struct {
	sts   *sts.API
	ec2   *ec2.API
	elbv2 *elbv2.API
	ecr   *ecr.API
	logs  *logs.API
	ecs   *ecs.API
	efs   *efs.API
}

// operations is all that Skylift implements, by the names that requests are
// signed for.
func operations(a apis) map[string][]wire.Operation {
	return map[string][]wire.Operation{
		"sts": a.sts.Operations(), "ec2": a.ec2.Operations(), "elasticloadbalancing": a.elbv2.Operations(),
		"ecr": a.ecr.Operations(), "logs": a.logs.Operations(), "ecs": a.ecs.Operations(), "elasticfilesystem": a.efs.Operations(),
	}
}

// leadRetry is how long after leadership was lost, or could not be sought
// because an external etcd is away, it is sought again.
const leadRetry = time.Second

// termName is what processes on one store lead by turns.
const termName = "term"

// lead runs the parts of the leader's term whenever this process has it. Only
// what fails in the term, or the end of the store, ends it.
func (m *machine) lead(ctx context.Context, term map[string]Runner) error {
	for {
		var failed error
		err := m.db.Lead(ctx, termName, func(ctx context.Context) error {
			failed = together(ctx, term)
			return failed
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case failed != nil && !errors.Is(failed, store.ErrLostLead), errors.Is(err, store.ErrClosed):
			return err
		}
		m.Log.Warn("this process does not lead now", "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leadRetry):
		}
	}
}

// loop is a control loop over r.
func (m *machine) loop(name string, r reconcile.Reconciler, workers int, sources ...reconcile.Source) *reconcile.Loop {
	return reconcile.New(name, r, reconcile.Options{Workers: workers, Resync: resync, Log: m.Log}, sources...)
}

// resync is how often each loop goes over all its records, though nothing said
// that they changed.
const resync = 2 * time.Minute

// sourced is a reconciler that knows what its keys come from.
type sourced interface {
	reconcile.Reconciler
	Sources() []reconcile.Source
}

// sourced is a control loop over such a one.
func (m *machine) sourced(name string, r sourced) *reconcile.Loop {
	return m.loop(name, r, 4, r.Sources()...)
}

// targetHealth names the services with tasks in a target group whose targets'
// health changed.
func (m *machine) targetHealth() reconcile.Source {
	return func(ctx context.Context, enqueue func(string)) error {
		groups := reconcile.Rows(m.db, elbv2.Healths, func(_ string, h *elbv2.TargetHealth) []string { return []string{h.Group} })
		return groups(ctx, func(group string) {
			if err := deploy.InGroup(ctx, m.db, group, enqueue); err != nil && ctx.Err() == nil {
				m.Log.Error("look up the services of a target group", "key", group, "err", err)
			}
		})
	}
}

// metadata answers this host's tasks about themselves.
func (m *machine) metadata(orders *ecs.API, net *ec2.API) Runner {
	s := metadata.New(metadata.Config{DB: m.db, Engine: m.Engine, Network: taskSubnets{net}, Protection: orders, Conns: m.limits.metadata, Log: m.Log})
	return runner(func(ctx context.Context) error {
		ln, err := m.Network.Listen(ctx, metadata.Address)
		if err != nil {
			return err
		}
		return s.Serve(ctx, ln)
	})
}

// bind gives every service its descriptor.
func bind(ops map[string][]wire.Operation) ([]*wire.Service, error) {
	var all []*wire.Service
	for name, o := range ops {
		s, err := wire.NewService(name, o...)
		if err != nil {
			return nil, fmt.Errorf("bind %s: %w", name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// checkPort says why a balancer can't listen on a port, if so. A port that
// another balancer listens on is shared.
func (m *machine) checkPort(port uint16) error {
	shared := false
	err := m.db.View(context.Background(), func(tx store.Tx) error {
		all, err := elbv2.Listeners.List(tx, "")
		shared = slices.ContainsFunc(all, func(l elbv2.Listener) bool { return l.Port == int32(port) })
		return err
	})
	if err != nil || shared {
		return err
	}
	return try(netip.AddrPortFrom(m.LBAddress, port).String())
}

// unavailable says that the disk, or an external etcd, has no room for what a
// call would write, or that it is away.
func unavailable(err error) string {
	for _, reason := range []error{store.ErrFull, store.ErrAway} {
		if errors.Is(err, reason) {
			_, why, _ := strings.Cut(err.Error(), reason.Error()+": ")
			return "Skylift can't write now, and reads only: " + why + "."
		}
	}
	return ""
}

// isReady says why the instance isn't ready yet.
func (m *machine) isReady(context.Context) error {
	if !m.ready.Load() {
		return errors.New("the load balancers are being set up")
	}
	return nil
}
