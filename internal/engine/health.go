package engine

import "time"

// HealthCheck is a command that an engine runs in a container again and again:
// it is healthy when that exits with 0.
type HealthCheck struct {
	// Command is "CMD" and the arguments of a program, "CMD-SHELL" and a line for
	// the container's shell, or only "NONE": no check.
	Command     []string
	Interval    time.Duration // between checks, and before the first; 0: 30 s
	Timeout     time.Duration // of one check, which has then failed; 0: 5 s
	StartPeriod time.Duration // failures don't count so long after the start
	Retries     int           // this many failures in a row are unhealthy; 0: 3
}

// Health is what the health check says of a running container.
type Health string

// The states of health; a container without a check has none, which is "".
const (
	HealthStarting Health = "starting" // not yet known
	Healthy        Health = "healthy"
	Unhealthy      Health = "unhealthy"
)

// Defaults of a HealthCheck.
const (
	defaultInterval = 30 * time.Second
	defaultTimeout  = 5 * time.Second
	defaultRetries  = 3
)

// Active returns h with its defaults, or false when there is nothing to check.
func (h *HealthCheck) Active() (HealthCheck, bool) {
	if h == nil || len(h.Command) == 0 || h.Command[0] == "NONE" {
		return HealthCheck{}, false
	}
	full := *h
	if full.Interval == 0 {
		full.Interval = defaultInterval
	}
	if full.Timeout == 0 {
		full.Timeout = defaultTimeout
	}
	if full.Retries == 0 {
		full.Retries = defaultRetries
	}
	return full, true
}
