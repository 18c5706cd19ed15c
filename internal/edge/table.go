package edge

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
	Rules    []Rule // in the order they are tried
	Default  Action
}

// Balancer is what a listener needs to know of its load balancer.
type Balancer struct {
	ID          string     // the load balancer's ARN
	DNSName     string     // lower case
	Source      netip.Addr // address that targets are dialled from; invalid: the host's choice
	IdleTimeout time.Duration
	// Admit is who its security groups let in on this listener's port. A client
	// that isn't in it gets no answer, as behind a dropped packet.
	Admit []netip.Prefix
}

// Rule sends requests that meet all its conditions to an action.
type Rule struct {
	ID         string
	Conditions []Condition
	Action     Action
}

// Condition is met when any of its patterns matches ("*" any characters, "?"
// one): host names without regard to case, paths with.
type Condition struct {
	Field  Field
	Values []string
}

// Field is what of a request a condition looks at, as ELBv2 names it.
type Field string

// The fields.
const (
	HostHeader  Field = "host-header"
	PathPattern Field = "path-pattern"
)

// Action is what becomes of a request: exactly one field is set.
type Action struct {
	Forward *Forward
	Fixed   *Fixed
}

// Forward sends the request to a target of one of the pools, chosen by weight.
type Forward struct{ Pools []WeightedPool }

// WeightedPool is a pool and its share.
type WeightedPool struct {
	Pool   string
	Weight int
}

// Fixed answers by itself.
type Fixed struct {
	Status      int
	ContentType string
	Body        string
}

// Pool is a target group: targets and how they are checked.
type Pool struct {
	ID      string // the target group's ARN
	Check   Check
	Targets []Target
	// Source is the address that checks come from; invalid: the host's choice.
	Source netip.Addr
	// InUse is false when no listener forwards to the pool: its targets are not
	// checked.
	InUse bool
}

// Target is where requests go.
type Target struct {
	ID       string // the target's id as registered: its IP address
	Addr     netip.AddrPort
	Draining bool      // gets no new request
	Deadline time.Time // of a draining target: what is under way then is cut
	// Known is Healthy or Unhealthy when an earlier process found that out: a
	// target that is new to this one, but was not just registered, begins so.
	Known State
}

// Check is how a pool's targets are checked over HTTP.
type Check struct {
	Path               string
	Port               uint16 // 0: the target's own
	Interval, Timeout  time.Duration
	HealthyThreshold   int
	UnhealthyThreshold int
	Matcher            string // as ELBv2 has it: "200", "200,302", "200-399"
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
}
