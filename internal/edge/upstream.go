package edge

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

	"github.com/skylift/skylift/internal/edge/http1"
)

const (
	dialTimeout = 10 * time.Second // as an ALB's
	maxIdle     = 1024             // connections kept per target and source
	keepIdle    = 60 * time.Second // how long
	// trusted is how long a kept connection is believed to be open without
	// looking.
	trusted  = 10 * time.Millisecond
	readSize = 32 << 10
)

// upstream is one target as dialled from one address, with the connections
// kept to it.
type upstream struct {
	target *target
	source netip.Addr

	mu   sync.Mutex
	idle []*backend // the last used last
	dead bool       // keeps none
	cuts int        // of its flows: what was dialled before one isn't kept
}

// backend is a connection to a target, owned by one request at a time.
type backend struct {
	conn     net.Conn
	raw      syscall.RawConn // nil if it has none
	up       *upstream
	rd       http1.Reader
	buf      *[readSize]byte // while in use
	reused   bool
	cuts     int       // the upstream's when it was dialled
	since    time.Time // idle
	deadline atomic.Int64
}

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// upstream finds or makes the upstream for a source.
func (t *target) upstream(source netip.Addr) *upstream {
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
	grown := append(slices.Clip(all), u)
	t.upstreams.Store(&grown)
	return u
}

// take returns a kept connection, nil if there is none. careful asks for one
// that was seen to be open just now.
func (u *upstream) take(now time.Time, careful bool) *backend {
	for {
		u.mu.Lock()
		n := len(u.idle)
		if n == 0 {
			u.mu.Unlock()
			return nil
		}
		b := u.idle[n-1]
		u.idle[n-1] = nil
		u.idle = u.idle[:n-1]
		u.mu.Unlock()
		if (careful || now.Sub(b.since) > trusted) && !b.open() {
			b.close()
			continue
		}
		b.attach()
		return b
	}
}

// dial opens a new connection.
func (u *upstream) dial() (*backend, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	u.mu.Lock()
	cuts := u.cuts
	u.mu.Unlock()
	e := u.target.edge
	if e.backends.Add(1) > e.maxTargets {
		e.relieve()
	}
	conn, err := e.dial(ctx, u.source, u.target.addr)
	if err != nil {
		e.backends.Add(-1)
		return nil, err
	}
	b := &backend{conn: conn, up: u, cuts: cuts}
	if sc, ok := conn.(syscall.Conn); ok {
		b.raw, _ = sc.SyscallConn()
	}
	b.attach()
	return b, nil
}

func (b *backend) attach() {
	b.buf = readBuffers.Get().(*[readSize]byte)
	b.rd.Reset(b.conn, b.buf[:])
}

// keep gives a connection back for the next request.
func (b *backend) keep(now time.Time) {
	b.release()
	b.reused, b.since = true, now
	u := b.up
	u.mu.Lock()
	kept := !u.dead && b.cuts == u.cuts && len(u.idle) < maxIdle && !u.target.edge.crowded()
	if kept {
		u.idle = append(u.idle, b)
	}
	u.mu.Unlock()
	if !kept {
		b.close()
	}
}

// drop closes a connection that is in use.
func (b *backend) drop() {
	b.close()
	b.release()
}

// close closes a connection for good; whoever has it then does so once.
func (b *backend) close() {
	b.conn.Close()
	b.up.target.edge.backends.Add(-1)
}

func (b *backend) release() {
	b.rd.Release()
	readBuffers.Put(b.buf)
	b.buf = nil
}

// shut closes the idle connections and keeps no more, or keeps some again.
func (u *upstream) shut(yes bool) {
	u.mu.Lock()
	u.dead = yes
	var idle []*backend
	if yes {
		idle, u.idle = u.idle, nil
	}
	u.mu.Unlock()
	closeAll(idle)
}

// forget keeps none of the connections that there are now.
func (u *upstream) forget() {
	u.mu.Lock()
	idle := u.idle
	u.idle = nil
	u.cuts++
	u.mu.Unlock()
	closeAll(idle)
}

func closeAll(idle []*backend) {
	for _, b := range idle {
		b.close()
	}
}

// prune closes the connections that idled too long or that the target closed.
func (u *upstream) prune(now time.Time) {
	u.mu.Lock()
	kept := u.idle[:0]
	var gone []*backend
	for _, b := range u.idle {
		if now.Sub(b.since) > keepIdle || now.Sub(b.since) > trusted && !b.open() {
			gone = append(gone, b)
		} else {
			kept = append(kept, b)
		}
	}
	clear(u.idle[len(kept):])
	u.idle = kept
	u.mu.Unlock()
	closeAll(gone)
}

// open looks whether the target has neither closed an idle connection nor
// said anything on it.
func (b *backend) open() bool {
	if b.raw == nil {
		return true
	}
	quiet := false
	var one [1]byte
	err := b.raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN)
	})
	return err == nil && quiet
}

// touch gives the target idle from now to say or take something.
func (b *backend) touch(now time.Time, idle time.Duration) {
	extend(b.conn, &b.deadline, now, idle)
}

// extend moves a connection's deadline, but not every time: it is set an
// eighth later than asked for, and again only when that has been used up.
func extend(conn net.Conn, deadline *atomic.Int64, now time.Time, idle time.Duration) {
	left := time.Duration(deadline.Load() - now.UnixNano())
	if slack := idle / 8; left < idle || left > idle+slack {
		at := now.Add(idle + slack)
		deadline.Store(at.UnixNano())
		conn.SetDeadline(at) //nolint:errcheck // a closed connection says so when it is used
	}
}

// dialTCP is how targets are dialled by default.
func dialTCP(ctx context.Context, source netip.Addr, addr netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 30 * time.Second}
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
		d.Control = lateBind
	}
	return d.DialContext(ctx, "tcp", addr.String())
}

// lateBind leaves the choice of the local port to connect, so that one source
// address has as many connections as ports per target, not in all.
func lateBind(_, _ string, c syscall.RawConn) error {
	const ipBindAddressNoPort = 24
	return c.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1) //nolint:errcheck // an optimisation
	})
}
