package deploy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/place"
)

// zone is one of those that a service's tasks are to be even over.
type zone struct {
	name   string
	closed bool // no task can be started there
}

// levels is what zones are to have, and what has to move until they do.
type levels struct {
	target map[string]int // how many tasks each zone is to have; nil: there is nothing to level
	moving int            // tasks that run beside the desired ones until as many can go elsewhere
	into   []string       // zones that have too few, in the order of their names
}

// level decides how tasks move between zones. Each is started where there are
// too few, and only once it is healthy, one goes where there are too many. It
// begins only while all is well: what is missing comes first.
func level(in input, n counted) (l levels) {
	if len(in.zones) < 2 {
		return l
	}
	all := slices.Concat(n.current[starting], n.current[healthy])
	shares := make([]place.Share, len(in.zones))
	for i, z := range in.zones {
		shares[i] = place.Share{Zone: z.name, Closed: z.closed}
		for _, m := range all {
			if m.zone != z.name {
				continue
			}
			shares[i].Tasks++
			if m.protected {
				shares[i].Fixed++
			}
			if m.health == healthy {
				shares[i].Fit++
			}
		}
	}
	l.target = place.Balance(shares, in.desired)
	over, lacking := 0, 0
	for _, s := range shares {
		goal := l.target[s.Zone]
		over += max(0, s.Fit-goal)
		lacking += max(0, goal-s.Fit)
		if s.Tasks < goal {
			l.into = append(l.into, s.Zone)
		}
	}
	l.moving = min(over, lacking, max(0, in.high-in.desired))
	starts, fit := len(n.current[starting]), len(n.current[healthy])
	if len(in.tasks) > starts+fit || fit != in.desired { // no more than are under way
		l.moving = min(l.moving, starts, max(0, starts+fit-in.desired))
	}
	return l
}

// excess is how many tasks more than they are to have zones have; all, where
// nothing says how many that is.
func (l levels) excess(tasks []member) map[string]int {
	out := map[string]int{}
	for _, m := range tasks {
		out[m.zone]++
	}
	for z, n := range l.target {
		out[z] -= n
	}
	return out
}

// zones returns the zones that the service's tasks are to be even over: none
// while a deployment is in progress, or where it was told to leave them alone.
func (p *pass) zones() (out []zone) {
	d := p.primary()
	if !p.service.Rebalance || p.service.Status != ecs.Active || p.current.Open() || d.Rollout.State != types.DeploymentRolloutStateCompleted {
		return nil
	}
	for i, subnet := range d.Network.Subnets {
		name, closed := d.Network.Zones[i], d.Rollout.Avoids(subnet, p.now)
		if j := slices.IndexFunc(out, func(z zone) bool { return z.name == name }); j >= 0 {
			out[j].closed = out[j].closed && closed
			continue
		}
		out = append(out, zone{name, closed})
	}
	slices.SortFunc(out, func(a, b zone) int { return strings.Compare(a.name, b.name) })
	for _, t := range p.tasks { // one that was placed before zones were written down
		if t.Deployment == d.ID && t.Desired == ecs.Running && !slices.ContainsFunc(out, func(z zone) bool { return z.name == t.Zone }) {
			return nil
		}
	}
	for _, c := range d.Rollout.Crowded {
		if c.Until.After(p.now) {
			p.wake(c.Until)
		}
	}
	return out
}

// rebalance says what becomes of tasks that move between zones.
func (p *pass) rebalance(in input, a action) error {
	r := &p.primary().Rollout
	switch {
	case !r.Rebalancing && a.moving > 0 && a.start+a.lacking > 0:
		r.Rebalancing = true
		counts, _ := in.perZone(" in ")
		return p.tell("is not AZ balanced with %s. AZ Rebalancing in progress.", counts)
	case r.Rebalancing && a.moving == 0 && len(a.stop) == 0 && in.allFit():
		r.Rebalancing = false
		counts, even := in.perZone(" tasks in ")
		if !even {
			return p.tell("stopped AZ Rebalancing.")
		}
		return p.tell("is AZ balanced with %s.", counts)
	}
	return nil
}

// stopRebalancing says so where tasks moved between zones and no longer do:
// there is a deployment in progress, say.
func (p *pass) stopRebalancing(zones []zone) error {
	for i := range p.deployments {
		r := &p.deployments[i].Rollout
		if !r.Rebalancing || i == 0 && len(zones) > 1 {
			continue
		}
		r.Rebalancing = false
		if err := p.tell("stopped AZ Rebalancing."); err != nil {
			return err
		}
	}
	return nil
}

// allFit says that the desired count of tasks is healthy, and no other is there.
func (in input) allFit() bool {
	return len(in.tasks) == in.desired && !slices.ContainsFunc(in.tasks, func(m member) bool { return !m.current || m.health != healthy })
}

// perZone is how many tasks each zone has, in words, and whether that is even.
// From the second zone on, between stands between number and zone.
func (in input) perZone(between string) (counts string, even bool) {
	var words []string
	n := map[string]int{}
	for _, m := range in.tasks {
		n[m.zone]++
	}
	low, high := len(in.tasks), 0
	for _, z := range in.zones {
		low, high = min(low, n[z.name]), max(high, n[z.name])
		word := fmt.Sprint(n[z.name], between, z.name)
		if len(words) == 0 {
			word = fmt.Sprintf("%d tasks in %s", n[z.name], z.name)
		}
		words = append(words, word)
	}
	last := len(words) - 1
	words[last] = "and " + words[last]
	return strings.Join(words, ", "), high-low < 2
}

// tellStarted says which tasks were started, and where, when they were to move
// there.
func (p *pass) tellStarted(started []ecs.Task) error {
	if !p.moving {
		return p.tell("has started %d tasks: %s.", len(started), names(started))
	}
	zones := map[string][]ecs.Task{}
	var order []string
	for _, t := range started {
		if zones[t.Zone] == nil {
			order = append(order, t.Zone)
		}
		zones[t.Zone] = append(zones[t.Zone], t)
	}
	for _, z := range order {
		if err := p.tell("has started %d tasks in %s to AZ Rebalance: %s.", len(zones[z]), z, names(zones[z])); err != nil {
			return err
		}
	}
	return nil
}

func names(tasks []ecs.Task) string {
	words := make([]string, len(tasks))
	for i, t := range tasks {
		words[i] = fmt.Sprintf("(task %s)", t.ID)
	}
	return strings.Join(words, " ")
}

// crowd notes that a subnet had no address for a task: the next ones go to
// others for a while. While there are others, that is no failure of what the
// deployment runs.
func (p *pass) crowd(d *ecs.Deployment, t *ecs.Task) (elsewhere bool, err error) {
	d.Rollout.Crowd(t.Subnet, p.now)
	if d.Rollout.Rebalancing {
		if err := p.tell("is unable to place a task in %s.", t.Zone); err != nil {
			return false, err
		}
	}
	if len(open(d, p.now).Subnets) == 0 {
		return false, nil
	}
	return true, p.tellFailed(t)
}

// places are the subnets of a deployment that new tasks may go to: those that
// have addresses, as far as is known, or all.
func places(d *ecs.Deployment, now time.Time) ecs.Network {
	if n := open(d, now); len(n.Subnets) > 0 {
		return n
	}
	return d.Network
}

// open are the subnets of a deployment that have addresses, as far as is known.
func open(d *ecs.Deployment, now time.Time) ecs.Network {
	return d.Network.Except(func(subnet string) bool { return d.Rollout.Avoids(subnet, now) })
}
