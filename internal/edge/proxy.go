package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/edge/deadline"
	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/route"
	"github.com/skylift/skylift/internal/edge/target"
	"github.com/skylift/skylift/internal/limit"
)

const (
	flushAt = 32 << 10 // an answer is passed on when this much of it is there
	direct  = 4 << 10  // a piece this long isn't worth copying
)

// scratch is where a request's head and its answer are written anew.
type scratch struct {
	request []byte // the head, and the body if that is buffered whole
	reply   []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{} }}

func (s *scratch) free() {
	if cap(s.request) <= 2*bodyBuffer && cap(s.reply) <= 2*flushAt {
		scratches.Put(s)
	}
}

// failure is why a target gave no answer. No byte was passed on to the client.
type failure struct {
	status int  // to answer with; 0: there is nobody to answer
	sent   bool // the target may have seen the request
	stale  bool // the connection was kept, and may have been closed before the request
	final  bool // no other target is asked
}

// attempt is one request's way to its answer, over one target or two.
type attempt struct {
	c          *conn
	route      *route.Route
	choice     route.Choice
	group      *meter.Group
	scratch    *scratch
	idempotent bool
	replayable bool // the scratch has all of it
	upload     *upload
}

// proxy sends the request to t, which began it, and passes the answer on. The
// request is sent again only when that can't do it twice: on a new connection
// when a kept one turns out to be closed, and to one other target when t doesn't
// take it.
func (c *conn) proxy(rt *route.Route, choice route.Choice, t *target.Target) (keep bool) {
	s := scratches.Get().(*scratch)
	defer s.free()
	a := &attempt{c: c, route: rt, choice: choice, scratch: s, idempotent: isIdempotent(c.req.Method)}
	a.replayable = c.body.Whole()
	toHead := bytes.Equal(c.req.Method, []byte("HEAD"))
	s.request = rewrite.AppendRequest(s.request[:0], &c.req, &c.body, &rewrite.Hop{
		Client: c.Name, ClientPort: c.Port, Scheme: rt.Scheme, Port: rt.Port, Host: rt.Name, Told: c.shook.tells(rt), HTTP: rt.HTTP,
	})
	if a.replayable {
		s.request = append(s.request, c.body.Rest()...)
	}
	a.group = choice.Pool.Meter.In(c.zone)
	a.group.Request(c.shard)
	c.tally.GRPC = c.inner && c.req.IsGRPC()
	fresh, moved := false, false
	for {
		c.noteTarget(t, s.request)
		keep, fail := a.try(t, toHead, fresh)
		if fail == nil {
			return keep
		}
		again := !fail.final && (!fail.sent || a.idempotent && a.replayable)
		switch {
		case c.Gone.Load() || fail.status == 0:
			return false
		case again && fail.stale && t.Begin():
			fresh = true
		case again && fail.status == 502 && !moved:
			moved = true
			if t = choice.Pool.Another(c.socket.routes.Load().Zone, t); t == nil {
				return c.answerError(fail.status, toHead)
			}
		default:
			return c.answerError(fail.status, toHead)
		}
	}
}

// try sends the request to t once and ends it there.
func (a *attempt) try(t *target.Target, toHead, fresh bool) (keep bool, fail *failure) {
	c := a.c
	defer t.End()
	c.target.Store(t)
	defer c.target.Store(nil)
	b, err := a.connect(t, fresh)
	switch {
	case err == nil:
	case limit.Ours(err):
		c.edge.targets.Short(t.Addr, err)
		return false, &failure{status: 503, final: true}
	case deadline.Passed(err):
		a.refused(t, err)
		return false, &failure{status: 504}
	default:
		a.refused(t, err)
		t.Meter.Requests.Add(1)
		t.Meter.Failed.Add(1)
		return false, &failure{status: 502}
	}
	c.Backend.Store(b)
	keep, reuse, fail := a.exchange(b, toHead)
	c.Backend.Store(nil)
	t.Meter.Requests.Add(1)
	if fail != nil && fail.status == 502 || fail == nil && c.res.Status >= 500 {
		t.Meter.Failed.Add(1)
	}
	if reuse && fail == nil && !c.Gone.Load() {
		b.Keep(time.Now())
	} else {
		b.Drop()
	}
	return keep, fail
}

// refused counts a connection that couldn't be made.
func (a *attempt) refused(t *target.Target, err error) {
	if secure := errors.Is(err, target.ErrHandshake); secure {
		t.Meter.Unsecure.Add(1)
		a.group.Refused(a.c.shard, true)
	} else {
		t.Meter.Refused.Add(1)
		a.group.Refused(a.c.shard, false)
	}
}

// answered counts the answer whose head was parsed, to a request that was sent at a time.
func (a *attempt) answered(sent time.Time) {
	c, now := a.c, time.Now()
	took := now.Sub(sent)
	c.tally.status = c.res.Status
	a.group.Answered(c.shard, c.res.Status, took)
	c.target.Load().Meter.Answered(c.res.Status, took)
	if e := c.tally.log; e != nil {
		e.TargetStatus, e.sent, e.answered, e.passed = c.res.Status, sent, now, time.Time{}
	}
}

func (a *attempt) connect(t *target.Target, fresh bool) (*target.Conn, error) {
	if !fresh {
		if b := t.Take(a.route.Source, !a.idempotent || !a.replayable); b != nil {
			return b, nil
		}
	}
	return t.Dial(a.route.Source)
}

// exchange writes the request and passes the answer on.
func (a *attempt) exchange(b *target.Conn, toHead bool) (keep, reuse bool, fail *failure) {
	c := a.c
	now := a.touch(b)
	if n, err := b.Net.Write(a.scratch.request); err != nil {
		return false, false, a.failed(b, err, n > 0)
	}
	if a.replayable {
		c.Await(now)
		defer c.Resume()
	} else {
		a.upload = startUpload(c, b, a.route.Idle)
		defer a.upload.end(c)
	}
	var headLen int
	for {
		head, err := b.In.Head(http1.MaxReply)
		if err != nil {
			return false, false, a.failed(b, err, true)
		}
		if err := c.res.Parse(head); err != nil {
			return false, false, a.malformed(b, err)
		}
		if headLen = len(head); !c.res.Informs() {
			break
		}
		if err := a.inform(); err != nil {
			return false, false, &failure{sent: true}
		}
		b.In.Discard(headLen)
		a.touch(b)
	}
	if c.res.Status == 101 {
		return false, false, a.tunnel(b, headLen, now)
	}
	a.answered(now)
	return a.reply(b, headLen, toHead)
}

// touch gives both sides the idle timeout from now.
func (a *attempt) touch(b *target.Conn) (now time.Time) {
	now = time.Now()
	a.c.Touch(now, a.route.Idle)
	b.Touch(now, a.route.Idle)
	return now
}

// failed says what it means for the request that b broke before an answer.
func (a *attempt) failed(b *target.Conn, err error, sent bool) *failure {
	f := &failure{status: 502, sent: sent}
	switch {
	case a.c.Gone.Load():
		f.status = 0
	case a.upload != nil && a.upload.status.Load() >= 0:
		f.status = int(a.upload.status.Load())
	case limit.Ours(err):
		a.c.edge.targets.Short(b.Addr(), err)
		f.status, f.final = 503, true
	case deadline.Passed(err) && a.upload != nil && a.upload.starves.Load():
		f.status = 408
	case deadline.Passed(err):
		b.Doubt()
		f.status = 504
	case errors.Is(err, http1.ErrTooLarge):
		f.final = true
	default:
		f.stale = b.Kept && len(b.In.Buffered()) == 0
	}
	if a.upload != nil {
		f.sent = true // and part of the body is gone
	}
	return f
}

func (a *attempt) malformed(b *target.Conn, err error) *failure {
	a.c.edge.log.Warn("malformed answer", "target", b.Addr(), "err", err)
	b.Net.Close()
	return &failure{status: 502, sent: true, final: true}
}

// inform passes an interim answer on to a client that understands it.
func (a *attempt) inform() error {
	c := a.c
	if c.req.Minor == 0 || c.res.Status == 100 && !c.req.Expect {
		return nil
	}
	out := rewrite.AppendStatus(a.scratch.reply[:0], &c.res)
	out = rewrite.AppendFields(out, c.res.Fields, nil)
	a.scratch.reply = append(out, "\r\n"...)
	_, err := c.send(a.scratch.reply)
	return err
}

// reply passes on the answer whose head was parsed. From here on, a failure can
// only end the connection.
func (a *attempt) reply(b *target.Conn, headLen int, toHead bool) (keep, reuse bool, fail *failure) {
	c := a.c
	body := c.res.Body(&b.In, toHead)
	chunk := c.req.Minor == 1 && (body.Framing == http1.Chunked || body.Framing == http1.UntilClose)
	uploaded := a.upload == nil || a.upload.read.Load()
	keep = !c.ends() && !c.req.Closes() && uploaded && (chunk || body.Framing == http1.None || body.Framing == http1.Sized)
	reuse = !c.res.Closes(body.Framing) && !c.desync.Ambiguous()

	out := rewrite.AppendStatus(a.scratch.reply[:0], &c.res)
	out = rewrite.AppendFields(out, c.res.Fields, a.route.Headers)
	out = a.choice.AppendCookies(out, c.target.Load(), c.res.Fields, c.edge.cookies)
	switch {
	case chunk:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case body.Told():
		out = rewrite.AppendLength(out, body.Length)
	}
	out = rewrite.AppendConnection(out, keep)
	a.scratch.reply = append(out, "\r\n"...)
	b.In.Discard(headLen)

	if err := a.relay(b, &body, chunk); err != nil {
		if !c.Gone.Load() {
			c.edge.log.Debug("answer broke off", "target", b.Addr(), "err", err)
		}
		return false, false, nil
	}
	if a.upload != nil {
		reuse = reuse && uploaded && a.upload.delivered()
	}
	return keep, reuse && len(b.In.Buffered()) == 0, nil
}

// relay writes the answer as it arrives: bytes that are there don't wait for more
// to come.
func (a *attempt) relay(b *target.Conn, body *http1.Body, chunk bool) error {
	c, out := a.c, a.scratch.reply
	defer func() { a.scratch.reply = out }()
	flush := func() error {
		_, err := c.send(out)
		out = out[:0]
		if err != nil {
			c.Gone.Store(true)
			return fmt.Errorf("write to the client: %w", err)
		}
		return nil
	}
	for {
		waits := !body.Ready()
		if len(out) > flushAt || len(out) > 0 && waits {
			if err := flush(); err != nil {
				return err
			}
		}
		if waits {
			a.touch(b)
		}
		piece, err := body.Next()
		if errors.Is(err, io.EOF) {
			if chunk {
				out = append(append(append(out, "0\r\n"...), body.Trailers...), "\r\n"...)
			}
			return flush()
		}
		if err != nil {
			flush() //nolint:errcheck // the bytes that came are passed on, then the connection ends
			return fmt.Errorf("read from the target: %w", err)
		}
		a.touch(b)
		if out, err = a.pass(out, piece, chunk); err != nil {
			return err
		}
	}
}

// pass appends a piece to out, or writes it with what is there.
func (a *attempt) pass(out, piece []byte, chunk bool) ([]byte, error) {
	if chunk {
		return rewrite.AppendChunk(out, piece), nil
	}
	if len(piece) < direct {
		return append(out, piece...), nil
	}
	if len(out) > 0 {
		if _, err := a.c.send(out); err != nil {
			return out[:0], fmt.Errorf("write to the client: %w", err)
		}
	}
	if _, err := a.c.send(piece); err != nil {
		return out[:0], fmt.Errorf("write to the client: %w", err)
	}
	return out[:0], nil
}

// isIdempotent tells whether doing a request twice is the same as doing it once
// (RFC 9110, section 9.2.2).
func isIdempotent(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	}
	return false
}
