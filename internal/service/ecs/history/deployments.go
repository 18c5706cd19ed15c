package history

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// What is kept of the history of a service: ECS's 90 days, and never more than
// the newest 100 deployments.
const (
	historyKept = 90 * 24 * time.Hour
	historyMost = 100
	historyStep = 30 // records deleted in one transaction
)

// Prune removes the service deployments of a service that are too old,
// and the revisions that nothing refers to any more, some at a time; more says
// that there are others.
func Prune(ctx context.Context, db store.DB, service string, at time.Time) (more bool, err error) {
	var old []ecs.ServiceDeployment
	var unused []ecs.ServiceRevision
	err = db.View(ctx, func(tx store.Tx) (err error) {
		old, unused, err = pastHistory(tx, service, at)
		return err
	})
	if err != nil || len(old)+len(unused) == 0 {
		return false, err
	}
	more = len(old)+len(unused) > historyStep
	old = old[:min(len(old), historyStep)]
	unused = unused[:min(len(unused), historyStep-len(old))]
	return more, db.Update(ctx, func(tx store.Tx) error {
		for _, d := range old {
			if err := ecs.ServiceDeployments.Delete(tx, d.Key()); err != nil {
				return err
			}
		}
		for _, r := range unused {
			if err := ecs.ServiceRevisions.Delete(tx, r.Key()); err != nil {
				return err
			}
		}
		return nil
	})
}

// pastHistory finds what Prune removes.
func pastHistory(tx store.Tx, service string, at time.Time) (old []ecs.ServiceDeployment, unused []ecs.ServiceRevision, err error) {
	s, ok, err := handler.Find(tx, ecs.Services, service)
	if err != nil {
		return nil, nil, err
	}
	all, err := ecs.ServiceDeployments.List(tx, service+"/")
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(all, func(x, y ecs.ServiceDeployment) int { return strings.Compare(y.Order(), x.Order()) })
	used := map[string]bool{}
	gone := !ok || s.Status == ecs.Inactive
	for i, d := range all {
		if gone || d.ID != s.Current && !d.Open() && (i >= historyMost || at.Sub(d.CreatedAt) > historyKept) {
			old = append(old, d)
			continue
		}
		for _, r := range append(slices.Clone(d.Sources), d.Target, d.Fallback) {
			used[r] = true
		}
	}
	running, err := ecs.Deployments.List(tx, service+"/")
	if err != nil {
		return nil, nil, err
	}
	for _, d := range running {
		used[d.Revision()] = true
	}
	revisions, err := ecs.ServiceRevisions.List(tx, service+"/")
	for _, r := range revisions {
		if !used[r.ID] {
			unused = append(unused, r)
		}
	}
	return old, unused, err
}

// Forget removes what is left of an inactive service of the same name.
func Forget(tx store.Tx, service string) error {
	return errors.Join(
		empty(tx, ecs.Deployments, service, func(d ecs.Deployment) string { return d.Key() }),
		empty(tx, ecs.ServiceDeployments, service, func(d ecs.ServiceDeployment) string { return d.Key() }),
		empty(tx, ecs.ServiceRevisions, service, func(r ecs.ServiceRevision) string { return r.Key() }),
		empty(tx, ecs.Events, service, func(e ecs.Event) string { return e.Key() }),
	)
}

// empty deletes what a table has of a service.
func empty[T any](tx store.Tx, table *store.Table[T], service string, key func(T) string) error {
	all, err := table.List(tx, service+"/")
	for _, v := range all {
		if err := table.Delete(tx, key(v)); err != nil {
			return err
		}
	}
	return err
}
