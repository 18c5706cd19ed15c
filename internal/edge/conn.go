package edge

import (
	"net"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/client"
	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/edge/report"
	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/route"
	"github.com/skylift/skylift/internal/edge/rule"
	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/edge/target"
)

// holdFor is how long a client that isn't admitted is held.
const holdFor = 60 * time.Second

// conn is a client's connection that is served: serve owns it.
type conn struct {
	client.Conn
	edge   *Edge
	socket *socket

	req  http1.Request
	body http1.Body // the request's
	res  http1.Response
	asks rule.Request // what rules look at of req
	path []byte       // room for a normalised path

	desync http1.Desync // why others may read req differently

	shook       *shook        // nil: over HTTP
	multiplexed bool          // it is over HTTP/2
	guard       string        // that its handshake passed; "" over HTTP
	home        string        // the id of the listener that answered it
	known       *route.Socket // the listeners that it carries requests for

	shard uint32       // of counters
	zone  string       // of the socket's address
	trace report.Trace // the client's connection's
	front *meter.Front // that the connection is counted in; nil: it isn't yet
	tally tally

	severed  atomic.Bool                   // its target was cut
	admitted *route.Route                  // the listener that admitted the client last
	inner    bool                          // it is a request over HTTP/2
	session  atomic.Pointer[session]       // nil: not over HTTP/2
	greeted  atomic.Bool                   // guard and home are said
	last     atomic.Pointer[route.Route]   // the listener of its last request
	target   atomic.Pointer[target.Target] // that its request is under way to
}

func newConn(s *socket, nc net.Conn) *conn {
	c := &conn{edge: s.edge, socket: s, shard: s.edge.conned.Add(1), zone: s.routes.Load().Zone, trace: newTrace()}
	c.Init(nc)
	return c
}

// serve answers requests until the connection ends.
func (c *conn) serve() {
	defer func() {
		if bug := recover(); bug != nil { // ends this connection, not all of them
			c.edge.log.Error("request failed", "err", bug, "stack", string(debug.Stack()))
		}
		c.Net.Close()
		c.leave()
		c.edge.clients.Leave(c)
		c.edge.connMu.Lock()
		delete(c.edge.conns, c)
		c.edge.connMu.Unlock()
	}()
	c.Begin()
	anyone := func(rs *route.Socket) bool { return rs.Admits(c.Addr) }
	if !anyone(c.socket.routes.Load()) && !c.hold(anyone) {
		return
	}
	if !c.greet() {
		return
	}
	if c.multiplexed {
		c.serveHTTP2()
		return
	}
	for c.once() {
	}
}

// part returns the listeners of a table that the connection may carry requests for.
// Over TLS there are none without the one that answered the handshake: what its
// client was shown may be no other balancer's.
func (c *conn) part(rs *route.Socket) *route.Socket {
	p := rs.Part(c.guard)
	if p == nil || c.home != "" && p.Find(c.home) == nil {
		return nil
	}
	return p
}

// routes returns the listeners that the connection carries requests for. When there
// are none any more it keeps the last ones, and ends.
func (c *conn) routes() *route.Socket {
	if rs := c.part(c.socket.routes.Load()); rs != nil {
		c.known = rs
	} else {
		c.Closing.Store(true)
	}
	return c.known
}

// choose finds the listener of a request.
func (c *conn) choose(rs *route.Socket, host []byte) *route.Route {
	if c.home == "" {
		return rs.Choose(host)
	}
	return rs.ChooseFrom(c.home, host)
}

// once answers one request; false ends the connection.
func (c *conn) once() bool {
	head, err := c.Head(http1.MaxLine+http1.MaxHead, c.idle())
	c.begin()
	if err != nil {
		return c.refuse(err)
	}
	if err := c.req.Parse(head); err != nil {
		return c.refuse(err)
	}
	host := route.Hostname(c.req.Host)
	rs := c.routes()
	rt := c.choose(rs, host)
	if rt != c.admitted {
		c.last.Store(rt)
		if !rt.Admits(c.Addr) {
			return c.hold(func(*route.Socket) bool { return c.choose(c.routes(), host).Admits(c.Addr) })
		}
		c.admitted = rt
		c.belong(rt)
	}
	c.note(rt)
	defer c.finish()
	c.In.Discard(len(head))
	c.body = c.req.Body(&c.In)
	if !c.handle(rs, rt, host) || c.Closing.Load() {
		if !c.body.Ended() && !c.Gone.Load() && !c.inner {
			c.Linger()
		}
		return false
	}
	c.Shrink()
	return true
}

// handle finds out what becomes of the request, which is for rt of rs, and does it.
// It starts over when the target that it found refuses requests meanwhile.
func (c *conn) handle(rs *route.Socket, rt *route.Route, host []byte) (keep bool) {
	c.desync = c.req.Desync()
	path, query := c.req.Split()
	c.asks = rule.Request{
		Method: c.req.Method, Host: host, Path: rule.Normalize(c.path[:0], path), Query: query, Fields: c.req.Fields, Client: c.Addr,
	}
	for {
		c.noteHead(host)
		if c.risky(rt) {
			return c.answer(400)
		}
		act := rt.Act(&c.asks)
		switch {
		case act.Fixed != nil:
			c.noteAction(act, "fixed-response")
			return c.answerFixed(act.Fixed)
		case act.Redirect != nil:
			c.noteAction(act, "redirect")
			return c.redirect(rt, act.Redirect, path)
		}
		c.noteAction(act, "forward")
		switch {
		case act.Forward == nil:
			return c.answer(503)
		case rewrite.TooManyHops(&c.req):
			return c.answer(463)
		}
		choice := act.Forward.Choose(c.req.Fields, c.edge.cookies)
		c.noteChoice(&choice)
		if choice.Pool == nil {
			return c.answer(503)
		}
		if (c.inner || choice.Pool.Version != table.HTTP1) && !c.fits(choice.Pool.Version) {
			return c.answer(464)
		}
		t := choice.Pick(rs.Zone, c.req.Fields, c.edge.cookies)
		switch {
		case t == nil && c.routes() == rs:
			return c.answer(503)
		case t != nil && t.Begin():
			err := c.transform(act)
			c.noteRewrite(act, err)
			if err != nil {
				t.End()
				return c.answer(500)
			}
			return c.proxy(rt, choice, t)
		}
		runtime.Gosched()
		rs = c.routes()
		rt = c.choose(rs, host)
		c.note(rt)
	}
}

// fits tells whether the request may go to targets that speak a version of HTTP
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html#http-464-issues).
func (c *conn) fits(v table.Version) bool {
	switch v {
	case table.HTTP2:
		return c.inner
	case table.GRPC:
		return c.inner && string(c.req.Method) == "POST"
	}
	return !c.req.IsGRPC()
}

// risky tells whether the listener refuses the request because others may read it
// differently. The connection ends with such a request, unless the listener only
// watches.
func (c *conn) risky(rt *route.Route) bool {
	if c.desync == http1.Compliant {
		return false
	}
	strict := rt.HTTP.Desync == table.Strictest
	if strict || c.desync.Ambiguous() && rt.HTTP.Desync != table.Monitor {
		c.Closing.Store(true)
	}
	return strict
}

// transform rewrites the request for its target.
func (c *conn) transform(act *route.Action) (err error) {
	if act.Host != nil {
		if c.req.Host, err = act.Host.Host(c.req.Host); err != nil {
			return err
		}
	}
	if act.URL != nil {
		c.req.Target, err = act.URL.URL(c.req.Target)
	}
	return err
}

// ends tells whether the connection should end with the request that is under
// way: it was told to, somebody waits for its place, or it is old.
func (c *conn) ends() bool {
	return c.Closing.Load() || c.edge.clients.Hungry() || c.admitted != nil && c.Age() > c.admitted.Age
}

// recheck cuts the connection if the socket's new routes no longer admit its
// client.
func (c *conn) recheck() {
	rs := c.socket.routes.Load()
	if c.Recheck() {
		return
	}
	if c.greeted.Load() && c.part(rs) == nil && (c.last.Load() != nil || c.session.Load() != nil) {
		c.Finish() // a new connection ends with its first answer: its request may be on its way
	}
	last := c.last.Load()
	if last == nil {
		if !rs.Admits(c.Addr) {
			c.Break(false)
		}
		return
	}
	if rt := rs.Find(last.ID); rt != nil && !rt.Admits(c.Addr) {
		c.Break(false)
	}
}

// idle is the idle timeout that holds for the connection.
func (c *conn) idle() time.Duration {
	if c.admitted != nil {
		return c.admitted.Idle
	}
	return c.socket.routes.Load().Idle
}

// hold keeps the connection without an answer until ok admits the client. It
// returns false when the connection ends first, has been held for too long, or is
// one too many.
func (c *conn) hold(ok func(*route.Socket) bool) bool {
	defer c.edge.held.Add(-1)
	if c.edge.held.Add(1) > c.edge.maxHeld {
		return false
	}
	return c.Hold(time.Now().Add(holdFor), func() bool { return ok(c.socket.routes.Load()) })
}
