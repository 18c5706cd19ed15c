package record

import (
	"slices"

	"github.com/skylift/skylift/internal/engine"
)

// CheckArgs is the command line of the container's health check.
func (c Container) CheckArgs() []string {
	form, rest := c.Check.Command[0], c.Check.Command[1:]
	if form != "CMD-SHELL" {
		return rest
	}
	shell := c.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	return slices.Concat(shell, rest)
}

// After returns the health after a check that said so much. In a container's
// start period failures don't count, until it was healthy once.
func (h Health) After(healthy bool, said string, inStart bool, retries int) Health {
	h.Log = said
	if healthy {
		h.Status, h.Failures = engine.Healthy, 0
		return h
	}
	if inStart && h.Status != engine.Healthy && h.Status != engine.Unhealthy {
		return h
	}
	if h.Failures = min(h.Failures+1, retries); h.Failures >= retries {
		h.Status = engine.Unhealthy
	}
	return h
}
