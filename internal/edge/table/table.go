// Package table has the configuration of the load balancer's data plane, and what
// the data plane tells of its targets.
//
// A Table is an immutable snapshot: nothing in it changes once it is loaded.
package table

import (
	"net/netip"
	"time"
)

// Table is the whole configuration of the data plane, an immutable snapshot.
type Table struct {
	Listeners []Listener
	Pools     []Pool
}

// Listener answers requests for one balancer's listener. Several share a
// socket; the Host header tells them apart: first the listener whose
// Balancer.DNSName it is, then the one with a host rule that matches it, then
// the first.
type Listener struct {
	ID       string // the listener's ARN
	Balancer Balancer
	Binds    []netip.AddrPort // sockets it answers on
	Port     uint16
	TLS      *TLS   `json:",omitempty"` // nil: plain HTTP
	Rules    []Rule // in the order they are tried
	Default  Action
	// Tells are the headers that tell targets of the client's TLS.
	Tells Tells `json:",omitzero"`
	// Headers are set in each answer, in place of those that it has by these names.
	Headers []Header
	// Anonymous says that the balancer's own answers don't name it in a Server header.
	Anonymous bool
}

// Header is a header of an answer.
type Header struct{ Name, Value string }

// Balancer is what a listener needs to know of its load balancer.
type Balancer struct {
	ID          string     // the load balancer's ARN
	DNSName     string     // lower case
	Source      netip.Addr // address that targets are dialled from; invalid: the host's choice
	IdleTimeout time.Duration
	KeepAlive   time.Duration // how old a client's connection may become
	HTTP        HTTP
	Zones       map[netip.Addr]string // of its own addresses
	Logs        Logs                  `json:",omitzero"`
	// Admit is who its security groups let in on this listener's port. A client
	// that isn't in it gets no answer, as behind a dropped packet.
	Admit []netip.Prefix
}

// Logs says what is told of a balancer's traffic.
type Logs struct{ Requests, Connections bool }

// HTTP is how a balancer treats requests. The zero value is an Application Load
// Balancer's default.
type HTTP struct {
	Desync       Desync
	Forwarded    Forwarded
	WithPort     bool // X-Forwarded-For tells the client's port, too
	PreserveHost bool // targets get the Host header as it was sent
	DropInvalid  bool // headers are dropped whose names have other than letters, digits and hyphens
}

// Desync is what becomes of requests that others may read differently.
type Desync string

// The ways to treat such requests.
const (
	Monitor   Desync = "monitor"   // they pass
	Defensive Desync = "defensive" // they pass, and the connections end
	Strictest Desync = "strictest" // they are refused
)

// Forwarded is what becomes of X-Forwarded-For.
type Forwarded string

// The ways to treat X-Forwarded-For.
const (
	Append   Forwarded = "append" // the client's address is appended
	Preserve Forwarded = "preserve"
	Remove   Forwarded = "remove"
)

// Rule sends requests that meet all its conditions to an action.
type Rule struct {
	ID         string
	Priority   int // as its owner gave it
	Conditions []Condition
	Action     Action
}

// Condition is met when any of its values, regular expressions or pairs is.
type Condition struct {
	Field  Field
	Header string   // the name of an HTTPHeader's
	Values []string // with wildcards: "*" any characters, "?" one; of SourceIP prefixes
	Regex  []string // of host-header, path-pattern and http-header
	Pairs  []Pair   // of query-string
}

// Pair is a key and a value of a query, both with wildcards; without a key it is
// any that has the value.
type Pair struct{ Key, Value string }

// Field is what of a request a condition looks at, as ELBv2 names it.
type Field string

// The fields. Case counts in paths and methods only.
const (
	HostHeader  Field = "host-header"
	PathPattern Field = "path-pattern"
	HTTPHeader  Field = "http-header"
	Method      Field = "http-request-method"
	QueryString Field = "query-string"
	SourceIP    Field = "source-ip"
)

// Action is what becomes of a request: exactly one of Forward, Redirect and Fixed
// is set.
type Action struct {
	Forward  *Forward
	Redirect *Redirect
	Fixed    *Fixed
	// Host and URL rewrite what a target gets; nil: it stays as it is.
	Host, URL *Rewrite
}

// Forward sends the request to a target of one of the pools, chosen by weight.
type Forward struct {
	Pools []WeightedPool
	// Sticky is how long a client stays with the pool that its first request went
	// to; 0: it doesn't.
	Sticky time.Duration
}

// WeightedPool is a pool and its share.
type WeightedPool struct {
	Pool   string
	Weight int
}

// Redirect sends the client elsewhere. Its parts may have the keywords
// #{protocol}, #{host}, #{port}, #{path} and #{query}.
type Redirect struct {
	Status                            int
	Protocol, Host, Port, Path, Query string
}

// Rewrite replaces what a regular expression matches. The replacement may have
// groups of it: $1.
type Rewrite struct{ Regex, Replace string }

// Fixed answers by itself.
type Fixed struct {
	Status      int
	ContentType string
	Body        string
}

// Pool is a target group: targets and how they are checked.
type Pool struct {
	ID      string  // the target group's ARN
	TLS     bool    `json:",omitempty"` // its targets are spoken to over HTTPS; never changes
	Version Version `json:",omitempty"` // of HTTP that its targets speak; never changes
	Check   Check
	Targets []Target
	// Source is the address that checks come from; invalid: the host's choice.
	Source netip.Addr
	// InUse is false when no listener forwards to the pool: its targets are not
	// checked.
	InUse bool

	Algorithm Algorithm
	// Mitigate says that a target that fails more often than the others gets fewer
	// requests, with WeightedRandom.
	Mitigate bool
	// SlowStart is how long a target that became healthy gets less than its share.
	SlowStart time.Duration
	Sticky    Sticky
	// A request goes to any target when fewer are healthy, in number or percent.
	MinHealthy, MinHealthyPercent int
	// Balancer is the ID of the one that forwards to the pool, and LogChecks says that it
	// is told of each check.
	Balancer  string `json:",omitempty"`
	LogChecks bool   `json:",omitempty"`
	// OneZone says that a request goes to targets in the zone of the address that it
	// came to.
	OneZone bool
}

// Version is a version of HTTP that targets speak, as ELBv2 names it but for HTTP1.
type Version string

// The versions. A GRPC target speaks HTTP/2, and gets gRPC only.
const (
	HTTP1 Version = ""
	HTTP2 Version = "HTTP2"
	GRPC  Version = "GRPC"
)

// Algorithm is how a target is chosen, as ELBv2 names it.
type Algorithm string

// The algorithms; any other one is RoundRobin.
const (
	RoundRobin       Algorithm = "round_robin"
	LeastOutstanding Algorithm = "least_outstanding_requests"
	WeightedRandom   Algorithm = "weighted_random"
)

// Sticky is how clients stay with their target. The zero value is that they don't.
type Sticky struct {
	For    time.Duration
	Cookie string // the application's that says when; "": each answer does
}

// Target is where requests go.
type Target struct {
	ID       string // the target's id as registered: its IP address
	Addr     netip.AddrPort
	Zone     string    // "all": in every zone
	Draining bool      // gets no new request
	Deadline time.Time // of a draining target: what is under way then is cut
	// Known is Healthy or Unhealthy when an earlier process found that out: a
	// target that is new to this one, but was not just registered, begins so.
	Known State
}

// Check is how a pool's targets are checked over HTTP.
type Check struct {
	TLS                bool    `json:",omitempty"` // over HTTPS
	Version            Version `json:",omitempty"` // of HTTP
	Path               string
	Port               uint16 // 0: the target's own
	Interval, Timeout  time.Duration
	HealthyThreshold   int
	UnhealthyThreshold int
	Matcher            string // as ELBv2 has it: "200", "200,302", "200-399"; of GRPC its codes
}

// State is what is true of a target, as ELBv2 names it.
type State string

// The states of a target that the data plane knows.
const (
	Initial   State = "initial"
	Healthy   State = "healthy"
	Unhealthy State = "unhealthy"
	Draining  State = "draining"
	Drained   State = "drained" // draining, and nothing is under way any more or its deadline has passed
	Unused    State = "unused"
)

// TargetStatus is one target's state with ELBv2's reason code
// (Elb.RegistrationInProgress, Elb.InitialHealthChecking,
// Target.ResponseCodeMismatch, Target.Timeout, Target.FailedHealthChecks,
// Target.NotInUse, Target.DeregistrationInProgress) and its description.
type TargetStatus struct {
	Pool        string
	Target      netip.AddrPort
	State       State
	Reason      string
	Description string
	Inflight    int
	// Anomalous says that the target fails more often than the others, and Mitigated
	// that it gets fewer requests therefore.
	Anomalous, Mitigated bool
	// Seen is what the check saw that was the last to fail; of a target that isn't healthy.
	Seen Seen
}

// Seen is what came of one health check, for whoever asks why it failed.
type Seen struct {
	At       time.Time
	Asked    string        // where, and for what: http://10.0.0.9:8080/health
	Took     time.Duration // until the answer, or until it was given up
	Status   string        // of the answer: 302 Found; "": none came
	Location string        // where the answer leads to
	Body     string        // how the answer begins
	Error    string        // why no answer came: connection refused
}

// AllZones is the zone of a target that is in every zone.
const AllZones = "all"
