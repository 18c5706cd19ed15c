package meter

import "net/netip"

// Since is what was counted after earlier: the requests of balancers and the codes that
// they answered by themselves, and the requests of targets. What began anew meanwhile
// counts whole.
func (c Counts) Since(earlier Counts) Counts {
	type front struct{ balancer, zone string }
	type pool struct{ pool, balancer string }
	fronts, pools := map[front]BalancerCounts{}, map[pool]PoolCounts{}
	for _, b := range earlier.Balancers {
		fronts[front{b.Balancer, b.Zone}] = b
	}
	for _, p := range earlier.Pools {
		pools[pool{p.Pool, p.Balancer}] = p
	}
	var out Counts
	for _, b := range c.Balancers {
		was := fronts[front{b.Balancer, b.Zone}]
		d := BalancerCounts{Balancer: b.Balancer, Zone: b.Zone}
		d.Requests, d.ByCode = after(b.Requests, was.Requests), map[int]uint64{}
		for code, n := range b.ByCode {
			d.ByCode[code] = after(n, was.ByCode[code])
		}
		out.Balancers = append(out.Balancers, d)
	}
	for _, p := range c.Pools {
		was := map[netip.AddrPort]TargetCounts{}
		for _, t := range pools[pool{p.Pool, p.Balancer}].Targets {
			was[t.Target] = t
		}
		d := PoolCounts{Pool: p.Pool, Balancer: p.Balancer}
		for _, t := range p.Targets {
			w := was[t.Target]
			d.Targets = append(d.Targets, TargetCounts{
				Target: t.Target, Zone: t.Zone, State: t.State,
				Requests: after(t.Requests, w.Requests), Failed: after(t.Failed, w.Failed), Refused: after(t.Refused, w.Refused),
			})
		}
		out.Pools = append(out.Pools, d)
	}
	return out
}

// after is how much n grew; one that is smaller than before began anew.
func after(n, before uint64) uint64 {
	if n < before {
		return n
	}
	return n - before
}
