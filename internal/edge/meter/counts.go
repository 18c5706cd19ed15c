package meter

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Counts is all that a data plane has counted since its process began. What left the
// table is in it no more.
type Counts struct {
	Balancers []BalancerCounts
	Pools     []PoolCounts
}

// BalancerCounts is what a balancer did in a zone; "": at an address that is in none.
type BalancerCounts struct {
	Balancer, Zone string
	FrontCounts
}

// PoolCounts is what a pool's targets did for a balancer.
type PoolCounts struct {
	Pool, Balancer string
	Opened         uint64       // connections to targets, also to those that are gone
	Open           int64        // connections to targets now
	Zones          []ZoneCounts // by the zone that requests came to
	Targets        []TargetCounts
}

// ZoneCounts is what a pool's targets did for requests that came to a zone.
type ZoneCounts struct {
	Zone string
	GroupCounts
}

// TargetCounts is what a target did.
type TargetCounts struct {
	Target             netip.AddrPort
	Zone               string // its own
	State              string // as ELBv2 names it
	Requests           uint64
	Failed             uint64
	Codes              [6]uint64 // of its answers, by their hundred
	Time               time.Duration
	Refused, TLSErrors uint64
	Opened             uint64
	Open               int64
}

// Hosts returns how many of the pool's targets in a zone are healthy, and how many aren't; "" is all zones. A target that
// drains is neither.
func (p *PoolCounts) Hosts(zone string) (healthy, unhealthy int) {
	for _, t := range p.Targets {
		switch {
		case zone != "" && t.Zone != zone:
		case t.State == "healthy":
			healthy++
		case t.State == "unhealthy":
			unhealthy++
		}
	}
	return healthy, unhealthy
}

// Sort puts all in the order of names.
func (c *Counts) Sort() {
	slices.SortFunc(c.Balancers, func(a, b BalancerCounts) int {
		return cmp.Or(cmp.Compare(a.Balancer, b.Balancer), cmp.Compare(a.Zone, b.Zone))
	})
	slices.SortFunc(c.Pools, func(a, b PoolCounts) int { return cmp.Compare(a.Pool, b.Pool) })
	for _, p := range c.Pools {
		slices.SortFunc(p.Zones, func(a, b ZoneCounts) int { return cmp.Compare(a.Zone, b.Zone) })
		slices.SortFunc(p.Targets, func(a, b TargetCounts) int { return a.Target.Compare(b.Target) })
	}
}
