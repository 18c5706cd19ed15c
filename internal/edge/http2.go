package edge

import (
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/edge/http2"
)

// session is a connection over HTTP/2 with the requests on it, each of which is a conn
// of its own.
type session struct {
	*http2.Server
	mu       sync.Mutex
	requests map[*conn]struct{}
}

// serveHTTP2 answers requests over HTTP/2 until the connection ends.
func (c *conn) serveHTTP2() {
	s := &session{requests: map[*conn]struct{}{}}
	s.Server = http2.New(c.Net, http2.Config{
		Handle: func(st *http2.Stream) { c.serveRequest(s, st) }, Busy: c.Busy, Idle: c.Rest, Stall: c.idle(),
	})
	c.Rest()
	c.session.Store(s)
	if c.Closing.Load() {
		s.Shutdown()
	}
	err := s.Serve()
	c.edge.log.Debug("HTTP/2 ended", "client", c.Addr, "err", err)
}

// serveRequest answers one of the requests on a connection over HTTP/2.
func (c *conn) serveRequest(s *session, nc net.Conn) {
	r := &conn{
		edge: c.edge, socket: c.socket, guard: c.guard, home: c.home, known: c.known, shook: c.shook, inner: true,
		shard: c.shard, zone: c.zone, trace: c.trace,
	}
	r.InitFor(nc, &c.Conn)
	s.mu.Lock()
	s.requests[r] = struct{}{}
	s.mu.Unlock()
	defer func() {
		if bug := recover(); bug != nil { // ends this request, not all of them
			c.edge.log.Error("request failed", "err", bug, "stack", string(debug.Stack()))
		}
		s.mu.Lock()
		delete(s.requests, r)
		s.mu.Unlock()
		if r.admitted != nil && c.Old(r.admitted.Age) || c.edge.clients.Hungry() {
			c.Finish()
		}
	}()
	r.Begin()
	r.once()
}

// Finish ends the connection when it is idle. Anybody may call it.
func (c *conn) Finish() {
	if s := c.session.Load(); s != nil {
		c.Closing.Store(true)
		s.Shutdown()
		return
	}
	c.Conn.Finish()
}

// each calls f for the requests of a connection over HTTP/2.
func (c *conn) each(f func(*conn)) {
	s := c.session.Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.requests {
		f(r)
	}
}

// look sees to what no request sees to: a client that may have hung up, and a
// connection over HTTP/2 that is idle for too long.
func (c *conn) look(now time.Time) {
	c.Watch(now)
	if c.session.Load() == nil {
		return
	}
	if since, resting := c.Resting(); resting && now.UnixNano()-since > int64(c.socket.routes.Load().Idle) {
		c.Finish()
	}
}
