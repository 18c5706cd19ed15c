package secure

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/skylift/skylift/internal/limit"
)

// Transport carries a client's TLS. While the handshake lasts, what it computes waits
// for a place at the gate, so that many handshakes don't starve the requests of others.
// Nobody has a place while he waits for his client.
type Transport struct {
	net.Conn
	gate   *limit.Gate // nil: the handshake is over
	until  time.Time
	inside bool
	early  []byte // what was read before
	mute   bool
	Shown  string // ID of the certificate that the client was shown; "": it resumed a session
	choose func(*tls.ClientHelloInfo) *tls.Config
}

// Handshakes is what all handshakes share.
type Handshakes struct {
	gate   *limit.Gate
	config *tls.Config
}

// NewHandshakes returns a gate of n places for handshakes.
func NewHandshakes(n int) *Handshakes {
	return &Handshakes{limit.NewGate(n), &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return hello.Conn.(*Transport).config(hello)
	}}}
}

// Begin makes the server's side of a connection that didn't shake hands yet. Early is
// what was read of it already. choose returns the configuration that a client is
// answered with, or nil: it is not answered.
func (h *Handshakes) Begin(nc net.Conn, early []byte, until time.Time, choose func(*tls.ClientHelloInfo) *tls.Config) (*Transport, *tls.Conn) {
	t := &Transport{Conn: nc, gate: h.gate, until: until, early: early, choose: choose}
	return t, tls.Server(t, h.config)
}

var errNotAdmitted = errors.New("the client is not admitted")

// config is what the client is answered with.
func (t *Transport) config(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if c := t.choose(hello); c != nil {
		return c, nil
	}
	t.mute = true
	return nil, errNotAdmitted
}

// Read implements net.Conn.
func (t *Transport) Read(p []byte) (int, error) {
	if len(t.early) > 0 {
		n := copy(p, t.early)
		t.early = t.early[n:]
		return n, nil
	}
	if t.gate == nil {
		return t.Conn.Read(p)
	}
	t.leave()
	n, err := t.Conn.Read(p)
	return n, t.enter(err)
}

// enter takes a place after a read or a write that ended with err.
func (t *Transport) enter(err error) error {
	if err == nil && !t.gate.Enter(t.until) {
		return os.ErrDeadlineExceeded
	}
	t.inside = err == nil
	return err
}

func (t *Transport) leave() {
	if t.inside {
		t.gate.Leave()
		t.inside = false
	}
}

// Write implements net.Conn. A client that isn't admitted gets no answer.
func (t *Transport) Write(p []byte) (int, error) {
	if t.mute {
		return len(p), nil
	}
	if t.gate == nil {
		return t.Conn.Write(p)
	}
	inside := t.inside
	t.leave()
	n, err := t.Conn.Write(p)
	if !inside {
		return n, err
	}
	return n, t.enter(err)
}

// End ends the handshake, and tells whether the client is not to be answered.
func (t *Transport) End() (mute bool) {
	t.leave()
	t.gate, t.choose = nil, nil
	return t.mute
}

// SaysHTTP tells whether a handshake failed because the client speaks HTTP.
func SaysHTTP(err error) bool {
	head, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok {
		return false
	}
	switch string(head.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO":
		return true
	}
	return false
}
