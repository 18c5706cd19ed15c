package run

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs/ship"
)

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
		c.Image = t.Containers[i].Pinned
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

// container is a container as the engine takes it, but for its image and its
// mounts.
func container(d types.ContainerDefinition) engine.Container {
	c := engine.Container{
		Name: *d.Name, Command: d.Command, EntryPoint: d.EntryPoint, Env: environment(d),
		WorkingDirectory: aws.ToString(d.WorkingDirectory), User: aws.ToString(d.User),
		CPU: int(d.Cpu), Memory: int64(aws.ToInt32(d.Memory)), MemoryReservation: int64(aws.ToInt32(d.MemoryReservation)),
		Labels:                 d.DockerLabels,
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

// openFiles is what a process on Fargate may open when its container doesn't
// say: more than the engine gives.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
const openFiles = 65535

func ulimits(d types.ContainerDefinition) []engine.Ulimit {
	out := []engine.Ulimit{{Name: string(types.UlimitNameNofile), Soft: openFiles, Hard: openFiles}}
	for _, u := range d.Ulimits {
		l := engine.Ulimit{Name: string(u.Name), Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)}
		if u.Name == types.UlimitNameNofile {
			out[0] = l
			continue
		}
		out = append(out, l)
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
		Command: h.Command, Interval: seconds(h.Interval), Timeout: seconds(h.Timeout),
		StartPeriod: seconds(h.StartPeriod), Retries: int(aws.ToInt32(h.Retries)),
	}
}

func environment(d types.ContainerDefinition) (env []string) {
	for _, kv := range d.Environment {
		env = append(env, *kv.Name+"="+aws.ToString(kv.Value))
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
