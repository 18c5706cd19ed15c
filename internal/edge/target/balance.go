package target

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/edge/check"
	"github.com/skylift/skylift/internal/edge/table"
)

// full is the weight of a target that gets its whole share.
const full = 1 << 10

// balance is how a pool chooses among its targets, as a table says it.
type balance struct {
	algorithm  table.Algorithm
	mitigate   bool
	slowStart  time.Duration
	sticky     table.Sticky
	min, share int // of healthy targets: in number, in percent
	oneZone    bool
}

func balanceOf(p *table.Pool) *balance {
	return &balance{p.Algorithm, p.Mitigate, p.SlowStart, p.Sticky, max(1, p.MinHealthy), p.MinHealthyPercent, p.OneZone}
}

// usable is the targets that requests go to. It never changes.
type usable struct {
	*balance
	all      []*Target
	zones    map[string][]*Target // nil: zones don't count
	weighted bool                 // some get less than their share
	by       map[netip.AddrPort]*Target
}

// newUsable works out which targets are usable: the healthy ones, or all that
// don't drain if too few are healthy.
func newUsable(b *balance, targets []*Target) *usable {
	u := &usable{balance: b, by: map[netip.AddrPort]*Target{}}
	slices.SortFunc(targets, func(a, b *Target) int { return a.Addr.Compare(b.Addr) })
	if b.oneZone {
		u.zones = map[string][]*Target{}
		for _, zone := range zonesOf(targets) {
			u.zones[zone] = b.healthy(slices.DeleteFunc(slices.Clone(targets), func(t *Target) bool { return t.zone() != zone && t.zone() != table.AllZones }))
			u.all = append(u.all, u.zones[zone]...)
		}
		slices.SortFunc(u.all, func(a, b *Target) int { return a.Addr.Compare(b.Addr) })
		u.all = slices.Compact(u.all)
	} else {
		u.all = b.healthy(targets)
	}
	for _, t := range u.all {
		u.weighted = u.weighted || t.weight.Load() != full
		u.by[t.Addr] = t
	}
	return u
}

func zonesOf(targets []*Target) (zones []string) {
	for _, t := range targets {
		zones = append(zones, t.zone())
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}

// healthy returns the healthy targets, or all if there are too few of them.
func (b *balance) healthy(all []*Target) []*Target {
	var healthy []*Target
	for _, t := range all {
		if t.healthState() == check.Healthy {
			healthy = append(healthy, t)
		}
	}
	if len(healthy) < b.min || 100*len(healthy) < b.share*len(all) {
		return all
	}
	return healthy
}

// in returns the targets for a request that came to an address in zone.
func (u *usable) in(zone string) []*Target {
	if u.zones == nil || zone == "" {
		return u.all
	}
	return u.zones[zone]
}

// Pick chooses the target of a request that came to an address in zone, not
// avoid. It returns nil when there is none.
func (p *Pool) Pick(zone string, avoid *Target) *Target {
	u := p.usable.Load()
	ts := u.in(zone)
	n := len(ts)
	if n == 0 || n == 1 && ts[0] == avoid {
		return nil
	}
	var t *Target
	switch u.algorithm {
	case table.LeastOutstanding:
		return p.fewest(ts, avoid)
	case table.WeightedRandom:
		t = u.random(ts)
	default:
		t = p.inTurn(u, ts)
	}
	if t == avoid {
		i, _ := slices.BinarySearchFunc(ts, avoid, func(a, b *Target) int { return a.Addr.Compare(b.Addr) })
		t = ts[(i+1)%n]
	}
	return t
}

// inTurn goes round. A target that gets less than its share is passed over as
// often as it lacks of it.
func (p *Pool) inTurn(u *usable, ts []*Target) *Target {
	n := uint32(len(ts))
	t := ts[(p.turn.Add(1)-1)%n]
	if !u.weighted {
		return t
	}
	for range 2 * n {
		if t.takes() {
			return t
		}
		t = ts[(p.turn.Add(1)-1)%n]
	}
	return t
}

func (u *usable) random(ts []*Target) *Target {
	t := ts[rand.N(len(ts))]
	if !u.weighted {
		return t
	}
	for range 64 {
		if t.takes() {
			return t
		}
		t = ts[rand.N(len(ts))]
	}
	return t
}

// takes tells whether a target takes a request that comes to it, by its weight.
func (t *Target) takes() bool {
	w := t.weight.Load()
	return w >= full || rand.Uint32N(full) < w
}

// fewest returns the target with the fewest requests under way; among several,
// one after the other.
func (p *Pool) fewest(ts []*Target, avoid *Target) *Target {
	var least *Target
	var count int64
	begin := int(p.turn.Add(1)-1) % len(ts)
	for i := range ts {
		t := ts[(begin+i)%len(ts)]
		if n := t.inflight.Load(); t != avoid && (least == nil || n < count) {
			least, count = t, n
		}
	}
	return least
}

// Sticky tells how clients stay with their target.
func (p *Pool) Sticky() table.Sticky { return p.usable.Load().sticky }

// Usable returns the target at addr if requests from zone may go to it, else nil.
func (p *Pool) Usable(zone string, addr netip.AddrPort) *Target {
	u := p.usable.Load()
	t := u.by[addr]
	if t == nil || u.zones != nil && zone != "" && t.zone() != zone && t.zone() != table.AllZones {
		return nil
	}
	return t
}

// reweigh gives the target the weight that its slow start and its failures leave it.
func (t *Target) reweigh(now time.Time, slow time.Duration) (changed bool) {
	weight := uint32(full)
	if from := t.slowFrom.Load(); from != 0 {
		since := now.Sub(time.Unix(0, from))
		if since >= slow {
			t.slowFrom.Store(0)
		} else {
			weight = max(1, uint32(full*int64(since)/int64(slow)))
		}
	}
	weight = min(weight, t.trust.Load())
	return t.weight.Swap(weight) != weight
}

// Tick moves what goes by time: slow starts, and each few seconds who fails more
// often than others.
func (s *Set) Tick(now time.Time, judge bool) {
	s.mu.Lock()
	pools := make([]*Pool, 0, len(s.pools))
	for _, p := range s.pools {
		pools = append(pools, p)
	}
	s.mu.Unlock()
	for _, p := range pools {
		u := p.usable.Load()
		if judge {
			p.judge(u)
		}
		if !judge && !u.weighted {
			continue
		}
		changed := false
		for _, t := range u.all {
			changed = t.reweigh(now, u.slowStart) || changed
		}
		if changed {
			p.refresh()
		}
	}
}

// starts begins the slow start of a target that became healthy. The first targets
// of a pool have none: others must be there to take what it doesn't.
func (p *Pool) starts(t *Target, now time.Time) {
	b := p.said.Load()
	if b.slowStart <= 0 {
		return
	}
	for _, o := range p.all() {
		if o != t && o.healthState() == check.Healthy && o.slowFrom.Load() == 0 {
			t.slowFrom.Store(cmp.Or(now.UnixNano(), 1))
			t.reweigh(now, b.slowStart)
			return
		}
	}
}
