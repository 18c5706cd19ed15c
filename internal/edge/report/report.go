// Package report has what the load balancer's data plane tells of each request, each
// connection and each health check, for logs.
//
// It is told at once, by whoever did the work, and what is told is good until the call
// returns: who needs it for longer copies it, and who takes time for it holds up a client.
package report

import (
	"net/netip"
	"time"
)

// Sink is told. Its methods are called by many at once, and must neither block nor fail.
type Sink interface {
	Request(*Request)
	Connection(*Connection)
	Check(*Check)
}

// Unknown is a time that couldn't be measured, because no target answered.
const Unknown time.Duration = -1

// What Request.Rule has when no rule counted.
const (
	NoRule  = -2 // the request wasn't looked at by rules
	Default = 0  // none met the request
)

// Trace is the id of a connection, which its requests have, too.
type Trace [16]byte

// Kind is what a request is a part of, as access logs name it.
type Kind string

// The kinds of requests, and of checks.
const (
	HTTP   Kind = "http"
	HTTPS  Kind = "https"
	HTTP2  Kind = "h2"
	GRPC   Kind = "grpc" // of a check
	GRPCS  Kind = "grpcs"
	WS     Kind = "ws"
	Secure Kind = "wss"
)

// Request is a request that is over, or a WebSocket.
type Request struct {
	Balancer   string     // its ID
	Node       netip.Addr // the balancer's address that the client connected to
	Connection Trace
	Kind       Kind
	Began      time.Time // when its head was there
	Ended      time.Time
	Client     netip.AddrPort
	Pool       string         // ID of the pool that was chosen; "": none
	Target     netip.AddrPort // the last that was asked; invalid: none

	// Until it was sent to the target, until that began to answer, and until the answer was
	// passed on; Unknown when no target answered.
	Routing, Waiting, Answering time.Duration

	Status       int   // that the client got; 460: it had hung up
	TargetStatus int   // 0: the target gave none
	Received     int64 // bytes, with the head
	Sent         int64

	// Method and Target are nil when the request couldn't be read.
	Method, URI []byte
	Scheme      string
	Host        []byte // without its port; the balancer's name when the request says none
	Port        string // the listener's
	Version     string // of HTTP: 1.1
	Agent       []byte
	TraceID     []byte // the X-Amzn-Trace-Id

	TLS *TLS // nil: over HTTP

	Rule     int // the priority of the rule that was met
	Actions  []string
	Location []byte // of a redirect
	Error    string // why it failed, by a code
	Class    string // how others may read it; "": as it is meant
	Reason   string // why they may

	// What the target got in place of the request's, and how rewriting ended; empty when
	// nothing was to be rewritten.
	NewHost, NewURI []byte
	Rewriting       string
}

// TLS is what was agreed on with a client.
type TLS struct {
	Version, Suite, Group string // as OpenSSL names the first two
	Name                  string // that the client asked for, if a certificate is for it
	Certificate           string // ID of that which it was shown; "": it resumed a session
}

// Connection is a client's connection that was established, or couldn't be.
type Connection struct {
	Balancer string
	Node     netip.Addr
	ID       Trace
	Time     time.Time
	Client   netip.AddrPort
	Port     string // the listener's
	TLS      *TLS   // nil: over HTTP, or nothing was agreed on
	Shaking  time.Duration
	Failed   string // why there is none, by a code; "": there is one
}

// Check is a health check that is over.
type Check struct {
	Balancer string
	Node     netip.Addr // the address that it came from
	Kind     Kind
	Time     time.Time
	Took     time.Duration
	Target   netip.AddrPort
	Pool     string // its ID
	Passed   bool
	Status   int    // 0: the target gave none; of gRPC its code when the call had one
	HasCode  bool   // Status is one, 0 too
	Reason   string // why it failed, by a code
}
