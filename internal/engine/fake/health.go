package fake

import (
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// beginChecks has the health of a container that starts be known when its checks
// have said it; e.mu is held.
func (e *Engine) beginChecks(t *task, c *container) {
	check, ok := c.spec.HealthCheck.Active()
	if !ok {
		return
	}
	c.status.Health = engine.HealthStarting
	health, after := engine.Healthy, check.Interval
	if c.script.Unhealthy {
		health, after = engine.Unhealthy, unhealthyAfter(check)
	}
	e.later(c, after, func() {
		if c.status.Health == engine.HealthStarting {
			e.setHealth(t, c, health, c.script.HealthOutput)
		}
	})
}

// unhealthyAfter is when a check that always fails has done so often enough
// after the start period.
func unhealthyAfter(h engine.HealthCheck) time.Duration {
	uncounted := h.StartPeriod / h.Interval
	return (uncounted + time.Duration(h.Retries)) * h.Interval
}

// setHealth notes what a check said; e.mu is held.
func (e *Engine) setHealth(t *task, c *container, h engine.Health, output string) {
	c.status.Health, c.status.HealthLog = h, output
	e.touch(t, c)
}
