package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/route"
	"github.com/skylift/skylift/internal/edge/secure"
)

// handshakeFor is how long a client may take for its handshake.
const handshakeFor = 10 * time.Second

// handshake is the first byte of a TLS record that begins a handshake. No method of
// HTTP has it.
const handshake = 0x16

// greet finds out what the client speaks, and shakes hands over TLS. False ends the
// connection.
func (c *conn) greet() bool {
	rs := c.socket.routes.Load()
	plain, secured := rs.Speaks()
	if plain && secured { // of several balancers
		first, err := c.Peek(rs.Idle)
		if err != nil {
			return false
		}
		plain = first != handshake
	}
	c.known = rs.Part("")
	if plain {
		c.belong(rs.Only())
	} else if !c.shake() {
		return false
	}
	c.greeted.Store(true)
	return true
}

// shake is the handshake. A client that its listener doesn't admit gets no answer.
func (c *conn) shake() bool {
	var name string
	var muted, heard bool
	began := time.Now()
	choose := func(hello *tls.ClientHelloInfo) *tls.Config {
		name, heard = hello.ServerName, true
		rs := c.socket.routes.Load()
		rt := rs.Greet(name)
		if rt == nil || !rt.Admits(c.Addr) {
			return nil
		}
		c.home, c.guard = rt.ID, rt.TLS.Guard
		c.known = c.part(rs)
		return rt.TLS.Config
	}
	until := time.Now().Add(handshakeFor)
	err := c.Handshake(until, func(socket net.Conn, early []byte) (net.Conn, error) {
		t, tc := c.edge.shakes.Begin(socket, early, until, choose)
		defer func() { muted = t.End() }() // also when the handshake panics
		err := tc.Handshake()
		if err == nil {
			agreed := tc.ConnectionState()
			c.multiplexed, c.shook = agreed.NegotiatedProtocol == "h2", newShook(&agreed, time.Since(began))
			c.shook.agreed.Certificate = t.Shown
		}
		return tc, err
	})
	switch {
	case err == nil:
		c.shaken(name)
		return true
	case muted:
		c.hold(func(rs *route.Socket) bool { rt := rs.Greet(name); return rt != nil && rt.Admits(c.Addr) })
		return false // it may try again
	}
	if heard || !errors.Is(err, io.EOF) {
		c.unshaken(name)
	}
	if secure.SaysHTTP(err) {
		c.answerPlain()
	}
	c.edge.log.Debug("handshake failed", "client", c.Addr, "err", err)
	return false
}

// shaken notes whom the client asked for.
func (c *conn) shaken(name string) {
	rt := c.socket.routes.Load().Find(c.home)
	if rt == nil { // it just left the table
		return
	}
	if rt.TLS != nil && name != "" && rt.TLS.Fits(name) != secure.None {
		c.shook.agreed.Name = name
	}
	c.belong(rt)
}

// answerPlain answers a client that speaks HTTP to a listener over HTTPS.
func (c *conn) answerPlain() {
	out := rewrite.AppendAnswer(nil, rewrite.PlainToSecure, nil, time.Now(), false, false)
	if _, err := c.Net.Write(out); err != nil && !errors.Is(err, io.EOF) {
		return
	}
	c.Linger()
}
