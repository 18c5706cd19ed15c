package target

import "github.com/skylift/skylift/internal/edge/meter"

// Count adds what was counted of pools and targets.
func (s *Set) Count(c *meter.Counts) {
	s.mu.Lock()
	pools := make([]*Pool, 0, len(s.pools))
	for _, p := range s.pools {
		pools = append(pools, p)
	}
	s.mu.Unlock()
	for _, p := range pools {
		of := meter.PoolCounts{Pool: p.ID, Opened: p.opened.Load()}
		if b := p.balancer.Load(); b != nil {
			of.Balancer = *b
		}
		p.Meter.Each(func(zone string, g *meter.Group) {
			of.Zones = append(of.Zones, meter.ZoneCounts{Zone: zone, GroupCounts: g.Read()})
		})
		for _, t := range p.all() {
			m := &t.Meter
			one := meter.TargetCounts{
				Target: t.Addr, Zone: t.zone(), State: string(t.status().State), Requests: m.Requests.Load(), Failed: m.Failed.Load(), Codes: m.Codes(), Time: m.Time(),
				Refused: m.Refused.Load(), TLSErrors: m.Unsecure.Load(), Opened: m.Opened.Load(), Open: m.Open.Load(),
			}
			of.Open += one.Open
			of.Targets = append(of.Targets, one)
		}
		c.Pools = append(c.Pools, of)
	}
}
