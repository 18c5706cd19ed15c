package target

import (
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/edge/table"
)

// Pool is a target group.
type Pool struct {
	// Version of HTTP that its targets speak.
	Version table.Version

	// ID is what the table calls it.
	ID    string
	Meter *meter.Zones[meter.Group] // by the zone that requests came to

	balancer atomic.Pointer[string] // that forwards to it
	opened   atomic.Uint64          // connections to its targets

	tls bool // its targets are spoken to over TLS

	mu      sync.Mutex
	targets map[netip.AddrPort]*Target
	done    uint64        // how many of the refreshes that were asked for are done
	asked   atomic.Uint64 // how many were asked for

	said   atomic.Pointer[balance]
	usable atomic.Pointer[usable]
	turn   atomic.Uint32
}

func newPool(said *table.Pool) *Pool {
	p := &Pool{Version: said.Version, ID: said.ID, Meter: meter.NewZones(meter.NewGroup), tls: said.TLS, targets: map[netip.AddrPort]*Target{}}
	p.said.Store(balanceOf(&table.Pool{}))
	p.usable.Store(newUsable(p.said.Load(), nil))
	return p
}

func (p *Pool) get(addr netip.AddrPort) *Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets[addr]
}

func (p *Pool) put(t *Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets[t.Addr] = t
}

func (p *Pool) remove(t *Target) {
	p.mu.Lock()
	delete(p.targets, t.Addr)
	p.mu.Unlock()
	t.retire()
}

func (p *Pool) all() []*Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.targets))
}

// Another begins a request on a target that isn't t. It returns nil when there is
// none.
func (p *Pool) Another(zone string, t *Target) *Target {
	for {
		next := p.Pick(zone, t)
		if next == nil || next.Begin() {
			return next
		}
		runtime.Gosched() // it is just being taken out
	}
}

// refresh works out which targets are usable. When many goroutines wait to do it,
// one does it for all.
func (p *Pool) refresh() {
	mine := p.asked.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done >= mine {
		return
	}
	p.done = p.asked.Load()
	var all []*Target
	for _, t := range p.targets {
		if !t.refuses.Load() {
			all = append(all, t)
		}
	}
	p.usable.Store(newUsable(p.said.Load(), all))
}
