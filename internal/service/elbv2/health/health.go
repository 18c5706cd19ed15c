// Package health writes what the data plane finds out about targets, and
// removes those that are drained.
//
// A deregistered target stays until nothing is under way to it any more, or
// its group's deregistration delay has passed; where no balancer uses the
// group, it goes at once.
package health

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
)

// dataplane is what knows how targets are.
type dataplane interface {
	Statuses() []table.TargetStatus
	// Changes calls f with all statuses, and then with those that change.
	Changes(ctx context.Context, f func([]table.TargetStatus) error) error
}

// Reconciler writes the health of the targets of a group, its key.
type Reconciler struct {
	db   store.DB
	edge dataplane
}

// New returns a reconciler of target groups.
func New(db store.DB, e dataplane) *Reconciler { return &Reconciler{db, e} }

// Sources name the groups whose targets, attributes or use changed, or that
// the data plane has news of.
func (r *Reconciler) Sources() []reconcile.Source {
	return []reconcile.Source{
		reconcile.Rows(r.db, elbv2.Targets, func(_ string, t *elbv2.Target) []string { return []string{t.Group} }),
		reconcile.Rows(r.db, elbv2.TargetGroups, nil),
		reconcile.Rows(r.db, elbv2.Rules, func(_ string, u *elbv2.Rule) []string { return u.Action.Groups() }),
		func(ctx context.Context, enqueue func(string)) error {
			return r.edge.Changes(ctx, func(changed []table.TargetStatus) error {
				for _, s := range changed {
					enqueue(s.Pool)
				}
				return nil
			})
		},
	}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, group string) (again time.Duration, err error) {
	seen := make(map[netip.AddrPort]table.TargetStatus)
	for _, s := range r.edge.Statuses() {
		if s.Pool == group {
			seen[s.Target] = s
		}
	}
	now := time.Now().UTC()
	err = r.db.Update(ctx, func(tx store.Tx) error {
		is, err := read(tx, group)
		if err != nil {
			return err
		}
		p := decide(is, seen, now)
		again = p.again
		return p.write(tx)
	})
	return again, err
}

// state is what the records say of a group.
type state struct {
	inUse   bool
	delay   time.Duration
	targets []elbv2.Target
	healths map[string]elbv2.TargetHealth
}

func read(tx store.Tx, group string) (is state, err error) {
	g, err := elbv2.TargetGroups.Get(tx, group)
	if errors.Is(err, store.ErrNotFound) {
		return is, nil // its targets went with it
	}
	if err != nil {
		return is, fmt.Errorf("read target group: %w", err)
	}
	is.delay = time.Duration(g.DeregistrationDelay()) * time.Second
	lbs, err := elbv2.GroupBalancers(tx, group)
	if err != nil {
		return is, err
	}
	is.inUse = len(lbs) > 0
	if is.targets, err = elbv2.Targets.List(tx, group+"#"); err != nil {
		return is, fmt.Errorf("list targets: %w", err)
	}
	is.healths = make(map[string]elbv2.TargetHealth)
	healths, err := elbv2.Healths.List(tx, group+"#")
	for _, h := range healths {
		is.healths[elbv2.TargetKey(h.Group, h.Addr, h.Port)] = h
	}
	return is, err
}

// plan is what to write, and when to look again.
type plan struct {
	remove []elbv2.Target
	put    []elbv2.TargetHealth
	again  time.Duration
}

func (p plan) write(tx store.Tx) error {
	for _, t := range p.remove {
		if err := elbv2.RemoveTarget(tx, t); err != nil {
			return err
		}
	}
	for _, h := range p.put {
		if err := elbv2.Healths.Put(tx, elbv2.TargetKey(h.Group, h.Addr, h.Port), h); err != nil {
			return err
		}
	}
	return nil
}

// decide never acts. seen is what the data plane says now; it may not have
// heard of a target yet.
func decide(is state, seen map[netip.AddrPort]table.TargetStatus, now time.Time) plan {
	var p plan
	for _, t := range is.targets {
		s, known := seen[address(t)]
		if !t.DeregisteredAt.IsZero() {
			left := t.DeregisteredAt.Add(is.delay).Sub(now)
			if !is.inUse || left <= 0 || known && s.State == table.Drained {
				p.remove = append(p.remove, t)
				continue
			}
			if p.again == 0 || left < p.again {
				p.again = left
			}
		}
		if !known {
			continue
		}
		h := health(t, s, now)
		if old := is.healths[elbv2.TargetKey(t.Group, t.Addr, t.Port)]; !same(old, h) {
			p.put = append(p.put, h)
		}
	}
	return p
}

func address(t elbv2.Target) netip.AddrPort {
	addr, _ := netip.ParseAddr(t.Addr) // it was checked when it was registered
	return netip.AddrPortFrom(addr, uint16(t.Port))
}

func health(t elbv2.Target, s table.TargetStatus, now time.Time) elbv2.TargetHealth {
	h := elbv2.TargetHealth{
		Group: t.Group, Addr: t.Addr, Port: t.Port,
		State: string(s.State), Reason: s.Reason, Description: s.Description, Since: now, Anomalous: s.Anomalous, Mitigated: s.Mitigated,
		Seen: elbv2.Seen(s.Seen),
	}
	if s.State == table.Drained { // of a target that is registered again, which the data plane will hear of
		h.State = elbv2.StateDraining
	}
	return h
}

func same(a, b elbv2.TargetHealth) bool {
	return a.State == b.State && a.Reason == b.Reason && a.Description == b.Description && a.Anomalous == b.Anomalous && a.Mitigated == b.Mitigated
}
