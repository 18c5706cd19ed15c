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

// rooms is the room that a pass asks for, and has.
type rooms struct {
	granted bool              // room was set aside
	asks    map[string]ask    // by deployment
	grants  map[string]*grant // likewise
	since   time.Time         // the service is stuck for lack of it; zero when it isn't
	wait    place.Wait        // for room for more
}

// ask is what a pass would start.
type ask struct {
	each  place.Size
	tasks int
}

// grant is the room that was set aside for tasks of a deployment.
type grant struct {
	each    place.Size
	ids     []string // of the tasks that there is room for
	started int      // those that were made
	short   bool     // there is no room for more
	why     string   // and why not
	never   bool     // nor will there ever be
}

// patience is how long a service does without room before it says so or makes
// some: what leaves is seen by the service and by the machine's ledger in
// any order.
const patience = time.Second

// begin is the beginning of a pass.
func (r *rooms) begin() {
	r.asks, r.wait = map[string]ask{}, place.Wait{}
	for _, g := range r.grants {
		g.started = 0
	}
}

// errAsks undoes a pass that has to ask for room first.
var errAsks = errors.New("room is to be set aside")

// inRoom runs the pass. One that starts tasks is run once to see which, and
// then again, when room was set aside for them. One that starts none may use
// the store's reserve: it stops some, or says what became of them.
func (d *Deployer) inRoom(ctx context.Context, p *pass, key string) error {
	err := d.db.Update(store.Freeing(ctx), func(tx store.Tx) error {
		if err := p.run(tx, key); err != nil || len(p.room.asks) == 0 {
			return err
		}
		return errAsks
	})
	if errors.Is(err, errAsks) {
		if err = d.reserve(ctx, p, key); err == nil {
			err = d.db.Update(ctx, func(tx store.Tx) error { return p.run(tx, key) })
		}
		d.giveBack(p, err)
	}
	if err == nil {
		d.room.Wait(key, p.room.wait)
	}
	return err
}

// reserve sets room aside for what the pass asked for.
func (d *Deployer) reserve(ctx context.Context, p *pass, key string) error {
	p.room.granted, p.room.grants, p.room.since = true, map[string]*grant{}, d.room.Waits(key).Since
	for deployment, a := range p.room.asks {
		ids := ecs.TaskIDs(a.tasks)
		n, err := d.room.Reserve(ctx, ids, a.each)
		if err != nil {
			return fmt.Errorf("reserve room: %w", err)
		}
		total := d.room.Total()
		p.room.grants[deployment] = &grant{each: a.each, ids: ids[:n], short: n < len(ids), why: place.Reason(total, a.each), never: !a.each.Within(total)}
	}
	return nil
}

// giveBack gives back what the pass, which ended with err, had no use for.
func (d *Deployer) giveBack(p *pass, err error) {
	for _, g := range p.room.grants {
		d.room.Release(g.ids[g.started:]...)
		if err != nil {
			d.room.Doubt(g.ids[:g.started]...)
		}
	}
}

// limit tells the plan what room there is for tasks of a deployment.
func (p *pass) limit(in *input, deployment string) {
	in.fits = in.high
	g := p.room.grants[deployment]
	if g == nil {
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
	g := p.room.grants[deployment]
	switch {
	case g == nil && !p.room.granted:
		p.room.asks[deployment] = ask{each, n}
		return nil
	case g == nil: // one that nobody thought of: the next pass starts them
		p.wake(p.now)
		return nil
	case n > len(g.ids): // likewise
		n = len(g.ids)
		p.wake(p.now)
	}
	g.started = n
	return g.ids[:n]
}

// hold says so, once, when lack of room holds the deployment up, and waits.
func (p *pass) hold(d *ecs.Deployment, in input, a action) error {
	if a.lacking == 0 {
		d.Rollout.Unplaced = ""
		return nil
	}
	g := p.room.grants[d.ID]
	p.room.wait = place.Wait{Each: g.each, Tasks: a.lacking, Since: p.room.since}
	switch {
	case in.makesRoom(a):
		p.room.wait.Since = time.Time{}
	case !in.stuck:
		if p.room.since.IsZero() {
			p.room.wait.Since = p.now
		}
		p.wake(p.room.wait.Since.Add(patience))
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
