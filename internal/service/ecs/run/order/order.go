// Package order decides in which order the containers of a task are started and ended. It is pure: it looks at the
// definition, the record, what the engine says and the time.
package order

import (
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Plan is what is to be done with the containers of a task that is to run.
type Plan struct {
	Start []string          // never ran, and may now
	Again []string          // ended, and are to run again
	Never map[string]string // can never start, and why
	Wait  time.Duration     // when to look again, if nothing changes before; 0: never
}

// Idle says that there is nothing to do now.
func (p Plan) Idle() bool { return len(p.Start)+len(p.Again)+len(p.Never) == 0 }

// startTimeout is how long a container has, to get where another one waits for
// it, when its definition doesn't say.
const startTimeout = 3 * time.Minute

// attemptPeriod is how long a container must have run to be started again,
// when its restart policy doesn't say.
const attemptPeriod = 5 * time.Minute

// Start decides which containers are to be started: those whose dependencies
// are met, and those that their restart policy starts again. It decides as the
// ECS agent does: a container that can never start is called STOPPED with the
// exit code 143, and the others go on without it if it isn't essential.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#container_definition_dependson
func Start(t ecs.Task, d types.TaskDefinition, is engine.Status, now time.Time) Plan {
	p := Plan{Never: map[string]string{}}
	all := sights(t, d, is)
	if slices.ContainsFunc(all, func(s sight) bool { return s.known == knownStopped && aws.ToBool(s.def.Essential) }) {
		return p // the task ends
	}
	for i := range all {
		c := &all[i]
		if c.again {
			p.Again = append(p.Again, c.name())
		}
		if c.known != knownNone {
			continue
		}
		ready, reason, wait := c.may(all, now)
		switch {
		case reason != "":
			p.Never[c.name()] = reason
		case ready:
			p.Start = append(p.Start, c.name())
		}
		if wait > 0 && (p.Wait == 0 || wait < p.Wait) {
			p.Wait = wait
		}
	}
	return p
}

// Where a container is, as the ECS agent calls it.
const (
	knownNone    = "NONE"
	knownRunning = "RUNNING"
	knownStopped = "STOPPED"
)

// sight is all that is known of a container.
type sight struct {
	def   types.ContainerDefinition
	rec   ecs.Container
	is    engine.ContainerStatus // zero when the engine has none
	known string                 // one of these
	again bool                   // it ended, and is to run again
}

func (s *sight) name() string { return *s.def.Name }

// sights brings together what the definition, the record and the engine say.
func sights(t ecs.Task, def types.TaskDefinition, is engine.Status) []sight {
	out := make([]sight, 0, len(t.Containers))
	for _, d := range def.ContainerDefinitions {
		s := sight{def: d, known: knownNone}
		if i := slices.IndexFunc(t.Containers, func(c ecs.Container) bool { return c.Name == *d.Name }); i >= 0 {
			s.rec = t.Containers[i]
		}
		if i := slices.IndexFunc(is.Containers, func(c engine.ContainerStatus) bool { return c.Name == *d.Name }); i >= 0 {
			s.is = is.Containers[i]
		}
		switch {
		case s.rec.Status == ecs.Stopped:
			s.known = knownStopped
		case s.is.State == engine.Exited && restarts(d.RestartPolicy, s.is):
			s.known, s.again = knownRunning, true
		case s.is.State == engine.Exited:
			s.known = knownStopped
		case s.is.State == engine.Running:
			s.known = knownRunning
		}
		out = append(out, s)
	}
	return out
}

// restarts says whether a container that ended is to be started again: it ran
// for long enough, and not to an exit code that is ignored.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-restart-policy.html
func restarts(p *types.ContainerRestartPolicy, is engine.ContainerStatus) bool {
	if p == nil || !aws.ToBool(p.Enabled) || slices.Contains(p.IgnoredExitCodes, int32(is.ExitCode)) {
		return false
	}
	return is.FinishedAt.Sub(is.StartedAt) >= period(p)
}

func period(p *types.ContainerRestartPolicy) time.Duration {
	if p != nil && p.RestartAttemptPeriod != nil {
		return time.Duration(*p.RestartAttemptPeriod) * time.Second
	}
	return attemptPeriod
}

// may says whether the container may start; or why it never may; or, while it
// has to wait, how long until time alone decides.
func (s *sight) may(all []sight, now time.Time) (ready bool, never string, wait time.Duration) {
	ready = true
	for _, on := range s.def.DependsOn {
		i := slices.IndexFunc(all, func(o sight) bool { return o.name() == aws.ToString(on.ContainerName) })
		if i < 0 {
			continue // a definition that names one that it hasn't is refused
		}
		d := &all[i]
		if never := d.failed(on.Condition, s, now); never != "" {
			return false, never, 0
		}
		if !d.meets(on.Condition) {
			ready = false
			if left := d.left(now); d.known == knownRunning && (wait == 0 || left < wait) {
				wait = left
			}
		}
	}
	return ready, "", wait
}

// meets says whether the container is where another one waits for it.
func (s *sight) meets(c types.ContainerCondition) bool {
	switch c {
	case types.ContainerConditionStart:
		return s.known != knownNone
	case types.ContainerConditionComplete:
		return s.known == knownStopped
	case types.ContainerConditionSuccess:
		return s.known == knownStopped && s.is.ExitCode == 0
	default:
		return s.known == knownRunning && s.is.Health == engine.Healthy
	}
}

// failed says why the container can never be where the container by waits for
// it, in the ECS agent's words.
func (s *sight) failed(c types.ContainerCondition, by *sight, now time.Time) string {
	said := func(format string) string {
		return "CannotStartContainerError: dependency graph: " + fmt.Sprintf(format, s, by)
	}
	ran := s.is.State == engine.Exited
	switch {
	case s.known == knownRunning && c != types.ContainerConditionStart && !s.meets(c) && s.left(now) <= 0:
		return said("container ordering dependency [%s] for target [%s] has timed out.")
	case s.known == knownStopped && !ran:
		return said("failed to resolve container ordering dependency [%s] for target [%s] because dependency will never start")
	case s.known == knownStopped && c == types.ContainerConditionSuccess && s.is.ExitCode != 0:
		return said("failed to resolve container ordering dependency [%s] for target [%s] as dependency did not exit successfully.")
	case s.known == knownStopped && c == types.ContainerConditionHealthy:
		return said("failed to resolve container ordering dependency [%s] for target [%s] because dependency has stopped")
	}
	return ""
}

// left is how long a container that runs still has to get where it is waited
// for. Each restart says that it has run for its attempt period at least.
func (s *sight) left(now time.Time) time.Duration {
	has := startTimeout
	if s.def.StartTimeout != nil {
		has = time.Duration(*s.def.StartTimeout) * time.Second
	}
	return s.is.StartedAt.Add(has - time.Duration(s.is.Restarts)*period(s.def.RestartPolicy)).Sub(now)
}

// String is the container as the ECS agent writes it.
func (s *sight) String() string {
	out := fmt.Sprintf("%s(%s) (%s->RUNNING)", s.name(), aws.ToString(s.def.Image), s.known)
	if s.known == knownStopped && s.is.State == engine.Exited {
		out += fmt.Sprintf(" - Exit: %d", s.is.ExitCode)
	}
	return out
}
