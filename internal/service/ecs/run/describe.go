package run

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/ship"
)

// describe tells the engine what to run.
func (r *Runner) describe(t task) engine.Task {
	host := fmt.Sprintf("ip-%s.%s.compute.internal", strings.ReplaceAll(t.ENI.Addr.String(), ".", "-"), r.Region)
	cpu, _ := strconv.Atoi(t.CPU)
	memory, _ := strconv.ParseInt(t.Memory, 10, 64)
	e := engine.Task{
		ID: t.ID, Hostname: host, CPU: cpu, Memory: memory,
		Hosts: map[string]string{host: t.ENI.Addr.String()},
	}
	for i, d := range t.def.Definition.ContainerDefinitions {
		c := engine.Container{
			Name: *d.Name, Image: t.Containers[i].Pinned,
			Command: d.Command, EntryPoint: d.EntryPoint,
			WorkingDirectory: aws.ToString(d.WorkingDirectory), User: aws.ToString(d.User),
			CPU: int(d.Cpu), Memory: int64(aws.ToInt32(d.Memory)), MemoryReservation: int64(aws.ToInt32(d.MemoryReservation)),
		}
		c.Env = environment(d, override(t.Overrides, *d.Name), &c)
		e.Containers = append(e.Containers, c)
	}
	return e
}

func override(o *types.TaskOverride, name string) types.ContainerOverride {
	if o != nil {
		for _, c := range o.ContainerOverrides {
			if aws.ToString(c.Name) == name {
				return c
			}
		}
	}
	return types.ContainerOverride{}
}

// environment returns the container's variables with those of the override
// over them, and puts the override's command into c.
func environment(d types.ContainerDefinition, o types.ContainerOverride, c *engine.Container) []string {
	if len(o.Command) > 0 {
		c.Command = o.Command
	}
	set := map[string]bool{}
	for _, kv := range o.Environment {
		set[aws.ToString(kv.Name)] = true
	}
	var env []string
	for _, kv := range d.Environment {
		if !set[*kv.Name] {
			env = append(env, *kv.Name+"="+aws.ToString(kv.Value))
		}
	}
	for _, kv := range o.Environment {
		env = append(env, aws.ToString(kv.Name)+"="+aws.ToString(kv.Value))
	}
	return env
}

// logged is a container whose output goes to a log stream.
type logged struct {
	ship.Job
	create bool
}

// logged returns the task's containers that have the awslogs driver. The
// stream is named prefix/container/task.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
func (r *Runner) logged(t task) (out []logged) {
	for _, d := range t.def.Definition.ContainerDefinitions {
		if d.LogConfiguration == nil {
			continue
		}
		o := d.LogConfiguration.Options
		out = append(out, logged{
			Job: ship.Job{
				TaskID: t.ID, Container: *d.Name,
				Group:  o["awslogs-group"],
				Stream: o["awslogs-stream-prefix"] + "/" + *d.Name + "/" + t.ID,
			},
			create: o["awslogs-create-group"] == "true",
		})
	}
	return out
}

// record writes into t what the engine says of its containers, and returns
// whether that was news.
func record(t *ecs.Task, s engine.Status) (changed bool) {
	for i := range t.Containers {
		c := &t.Containers[i]
		was := *c
		at := slices.IndexFunc(s.Containers, func(is engine.ContainerStatus) bool { return is.Name == c.Name })
		switch {
		case at >= 0:
			recordContainer(c, s.Containers[at])
		case c.Status == ecs.Running: // somebody removed it
			c.Status, c.Reason = ecs.Stopped, "The container was removed from the container engine."
		}
		changed = changed || was.Status != c.Status || was.RuntimeID != c.RuntimeID || was.Reason != c.Reason || (was.ExitCode == nil) != (c.ExitCode == nil)
	}
	return changed
}

func recordContainer(c *ecs.Container, is engine.ContainerStatus) {
	c.RuntimeID = is.RuntimeID
	switch is.State {
	case engine.Running:
		c.Status = ecs.Running
	case engine.Exited:
		c.Status = ecs.Stopped
		c.ExitCode = aws.Int32(int32(is.ExitCode))
		switch {
		case is.OOMKilled:
			c.Reason = "OutOfMemoryError: Container killed due to memory usage"
		case is.Error != "":
			c.Reason = is.Error
		}
	}
}

// ended says that an essential container of a task has stopped.
func ended(t *ecs.Task) bool {
	for _, c := range t.Containers {
		if c.Essential && c.Status == ecs.Stopped {
			return true
		}
	}
	return false
}
