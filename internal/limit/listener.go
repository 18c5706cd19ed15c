package limit

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Listener is a listener for net/http whose connections are bounded. Its Accept
// fails only when the listener is closed; it tries again after any other error.
type Listener struct {
	net.Listener
	conns *Conns
	done  chan struct{}
	close func()
	pause Pause
}

// Listen bounds the connections of ln. The server is to have State as its
// ConnState.
func (c *Conns) Listen(ln net.Listener) *Listener {
	done := make(chan struct{})
	return &Listener{Listener: ln, conns: c, done: done, close: sync.OnceFunc(func() { close(done) })}
}

// Accept returns the next connection that the bounds let in.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		switch {
		case err == nil:
			l.pause.Reset()
		case errors.Is(err, net.ErrClosed):
			return nil, err
		default:
			if l.pause.Loud() {
				l.conns.cfg.Log.Warn("no connection can be accepted", "to", l.conns.cfg.Name, "err", err)
			}
			if Crowded(err) {
				l.conns.Relieve()
			}
			l.pause.Wait(l.done)
			continue
		}
		c := &conn{Conn: nc, of: l.conns}
		c.rest(time.Now())
		if l.conns.Enter(l.done, c, Address(nc)) == nil {
			return c, nil
		}
		_ = nc.Close()
	}
}

// Close stops accepting.
func (l *Listener) Close() error {
	l.close()
	return l.Listener.Close()
}

// State notes what net/http does with a connection.
func (l *Listener) State(nc net.Conn, s http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	switch s {
	case http.StateActive:
		c.since.Store(0)
	case http.StateIdle:
		c.rest(time.Now())
		if l.conns.Hungry() {
			_ = c.Close()
		}
	}
}

// Address is where a connection comes from; invalid if that can't be told.
func Address(nc net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// conn is a connection of a Listener. Writing fails when the client reads too
// slowly.
type conn struct {
	net.Conn
	of    *Conns
	since atomic.Int64 // it rests; 0: it doesn't
}

func (c *conn) rest(now time.Time) { c.since.Store(now.UnixNano()) }

// Resting implements Conn.
func (c *conn) Resting() (int64, bool) {
	since := c.since.Load()
	return since, since != 0
}

// Cut implements Conn.
func (c *conn) Cut() bool {
	since := c.since.Load()
	if since == 0 || !c.since.CompareAndSwap(since, 0) {
		return false
	}
	_ = c.Conn.Close() // it is gone anyway
	return true
}

// Close ends the connection.
func (c *conn) Close() error {
	c.of.Leave(c)
	return c.Conn.Close()
}

// An answer is written in pieces, and the client has stall to take each piece, so
// that nobody waits for ever for a client that doesn't read.
const (
	piece = 256 << 10
	stall = time.Minute
)

// Write writes p, in pieces.
func (c *conn) Write(p []byte) (n int, err error) {
	for {
		next := p[n:min(len(p), n+piece)]
		if err := c.SetWriteDeadline(time.Now().Add(stall)); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(next)
		n += m
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// ReadFrom writes what src has, in pieces; the kernel copies files.
func (c *conn) ReadFrom(src io.Reader) (n int64, err error) {
	to, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, src)
	}
	rest := int64(-1)
	limited, ok := src.(*io.LimitedReader) // the kernel looks below one only
	if ok {
		src, rest = limited.R, limited.N
	}
	for rest != 0 {
		next := int64(piece)
		if rest > 0 {
			next = min(next, rest)
		}
		if err := c.SetWriteDeadline(time.Now().Add(stall)); err != nil {
			return n, err
		}
		m, err := to.ReadFrom(&io.LimitedReader{R: src, N: next})
		n += m
		if rest > 0 {
			rest -= m
			limited.N = rest
		}
		if err != nil || m < next {
			return n, err
		}
	}
	return n, nil
}

// CloseWrite ends what is sent, so that the other side reads all of it.
func (c *conn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Pause is how long a loop waits between failures in a row. It isn't safe for
// concurrent use.
type Pause struct {
	next time.Duration
	told time.Time
}

const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// Reset ends the row of failures.
func (p *Pause) Reset() { p.next = 0 }

// Loud tells whether it is time to log a failure.
func (p *Pause) Loud() bool {
	now := time.Now()
	if now.Sub(p.told) < logEvery {
		return false
	}
	p.told = now
	return true
}

// Wait waits, twice as long each time, or until done is closed.
func (p *Pause) Wait(done <-chan struct{}) {
	p.next = min(max(2*p.next, firstPause), lastPause)
	t := time.NewTimer(p.next)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}
