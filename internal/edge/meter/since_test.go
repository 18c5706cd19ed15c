package meter

import (
	"net/netip"
	"testing"
)

// TestSince takes what was counted before away, but of what began anew.
func TestSince(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort("10.0.0.1:80")
	counts := func(codes, failed, other uint64) Counts {
		b := BalancerCounts{Balancer: "lb", Zone: "a"}
		b.ByCode = map[int]uint64{502: codes}
		return Counts{Balancers: []BalancerCounts{b}, Pools: []PoolCounts{
			{Pool: "p", Balancer: "lb", Targets: []TargetCounts{{Target: at, Requests: 10 * failed, Failed: failed}}},
			{Pool: "q", Balancer: "lb", Targets: []TargetCounts{{Target: at, Requests: other}}},
		}}
	}
	d := counts(7, 5, 2).Since(counts(4, 3, 9))
	if got := d.Balancers[0].ByCode[502]; got != 3 {
		t.Errorf("502: %d, want 3", got)
	}
	if got := d.Pools[0].Targets[0]; got.Failed != 2 || got.Requests != 20 {
		t.Errorf("target %+v, want 2 of 20 failed", got)
	}
	if got := d.Pools[1].Targets[0].Requests; got != 2 {
		t.Errorf("a target that began anew: %d, want 2", got)
	}
	if d := counts(7, 5, 2).Since(Counts{}); d.Balancers[0].ByCode[502] != 7 || d.Pools[0].Targets[0].Failed != 5 {
		t.Errorf("since the beginning: %+v", d)
	}
}
