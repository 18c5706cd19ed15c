// Package check decides the health of a load balancer's target.
//
// A probe asks the target once and says what came of it; Health counts what
// came of them. Probes do the I/O, Health is a value that is only computed.
package check

import (
	"fmt"

	"github.com/skylift/skylift/internal/edge/table"
)

// Outcome is what came of one probe.
type Outcome struct {
	Kind Kind
	Code int // the status of a Pass or a Mismatch
	// Headless says that an answer of gRPC has no code.
	Headless bool
	Err      error // why a target is Unasked
	Seen     table.Seen
}

// Why is why the check failed, as health check logs name it; "" of a Pass
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-health-check-logs.html#health-check-error-reason-codes).
func (o Outcome) Why(v table.Version) string {
	switch {
	case o.Kind == Pass:
		return ""
	case o.Kind == Timeout:
		return "TimedOut"
	case o.Kind == Unasked:
		return "InternalError"
	case o.Headless:
		return "GRPCStatusHeaderEmpty"
	case o.Kind == Mismatch && v == table.GRPC:
		return "GRPCUnexpectedStatus"
	case o.Kind == Mismatch && o.Code >= 500:
		return "TargetError"
	case o.Kind == Mismatch:
		return "ResponseCodeMismatch"
	}
	return "ConnectionReset"
}

// Kind is the way a probe ended.
type Kind int

// The ways a probe ends.
const (
	Pass     Kind = iota
	Mismatch      // an answer with a status that the matcher doesn't have
	Timeout       // no answer in time
	Failure       // no connection, or no HTTP answer
	Unasked       // this machine couldn't ask: that says nothing about the target
)

// State is where Health stands.
type State int

// The states.
const (
	Registering State = iota // no probe has ended yet
	Initial                  // neither passed once nor failed often enough
	Healthy
	Unhealthy
)

// Thresholds say how many probes in a row change a target's state.
type Thresholds struct{ Healthy, Unhealthy int }

// Health is what a target's probes amount to. Its zero value is a target
// that was just registered.
type Health struct {
	State  State
	Last   Outcome // the last failure, of a target that isn't healthy
	passes int     // in a row
	fails  int     // in a row
}

// After is the health once o came of another probe. As with an ALB, a target
// that was just registered is healthy after one passed probe; the healthy
// threshold counts for one that has been unhealthy.
func (h Health) After(o Outcome, t Thresholds) Health {
	switch o.Kind {
	case Pass:
		return h.passed(t)
	case Unasked:
		return h
	}
	h.passes, h.fails, h.Last = 0, h.fails+1, o
	switch {
	case h.State == Unhealthy || h.fails >= max(1, t.Unhealthy):
		h.State = Unhealthy
	case h.State == Registering:
		h.State = Initial
	}
	return h
}

func (h Health) passed(t Thresholds) Health {
	h.passes, h.fails = h.passes+1, 0
	if h.State != Unhealthy || h.passes >= max(1, t.Healthy) {
		h.State = Healthy
	}
	return h
}

// Reason is ELBv2's reason code and description; a healthy target has none.
func (h Health) Reason() (code, description string) {
	switch h.State {
	case Healthy:
		return "", ""
	case Registering:
		return "Elb.RegistrationInProgress", "Target registration is in progress"
	case Initial:
		return "Elb.InitialHealthChecking", "Initial health checks in progress"
	}
	switch h.Last.Kind {
	case Mismatch:
		return "Target.ResponseCodeMismatch", fmt.Sprintf("Health checks failed with these codes: [%d]", h.Last.Code)
	case Timeout:
		return "Target.Timeout", "Request timed out"
	default:
		return "Target.FailedHealthChecks", "Health checks failed"
	}
}

// Seen is what the last check saw that failed, of a target that isn't healthy.
func (h Health) Seen() table.Seen {
	if h.State == Healthy {
		return table.Seen{}
	}
	return h.Last.Seen
}
