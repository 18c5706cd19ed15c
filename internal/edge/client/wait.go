package client

import (
	"time"

	"github.com/skylift/skylift/internal/edge/deadline"
)

// Await begins a wait for a target, during which nobody reads from the client.
func (c *Conn) Await(now time.Time) {
	c.since.Store(now.UnixNano())
	c.phase.Store(waiting)
}

// Resume ends the wait that Await began, if it hasn't ended.
func (c *Conn) Resume() {
	if c.phase.CompareAndSwap(waiting, working) || c.phase.Load() == working {
		return
	}
	c.Interrupt()
	<-c.watched
	c.phase.Store(working)
	c.Calm()
}

// Interrupt makes a read from the client return, whoever reads. Reads fail until
// Calm.
func (c *Conn) Interrupt() {
	c.socket.SetReadDeadline(past) //nolint:errcheck // a closed connection is awake
}

// Calm ends an Interrupt: the next Touch sets the deadline.
func (c *Conn) Calm() { c.deadline.Forget() }

// Watch starts a watcher if the client has waited for a target for longer than
// Patience. Anybody may call it.
func (c *Conn) Watch(now time.Time) {
	if c.phase.Load() != waiting || now.UnixNano()-c.since.Load() < int64(Patience) {
		return
	}
	if c.phase.CompareAndSwap(waiting, watching) {
		go c.watcher()
	}
}

// watcher reads ahead. When the client hangs up, it breaks the connection to the
// target. Resume waits for its end.
func (c *Conn) watcher() {
	defer func() { c.watched <- struct{}{} }()
	for c.In.Room() {
		err := c.In.Fill()
		if err != nil && !deadline.Passed(err) {
			c.Gone.Store(true)
			if b := c.Backend.Load(); b != nil {
				b.Net.Close()
			}
		}
		if err != nil {
			return
		}
	}
}
