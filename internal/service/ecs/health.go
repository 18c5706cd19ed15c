package ecs

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// FailedChecks is why a service's task is stopped that its health checks call
// unhealthy.
const FailedChecks = "Task failed container health checks"

// firstHealth is a new container's health: that of one without a check is "".
func firstHealth(c *types.HealthCheck) types.HealthStatus {
	if c == nil || len(c.Command) == 0 || c.Command[0] == "NONE" {
		return ""
	}
	return types.HealthStatusUnknown
}

// Judge sets the task's health from its containers'.
func (t *Task) Judge() { t.Health = t.health() }

// health is that of the task: of its essential containers with a check, one
// that is unhealthy makes the task so, and one that isn't known yet unknown.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/healthcheck.html
func (t *Task) health() types.HealthStatus {
	var h types.HealthStatus
	for _, c := range t.Containers {
		switch {
		case !c.Essential || c.Health == "":
		case c.Health == types.HealthStatusUnhealthy:
			return types.HealthStatusUnhealthy
		case h == "" || c.Health == types.HealthStatusUnknown:
			h = c.Health
		}
	}
	return h
}

// Fit says that the task has no health check or is HEALTHY.
func (t *Task) Fit() bool { return t.Health == "" || t.Health == types.HealthStatusHealthy }
