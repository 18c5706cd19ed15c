package edge

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/skylift/skylift/internal/edge/route"
	"github.com/skylift/skylift/internal/limit"
)

// socket is a bound address and the listeners that share it. Its routes are never
// nil. A closed socket keeps its routes, for the requests that are still under
// way.
type socket struct {
	edge   *Edge
	addr   netip.AddrPort
	routes atomic.Pointer[route.Socket]
	closed atomic.Bool

	// Guarded by Edge.mu.
	ln  net.Listener
	err error // why ln is nil
}

// accept serves connections until the socket is closed.
func (s *socket) accept(ctx context.Context) {
	var pause limit.Pause
	for {
		nc, err := s.ln.Accept()
		switch {
		case err == nil:
			pause.Reset()
			s.serve(ctx, nc)
		case s.closed.Load() || errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			return
		default: // out of descriptors or memory, or a client that hung up already
			if pause.Loud() {
				s.edge.log.Warn("no connection can be accepted", "addr", s.addr, "err", err)
			}
			if limit.Crowded(err) {
				s.edge.clients.Relieve()
			}
			pause.Wait(ctx.Done())
		}
	}
}

// serve starts a connection, unless it is one too many or the socket was closed
// meanwhile: after close has gone through the connections, none is added.
func (s *socket) serve(ctx context.Context, nc net.Conn) {
	e := s.edge
	c := newConn(s, nc)
	if e.clients.Enter(ctx.Done(), c, c.Addr) != nil {
		s.routes.Load().First().Meter.In(c.zone).Rejected.Add(1)
		nc.Close()
		return
	}
	e.connMu.Lock()
	defer e.connMu.Unlock()
	if s.closed.Load() {
		nc.Close()
		e.clients.Leave(c)
		return
	}
	e.conns[c] = struct{}{}
	e.live.Go(c.serve)
}

// close stops accepting. Connections end when they are idle. Edge.mu is held.
func (s *socket) close() {
	s.closed.Store(true)
	if s.ln != nil {
		s.ln.Close()
	}
	s.edge.eachConn(func(c *conn) {
		if c.socket == s {
			c.Finish()
		}
	})
}
