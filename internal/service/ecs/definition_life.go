package ecs

import (
	"cmp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// checkLife checks what a container says of its start, its end and its health.
func checkLife(c *types.ContainerDefinition) error {
	for _, t := range []struct {
		what    string
		seconds *int32
	}{{"start", c.StartTimeout}, {"stop", c.StopTimeout}} {
		switch {
		case t.seconds == nil:
		case *t.seconds < 2:
			return client("Granular %s timeout on container '%s' must be at least 2 seconds.", t.what, *c.Name)
		case *t.seconds > 120:
			return client("Tasks using the Fargate launch type must have a container %s timeout of less than 120 seconds.", t.what)
		}
	}
	if err := checkHealthCheck(*c.Name, c.HealthCheck); err != nil {
		return err
	}
	return checkRestart(*c.Name, c.RestartPolicy)
}

// checkHealthCheck checks a health check: its command, and that its numbers
// are in the ranges that ECS documents.
func checkHealthCheck(container string, h *types.HealthCheck) error {
	if h == nil {
		return nil
	}
	if !healthCommand(h.Command) {
		return wrong("healthCheck", container, "the command must be [\"CMD\", program, …], [\"CMD-SHELL\", line] or [\"NONE\"]")
	}
	for _, n := range []struct {
		name     string
		is       *int32
		from, to int32
	}{
		{"interval", h.Interval, 5, 300}, {"timeout", h.Timeout, 2, 60}, {"retries", h.Retries, 1, 10}, {"startPeriod", h.StartPeriod, 0, 300},
	} {
		if n.is != nil && (*n.is < n.from || *n.is > n.to) {
			return wrong("healthCheck", container, "%s must be between %d and %d", n.name, n.from, n.to)
		}
	}
	return nil
}

// healthCommand says whether a health check's command has one of its forms.
func healthCommand(command []string) bool {
	if len(command) == 0 {
		return false
	}
	switch command[0] {
	case "NONE":
		return len(command) == 1
	case "CMD", "CMD-SHELL":
		return len(command) > 1 && command[1] != ""
	}
	return false
}

// checksHealth says whether a container's health is ever known.
func checksHealth(c *types.ContainerDefinition) bool {
	return c.HealthCheck != nil && c.HealthCheck.Command[0] != "NONE"
}

// completeHealthCheck fills in ECS's defaults.
func completeHealthCheck(c *types.ContainerDefinition) {
	if c.HealthCheck == nil {
		return
	}
	h := *c.HealthCheck
	h.Interval = cmp.Or(h.Interval, aws.Int32(30))
	h.Timeout = cmp.Or(h.Timeout, aws.Int32(5))
	h.Retries = cmp.Or(h.Retries, aws.Int32(3))
	c.HealthCheck = &h
}

// checkRestart checks a restart policy.
func checkRestart(container string, p *types.ContainerRestartPolicy) error {
	switch {
	case p == nil:
		return nil
	case p.Enabled == nil:
		return wrong("restartPolicy", container, "enabled must be given")
	case len(p.IgnoredExitCodes) > 50:
		return wrong("restartPolicy", container, "ignoredExitCodes must have at most 50 items")
	case p.RestartAttemptPeriod != nil && (*p.RestartAttemptPeriod < 60 || *p.RestartAttemptPeriod > 1800):
		return client("The 'restartAttemptPeriod' setting for container '%s' must be between 60 and 1800.", container)
	}
	return nil
}

// checkOrder checks what the containers wait for: it must exist, it must be
// able to come, and there must be a first one.
func checkOrder(cs []types.ContainerDefinition) error {
	byName := map[string]*types.ContainerDefinition{}
	for i := range cs {
		byName[*cs[i].Name] = &cs[i]
	}
	for _, c := range cs {
		for _, d := range c.DependsOn {
			if err := checkDependency(d, byName[aws.ToString(d.ContainerName)]); err != nil {
				return err
			}
		}
		for _, v := range c.VolumesFrom {
			if byName[aws.ToString(v.SourceContainer)] == nil {
				return wrong("volumesFrom", *c.Name, "there is no container '%s'", aws.ToString(v.SourceContainer))
			}
		}
	}
	if circular(cs, waitsFor) {
		return client("Container dependsOn contains a cycle.")
	}
	if circular(cs, mountsFrom) {
		return client("Container volumesFrom contains a cycle.")
	}
	if circular(cs, func(c types.ContainerDefinition) []string { return append(waitsFor(c), mountsFrom(c)...) }) {
		return client("Container dependsOn and volumesFrom together contain a cycle.")
	}
	return nil
}

func checkDependency(d types.ContainerDependency, on *types.ContainerDefinition) error {
	if on == nil {
		return client("Cannot depend on container + '%s' because it does not exist.", aws.ToString(d.ContainerName))
	}
	switch d.Condition {
	case types.ContainerConditionStart:
	case types.ContainerConditionHealthy:
		if !checksHealth(on) {
			return client("A dependency container with HEALTHY condition must have health check configured.")
		}
	case types.ContainerConditionComplete, types.ContainerConditionSuccess:
		if isEssential(on) {
			return client("A dependency container with SUCCESS or COMPLETE condition cannot be an essential container.")
		}
	default:
		return client("Invalid dependsOn condition '%s'. Must be one of [START, COMPLETE, SUCCESS, HEALTHY].", d.Condition)
	}
	return nil
}

func waitsFor(c types.ContainerDefinition) (names []string) {
	for _, d := range c.DependsOn {
		names = append(names, aws.ToString(d.ContainerName))
	}
	return names
}

func mountsFrom(c types.ContainerDefinition) (names []string) {
	for _, v := range c.VolumesFrom {
		names = append(names, aws.ToString(v.SourceContainer))
	}
	return names
}

// circular says whether containers wait for each other: whether there is no
// order in which all of them come after what they need.
func circular(cs []types.ContainerDefinition, needs func(types.ContainerDefinition) []string) bool {
	done := map[string]bool{}
	for range cs {
		for _, c := range cs {
			if !slices.ContainsFunc(needs(c), func(name string) bool { return !done[name] }) {
				done[*c.Name] = true
			}
		}
	}
	return len(done) < len(cs)
}
