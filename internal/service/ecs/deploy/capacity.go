package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy/plan"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/store"
)

// capacity is what deploy needs of the machine's capacity.
type capacity interface {
	Total() place.Size
	// Reserve reserves capacity for as many of the tasks as fit, the first first, and
	// returns how many those are.
	Reserve(ctx context.Context, tasks []string, each place.Size) (int, error)
	// Release ends the reservations of tasks that were not made.
	Release(tasks ...string)
	// Doubt says that nobody knows whether the tasks were made.
	Doubt(tasks ...string)
	// Wait says what a service waits for: it is named again when there is capacity.
	Wait(service string, w place.Wait)
	// Waits returns what it said last.
	Waits(service string) place.Wait
}

// reservations is the capacity that is reserved for a pass.
type reservations struct {
	grants map[string]grant // by deployment; nil: a pass has to ask first
	since  time.Time        // the service is stuck for lack of capacity; zero when it isn't
	full   bool             // the store has no space for new tasks
}

// ask is what a pass would start.
type ask struct {
	each  place.Size
	tasks int
}

// grant is the capacity that is reserved for tasks of a deployment.
type grant struct {
	each  place.Size
	ids   []string // of the tasks that fit
	short bool     // the machine has no capacity for more
	why   string   // and why not
	never bool     // nor will there ever be
}

// patience is how long a service lacks capacity before it says so or stops tasks for it: the service and the machine's
// ledger learn in any order of a task that has stopped.
const patience = time.Second

// errAsks undoes a pass that has to reserve capacity first.
var errAsks = errors.New("capacity is to be reserved")

// reserved makes a pass. One that starts tasks is made once to see which, and
// another one follows when capacity is reserved for them. One that starts none may
// use the store's reserve: it stops some, or says what became of them.
func (d *Deployer) reserved(ctx context.Context, l look) (*pass, error) {
	var p *pass
	err := d.db.Update(store.Freeing(ctx), func(tx store.Tx) (err error) {
		if p, err = l.pass(tx); err != nil || len(p.asks) == 0 {
			return err
		}
		return errAsks
	})
	if errors.Is(err, errAsks) {
		if l.reserved, err = d.reserve(ctx, l.key, p.asks); err == nil {
			err = d.db.Update(ctx, func(tx store.Tx) (err error) {
				p, err = l.pass(tx)
				return err
			})
		}
		d.release(l.reserved, p.started, err)
		if errors.Is(err, store.ErrFull) {
			p, err = d.withoutStarts(ctx, l, err)
		}
	}
	if err == nil {
		d.capacity.Wait(l.key, p.wait)
	}
	return p, err
}

// withoutStarts makes the pass that the store has no space for without its new
// tasks: what it stops, and what it says of those that ended, is done all the same.
// The error stays, so that the rest is tried again.
func (d *Deployer) withoutStarts(ctx context.Context, l look, full error) (p *pass, err error) {
	l.reserved = reservations{grants: map[string]grant{}, full: true}
	err = d.db.Update(store.Freeing(ctx), func(tx store.Tx) (err error) {
		p, err = l.pass(tx)
		return err
	})
	if err != nil {
		return p, err
	}
	return p, full
}

// reserve reserves capacity for what a pass asked for. What it returns with an
// error is to be released, too.
func (d *Deployer) reserve(ctx context.Context, key string, asks map[string]ask) (reservations, error) {
	r := reservations{grants: map[string]grant{}, since: d.capacity.Waits(key).Since}
	for deployment, a := range asks {
		ids := ecs.TaskIDs(a.tasks)
		n, err := d.capacity.Reserve(ctx, ids, a.each)
		if err != nil {
			return r, fmt.Errorf("reserve capacity: %w", err)
		}
		total := d.capacity.Total()
		r.grants[deployment] = grant{each: a.each, ids: ids[:n], short: n < len(ids), why: place.Reason(total, a.each), never: !a.each.Within(total)}
	}
	return r, nil
}

// release ends the reservations that the pass, which ended with err, didn't use: it started so many tasks of each deployment.
func (d *Deployer) release(r reservations, started map[string]int, err error) {
	for deployment, g := range r.grants {
		n := started[deployment]
		d.capacity.Release(g.ids[n:]...)
		if err != nil {
			d.capacity.Doubt(g.ids[:n]...)
		}
	}
}

// limit tells the plan what capacity there is for tasks of a deployment.
func (p *pass) limit(in *plan.Input, deployment string) {
	in.Fits = in.High
	g, ok := p.reserved.grants[deployment]
	if !ok {
		return
	}
	if g.short {
		in.Fits = len(g.ids)
	}
	in.Never = g.never
	in.Stuck = !p.reserved.since.IsZero() && !p.now.Before(p.reserved.since.Add(patience))
}

// granted returns the ids for n tasks of a deployment, or for as many as capacity
// is reserved for.
func (p *pass) granted(deployment string, each place.Size, n int) []string {
	g, ok := p.reserved.grants[deployment]
	switch {
	case p.reserved.grants == nil:
		p.asks[deployment] = ask{each, n}
		return nil
	case p.reserved.full:
		return nil
	case !ok: // one that nobody thought of: the next pass starts them
		p.wake(p.now)
		return nil
	case n > len(g.ids): // likewise
		n = len(g.ids)
		p.wake(p.now)
	}
	p.started[deployment] = n
	return g.ids[:n]
}

// hold says so, once, when lack of capacity holds the deployment up, and waits.
func (p *pass) hold(d *ecs.Deployment, in plan.Input, a plan.Action) error {
	if a.Lacking == 0 {
		d.Rollout.Unplaced = ""
		return nil
	}
	g := p.reserved.grants[d.ID]
	p.wait = place.Wait{Each: g.each, Tasks: a.Lacking, Since: p.reserved.since}
	switch {
	case in.MakesCapacity(a):
		p.wait.Since = time.Time{}
	case !in.Stuck:
		if p.reserved.since.IsZero() {
			p.wait.Since = p.now
		}
		p.wake(p.wait.Since.Add(patience))
	case a.Moving > 0:
		return p.unplaced(d, a.Into[0], "is unable to place a task in %s.")
	default:
		return p.unplaced(d, g.why, "was unable to place a task. Reason: %s.")
	}
	return nil
}

// unplaced says, once, why tasks can't be placed.
func (p *pass) unplaced(d *ecs.Deployment, why, format string) error {
	if d.Rollout.Unplaced == why {
		return nil
	}
	d.Rollout.Unplaced = why
	return p.tell(format, why)
}

// spread chooses places for new tasks of the deployment beside those that are
// to stay.
func (p *pass) spread(d *ecs.Deployment, ids []string) []place.Place {
	var there []place.Place
	for _, t := range p.tasks {
		if t.Deployment == d.ID && t.Desired == ecs.Running && p.checked[t.ID].health != plan.Unhealthy {
			there = append(there, place.Place{Subnet: t.Subnet, Zone: t.Zone})
		}
	}
	return places(d, p.now).Spread(there, ids)
}
