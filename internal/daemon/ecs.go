package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/disk"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/ecs"
	ecsapi "github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/ecs/assembly"
	"github.com/skylift/skylift/internal/service/ecs/deploy"
	"github.com/skylift/skylift/internal/service/ecs/metadata"
	"github.com/skylift/skylift/internal/service/ecs/ship"
	"github.com/skylift/skylift/internal/service/ecs/tidy"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/vpc"
)

var ecsService = service{make: (*builder).ecs, tables: ecs.Tables}

// ecs makes ECS, and all that brings its tasks to life.
func (b *builder) ecs(context.Context) (part, error) {
	m := b.m
	roles := &taskRoles{iam: b.identity, mint: b.mint, account: m.ns.Account}
	in := b.inputs(roles)
	shipper := ship.New(ship.Config{Engine: m.Engine, Sink: b.events, As: shipsAs(in), Log: m.Log})
	whole := assembly.New(assembly.Config{
		DB: m.db, Namespace: m.ns, Engine: m.Engine, Capacity: m.capacity,
		Subnets: placement{b.network}, Network: taskNetwork{b.network, m.Host}, HostAddress: m.hostAddress(),
		Balancing: targetGroups{b.lbs, b.executionRoles(roles)}, Health: m.targetHealth(), Images: imageStore{b.images, b.registry(), m.Engine},
		Logs: shipping{shipper, b.events}, Files: taskFiles{b.files, roles}, Inputs: in, Registries: b.discovery.Instances(),
		Roles: roles, Endpoint: "http://" + ecs.EndpointAPI,
		Disk: m.pressure(b.files), Full: func() bool { return m.disk.Reached(disk.Full) }, Scene: m.scene,
		Resolver: vpc.Resolver(m.is.VPCCIDR), Retention: m.retention(), Resync: resync, Log: m.Log,
	})
	loops := map[string]Runner{"ecs/tidy": tidy.New(m.db, m.Engine, func() bool { return m.disk.Reached(disk.Low) }, m.Log)}
	for name, loop := range whole.Loops {
		loops[name] = loop
	}
	return part{
		name: "ecs", title: "ECS", api: whole.API, tagged: whole.API, operations: whole.API.Operations(),
		term:   loops,
		always: map[string]Runner{"ecs/capacity": m.capacity, "ecs/ship": shipper, "ecs/metadata": b.metadata(whole.API, roles)},
	}, nil
}

// metadata answers this host's tasks about themselves.
func (b *builder) metadata(api *ecsapi.API, roles *taskRoles) Runner {
	m := b.m
	s := metadata.New(metadata.Config{DB: m.db, Engine: m.Engine, Network: taskSubnets{b.network}, Protection: api, Roles: roles, Conns: m.limits.metadata, Log: m.Log})
	return runner(func(ctx context.Context) error {
		ln, err := m.Network.Listen(ctx, metadata.Address)
		if err != nil {
			return err
		}
		return s.Serve(ctx, ln)
	})
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
