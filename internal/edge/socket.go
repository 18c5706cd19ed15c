package edge

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// socket is a bound address and the listeners that share it. Its routes are
// never nil; those of a closed socket stay as they were, for the requests
// that are still under way.
type socket struct {
	edge   *Edge
	addr   netip.AddrPort
	routes atomic.Pointer[routes]
	closed atomic.Bool

	// Guarded by Edge.mu.
	ln  net.Listener
	err error // why ln is nil
}

// accept serves connections until the socket is closed.
func (s *socket) accept(ctx context.Context) {
	for {
		nc, err := s.ln.Accept()
		switch {
		case err == nil:
			s.serve(nc)
		case s.closed.Load() || errors.Is(err, net.ErrClosed):
			return
		default: // out of descriptors, or a client that is gone already
			s.edge.log.Warn("accept", "addr", s.addr, "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// serve starts a connection, unless the socket was closed meanwhile: once
// close has gone through the connections there comes no other.
func (s *socket) serve(nc net.Conn) {
	e := s.edge
	c := newConn(s, nc)
	e.connMu.Lock()
	defer e.connMu.Unlock()
	if s.closed.Load() {
		nc.Close()
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
			c.finish()
		}
	})
}
