package target

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/skylift/skylift/internal/edge/deadline"
	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/stream"
	"github.com/skylift/skylift/internal/edge/table"
)

const (
	dialTimeout = 10 * time.Second // as an ALB's
	maxIdle     = 1024             // connections kept per target and source
	keepIdle    = 60 * time.Second // how long a connection is kept
	// trusted is how long a kept connection is believed to be open without a look
	// at it.
	trusted  = 10 * time.Millisecond
	readSize = 32 << 10
)

// upstream is a target as it is dialled from one address, with the connections
// that are kept to it.
type upstream struct {
	target *Target
	source netip.Addr

	// client sends requests over HTTP/2; nil: the target speaks HTTP/1.1.
	client  atomic.Pointer[stream.Client]
	doubted atomic.Int64 // when one was given up last

	mu   sync.Mutex
	idle []*Conn // the last used last
	dead bool    // keeps none
	cuts int     // how often its flows were cut: a connection from before a cut isn't kept
}

// Conn is a connection to a target, or a request's part of one over HTTP/2. One request at
// a time owns it.
type Conn struct {
	// Net is the connection itself. Whoever closes it only breaks it: its owner
	// then drops it.
	Net net.Conn
	In  http1.Reader // reads from Net while a request owns it
	// Kept says that an earlier request used the connection: the target may have
	// closed it before it got this one.
	Kept bool

	of       *stream.Client  // whose request it is; nil: it is a connection
	raw      syscall.RawConn // nil if it has none
	up       *upstream
	buf      *[readSize]byte // while in use
	cuts     int             // the upstream's when it was dialled
	since    time.Time       // since when it is idle
	deadline deadline.Lazy
}

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// Take returns a kept connection from source, nil if there is none. careful asks
// for one that was seen to be open just now.
func (t *Target) Take(source netip.Addr, careful bool) *Conn {
	u := t.upstream(source)
	if c := u.client.Load(); c != nil {
		return u.open(c, true)
	}
	return u.take(time.Now(), careful)
}

// Dial opens a connection from source.
func (t *Target) Dial(source netip.Addr) (*Conn, error) {
	u := t.upstream(source)
	if c := u.client.Load(); c != nil {
		return u.begin(c)
	}
	return u.dial()
}

// upstream finds or makes the upstream for a source.
func (t *Target) upstream(source netip.Addr) *upstream {
	for _, u := range *t.upstreams.Load() {
		if u.source == source {
			return u
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := *t.upstreams.Load()
	for _, u := range all {
		if u.source == source {
			return u
		}
	}
	u := &upstream{target: t, source: source, dead: t.refuses.Load()}
	if t.pool.Version != table.HTTP1 {
		u.client.Store(u.newClient())
	}
	grown := append(slices.Clip(all), u)
	t.upstreams.Store(&grown)
	return u
}

func (u *upstream) take(now time.Time, careful bool) *Conn {
	for {
		u.mu.Lock()
		n := len(u.idle)
		if n == 0 {
			u.mu.Unlock()
			return nil
		}
		c := u.idle[n-1]
		u.idle[n-1] = nil
		u.idle = u.idle[:n-1]
		u.mu.Unlock()
		if (careful || now.Sub(c.since) > trusted) && !c.open() {
			c.close()
			continue
		}
		c.attach()
		return c
	}
}

func (u *upstream) dial() (*Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	u.mu.Lock()
	cuts := u.cuts
	u.mu.Unlock()
	all := u.target.set
	if all.conns.Add(1) > all.maxConns {
		all.relieve()
	}
	conn, err := u.connect(ctx)
	if err != nil {
		all.conns.Add(-1)
		return nil, err
	}
	u.target.opened()
	c := &Conn{Net: conn, up: u, cuts: cuts}
	if sc, ok := conn.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	c.attach()
	return c, nil
}

// connect dials the target, and shakes hands where that is over TLS.
func (u *upstream) connect(ctx context.Context) (net.Conn, error) {
	conn, err := u.target.set.dial(ctx, u.source, u.target.Addr)
	c := u.target.secure
	if err != nil || c == nil {
		return conn, err
	}
	s, err := shake(ctx, conn, c)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Conn) attach() {
	c.buf = readBuffers.Get().(*[readSize]byte)
	c.In.Reset(c.Net, c.buf[:])
}

// Keep gives a connection back for the next request.
func (c *Conn) Keep(now time.Time) {
	if c.of != nil {
		c.Drop()
		return
	}
	c.release()
	c.Kept, c.since = true, now
	u := c.up
	u.mu.Lock()
	kept := !u.dead && c.cuts == u.cuts && len(u.idle) < maxIdle && !u.target.set.crowded()
	if kept {
		u.idle = append(u.idle, c)
	}
	u.mu.Unlock()
	if !kept {
		c.close()
	}
}

// Drop closes a connection that is in use.
func (c *Conn) Drop() {
	c.close()
	c.release()
}

// close closes a connection for good. Whoever owns it does so once.
func (c *Conn) close() {
	c.Net.Close()
	if c.of == nil {
		c.up.target.set.conns.Add(-1)
		c.up.target.Meter.Open.Add(-1)
	}
}

func (c *Conn) release() {
	c.In.Release()
	readBuffers.Put(c.buf)
	c.buf = nil
}

// shut closes the idle connections and keeps no more, or keeps some again.
func (u *upstream) shut(yes bool) {
	u.mu.Lock()
	u.dead = yes
	var idle []*Conn
	if yes {
		idle, u.idle = u.idle, nil
	}
	u.mu.Unlock()
	closeAll(idle)
	if yes {
		u.closeIdle()
	}
}

// forget closes the idle connections, and keeps none of those in use.
func (u *upstream) forget() {
	u.mu.Lock()
	idle := u.idle
	u.idle = nil
	u.cuts++
	u.mu.Unlock()
	closeAll(idle)
	u.renew()
}

func closeAll(idle []*Conn) {
	for _, c := range idle {
		c.close()
	}
}

// prune closes the connections that idled too long or that the target closed.
func (u *upstream) prune(now time.Time) {
	u.mu.Lock()
	kept := u.idle[:0]
	var gone []*Conn
	for _, c := range u.idle {
		if now.Sub(c.since) > keepIdle || now.Sub(c.since) > trusted && !c.open() {
			gone = append(gone, c)
		} else {
			kept = append(kept, c)
		}
	}
	clear(u.idle[len(kept):])
	u.idle = kept
	dead := u.dead
	u.mu.Unlock()
	closeAll(gone)
	if dead {
		u.closeIdle()
	}
}

// open tells whether the target has neither closed an idle connection nor sent
// anything on it.
func (c *Conn) open() bool {
	if c.raw == nil {
		return true
	}
	quiet := false
	var one [1]byte
	err := c.raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN)
	})
	return err == nil && quiet
}

// Addr is the target's address.
func (c *Conn) Addr() netip.AddrPort { return c.up.target.Addr }

// Touch gives the target idle from now to send or take something.
func (c *Conn) Touch(now time.Time, idle time.Duration) { c.deadline.Extend(c.Net, now, idle) }
