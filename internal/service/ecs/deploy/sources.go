package deploy

import (
	"context"

	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// Sources name the services whose record, deployments, service deployments or
// tasks changed.
func Sources(db store.DB) []reconcile.Source {
	return []reconcile.Source{
		reconcile.Rows(db, ecs.Services, nil),
		reconcile.Rows(db, ecs.Deployments, func(_ string, d *ecs.Deployment) []string { return []string{d.Service} }),
		reconcile.Rows(db, ecs.ServiceDeployments, func(_ string, d *ecs.ServiceDeployment) []string {
			if !d.Open() {
				return nil
			}
			return []string{d.Service}
		}),
		reconcile.Rows(db, ecs.Tasks, func(_ string, t *ecs.Task) []string {
			if t.Service == "" || t.Settled && t.Status == ecs.Stopped {
				return nil
			}
			return []string{t.Service}
		}),
	}
}

// InGroup calls enqueue with the key of each service that has tasks in a
// target group.
func InGroup(ctx context.Context, db store.DB, group string, enqueue func(string)) error {
	return db.View(ctx, func(tx store.Tx) error {
		ds, err := ecs.Deployments.By(tx, "group", group)
		for _, d := range ds {
			enqueue(d.Service)
		}
		return err
	})
}
