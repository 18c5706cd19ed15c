// Package client is the client's side of a connection: who reads from it and who
// moves its deadline, from one request to the next.
//
// One goroutine owns a Conn. It waits for a request, works on it, and waits for a
// target. Others may wake it while it waits for a request, cut it, and watch
// whether its client hangs up.
package client

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/deadline"
	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/target"
)

// A connection reads into a buffer of clientBuffer bytes, which grows for what is
// longer.
const clientBuffer = 4 << 10

// Patience is how long a request waits for a target before its client is watched
// for hanging up.
const Patience = time.Second

// Conn is a client's connection. Its methods are its owner's, if they don't say
// otherwise; its atomic fields are everybody's.
type Conn struct {
	Net  net.Conn     // what the owner reads from and writes to: over TLS not the socket
	In   http1.Reader // reads from Net
	Addr netip.Addr   // the client's
	Name string       // Addr as text
	Port uint16

	Closing atomic.Bool // ends when it is idle
	Endless atomic.Bool // is a tunnel: nothing bounds how long it lasts
	Gone    atomic.Bool // the client hung up or was cut
	// Backend is the connection to a target that the client's request uses; nil:
	// there is none.
	Backend atomic.Pointer[target.Conn]

	socket   net.Conn
	deadline deadline.Lazy
	phase    atomic.Int32
	held     atomic.Bool
	rested   atomic.Int64  // when it began to wait for a request
	born     int64         // when it was accepted
	since    atomic.Int64  // when it began to wait for a target
	watched  chan struct{} // gets a value when the watcher ends
}

// The phases of a connection: who may read from it or move its deadline.
const (
	reading  int32 = iota // the owner, for the next request; others may wake it
	waking                // whoever wakes it
	working               // the owner, or the upload it started
	waiting               // nobody: the owner waits for a target
	watching              // the watcher
)

// past is a deadline that ends a read at once.
var past = time.Unix(1, 0)

// Init makes c the connection of a client that nc connects.
func (c *Conn) Init(nc net.Conn) {
	c.Net, c.socket, c.watched, c.born = nc, nc, make(chan struct{}, 1), time.Now().UnixNano()
	c.rested.Store(c.born)
	if ap, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.Addr = ap.Addr().Unmap().WithZone("")
		c.Name, c.Port = c.Addr.String(), ap.Port()
	}
}

// InitFor makes c a request on a connection that carries several, by itself.
func (c *Conn) InitFor(nc net.Conn, of *Conn) {
	c.Net, c.socket, c.watched, c.born = nc, nc, make(chan struct{}, 1), time.Now().UnixNano()
	c.rested.Store(c.born)
	c.Addr, c.Name, c.Port = of.Addr, of.Name, of.Port
}

// Begin gives the connection its buffer, before its first read.
func (c *Conn) Begin() { c.In.Reset(c.Net, make([]byte, clientBuffer)) }

// Handshake has shake, which reads and writes over the connection's socket, agree with
// the client on what is read from and written to from then on. It fails after until.
// Others may cut the connection meanwhile, as one that waits for a request.
func (c *Conn) Handshake(until time.Time, shake func(socket net.Conn, early []byte) (net.Conn, error)) error {
	early := bytes.Clone(c.In.Buffered())
	c.phase.Store(reading)
	defer c.deadline.Forget()
	c.socket.SetDeadline(until) //nolint:errcheck // a closed connection says so when it is read
	if c.Closing.Load() {
		c.work()
		return net.ErrClosed
	}
	secured, err := shake(c.socket, early)
	c.work()
	if err != nil {
		return err
	}
	c.Net = secured
	c.In.Reset(c.Net, c.In.Release())
	return nil
}

// Peek waits for the first byte of what the client sends, for as long as idle.
func (c *Conn) Peek(idle time.Duration) (byte, error) {
	for len(c.In.Buffered()) == 0 {
		c.phase.Store(reading)
		c.Touch(time.Now(), idle)
		if c.Closing.Load() {
			c.work()
			return 0, io.EOF
		}
		err := c.In.Fill()
		c.work()
		if err != nil {
			return 0, err
		}
	}
	return c.In.Buffered()[0], nil
}

// Head waits for the head of the next request, for as long as idle.
func (c *Conn) Head(limit int, idle time.Duration) ([]byte, error) {
	for {
		now := time.Now()
		c.rested.Store(now.UnixNano())
		c.phase.Store(reading)
		c.Touch(now, idle)
		if c.Closing.Load() && len(c.In.Buffered()) == 0 {
			return nil, io.EOF
		}
		head, err := c.In.Head(limit)
		c.work()
		if c.Gone.Load() {
			return nil, net.ErrClosed // it was cut: nobody would get the answer
		}
		if c.Closing.Load() && c.deadline.Forget() && deadline.Passed(err) && len(c.In.Buffered()) > 0 {
			continue // the client began a request before the connection was told to end
		}
		return head, err
	}
}

// work ends the phase in which others may wake the connection.
func (c *Conn) work() {
	for !c.phase.CompareAndSwap(reading, working) {
		runtime.Gosched() // waking
	}
}

// wake makes a read of the owner return, if it waits for a request.
func (c *Conn) wake() {
	if c.phase.CompareAndSwap(reading, waking) {
		c.socket.SetReadDeadline(past) //nolint:errcheck // a closed connection is awake
		c.phase.Store(reading)
	}
}

// Busy ends a time in which others may cut the connection, and Rest begins one. They
// are for a connection that carries several requests.
func (c *Conn) Busy() { c.work() }

// Rest begins such a time.
func (c *Conn) Rest() {
	c.rested.Store(time.Now().UnixNano())
	c.phase.Store(reading)
}

// Old tells whether the connection was accepted longer ago than that.
func (c *Conn) Old(than time.Duration) bool { return time.Now().UnixNano()-c.born > int64(than) }

// Resting implements limit.Conn: the connection waits for a request, or for the
// rest of one.
func (c *Conn) Resting() (since int64, ok bool) {
	return c.rested.Load(), c.phase.Load() == reading
}

// Cut implements limit.Conn. It loses no request that was read.
func (c *Conn) Cut() bool {
	if !c.phase.CompareAndSwap(reading, waking) {
		return false
	}
	c.Gone.Store(true)
	c.socket.Close()
	c.phase.Store(reading)
	return true
}

// Age is how old the connection was when its request began.
func (c *Conn) Age() time.Duration { return time.Duration(c.rested.Load() - c.born) }

// Finish ends the connection when it is idle. Anybody may call it.
func (c *Conn) Finish() {
	c.Closing.Store(true)
	c.wake()
}

// Break ends the connection now and, if both is set, its connection to a target.
// Anybody may call it.
func (c *Conn) Break(both bool) {
	c.Gone.Store(true)
	if tcp, ok := c.socket.(*net.TCPConn); ok {
		tcp.SetLinger(0) //nolint:errcheck // closing is what matters
	}
	c.socket.Close()
	if b := c.Backend.Load(); both && b != nil {
		b.Net.Close()
	}
}

// Touch gives the client idle from now to send or take something.
func (c *Conn) Touch(now time.Time, idle time.Duration) {
	c.deadline.Extend(c.socket, now, idle)
}

// Hold keeps the connection without an answer, as if its packets were dropped,
// until ok admits the client. It returns false when the connection ends first, or
// after until.
func (c *Conn) Hold(until time.Time, ok func() bool) bool {
	c.held.Store(true)
	defer c.held.Store(false)
	defer c.deadline.Forget()
	c.rested.Store(time.Now().UnixNano())
	for len(c.In.Buffered()) < http1.MaxHead {
		c.phase.Store(reading)
		c.socket.SetReadDeadline(until) //nolint:errcheck // a closed connection says so when it is read
		if c.Closing.Load() || !time.Now().Before(until) {
			return false
		}
		if ok() {
			c.work()
			return true
		}
		err := c.In.Fill()
		c.work()
		if err != nil && !deadline.Passed(err) {
			return false
		}
	}
	return false
}

// Recheck makes Hold ask again whether the client is admitted. It returns false
// when the connection isn't held. Anybody may call it.
func (c *Conn) Recheck() (held bool) {
	if !c.held.Load() {
		return false
	}
	c.wake()
	return true
}

// Linger reads on for a moment after an answer that was sent before the whole
// request was read: to close at once would reset the connection and lose the
// answer.
func (c *Conn) Linger() {
	if half, ok := c.Net.(interface{ CloseWrite() error }); ok {
		half.CloseWrite() //nolint:errcheck // best effort
	}
	c.socket.SetReadDeadline(time.Now().Add(2 * time.Second)) //nolint:errcheck // best effort
	io.CopyN(io.Discard, c.Net, 1<<20)                        //nolint:errcheck // best effort
}

// Shrink gives back a buffer that had to grow.
func (c *Conn) Shrink() {
	if len(c.In.Buffered()) > 0 {
		return
	}
	if buf := c.In.Release(); len(buf) > clientBuffer {
		c.In.Reset(c.Net, make([]byte, clientBuffer))
	} else {
		c.In.Reset(c.Net, buf)
	}
}
