package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/limit"
)

const (
	flushAt = 32 << 10 // an answer's bytes are passed on at the latest
	direct  = 4 << 10  // a piece this long isn't worth copying
)

// scratch is what a request needs to be written anew, and its answer.
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

// failure is why a target gave no answer. No byte of one was passed on.
type failure struct {
	status int  // to answer with; 0: there is nobody to answer
	sent   bool // the target may have seen the request
	stale  bool // on a connection that was kept, and may have been closed before
	final  bool // no other target is asked
}

// attempt is one request's way to its answer, over as many targets as it
// takes.
type attempt struct {
	c          *conn
	route      *route
	scratch    *scratch
	idempotent bool
	replayable bool // the scratch has all of it
	upload     *upload
}

// proxy sends the request to t, which began it, and passes the answer on. A
// request is sent again only when that can't do it twice: on a new connection
// when a kept one turns out to be closed, and to one other target when this
// one doesn't take it.
func (c *conn) proxy(rt *route, f *forward, t *target) (keep bool) {
	s := scratches.Get().(*scratch)
	defer s.free()
	a := &attempt{c: c, route: rt, scratch: s, idempotent: isIdempotent(c.req.Method)}
	a.replayable = c.body.Whole()
	toHead := bytes.Equal(c.req.Method, []byte("HEAD"))
	s.request = c.appendRequest(s.request[:0], rt)
	if a.replayable {
		s.request = append(s.request, c.body.Rest()...)
	}
	fresh, moved := false, false
	for {
		keep, fail := a.try(t, toHead, fresh)
		if fail == nil {
			return keep
		}
		again := !fail.final && (!fail.sent || a.idempotent && a.replayable)
		switch {
		case c.gone.Load() || fail.status == 0:
			return false
		case again && fail.stale && t.begin():
			fresh = true
		case again && fail.status == 502 && !moved:
			moved = true
			if t = f.another(t); t == nil {
				return c.answerError(fail.status, toHead)
			}
		default:
			return c.answerError(fail.status, toHead)
		}
	}
}

// try sends the request to t once and ends it there.
func (a *attempt) try(t *target, toHead, fresh bool) (keep bool, fail *failure) {
	c := a.c
	defer t.end()
	c.target.Store(t)
	defer c.target.Store(nil)
	b, err := a.connect(t, fresh)
	switch {
	case err == nil:
	case limit.Ours(err):
		c.edge.short(t.addr, err)
		return false, &failure{status: 503, final: true}
	case isTimeout(err):
		return false, &failure{status: 504}
	default:
		return false, &failure{status: 502}
	}
	c.backend.Store(b)
	keep, reuse, fail := a.exchange(b, toHead)
	c.backend.Store(nil)
	if reuse && fail == nil && !c.gone.Load() {
		b.keep(time.Now())
	} else {
		b.drop()
	}
	return keep, fail
}

func (a *attempt) connect(t *target, fresh bool) (*backend, error) {
	u := t.upstream(a.route.source)
	if !fresh {
		if b := u.take(time.Now(), !a.idempotent || !a.replayable); b != nil {
			return b, nil
		}
	}
	return u.dial()
}

// exchange writes the request and passes the answer on.
func (a *attempt) exchange(b *backend, toHead bool) (keep, reuse bool, fail *failure) {
	c := a.c
	now := a.touch(b)
	if n, err := b.conn.Write(a.scratch.request); err != nil {
		return false, false, a.failed(b, err, n > 0)
	}
	if a.replayable {
		c.await(now)
		defer c.resume()
	} else {
		a.upload = startUpload(c, b, a.route.idle)
		defer a.upload.end(c)
	}
	var headLen int
	for {
		head, err := b.rd.Head(http1.MaxReply)
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
		b.rd.Discard(headLen)
		a.touch(b)
	}
	if c.res.Status == 101 {
		return false, false, a.tunnel(b, headLen)
	}
	return a.reply(b, headLen, toHead)
}

// touch gives both sides the idle timeout from now.
func (a *attempt) touch(b *backend) (now time.Time) {
	now = time.Now()
	a.c.touch(now, a.route.idle)
	b.touch(now, a.route.idle)
	return now
}

// failed says what it means that b broke before an answer.
func (a *attempt) failed(b *backend, err error, sent bool) *failure {
	f := &failure{status: 502, sent: sent}
	switch {
	case a.c.gone.Load():
		f.status = 0
	case a.upload != nil && a.upload.status.Load() >= 0:
		f.status = int(a.upload.status.Load())
	case limit.Ours(err):
		a.c.edge.short(b.up.target.addr, err)
		f.status, f.final = 503, true
	case isTimeout(err) && a.upload != nil && a.upload.starves.Load():
		f.status = 408
	case isTimeout(err):
		f.status = 504
	case errors.Is(err, http1.ErrTooLarge):
		f.final = true
	default:
		f.stale = b.reused && len(b.rd.Buffered()) == 0
	}
	if a.upload != nil {
		f.sent = true // and part of the body is gone
	}
	return f
}

func (a *attempt) malformed(b *backend, err error) *failure {
	a.c.edge.log.Warn("malformed answer", "target", b.up.target.addr, "err", err)
	b.conn.Close()
	return &failure{status: 502, sent: true, final: true}
}

// inform passes an interim answer on to a client that understands it.
func (a *attempt) inform() error {
	c := a.c
	if c.req.Minor == 0 || c.res.Status == 100 && !c.req.Expect {
		return nil
	}
	out := appendStatus(a.scratch.reply[:0], &c.res)
	out = appendFields(out, c.res.Fields)
	a.scratch.reply = append(out, "\r\n"...)
	_, err := c.nc.Write(a.scratch.reply)
	return err
}

// reply passes the answer on, whose head was parsed. From here on, what goes
// wrong can only end the connection.
func (a *attempt) reply(b *backend, headLen int, toHead bool) (keep, reuse bool, fail *failure) {
	c := a.c
	body := c.res.Body(&b.rd, toHead)
	chunk := c.req.Minor == 1 && (body.Framing == http1.Chunked || body.Framing == http1.UntilClose)
	uploaded := a.upload == nil || a.upload.read.Load()
	keep = !c.ends() && !c.req.Closes() && uploaded && (chunk || body.Framing == http1.None || body.Framing == http1.Sized)
	reuse = !c.res.Closes(body.Framing)

	out := appendStatus(a.scratch.reply[:0], &c.res)
	out = appendFields(out, c.res.Fields)
	switch {
	case chunk:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case body.Told():
		out = appendLength(out, body.Length)
	}
	out = appendConnection(out, keep)
	a.scratch.reply = append(out, "\r\n"...)
	b.rd.Discard(headLen)

	if err := a.relay(b, &body, chunk); err != nil {
		if !c.gone.Load() {
			c.edge.log.Debug("answer broke off", "target", b.up.target.addr, "err", err)
		}
		return false, false, nil
	}
	if a.upload != nil {
		reuse = reuse && uploaded && a.upload.delivered()
	}
	return keep, reuse && len(b.rd.Buffered()) == 0, nil
}

// relay writes the answer as it arrives: nothing that is there waits for what
// isn't.
func (a *attempt) relay(b *backend, body *http1.Body, chunk bool) error {
	c, out := a.c, a.scratch.reply
	defer func() { a.scratch.reply = out }()
	flush := func() error {
		_, err := c.nc.Write(out)
		out = out[:0]
		if err != nil {
			c.gone.Store(true)
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
			flush() //nolint:errcheck // what came is passed on, then the connection ends
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
		return appendChunk(out, piece), nil
	}
	if len(piece) < direct {
		return append(out, piece...), nil
	}
	if len(out) > 0 {
		if _, err := a.c.nc.Write(out); err != nil {
			return out[:0], fmt.Errorf("write to the client: %w", err)
		}
	}
	if _, err := a.c.nc.Write(piece); err != nil {
		return out[:0], fmt.Errorf("write to the client: %w", err)
	}
	return out[:0], nil
}

// isIdempotent tells whether doing a request twice is like doing it once, by
// RFC 9110.
func isIdempotent(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	}
	return false
}
