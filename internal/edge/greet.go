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
	if !plain && !c.shake() {
		return false
	}
	c.greeted.Store(true)
	return true
}

// shake is the handshake. A client that its listener doesn't admit gets no answer.
func (c *conn) shake() bool {
	var name string
	var muted bool
	choose := func(hello *tls.ClientHelloInfo) *tls.Config {
		name = hello.ServerName
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
			c.multiplexed, c.shook = agreed.NegotiatedProtocol == "h2", newShook(&agreed)
		}
		return tc, err
	})
	switch {
	case err == nil:
		return true
	case muted:
		c.hold(func(rs *route.Socket) bool { rt := rs.Greet(name); return rt != nil && rt.Admits(c.Addr) })
		return false // it may try again
	}
	if secure.SaysHTTP(err) {
		c.answerPlain()
	}
	c.edge.log.Debug("handshake failed", "client", c.Addr, "err", err)
	return false
}

// answerPlain answers a client that speaks HTTP to a listener over HTTPS.
func (c *conn) answerPlain() {
	out := rewrite.AppendAnswer(nil, rewrite.PlainToSecure, nil, time.Now(), false, false)
	if _, err := c.Net.Write(out); err != nil && !errors.Is(err, io.EOF) {
		return
	}
	c.Linger()
}
