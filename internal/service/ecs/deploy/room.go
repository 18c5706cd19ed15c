package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/store"
)

// room is what deploy needs of the machine's capacity.
type room interface {
	Total() place.Size
	// Reserve sets room aside for as many of the tasks as there is room for, and
	// returns for how many.
	Reserve(ctx context.Context, tasks []string, each place.Size) (int, error)
	// Release gives back what was set aside for tasks that were not made.
	Release(tasks ...string)
	// Doubt says that nobody knows whether the tasks were made.
	Doubt(tasks ...string)
	// Wait says for what a service waits: it is named again when there is room.
	Wait(service string, w place.Wait)
	// Waits returns what it said last.
	Waits(service string) place.Wait
}

// rooms is the room that is set aside for a pass.
type rooms struct {
	grants map[string]grant // by deployment; nil: a pass has to ask first
	since  time.Time        // the service is stuck for lack of room; zero when it isn't
	full   bool             // the store has no room for new tasks
}

// ask is what a pass would start.
type ask struct {
	each  place.Size
	tasks int
}

// grant is the room that was set aside for tasks of a deployment.
type grant struct {
	each  place.Size
	ids   []string // of the tasks that there is room for
	short bool     // there is no room for more
	why   string   // and why not
	never bool     // nor will there ever be
}

// patience is how long a service does without room before it says so or makes
// some: what leaves is seen by the service and by the machine's ledger in
// any order.
const patience = time.Second

// errAsks undoes a pass that has to ask for room first.
var errAsks = errors.New("room is to be set aside")

// inRoom makes a pass. One that starts tasks is made once to see which, and
// another one follows, when room is set aside for them. One that starts none may
// use the store's reserve: it stops some, or says what became of them.
func (d *Deployer) inRoom(ctx context.Context, l look) (*pass, error) {
	var p *pass
	err := d.db.Update(store.Freeing(ctx), func(tx store.Tx) (err error) {
		if p, err = l.pass(tx); err != nil || len(p.asks) == 0 {
			return err
		}
		return errAsks
	})
	if errors.Is(err, errAsks) {
		if l.room, err = d.reserve(ctx, l.key, p.asks); err == nil {
			err = d.db.Update(ctx, func(tx store.Tx) (err error) {
				p, err = l.pass(tx)
				return err
			})
		}
		d.giveBack(l.room, p.started, err)
		if errors.Is(err, store.ErrFull) {
			p, err = d.withoutStarts(ctx, l, err)
		}
	}
	if err == nil {
		d.room.Wait(l.key, p.wait)
	}
	return p, err
}

// withoutStarts makes the pass that the store has no room for without its new
// tasks: what it stops, and what it says of those that ended, is done all the same.
// The error stays, so that the rest is tried again.
func (d *Deployer) withoutStarts(ctx context.Context, l look, full error) (p *pass, err error) {
	l.room = rooms{grants: map[string]grant{}, full: true}
	err = d.db.Update(store.Freeing(ctx), func(tx store.Tx) (err error) {
		p, err = l.pass(tx)
		return err
	})
	if err != nil {
		return p, err
	}
	return p, full
}

// reserve sets room aside for what a pass asked for. What it returns with an
// error is to be given back, too.
func (d *Deployer) reserve(ctx context.Context, key string, asks map[string]ask) (rooms, error) {
	r := rooms{grants: map[string]grant{}, since: d.room.Waits(key).Since}
	for deployment, a := range asks {
		ids := ecs.TaskIDs(a.tasks)
		n, err := d.room.Reserve(ctx, ids, a.each)
		if err != nil {
			return r, fmt.Errorf("reserve room: %w", err)
		}
		total := d.room.Total()
		r.grants[deployment] = grant{each: a.each, ids: ids[:n], short: n < len(ids), why: place.Reason(total, a.each), never: !a.each.Within(total)}
	}
	return r, nil
}

// giveBack gives back the room that the pass, which ended with err, had no use
// for: it started so many tasks of each deployment.
func (d *Deployer) giveBack(r rooms, started map[string]int, err error) {
	for deployment, g := range r.grants {
		n := started[deployment]
		d.room.Release(g.ids[n:]...)
		if err != nil {
			d.room.Doubt(g.ids[:n]...)
		}
	}
}

// limit tells the plan what room there is for tasks of a deployment.
func (p *pass) limit(in *input, deployment string) {
	in.fits = in.high
	g, ok := p.room.grants[deployment]
	if !ok {
		return
	}
	if g.short {
		in.fits = len(g.ids)
	}
	in.never = g.never
	in.stuck = !p.room.since.IsZero() && !p.now.Before(p.room.since.Add(patience))
}

// granted returns the ids for n tasks of a deployment, or for as many as room
// was set aside for.
func (p *pass) granted(deployment string, each place.Size, n int) []string {
	g, ok := p.room.grants[deployment]
	switch {
	case p.room.grants == nil:
		p.asks[deployment] = ask{each, n}
		return nil
	case p.room.full:
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

// hold says so, once, when lack of room holds the deployment up, and waits.
func (p *pass) hold(d *ecs.Deployment, in input, a action) error {
	if a.lacking == 0 {
		d.Rollout.Unplaced = ""
		return nil
	}
	g := p.room.grants[d.ID]
	p.wait = place.Wait{Each: g.each, Tasks: a.lacking, Since: p.room.since}
	switch {
	case in.makesRoom(a):
		p.wait.Since = time.Time{}
	case !in.stuck:
		if p.room.since.IsZero() {
			p.wait.Since = p.now
		}
		p.wake(p.wait.Since.Add(patience))
	case a.moving > 0:
		return p.unplaced(d, a.into[0], "is unable to place a task in %s.")
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
		if t.Deployment == d.ID && t.Desired == ecs.Running && p.checked[t.ID].health != bad {
			there = append(there, place.Place{Subnet: t.Subnet, Zone: t.Zone})
		}
	}
	return places(d, p.now).Spread(there, ids)
}
