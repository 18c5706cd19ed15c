package edge

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/skylift/skylift/internal/edge/deadline"
	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/route"
	"github.com/skylift/skylift/internal/edge/table"
)

// refuse answers a request that couldn't be read, unless the client hung up. The
// connection ends.
func (c *conn) refuse(err error) bool {
	bad, ok := errors.AsType[*http1.Error](err)
	status := 400
	switch {
	case ok:
		status = bad.Status
	case errors.Is(err, http1.ErrTooLarge):
		if bytes.IndexByte(c.In.Buffered()[:http1.MaxLine], '\n') < 0 {
			status = 414
		}
	case deadline.Passed(err) && len(c.In.Buffered()) > 0:
		status = 408
	default: // an idle connection, or a client that hung up
		return false
	}
	c.Closing.Store(true)
	if !c.unadmitted() {
		c.noteUnread(bad)
		c.answerError(status, false)
		c.finish()
	}
	if tcp, ok := c.Net.(interface{ CloseWrite() error }); ok && tcp.CloseWrite() == nil {
		c.Net.SetReadDeadline(time.Now().Add(time.Second)) //nolint:errcheck // best effort
		io.CopyN(io.Discard, c.Net, 1<<20)                 //nolint:errcheck // best effort
	}
	return false
}

// unadmitted tells whether the client gets no answer to a request that doesn't say
// which listener it is for.
func (c *conn) unadmitted() bool {
	rs := c.socket.routes.Load()
	if last := c.last.Load(); last != nil {
		if rt := rs.Find(last.ID); rt != nil {
			return !rt.Admits(c.Addr)
		}
	}
	return !rs.Admits(c.Addr)
}

// answer sends one of the balancer's own answers.
func (c *conn) answer(status int) (keep bool) {
	return c.answerError(status, bytes.Equal(c.req.Method, []byte("HEAD")))
}

func (c *conn) answerError(status int, toHead bool) (keep bool) {
	a := rewrite.Failure(status)
	c.tally.GRPC = c.inner && c.req.IsGRPC()
	if c.tally.GRPC {
		a = a.OfGRPC()
	}
	return c.generate(a, toHead)
}

func (c *conn) answerFixed(f *table.Fixed) (keep bool) {
	c.tally.Fixed = true
	return c.generate(rewrite.Fixed(f.Status, f.ContentType, f.Body), bytes.Equal(c.req.Method, []byte("HEAD")))
}

// redirect sends the client elsewhere.
func (c *conn) redirect(rt *route.Route, r *rewrite.Redirect, path []byte) (keep bool) {
	s := scratches.Get().(*scratch)
	defer s.free()
	host := c.asks.Host
	if len(host) == 0 {
		host = []byte(rt.Name)
	}
	var ok bool
	c.tally.Redirect = true
	s.request, ok = r.Location(s.request[:0], &rewrite.Origin{Protocol: rt.Scheme, Host: host, Port: rt.Port, Path: path, Query: c.asks.Query})
	if !ok {
		return c.answer(507)
	}
	if e := c.tally.log; e != nil {
		e.Location = e.keep(s.request)
	}
	return c.generate(r.Answer(s.request), bytes.Equal(c.req.Method, []byte("HEAD")))
}

// generate writes an answer that no target gave. The connection is kept if the
// request was read whole.
func (c *conn) generate(a rewrite.Answer, toHead bool) (keep bool) {
	keep = !c.ends() && !c.req.Closes() && c.body.Whole()
	if keep {
		c.body.Rest()
	}
	now := time.Now()
	c.Touch(now, c.idle())
	s := scratches.Get().(*scratch)
	defer s.free()
	var set *rewrite.Headers
	if c.admitted != nil {
		set = c.admitted.Headers
	}
	c.tally.status, c.tally.Own = a.Status, a.Status
	s.reply = rewrite.AppendAnswer(s.reply[:0], a, set, now, keep, toHead)
	if _, err := c.send(s.reply); err != nil {
		c.Gone.Store(true)
		return false
	}
	return keep
}
