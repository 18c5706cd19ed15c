package deploy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy/plan"
)

// zones returns the zones that the service's tasks are to be even over: none
// while a deployment is in progress, or where it was told to leave them alone.
func (p *pass) zones() (out []plan.Zone) {
	d := p.primary()
	if !p.service.Rebalance || p.service.Status != ecs.Active || p.current.Open() || d.Rollout.State != types.DeploymentRolloutStateCompleted {
		return nil
	}
	for i, subnet := range d.Network.Subnets {
		name, closed := d.Network.Zones[i], d.Rollout.Avoids(subnet, p.now)
		if j := slices.IndexFunc(out, func(z plan.Zone) bool { return z.Name == name }); j >= 0 {
			out[j].Closed = out[j].Closed && closed
			continue
		}
		out = append(out, plan.Zone{Name: name, Closed: closed})
	}
	slices.SortFunc(out, func(a, b plan.Zone) int { return strings.Compare(a.Name, b.Name) })
	for _, t := range p.tasks { // one that was placed before zones were written down
		if t.Deployment == d.ID && t.Desired == ecs.Running && !slices.ContainsFunc(out, func(z plan.Zone) bool { return z.Name == t.Zone }) {
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
func (p *pass) rebalance(in plan.Input, a plan.Action) error {
	r := &p.primary().Rollout
	switch {
	case !r.Rebalancing && a.Moving > 0 && a.Start+a.Lacking > 0:
		r.Rebalancing = true
		counts, _ := in.PerZone(" in ")
		return p.tell("is not AZ balanced with %s. AZ Rebalancing in progress.", counts)
	case r.Rebalancing && a.Moving == 0 && len(a.Stop) == 0 && in.AllFit():
		r.Rebalancing = false
		counts, even := in.PerZone(" tasks in ")
		if !even {
			return p.tell("stopped AZ Rebalancing.")
		}
		return p.tell("is AZ balanced with %s.", counts)
	}
	return nil
}

// stopRebalancing says so where tasks moved between zones and no longer do:
// there is a deployment in progress, say.
func (p *pass) stopRebalancing(zones []plan.Zone) error {
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
