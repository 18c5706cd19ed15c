// Package convert puts a task's containers, as its definition has them, into the words of the engine. It is pure.
package convert

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs/definition"
	"github.com/skylift/skylift/internal/service/ecs/ship"
)

// Container is a container as the engine takes it, but for its image, labels,
// variables and mounts.
func Container(d types.ContainerDefinition) engine.Container {
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
		Command: definition.HealthCommand(*h), Interval: seconds(h.Interval), Timeout: seconds(h.Timeout),
		StartPeriod: seconds(h.StartPeriod), Retries: int(aws.ToInt32(h.Retries)),
	}
}

// Output says what the engine does with output that isn't stored fast enough:
// as Buffer has it where it goes to a log stream, and else nobody takes it.
func Output(c *types.LogConfiguration, blocks bool) engine.Output {
	if c == nil {
		return engine.Output{}
	}
	if size := Buffer(c.Options, blocks); size > 0 {
		return engine.Output{Mode: engine.OutputDrops, Buffer: size}
	}
	return engine.Output{Mode: engine.OutputBlocks}
}

// defaultBuffer is ECS's max-buffer-size.
const defaultBuffer = 10 << 20

// Buffer is how much output waits to be stored before some is dropped, with
// the mode non-blocking, which is the one of options that name none unless an
// account setting blocks. With the mode blocking nothing is dropped: it waits in
// the engine, and the container too where the engine can have it wait.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html
func Buffer(options map[string]string, blocks bool) int64 {
	if mode := options["mode"]; mode == "blocking" || mode == "" && blocks {
		return 0
	}
	if size := ship.Size(options["max-buffer-size"]); size > 0 {
		return size
	}
	return defaultBuffer
}
