package order

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Farewell is what is to be done with the containers of a task that is to end.
type Farewell struct {
	Term, Kill []string
	Wait       time.Duration // when to look again, if nothing changes before
}

// Stop decides who is told to end, and who is killed: a container gets SIGTERM
// when none runs that depends on it.
func Stop(t ecs.Task, d types.TaskDefinition, is engine.Status, now time.Time) Farewell {
	f := Farewell{Wait: time.Minute}
	for _, c := range t.Containers {
		if !isRunning(is, c.Name) {
			continue
		}
		if c.TermAt.IsZero() {
			if !needed(d, c.Name, is) {
				f.Term = append(f.Term, c.Name)
			}
			continue
		}
		if left := c.TermAt.Add(stopTimeout(d, c.Name)).Sub(now); left > 0 {
			f.Wait = min(f.Wait, left)
			continue
		}
		f.Kill = append(f.Kill, c.Name)
	}
	return f
}

// needed says whether a container runs that depends on this one.
func needed(d types.TaskDefinition, name string, is engine.Status) bool {
	return slices.ContainsFunc(d.ContainerDefinitions, func(c types.ContainerDefinition) bool {
		return isRunning(is, *c.Name) && slices.ContainsFunc(c.DependsOn, func(d types.ContainerDependency) bool {
			return aws.ToString(d.ContainerName) == name
		})
	})
}

func isRunning(s engine.Status, name string) bool {
	return slices.ContainsFunc(s.Containers, func(c engine.ContainerStatus) bool { return c.Name == name && c.State == engine.Running })
}

// stopTimeout is how long a container gets between SIGTERM and SIGKILL: 30 s
// where the definition doesn't say.
func stopTimeout(d types.TaskDefinition, container string) time.Duration {
	for _, c := range d.ContainerDefinitions {
		if *c.Name == container && c.StopTimeout != nil {
			return time.Duration(*c.StopTimeout) * time.Second
		}
	}
	return 30 * time.Second
}
