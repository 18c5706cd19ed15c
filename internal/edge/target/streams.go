package target

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/edge/stream"
)

// doubtEvery is how often connections over HTTP/2 are given up at most because a request
// on them got no answer in time.
const doubtEvery = 10 * time.Second

// counted is a connection that is counted out when it is closed.
type counted struct {
	net.Conn
	once   sync.Once
	closed func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.closed)
	return err
}

// newClient makes what sends the target's requests over HTTP/2.
func (u *upstream) newClient() *stream.Client {
	var c *stream.Client
	c = stream.New(u.target.Addr.String(), u.target.secure != nil, func(ctx context.Context) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		all := u.target.set
		if all.conns.Add(1) > all.maxConns {
			all.relieve()
		}
		conn, err := all.dial(ctx, u.source, u.target.Addr)
		if err != nil {
			all.conns.Add(-1)
			return nil, err
		}
		conn = &counted{Conn: conn, closed: func() { all.conns.Add(-1); u.target.Meter.Open.Add(-1); c.Closed() }}
		c.Opened()
		u.target.opened()
		if u.target.secure == nil {
			return conn, nil
		}
		s, err := shake(ctx, conn, u.target.secure)
		if err != nil {
			return nil, err
		}
		return s.Conn, nil // the transport looks at what it agreed on
	})
	return c
}

// open begins a request where there is a connection, nil if there is none.
func (u *upstream) open(of *stream.Client, kept bool) *Conn {
	if !of.Warm() {
		return nil
	}
	c := &Conn{Net: of.Open(), Kept: kept, up: u, of: of}
	c.attach()
	return c
}

// begin begins a request when there is a connection.
func (u *upstream) begin(of *stream.Client) (*Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	if err := of.Connect(ctx); err != nil {
		return nil, err
	}
	c := &Conn{Net: of.Open(), up: u, of: of}
	c.attach()
	return c, nil
}

// closeIdle closes the connections over HTTP/2 that carry no request.
func (u *upstream) closeIdle() {
	if c := u.client.Load(); c != nil {
		c.CloseIdle()
	}
}

// renew has later requests over HTTP/2 begin on new connections. Those that carry
// requests end with them.
func (u *upstream) renew() {
	if old := u.client.Load(); old != nil {
		u.client.Store(u.newClient())
		old.CloseIdle()
	}
}

// Doubt says that a request got no answer in time: over HTTP/2 its connection may be dead,
// and others would wait on it in vain.
func (c *Conn) Doubt() {
	now, u := time.Now().UnixNano(), c.up
	last := u.doubted.Load()
	if c.of != nil && c.of == u.client.Load() && now-last > int64(doubtEvery) && u.doubted.CompareAndSwap(last, now) {
		u.renew()
	}
}
