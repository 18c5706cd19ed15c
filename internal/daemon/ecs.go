package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/disk"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy"
	"github.com/skylift/skylift/internal/service/ecs/metadata"
	"github.com/skylift/skylift/internal/service/ecs/run"
	"github.com/skylift/skylift/internal/service/ecs/ship"
	"github.com/skylift/skylift/internal/service/elbv2"
)

// ecs makes ECS, and all that brings its tasks to life.
func (b *builder) ecs(context.Context) (part, error) {
	m := b.m
	groups, images := targetGroups{b.lbs}, imageStore{b.images, m.Engine}
	shipper := ship.New(ship.Config{Engine: m.Engine, Sink: b.events, Log: m.Log})
	api := ecs.New(m.db, m.ns, placement{b.network}, groups, m.room)
	tasks := run.New(run.Config{
		DB: m.db, Engine: m.Engine, Network: taskNetwork{b.network, m.Network}, Targets: groups, Images: images,
		Logs: shipping{shipper, b.events}, Files: taskFiles{b.files}, Region: m.is.Region, HostAddress: m.hostAddress(), Retention: m.retention(), Log: m.Log,
		Full: func() bool { return m.disk.Reached(disk.Full) },
	})
	return part{
		name: "ecs", title: "ECS", api: api, tagged: api, operations: api.Operations(),
		term: map[string]Runner{
			"ecs/deploy":      m.loop("ecs/deploy", deploy.New(m.db, m.ns, groups, images, m.room, m.Log), 4, append(deploy.Sources(m.db), m.targetHealth(), m.room.Room)...),
			"ecs/run":         m.loop("ecs/run", tasks, 32, reconcile.Rows(m.db, ecs.Tasks, nil), run.Watch(m.db, m.Engine, m.Log)),
			"ecs/sweep":       run.NewSweeper(m.db, m.Engine, m.Log),
			"ecs/meter":       run.NewMeter(m.db, m.Engine, m.pressure(b.files), m.Log),
			"ecs/processes":   run.NewCounter(m.db, m.Engine, m.Log),
			"ecs/lookout":     run.NewLookout(m.db, b.files, m.Log),
			"ecs/definitions": freed(m.sourced("ecs/definitions", run.NewDefinitions(m.db))),
			"ecs/launches":    freed(m.sourced("ecs/launches", run.NewLaunches(m.db))),
		},
		always: map[string]Runner{"ecs/ship": shipper, "ecs/metadata": b.metadata(api)},
	}, nil
}

// metadata answers this host's tasks about themselves.
func (b *builder) metadata(api *ecs.API) Runner {
	m := b.m
	s := metadata.New(metadata.Config{DB: m.db, Engine: m.Engine, Network: taskSubnets{b.network}, Protection: api, Conns: m.limits.metadata, Log: m.Log})
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
