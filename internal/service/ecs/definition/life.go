package definition

import (
	"cmp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// checkLife checks what a container says of its start, its end and its health.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
func checkLife(f *ecs.Faults, c *types.ContainerDefinition, name string) {
	for _, t := range []struct {
		what    string
		seconds *int32
	}{{"start", c.StartTimeout}, {"stop", c.StopTimeout}} {
		switch {
		case t.seconds == nil:
		case *t.seconds < 2:
			f.Add("Granular %s timeout on container '%s' must be at least 2 seconds.", t.what, name)
		case *t.seconds > 120:
			f.Add("Tasks using the Fargate launch type must have a container %s timeout of less than 120 seconds. (%sTimeout of container '%s' is %d; 120 is the most.)", t.what, t.what, name, *t.seconds)
		}
	}
	checkHealthCheck(f, name, c.HealthCheck)
	checkRestart(f, name, c.RestartPolicy)
}

// checkHealthCheck checks a health check: its command, and that its numbers
// are in the ranges that ECS documents.
func checkHealthCheck(f *ecs.Faults, container string, h *types.HealthCheck) {
	if h == nil {
		return
	}
	if !healthCommand(h.Command) {
		setting(f, "healthCheck", container, "the command must be [\"CMD\", program, …], [\"CMD-SHELL\", line], [program, …] or [\"NONE\"]")
	}
	for _, n := range []struct {
		name     string
		is       *int32
		from, to int32
	}{
		{"interval", h.Interval, 5, 300}, {"timeout", h.Timeout, 2, 60}, {"retries", h.Retries, 1, 10}, {"startPeriod", h.StartPeriod, 0, 300},
	} {
		if n.is != nil && (*n.is < n.from || *n.is > n.to) {
			setting(f, "healthCheck", container, "%s must be between %d and %d", n.name, n.from, n.to)
		}
	}
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
	return command[0] != ""
}

// HealthCommand is a health check's command with CMD, CMD-SHELL or NONE before
// it: what begins otherwise is a program and its arguments. AWS's documentation
// asks for one of the three, but its own samples do without.
func HealthCommand(h types.HealthCheck) []string {
	switch h.Command[0] {
	case "NONE", "CMD", "CMD-SHELL":
		return h.Command
	}
	return append([]string{"CMD"}, h.Command...)
}

// checksHealth says whether a container's health is ever known.
func checksHealth(c *types.ContainerDefinition) bool {
	return c.HealthCheck != nil && len(c.HealthCheck.Command) > 0 && c.HealthCheck.Command[0] != "NONE"
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
func checkRestart(f *ecs.Faults, container string, p *types.ContainerRestartPolicy) {
	if p == nil {
		return
	}
	if p.Enabled == nil {
		setting(f, "restartPolicy", container, "enabled must be given")
	}
	if len(p.IgnoredExitCodes) > 50 {
		setting(f, "restartPolicy", container, "ignoredExitCodes must have at most 50 items")
	}
	if p.RestartAttemptPeriod != nil && (*p.RestartAttemptPeriod < 60 || *p.RestartAttemptPeriod > 1800) {
		f.Add("The 'restartAttemptPeriod' setting for container '%s' must be between 60 and 1800.", container)
	}
}

// checkOrder checks what the containers wait for: it must exist, it must be
// able to come, and there must be a first one.
func checkOrder(f *ecs.Faults, cs []types.ContainerDefinition) {
	before := len(*f)
	byName := map[string]*types.ContainerDefinition{}
	for i := range cs {
		byName[aws.ToString(cs[i].Name)] = &cs[i]
	}
	for i := range cs {
		name := called(&cs[i], i)
		for _, d := range cs[i].DependsOn {
			checkDependency(f, name, d, byName[aws.ToString(d.ContainerName)])
		}
		for _, v := range cs[i].VolumesFrom {
			if byName[aws.ToString(v.SourceContainer)] == nil {
				setting(f, "volumesFrom", name, "there is no container '%s'", aws.ToString(v.SourceContainer))
			}
		}
	}
	switch {
	case len(*f) > before || len(byName) < len(cs): // there is no order to speak of
	case circular(cs, waitsFor):
		f.Add("Container dependsOn contains a cycle.")
	case circular(cs, mountsFrom):
		f.Add("Container volumesFrom contains a cycle.")
	case circular(cs, func(c types.ContainerDefinition) []string { return append(waitsFor(c), mountsFrom(c)...) }):
		f.Add("Container dependsOn and volumesFrom together contain a cycle.")
	}
}

func checkDependency(f *ecs.Faults, who string, d types.ContainerDependency, on *types.ContainerDefinition) {
	name := aws.ToString(d.ContainerName)
	if on == nil {
		f.Add("Cannot depend on container + '%s' because it does not exist. (In dependsOn of container '%s'.)", name, who)
		return
	}
	switch d.Condition {
	case types.ContainerConditionStart:
	case types.ContainerConditionHealthy:
		if !checksHealth(on) {
			f.Add("A dependency container with HEALTHY condition must have health check configured. (Container '%s' waits for '%s'.)", who, name)
		}
	case types.ContainerConditionComplete, types.ContainerConditionSuccess:
		if isEssential(on) {
			f.Add("A dependency container with SUCCESS or COMPLETE condition cannot be an essential container. (Container '%s' waits for '%s': set its essential to false.)", who, name)
		}
	default:
		f.Add("Invalid dependsOn condition '%s'. Must be one of [START, COMPLETE, SUCCESS, HEALTHY]. (In container '%s'.)", d.Condition, who)
	}
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
				done[aws.ToString(c.Name)] = true
			}
		}
	}
	return len(done) < len(cs)
}
