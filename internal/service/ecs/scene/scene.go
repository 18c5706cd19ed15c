// Package scene is how a task was doing when it was told to stop, for whoever asks why.
package scene

import (
	"net/netip"
	"time"
)

// Scene is how a task was doing when it was told to stop.
type Scene struct {
	At      time.Time
	Targets []Target         // in the target groups that it was in
	Listens []netip.AddrPort // where its processes listened, over TCP
}

// Target is how a target group saw a task.
type Target struct {
	Group  string // ARN
	Port   int32
	State  string // in ELBv2's words
	Reason string // Target.Timeout
	Since  time.Time

	At       time.Time     // of the last check that failed
	Asked    string        // where, and for what
	Took     time.Duration // until the answer, or until it was given up
	Status   string        // of the answer; "": none came
	Location string        // where the answer leads to
	Body     string        // how the answer begins
	Error    string        // why no answer came
}
