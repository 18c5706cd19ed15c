package edge

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Defaults of an ALB's target group.
const (
	defaultInterval = 30 * time.Second
	defaultTimeout  = 5 * time.Second
)

// Load swaps the table. It binds the sockets that are new and closes those
// that are in it no more; connections that stay valid aren't touched, those
// whose client isn't admitted any more are cut. The error reports the sockets
// that couldn't be bound, one by one; all else is in force nevertheless, and
// they are tried again.
//
// New targets come first and old ones go last, so that at no moment a request
// finds a pool that is emptier than in both tables.
func (e *Edge) Load(t *Table) error {
	e.loading.Lock()
	defer e.loading.Unlock()
	e.addTargets(t)
	e.setSockets(compile(t, e.poolByID))
	e.setTargets(t)
	e.eachConn((*conn).recheck)
	return joinBindErrors(e.BindErrors())
}

func (e *Edge) poolByID(id string) *pool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pools[id]
}

// addTargets makes the pools and targets that are new.
func (e *Edge) addTargets(t *Table) {
	for i := range t.Pools {
		p := e.poolByID(t.Pools[i].ID)
		if p == nil {
			p = newPool(t.Pools[i].ID)
			e.mu.Lock()
			e.pools[p.id] = p
			e.mu.Unlock()
		}
		for addr, s := range specs(&t.Pools[i]) {
			if p.get(addr) == nil {
				e.addTarget(p, addr, s, known(&t.Pools[i], addr))
			}
		}
		p.refresh()
	}
}

// known is what an earlier process knew of a target of the pool.
func known(p *Pool, addr netip.AddrPort) State {
	i := slices.IndexFunc(p.Targets, func(t Target) bool { return t.Addr == addr && !t.Draining })
	if i < 0 {
		return ""
	}
	return p.Targets[i].Known
}

func (e *Edge) addTarget(p *pool, addr netip.AddrPort, s spec, known State) {
	t := newTarget(e, p, addr, s, known)
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	p.put(t)
	t.settle(false)
	e.hub.publish(t)
	e.spawn(func(run context.Context) {
		defer context.AfterFunc(run, stop)()
		t.run(ctx)
	})
}

// setTargets tells the targets what the table says of them, and takes those
// out that aren't in it.
func (e *Edge) setTargets(t *Table) {
	e.mu.Lock()
	gone := maps.Clone(e.pools)
	e.mu.Unlock()
	for i := range t.Pools {
		p := gone[t.Pools[i].ID]
		if p == nil {
			continue // listed twice
		}
		delete(gone, p.id)
		said := specs(&t.Pools[i])
		for _, tg := range p.all() {
			if s, ok := said[tg.addr]; ok {
				tg.set(s)
				continue
			}
			p.remove(tg)
		}
		p.refresh()
	}
	for id, p := range gone {
		for _, tg := range p.all() {
			p.remove(tg)
		}
		p.refresh()
		e.mu.Lock()
		delete(e.pools, id)
		e.mu.Unlock()
	}
}

// specs is what a pool says of each of its targets. Of one that is both
// registered and draining, the registration counts.
func specs(p *Pool) map[netip.AddrPort]spec {
	m := make(map[netip.AddrPort]spec, len(p.Targets))
	c := p.Check
	if c.Interval <= 0 {
		c.Interval = defaultInterval
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	for _, t := range p.Targets {
		s := spec{check: c, source: p.Source, inUse: p.InUse, draining: t.Draining}
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

// setSockets gives the sockets their new routes, binds new ones and closes
// those that have none any more.
func (e *Edge) setSockets(table map[netip.AddrPort]*routes) {
	e.mu.Lock()
	var unbound []*socket
	for addr, s := range e.sockets {
		if table[addr] == nil {
			delete(e.sockets, addr)
			s.close()
		}
	}
	for addr, rs := range table {
		s := e.sockets[addr]
		if s == nil {
			s = &socket{edge: e, addr: addr}
			e.sockets[addr] = s
		}
		s.routes.Store(rs)
		if s.ln == nil {
			unbound = append(unbound, s)
		}
	}
	e.mu.Unlock()
	for _, s := range unbound {
		if err := e.bind(s); err != nil {
			e.log.Error("socket can't be bound", "addr", s.addr, "err", err)
		}
	}
}

// bind opens s. e.loading is held.
func (e *Edge) bind(s *socket) error {
	ln, err := e.listen(context.Background(), "tcp", s.addr.String())
	if err != nil {
		err = fmt.Errorf("bind %s: %w", s.addr, err)
	}
	e.mu.Lock()
	s.ln, s.err = ln, err
	gone := e.ended || e.sockets[s.addr] != s
	e.mu.Unlock()
	switch {
	case err != nil:
		return err
	case gone: // Run has ended
		return ln.Close()
	}
	e.spawn(s.accept)
	return nil
}
