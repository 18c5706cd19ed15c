package edge

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/edge/report"
	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/route"
	"github.com/skylift/skylift/internal/edge/target"
)

// tally is what is known of the request that is under way, for counters and logs.
type tally struct {
	meter.Request
	route  *route.Route // that it is for; nil: it isn't known yet
	mark   int64        // what its connection had consumed before it
	more   int64        // what came through a tunnel
	status int          // that the client gets; 0: none yet
	log    *entry       // nil: the request isn't logged
}

// times are when a request was passed on.
type times struct{ sent, answered, passed time.Time }

// entry is what a log is told of a request, with room for what must outlive the
// connection's buffer.
type entry struct {
	report.Request
	times
	room []byte
}

var entries = sync.Pool{New: func() any { return &entry{room: make([]byte, 0, 2<<10)} }}

// keep copies what the connection's buffer won't keep.
func (e *entry) keep(p []byte) []byte {
	n := len(e.room)
	e.room = append(e.room, p...)
	return e.room[n:len(e.room):len(e.room)]
}

// newTrace makes the id of a connection.
func newTrace() (t report.Trace) {
	for i, half := range [2]uint64{rand.Uint64(), rand.Uint64()} {
		for k := range 8 {
			t[8*i+k] = byte(half >> (8 * k))
		}
	}
	return t
}

// begin begins a request whose head is about to be consumed.
func (c *conn) begin() {
	c.tally = tally{mark: c.In.Consumed()}
}

// note notes which listener the request is for, and what its log is told of it.
func (c *conn) note(rt *route.Route) {
	c.tally.route = rt
	if !rt.Logs.Requests || c.edge.sink == nil {
		return
	}
	e := c.tally.log
	if e == nil {
		e = entries.Get().(*entry)
		e.Request, e.times, e.room = report.Request{Began: time.Now(), Rule: report.NoRule}, times{}, e.room[:0]
		c.tally.log = e
	}
	e.Balancer, e.Scheme, e.Port = rt.Balancer, rt.Scheme, rt.Port
}

// noteUnread notes a request that couldn't be read: it is for the listener of the last
// one, or for that which what names none is for. bad is what is wrong with it; nil: it
// didn't come whole.
func (c *conn) noteUnread(bad *http1.Error) {
	rs := c.socket.routes.Load()
	rt := rs.First()
	if c.admitted != nil {
		rt = c.admitted
	} else if home := rs.Find(c.home); home != nil {
		rt = home
	}
	c.desync, c.tally.more = http1.Compliant, int64(len(c.In.Buffered()))
	c.note(rt)
	if e := c.tally.log; e != nil && bad != nil && bad.Severe() != "" {
		e.Class, e.Reason = "Severe", bad.Severe()
	}
}

// noteHead notes what a request says.
func (c *conn) noteHead(host []byte) {
	e := c.tally.log
	if e == nil || e.Method != nil {
		return
	}
	r := &c.req
	e.Method, e.URI, e.Host = e.keep(r.Method), e.keep(r.Target), e.keep(host)
	e.Version = "1.1"
	switch {
	case c.inner:
		e.Version = "2.0"
	case r.Minor == 0:
		e.Version = "1.0"
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; e.Agent == nil && bytes.EqualFold(f.Name, []byte("user-agent")) {
			e.Agent = e.keep(f.Value)
		}
	}
	if c.desync != http1.Compliant {
		e.Class, e.Reason = c.desync.Class(), c.desync.String()
	}
}

// noteAction notes what a rule said.
func (c *conn) noteAction(act *route.Action, name string) {
	if e := c.tally.log; e != nil {
		e.Rule, e.Actions = act.Priority, append(e.Actions[:0], name)
	}
}

// noteChoice notes which pool the request is for.
func (c *conn) noteChoice(choice *route.Choice) {
	e := c.tally.log
	if e == nil {
		return
	}
	if choice.Pool != nil {
		e.Pool = choice.Pool.ID
	}
	if choice.Invalid {
		e.Error = "AWSALBTGCookieInvalid"
	}
}

// noteRewrite notes what the target gets in place of what the request says.
func (c *conn) noteRewrite(act *route.Action, err error) {
	c.tally.Transform = err != nil
	e := c.tally.log
	if e == nil || act.Host == nil && act.URL == nil {
		return
	}
	if err != nil {
		e.Rewriting = err.Error()
		return
	}
	e.Rewriting, e.Actions = "TransformSuccess", append(e.Actions[:0], "rewrite", "forward")
	if act.Host != nil {
		e.NewHost = e.keep(c.req.Host)
	}
	if act.URL != nil {
		e.NewURI = e.keep(c.req.Target)
	}
}

// noteTarget notes which target is asked, by a head.
func (c *conn) noteTarget(t *target.Target, head []byte) {
	if e := c.tally.log; e != nil {
		e.Target = t.Addr
		if e.TraceID == nil {
			e.TraceID = e.keep(rewrite.TraceOf(head))
		}
	}
}

// send writes a part of an answer.
func (c *conn) send(p []byte) (int, error) {
	if e := c.tally.log; e != nil && e.passed.IsZero() && !e.answered.IsZero() {
		e.passed = time.Now()
	}
	n, err := c.Net.Write(p)
	c.tally.Out += int64(n)
	return n, err
}

// sever ends the request, and its connection, though its client waits.
func (c *conn) sever() {
	c.severed.Store(true)
	c.Break(true)
}

// finish counts the request that is over, and tells its log. A client that got no answer
// hung up, or the request was cut with its target.
func (c *conn) finish() {
	t := &c.tally
	if t.route == nil {
		return
	}
	if t.status == 0 {
		t.status = 460
		if c.severed.Load() {
			t.status = 502
		}
		t.Own = t.status
	}
	t.In = c.In.Consumed() - t.mark + t.more
	t.Desync = c.desync != http1.Compliant
	t.route.Meter.In(c.zone).Count(c.shard, &t.Request)
	if t.log != nil {
		c.tell(t.log)
		t.log = nil
	}
	t.route = nil
}

// tell completes what is known of the request, and tells it.
func (c *conn) tell(e *entry) {
	now := time.Now()
	e.Ended, e.Client, e.Node, e.Connection = now, netip.AddrPortFrom(c.Addr, c.Port), c.node(), c.trace
	e.Status, e.Received, e.Sent = c.tally.status, c.tally.In, c.tally.Out
	e.Routing, e.Waiting, e.Answering = report.Unknown, report.Unknown, report.Unknown
	if !e.answered.IsZero() {
		e.Routing, e.Waiting, e.Answering = e.sent.Sub(e.Began), e.answered.Sub(e.sent), max(0, e.passed.Sub(e.answered))
	}
	switch ws := e.Status == 101; {
	case ws && c.shook != nil:
		e.Kind = report.Secure
	case ws:
		e.Kind = report.WS
	case c.tally.GRPC:
		e.Kind = report.GRPCS
	case c.inner:
		e.Kind = report.HTTP2
	case c.shook != nil:
		e.Kind = report.HTTPS
	default:
		e.Kind = report.HTTP
	}
	if c.shook != nil {
		e.TLS = &c.shook.agreed
	}
	if len(e.Host) == 0 {
		e.Host = e.keep([]byte(c.tally.route.Name))
	}
	if e.TraceID == nil && e.Method != nil {
		n := len(e.room)
		e.room = rewrite.AppendTrace(e.room, &c.req, now)
		e.TraceID = e.room[n:]
	}
	c.edge.sink.Request(&e.Request)
	if cap(e.room) <= 64<<10 {
		entries.Put(e)
	}
}

// node is the balancer's address that the client connected to.
func (c *conn) node() netip.Addr {
	if a := c.socket.addr.Addr(); !a.IsUnspecified() {
		return a
	}
	if ap, err := netip.ParseAddrPort(c.Net.LocalAddr().String()); err == nil {
		return ap.Addr().Unmap()
	}
	return c.socket.addr.Addr()
}

// belong counts the connection for the balancer that it turned out to be for, and tells
// its log.
func (c *conn) belong(rt *route.Route) {
	if c.inner || c.front != nil || rt == nil {
		return
	}
	c.front = rt.Meter.In(c.zone)
	c.front.Opened.Add(1)
	c.front.Open.Add(1)
	c.tellConnection(rt, "")
}

// leave counts the connection out.
func (c *conn) leave() {
	if c.front != nil {
		c.front.Open.Add(-1)
	}
}

// tellConnection tells a log that the connection is there, or why it isn't.
func (c *conn) tellConnection(rt *route.Route, failed string) {
	if !rt.Logs.Connections || c.edge.sink == nil {
		return
	}
	r := report.Connection{
		Balancer: rt.Balancer, Node: c.node(), ID: c.trace, Time: time.Now(), Client: netip.AddrPortFrom(c.Addr, c.Port), Port: rt.Port, Failed: failed,
	}
	if c.shook != nil {
		r.TLS, r.Shaking = &c.shook.agreed, c.shook.took
	}
	c.edge.sink.Connection(&r)
}

// unshaken counts a handshake that failed, for the listener that it was for.
func (c *conn) unshaken(name string) {
	rs := c.socket.routes.Load()
	rt := rs.Only()
	if rt == nil && name != "" {
		rt = rs.Greet(name)
	}
	if rt == nil {
		rt = rs.First()
	}
	if !rt.Admits(c.Addr) {
		return
	}
	rt.Meter.In(c.zone).Unsecure.Add(1)
	c.tellConnection(rt, "UnmappedConnectionError")
}

// Counts returns all that was counted since the process began.
func (e *Edge) Counts() meter.Counts {
	var c meter.Counts
	e.loading.Lock()
	e.compiler.Each(func(balancer, zone string, m *meter.Front) {
		c.Balancers = append(c.Balancers, meter.BalancerCounts{Balancer: balancer, Zone: zone, FrontCounts: m.Read()})
	})
	e.loading.Unlock()
	e.targets.Count(&c)
	c.Sort()
	return c
}
