// Package target keeps a load balancer's targets: who gets the next request,
// which connections to them are kept, how healthy they are, and how they drain.
//
// Pools and targets live on from table to table. A request that began on a
// target ends on it, whatever becomes of the target meanwhile. To find a target
// for a request takes no lock.
//
// It is one package of more than 1,500 lines because who gets a request, its
// connections and its checks all work on one target's state; what asks a target,
// and what speaks HTTP/2 with it, stand in packages below.
package target

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/report"
	"github.com/skylift/skylift/internal/edge/table"
)

// Defaults of an ALB's target group.
const (
	defaultInterval = 30 * time.Second
	defaultTimeout  = 5 * time.Second
)

const maxProbes = 2048 // health checks at once

// Config is what a Set needs. Log, Spawn and Cut are required.
type Config struct {
	Log *slog.Logger
	// Dial connects to a target from a source address, the host's choice when
	// that is invalid; nil: TCP.
	Dial func(ctx context.Context, source netip.Addr, addr netip.AddrPort) (net.Conn, error)
	// MaxConns is how many connections to targets may be open, in use and kept;
	// 0: there is no bound. Nobody who needs one waits for it: kept connections
	// are closed first.
	MaxConns int
	// MaxChecks is how many health checks are made at once; 0: 2,048.
	MaxChecks int
	// Spawn starts a part that ends with its context.
	Spawn func(part func(context.Context))
	// Checked is told of health checks; nil: nobody is.
	Checked func(*report.Check)
	// Cut ends the requests that are under way to a target.
	Cut func(*Target)
}

// Set is the targets of all pools.
type Set struct {
	log   *slog.Logger
	dial  func(ctx context.Context, source netip.Addr, addr netip.AddrPort) (net.Conn, error)
	spawn func(part func(context.Context))
	cut   func(*Target)
	told  func(*report.Check) // of checks

	hub    hub
	probes chan struct{} // a place each, while one is made

	maxConns int64
	conns    atomic.Int64 // to all targets
	scarce   atomic.Int64 // when this machine's own failures were logged last

	mu    sync.Mutex
	pools map[string]*Pool
}

// NewSet returns a Set without pools.
func NewSet(c Config) *Set {
	s := &Set{
		log:      c.Log,
		dial:     c.Dial,
		spawn:    c.Spawn,
		cut:      c.Cut,
		told:     c.Checked,
		probes:   make(chan struct{}, cmp.Or(c.MaxChecks, maxProbes)),
		maxConns: int64(cmp.Or(c.MaxConns, math.MaxInt)),
		pools:    map[string]*Pool{},
	}
	if s.dial == nil {
		s.dial = dialTCP
	}
	return s
}

// Pool returns the pool that has an id, nil if there is none.
func (s *Set) Pool(id string) *Pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pools[id]
}

// Add makes the pools and targets that are new in a table. It is not called
// concurrently with itself or Apply.
func (s *Set) Add(pools []table.Pool) {
	for i := range pools {
		p := s.Pool(pools[i].ID)
		if p == nil {
			p = newPool(&pools[i])
			s.mu.Lock()
			s.pools[p.ID] = p
			s.mu.Unlock()
		}
		p.said.Store(balanceOf(&pools[i]))
		p.balancer.Store(&pools[i].Balancer)
		for addr, said := range specs(&pools[i]) {
			if p.get(addr) == nil {
				s.add(p, addr, said, known(&pools[i], addr))
			}
		}
		p.refresh()
	}
}

// known returns what an earlier process knew of a target of the pool.
func known(p *table.Pool, addr netip.AddrPort) table.State {
	i := slices.IndexFunc(p.Targets, func(t table.Target) bool { return t.Addr == addr && !t.Draining })
	if i < 0 {
		return ""
	}
	return p.Targets[i].Known
}

func (s *Set) add(p *Pool, addr netip.AddrPort, said spec, known table.State) {
	t := newTarget(s, p, addr, said, known)
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	p.put(t)
	t.settle(false)
	s.hub.publish(t)
	s.spawn(func(run context.Context) {
		defer context.AfterFunc(run, stop)()
		t.run(ctx)
	})
}

// Apply tells the targets what a table says of them, and removes the pools and
// targets that are not in it.
func (s *Set) Apply(pools []table.Pool) {
	s.mu.Lock()
	gone := maps.Clone(s.pools)
	s.mu.Unlock()
	for i := range pools {
		p := gone[pools[i].ID]
		if p == nil {
			continue // listed twice
		}
		delete(gone, p.ID)
		said := specs(&pools[i])
		for _, t := range p.all() {
			if now, ok := said[t.Addr]; ok {
				t.become(now)
				continue
			}
			p.remove(t)
		}
		p.refresh()
	}
	for id, p := range gone {
		for _, t := range p.all() {
			p.remove(t)
		}
		p.refresh()
		s.mu.Lock()
		delete(s.pools, id)
		s.mu.Unlock()
	}
}

// specs returns what a pool says of each of its targets. A target may be listed
// as registered and as draining; then it is registered.
func specs(p *table.Pool) map[netip.AddrPort]spec {
	m := make(map[netip.AddrPort]spec, len(p.Targets))
	c := p.Check
	if c.Interval <= 0 {
		c.Interval = defaultInterval
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	for _, t := range p.Targets {
		s := spec{check: c, source: p.Source, zone: t.Zone, inUse: p.InUse, draining: t.Draining}
		if p.LogChecks {
			s.balancer = p.Balancer
		}
		if t.Draining {
			s.deadline = t.Deadline
			if old, ok := m[t.Addr]; ok && !old.draining {
				continue
			}
		}
		m[t.Addr] = s
	}
	return m
}

// all returns the targets of all pools, in no order.
func (s *Set) all() []*Target {
	s.mu.Lock()
	pools := slices.Collect(maps.Values(s.pools))
	s.mu.Unlock()
	var ts []*Target
	for _, p := range pools {
		ts = append(ts, p.all()...)
	}
	return ts
}

// Statuses returns the states of all targets, by pool and address.
func (s *Set) Statuses() []table.TargetStatus {
	ts := s.all()
	all := make([]table.TargetStatus, len(ts))
	for i, t := range ts {
		all[i] = t.status()
	}
	sortStatuses(all)
	return all
}

func sortStatuses(s []table.TargetStatus) {
	slices.SortFunc(s, func(a, b table.TargetStatus) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), a.Target.Compare(b.Target))
	})
}

// Forget gives up the connections that are kept from source to the target at
// addr. Requests that are under way go on.
func (s *Set) Forget(source netip.Addr, addr netip.AddrPort) {
	for _, t := range s.all() {
		if t.Addr != addr {
			continue
		}
		for _, u := range *t.upstreams.Load() {
			if u.source == source {
				u.forget()
			}
		}
	}
}

// Prune closes kept connections that idled for too long or that their target
// closed.
func (s *Set) Prune(now time.Time) {
	for _, t := range s.all() {
		for _, u := range *t.upstreams.Load() {
			u.prune(now)
		}
	}
}

// Retire ends all targets: they take no requests and are not checked any more.
func (s *Set) Retire() {
	for _, t := range s.all() {
		t.retire()
	}
}
