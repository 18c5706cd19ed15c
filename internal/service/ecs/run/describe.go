package run

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/ship"
)

// hostName is what a task calls the machine that it runs on, where ports of that
// are open to tasks.
const hostName = "host.skylift.internal"

// describe tells the engine what to run, with the directories of file systems
// that stand for volumes. A container without an image is left out: it could not
// be pulled, and the task goes on without it.
func (r *Runner) describe(t task, files mounted) engine.Task {
	host := fmt.Sprintf("ip-%s.%s.compute.internal", strings.ReplaceAll(t.ENI.Addr.String(), ".", "-"), r.Region)
	cpu, _ := strconv.Atoi(t.CPU)
	memory, _ := strconv.ParseInt(t.Memory, 10, 64)
	e := engine.Task{
		ID: t.ID, Hostname: host, CPU: cpu, Memory: memory,
		Hosts:   map[string]string{host: t.ENI.Addr.String()},
		PIDMode: string(t.def.Definition.PidMode),
	}
	if r.HostAddress.IsValid() {
		e.Hosts[hostName] = r.HostAddress.String()
	}
	for _, v := range t.def.Definition.Volumes {
		if v.EfsVolumeConfiguration == nil {
			e.Volumes = append(e.Volumes, aws.ToString(v.Name))
		}
	}
	for i, d := range t.def.Definition.ContainerDefinitions {
		if t.Containers[i].Pinned == "" {
			continue
		}
		c := container(d)
		c.Image, c.Labels, c.Env = t.Containers[i].Pinned, t.Labels(t.def.Definition, d), r.environment(t.EndpointID(t.Containers[i]), d)
		for _, m := range d.MountPoints {
			source := aws.ToString(m.SourceVolume)
			e := engine.Mount{Source: source, Target: aws.ToString(m.ContainerPath), ReadOnly: aws.ToBool(m.ReadOnly)}
			if dir, ok := files[mountKey{c.Name, source}]; ok {
				e.Source = dir
			}
			c.Mounts = append(c.Mounts, e)
		}
		e.Containers = append(e.Containers, c)
	}
	return e
}

// container is a container as the engine takes it, but for its image, labels,
// variables and mounts.
func container(d types.ContainerDefinition) engine.Container {
	c := engine.Container{
		Name: *d.Name, Command: d.Command, EntryPoint: d.EntryPoint,
		WorkingDirectory: aws.ToString(d.WorkingDirectory), User: aws.ToString(d.User),
		CPU: int(d.Cpu), Memory: int64(aws.ToInt32(d.Memory)), MemoryReservation: int64(aws.ToInt32(d.MemoryReservation)),
		ReadonlyRootFilesystem: aws.ToBool(d.ReadonlyRootFilesystem),
		Interactive:            aws.ToBool(d.Interactive), PseudoTerminal: aws.ToBool(d.PseudoTerminal),
		Ulimits: ulimits(d), HealthCheck: healthCheck(d.HealthCheck),
	}
	for _, s := range d.SystemControls {
		if c.Sysctls == nil {
			c.Sysctls = map[string]string{}
		}
		c.Sysctls[aws.ToString(s.Namespace)] = aws.ToString(s.Value)
	}
	for _, v := range d.VolumesFrom {
		c.VolumesFrom = append(c.VolumesFrom, engine.VolumesFrom{Container: aws.ToString(v.SourceContainer), ReadOnly: aws.ToBool(v.ReadOnly)})
	}
	if l := d.LinuxParameters; l != nil {
		c.Init = aws.ToBool(l.InitProcessEnabled)
		if l.Capabilities != nil {
			c.CapAdd, c.CapDrop = l.Capabilities.Add, l.Capabilities.Drop
		}
		for _, f := range l.Tmpfs {
			c.Tmpfs = append(c.Tmpfs, engine.Tmpfs{Target: aws.ToString(f.ContainerPath), Size: int64(f.Size), Options: f.MountOptions})
		}
	}
	return c
}

// ulimits are the limits on a container's processes. What it doesn't say is the
// engine's: Fargate's 65535 open files may be more than the host's may have.
func ulimits(d types.ContainerDefinition) (out []engine.Ulimit) {
	for _, u := range d.Ulimits {
		out = append(out, engine.Ulimit{Name: string(u.Name), Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)})
	}
	return out
}

// healthCheck is a health check as the engine takes it: its defaults are ECS's.
func healthCheck(h *types.HealthCheck) *engine.HealthCheck {
	if h == nil {
		return nil
	}
	seconds := func(n *int32) time.Duration { return time.Duration(aws.ToInt32(n)) * time.Second }
	return &engine.HealthCheck{
		Command: ecs.HealthCommand(*h), Interval: seconds(h.Interval), Timeout: seconds(h.Timeout),
		StartPeriod: seconds(h.StartPeriod), Retries: int(aws.ToInt32(h.Retries)),
	}
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
		create, _ := strconv.ParseBool(o["awslogs-create-group"]) // as the agent reads it: "True" is true
		out = append(out, logged{
			Job: ship.Job{
				TaskID: t.ID, Container: *d.Name,
				Group:  o["awslogs-group"],
				Stream: o["awslogs-stream-prefix"] + "/" + *d.Name + "/" + t.ID,
				First:  o["awslogs-multiline-pattern"],
				Buffer: bufferOf(o, t.LogsBlock),
			},
			create: create,
		})
		if format := o["awslogs-datetime-format"]; format != "" {
			out[len(out)-1].First = ship.Datetime(format)
		}
	}
	return out
}

// defaultBuffer is ECS's max-buffer-size.
const defaultBuffer = 10 << 20

// bufferOf is how much output waits to be stored before some is dropped, with
// the mode non-blocking, which is the one of options that name none unless an
// account setting blocks. With the mode blocking nothing is dropped: it waits in
// the engine, and doesn't block the container there either.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html
func bufferOf(options map[string]string, blocks bool) int64 {
	if mode := options["mode"]; mode == "blocking" || mode == "" && blocks {
		return 0
	}
	if size := ship.Size(options["max-buffer-size"]); size > 0 {
		return size
	}
	return defaultBuffer
}
