package ecs

import (
	"slices"
	"time"
)

// Crowd is a subnet that had no free address for a task.
type Crowd struct {
	Subnet string
	Wait   time.Duration // how long it is avoided
	Until  time.Time
}

// How long a subnet without free addresses is avoided: the first time, and at
// most, when it has none again and again.
const (
	crowdWait    = time.Minute
	maxCrowdWait = 4 * time.Hour
)

// Avoids says that no task should be placed in the subnet at that time.
func (r *Rollout) Avoids(subnet string, now time.Time) bool {
	return slices.ContainsFunc(r.Crowded, func(c Crowd) bool {
		return c.Subnet == subnet && now.Before(c.Until) && !c.Until.After(now.Add(c.Wait)) // else the clock was set back
	})
}

// Crowd notes that the subnet had no free address.
func (r *Rollout) Crowd(subnet string, now time.Time) {
	c := Crowd{Subnet: subnet, Wait: crowdWait}
	all := slices.Clone(r.Crowded)
	if i := slices.IndexFunc(all, func(c Crowd) bool { return c.Subnet == subnet }); i >= 0 {
		switch old := all[i]; {
		case r.Avoids(subnet, now): // another task of the same time
			c.Wait = old.Wait
		case now.Before(old.Until.Add(old.Wait)):
			c.Wait = min(2*old.Wait, maxCrowdWait)
		}
		all = slices.Delete(all, i, i+1)
	}
	c.Until = now.Add(c.Wait)
	r.Crowded = append(all, c)
}
