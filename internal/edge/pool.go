package edge

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/skylift/skylift/internal/edge/check"
)

// pool is a target group as it lives on from table to table.
type pool struct {
	id string

	mu      sync.Mutex
	targets map[netip.AddrPort]*target
	done    uint64 // refreshes, of those asked for
	asked   atomic.Uint64

	// usable are the targets that requests go to, in turn: the healthy ones,
	// or if none is, all that aren't draining.
	usable atomic.Pointer[[]*target]
	turn   atomic.Uint32
}

func newPool(id string) *pool {
	p := &pool{id: id, targets: map[netip.AddrPort]*target{}}
	p.usable.Store(new([]*target))
	return p
}

func (p *pool) get(addr netip.AddrPort) *target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets[addr]
}

func (p *pool) put(t *target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets[t.addr] = t
}

func (p *pool) remove(t *target) {
	p.mu.Lock()
	delete(p.targets, t.addr)
	p.mu.Unlock()
	t.retire()
}

func (p *pool) all() []*target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.targets))
}

type forward struct {
	pools []weighted
	total uint64
}

type weighted struct {
	pool *pool
	upTo uint64 // the sum of the weights so far
}

// pick chooses the target of a request, not avoid if there is another. It is
// nil when there is none.
func (f *forward) pick(avoid *target) *target {
	switch len(f.pools) {
	case 0:
		return nil
	case 1:
		return f.pools[0].pool.pick(avoid)
	}
	n := rand.Uint64N(f.total)
	for _, w := range f.pools {
		if n < w.upTo {
			return w.pool.pick(avoid)
		}
	}
	return nil
}

// another begins a request on a target that isn't t, nil if there is none.
func (f *forward) another(t *target) *target {
	for {
		next := f.pick(t)
		if next == nil || next.begin() {
			return next
		}
		runtime.Gosched() // it is just being taken out
	}
}

func (p *pool) pick(avoid *target) *target {
	usable := *p.usable.Load()
	n := uint32(len(usable))
	if n == 0 {
		return nil
	}
	i := p.turn.Add(1) - 1
	t := usable[i%n]
	if t == avoid {
		t = usable[(i%n+1)%n]
	}
	if t == avoid {
		return nil // it is the only one
	}
	return t
}

// refresh works out which targets are usable. Of many that wait to do it, one
// does it for all.
func (p *pool) refresh() {
	mine := p.asked.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done >= mine {
		return
	}
	p.done = p.asked.Load()
	var all, healthy []*target
	for _, t := range p.targets {
		if t.refuses.Load() {
			continue
		}
		all = append(all, t)
		if t.healthState() == check.Healthy {
			healthy = append(healthy, t)
		}
	}
	if len(healthy) > 0 {
		all = healthy
	}
	slices.SortFunc(all, func(a, b *target) int { return a.addr.Compare(b.addr) })
	p.usable.Store(&all)
}
