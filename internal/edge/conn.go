package edge

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
)

// clientBuffer is what a connection has to read into; it grows for a head or
// a body that needs more.
const (
	clientBuffer = 4 << 10
	bodyBuffer   = 32 << 10
)

// holdFor is how long a client that isn't admitted is held.
const holdFor = 60 * time.Second

// keepAlive is how old a connection may become: client_keep_alive.seconds of an
// Application Load Balancer.
const keepAlive = time.Hour

// conn is a client's connection. Its goroutine, serve, owns it; others only
// read what is atomic, and close or wake it.
type conn struct {
	edge   *Edge
	socket *socket
	nc     net.Conn
	client netip.Addr
	name   string // the client's address as text

	rd   http1.Reader
	req  http1.Request
	body http1.Body // the request's
	res  http1.Response

	admitted *route // was found to admit the client
	deadline atomic.Int64
	phase    atomic.Int32
	rested   atomic.Int64  // since when it waits for a request
	born     int64         // when it was accepted
	since    atomic.Int64  // when it began to wait for a target
	watched  chan struct{} // the watcher's end

	last    atomic.Pointer[route] // that it asked for
	target  atomic.Pointer[target]
	backend atomic.Pointer[backend]
	held    atomic.Bool
	closing atomic.Bool // ends when it is idle
	endless atomic.Bool // is a tunnel
	gone    atomic.Bool // the client hung up or was cut
}

// The phases of a connection: who may read from it or move its deadline.
const (
	reading  int32 = iota // serve, for the next request; others may wake it
	waking                // who wakes it
	working               // serve, or the upload it started
	waiting               // nobody: serve waits for a target
	watching              // the watcher
)

func newConn(s *socket, nc net.Conn) *conn {
	c := &conn{edge: s.edge, socket: s, nc: nc, watched: make(chan struct{}, 1), born: time.Now().UnixNano()}
	c.rested.Store(c.born)
	if ap, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.client = ap.Addr().Unmap().WithZone("")
		c.name = c.client.String()
	}
	return c
}

// serve answers requests until the connection ends.
func (c *conn) serve() {
	defer func() {
		if bug := recover(); bug != nil { // ends this connection, not all of them
			c.edge.log.Error("request failed", "err", bug, "stack", string(debug.Stack()))
		}
		c.nc.Close()
		c.edge.clients.Leave(c)
		c.edge.connMu.Lock()
		delete(c.edge.conns, c)
		c.edge.connMu.Unlock()
	}()
	c.rd.Reset(c.nc, make([]byte, clientBuffer))
	anyone := func(rs *routes) bool { return rs.admits(c.client) }
	if !anyone(c.socket.routes.Load()) && !c.hold(anyone) {
		return
	}
	for c.once() {
	}
}

// once answers one request; false ends the connection.
func (c *conn) once() bool {
	head, err := c.readHead()
	if err != nil {
		return c.refuse(err)
	}
	if err := c.req.Parse(head); err != nil {
		return c.refuse(err)
	}
	host := hostname(c.req.Host)
	rt := c.socket.routes.Load().choose(host)
	if rt != c.admitted {
		c.last.Store(rt)
		if !rt.admits(c.client) {
			return c.hold(func(rs *routes) bool { return rs.choose(host).admits(c.client) })
		}
		c.admitted = rt
	}
	c.rd.Discard(len(head))
	c.body = c.req.Body(&c.rd)
	if !c.handle(host) || c.closing.Load() {
		c.linger()
		return false
	}
	c.shrink()
	return true
}

// handle finds out what becomes of the request and does it. It starts over
// when the target it found began to refuse requests meanwhile.
func (c *conn) handle(host []byte) (keep bool) {
	for {
		rs := c.socket.routes.Load()
		rt := rs.choose(host)
		act := rt.act(host, c.req.Path())
		switch {
		case act.fixed != nil:
			return c.answerFixed(act.fixed)
		case act.forward == nil:
			return c.answer(503)
		case tooManyHops(&c.req):
			return c.answer(463)
		}
		t := act.forward.pick(nil)
		switch {
		case t == nil && c.socket.routes.Load() == rs:
			return c.answer(503)
		case t != nil && t.begin():
			return c.proxy(rt, act.forward, t)
		}
		runtime.Gosched()
	}
}

// readHead waits for the next request.
func (c *conn) readHead() ([]byte, error) {
	for {
		now := time.Now()
		c.rested.Store(now.UnixNano())
		c.phase.Store(reading)
		c.touch(now, c.idle())
		if c.closing.Load() && len(c.rd.Buffered()) == 0 {
			return nil, io.EOF
		}
		head, err := c.rd.Head(http1.MaxLine + http1.MaxHead)
		c.work()
		if c.gone.Load() {
			return nil, net.ErrClosed // it was cut: nobody would get the answer
		}
		if c.closing.Load() && c.woken() && isTimeout(err) && len(c.rd.Buffered()) > 0 {
			continue // it began a request before it was told to end
		}
		return head, err
	}
}

// woken makes the deadline be set anew, and tells whether it was another who
// had moved it.
func (c *conn) woken() bool {
	return c.deadline.Swap(0) > time.Now().UnixNano()
}

// work ends the phase in which others may wake the connection.
func (c *conn) work() {
	for !c.phase.CompareAndSwap(reading, working) {
		runtime.Gosched() // waking
	}
}

// wake makes a read of serve return.
func (c *conn) wake() {
	if c.phase.CompareAndSwap(reading, waking) {
		c.nc.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection is awake
		c.phase.Store(reading)
	}
}

// Resting implements limit.Conn: it waits for a request, or for the rest of one.
func (c *conn) Resting() (since int64, ok bool) {
	return c.rested.Load(), c.phase.Load() == reading
}

// Cut implements limit.Conn: no request that is read is lost.
func (c *conn) Cut() bool {
	if !c.phase.CompareAndSwap(reading, waking) {
		return false
	}
	c.gone.Store(true)
	c.nc.Close()
	c.phase.Store(reading)
	return true
}

// ends tells whether the connection should end with the request that is under
// way: because it was told to, somebody waits for its place, or it is old.
func (c *conn) ends() bool {
	return c.closing.Load() || c.edge.clients.Hungry() || c.rested.Load()-c.born > int64(keepAlive)
}

// finish ends the connection when it is idle.
func (c *conn) finish() {
	c.closing.Store(true)
	c.wake()
}

// cut ends the connection now, and what it waits for too if asked to.
func (c *conn) cut(target bool) {
	c.gone.Store(true)
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		tcp.SetLinger(0) //nolint:errcheck // closing is what matters
	}
	c.nc.Close()
	if b := c.backend.Load(); target && b != nil {
		b.conn.Close()
	}
}

// recheck cuts the connection if the socket's new routes don't admit its
// client any more.
func (c *conn) recheck() {
	rs := c.socket.routes.Load()
	if c.held.Load() {
		c.wake()
		return
	}
	last := c.last.Load()
	if last == nil {
		if !rs.admits(c.client) {
			c.cut(false)
		}
		return
	}
	if rt := rs.find(last.id); rt != nil && !rt.admits(c.client) {
		c.cut(false)
	}
}

// idle is the idle timeout that holds for the connection.
func (c *conn) idle() time.Duration {
	if c.admitted != nil {
		return c.admitted.idle
	}
	return c.socket.routes.Load().idle
}

func (c *conn) touch(now time.Time, idle time.Duration) {
	extend(c.nc, &c.deadline, now, idle)
}

// hold keeps the connection without an answer, as if its packets were
// dropped, until ok admits the client. It is false when the connection ends
// first or has been held for long.
func (c *conn) hold(ok func(*routes) bool) bool {
	if c.edge.held.Add(1) > c.edge.maxHeld {
		c.edge.held.Add(-1)
		return false
	}
	defer c.edge.held.Add(-1)
	c.held.Store(true)
	defer c.held.Store(false)
	until := time.Now().Add(holdFor)
	defer c.deadline.Store(0)
	c.rested.Store(time.Now().UnixNano())
	for len(c.rd.Buffered()) < http1.MaxHead {
		c.phase.Store(reading)
		c.nc.SetReadDeadline(until) //nolint:errcheck // a closed connection says so when it is read
		if c.closing.Load() || !time.Now().Before(until) {
			return false
		}
		if ok(c.socket.routes.Load()) {
			c.work()
			return true
		}
		err := c.rd.Fill()
		c.work()
		if err != nil && !isTimeout(err) {
			return false
		}
	}
	return false
}

// watch starts a watcher if the client has been waiting for a target for
// long.
func (c *conn) watch(now time.Time) {
	if c.phase.Load() != waiting || now.UnixNano()-c.since.Load() < int64(patience) {
		return
	}
	if c.phase.CompareAndSwap(waiting, watching) {
		go c.watcher()
	}
}

// watcher reads ahead, and ends what the client waits for when it hangs up.
// await waits for it.
func (c *conn) watcher() {
	defer func() { c.watched <- struct{}{} }()
	for c.rd.Room() {
		err := c.rd.Fill()
		if err != nil && !isTimeout(err) {
			c.gone.Store(true)
			if b := c.backend.Load(); b != nil {
				b.conn.Close()
			}
		}
		if err != nil {
			return
		}
	}
}

// await begins to wait for a target with nobody reading from the client.
func (c *conn) await(now time.Time) {
	c.since.Store(now.UnixNano())
	c.phase.Store(waiting)
}

// resume ends await, if it hasn't ended.
func (c *conn) resume() {
	if c.phase.CompareAndSwap(waiting, working) || c.phase.Load() == working {
		return
	}
	c.nc.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection is awake
	<-c.watched
	c.phase.Store(working)
	c.deadline.Store(0)
}

// linger reads on for a moment after an answer that came before the whole
// request: closing at once would reset the connection and lose the answer.
func (c *conn) linger() {
	if c.body.Ended() || c.gone.Load() {
		return
	}
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		tcp.CloseWrite() //nolint:errcheck // best effort
	}
	c.nc.SetReadDeadline(time.Now().Add(2 * time.Second)) //nolint:errcheck // best effort
	io.CopyN(io.Discard, c.nc, 1<<20)                     //nolint:errcheck // best effort
}

// shrink gives back a buffer that had to grow.
func (c *conn) shrink() {
	if len(c.rd.Buffered()) > 0 {
		return
	}
	if buf := c.rd.Release(); len(buf) > clientBuffer {
		c.rd.Reset(c.nc, make([]byte, clientBuffer))
	} else {
		c.rd.Reset(c.nc, buf)
	}
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
