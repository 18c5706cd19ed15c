package edge

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/skylift/skylift/internal/edge/route"
	"github.com/skylift/skylift/internal/edge/table"
)

// Load swaps the table. It binds new sockets and closes those that the table no
// longer has. Connections stay, except those whose client isn't admitted any
// more, which are cut. The error reports each socket that couldn't be bound. The
// rest of the table is in force nevertheless, and those sockets are tried again.
//
// New targets come first and old ones go last. So a request never finds a pool
// that is emptier than it is in both tables.
func (e *Edge) Load(t *table.Table) error {
	e.loading.Lock()
	defer e.loading.Unlock()
	e.targets.Add(t.Pools)
	routes, err := e.compiler.Compile(t, e.targets.Pool, e.tickets)
	unread := ""
	if err != nil {
		unread = err.Error()
	}
	if unread != "" && unread != e.unread {
		e.log.Error("rules can't be read", "err", err)
	}
	e.unread = unread
	e.setSockets(routes)
	e.targets.Apply(t.Pools)
	e.eachRequest((*conn).recheck)
	return joinBindErrors(e.BindErrors())
}

// setSockets gives the sockets their new routes. It binds new sockets and closes
// those that have no routes any more.
func (e *Edge) setSockets(routes map[netip.AddrPort]*route.Socket) {
	e.mu.Lock()
	var unbound []*socket
	for addr, s := range e.sockets {
		if routes[addr] == nil {
			delete(e.sockets, addr)
			s.close()
		}
	}
	for addr, rs := range routes {
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
