package metadata

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
)

// view is all that there is to tell of a task.
type view struct {
	asker
	is      engine.Status // empty while the engine is away
	vpc     string
	subnet  netip.Prefix
	storage *int64 // bytes in use; nil: unknown
	clock   *ClockDrift
}

// describe tells of the task.
func (v view) describe() *Task {
	t := v.task
	out := &Task{
		Cluster: t.ClusterARN(), TaskARN: t.ARN, Family: aws.ToString(v.def.Family), Revision: strconv.Itoa(int(v.def.Revision)),
		DesiredStatus: t.Desired, KnownStatus: v.known(), Limits: v.limits(),
		PullStartedAt: at(t.PullStartedAt), PullStoppedAt: at(t.PullStoppedAt), ExecutionStoppedAt: at(t.ExecutionStopped),
		AvailabilityZone: t.Zone,
	}
	for i := range t.Containers {
		out.Containers = append(out.Containers, v.container(i))
	}
	if !v.v4 {
		return out
	}
	out.LaunchType, out.VPCID, out.ClockDrift, out.FaultInjectionEnabled = string(types.LaunchTypeFargate), v.vpc, v.clock, new(bool)
	_, out.ServiceName, _ = strings.Cut(t.Service, "/")
	if v.storage != nil {
		const mib, gib = 1 << 20, 1 << 10
		out.EphemeralStorageMetrics = &Storage{Utilized: *v.storage / mib, Reserved: int64(cmp.Or(t.Storage, ecs.DefaultStorage)) * gib}
	}
	return out
}

// How far a task or a container is known to be, beside RUNNING and STOPPED, as
// the ECS agent calls it.
const (
	none    = "NONE"
	pulled  = "PULLED"
	created = "CREATED"
)

// known is the task's status as the agent has it: it knows of containers only.
func (v view) known() string {
	switch v.task.Status {
	case ecs.Activating, ecs.Running, ecs.Deactivating, ecs.Stopping:
		return ecs.Running
	case ecs.Deprovisioning, ecs.Stopped:
		return ecs.Stopped
	}
	return v.unstarted()
}

// unstarted is the status of what waits to be started.
func (v view) unstarted() string {
	if v.task.PullStoppedAt.IsZero() {
		return none
	}
	return pulled
}

// limits are the task's.
func (v view) limits() *Limits {
	var l Limits
	if units, err := strconv.ParseFloat(v.task.CPU, 64); err == nil {
		l.CPU = aws.Float64(units / 1024)
	}
	if n, err := strconv.ParseInt(v.task.Memory, 10, 64); err == nil {
		l.Memory = &n
	}
	if l.CPU == nil && l.Memory == nil {
		return nil
	}
	return &l
}

// container tells of one container.
func (v view) container(i int) Container {
	c := v.task.Containers[i]
	out := Container{
		DockerID: v.task.EndpointID(c), Name: c.Name, DockerName: c.Name, Image: c.Image, ImageID: c.Digest,
		DesiredStatus: v.task.Desired, ExitCode: c.ExitCode, Type: "NORMAL",
		Networks: []Network{v.network()},
	}
	if c.Health != "" {
		out.Health = &Health{Status: string(c.Health)}
	}
	v.define(&out, c)
	v.observe(&out, c)
	if v.v4 {
		out.ContainerARN = c.ARN
	}
	return out
}

// define adds what the task definition says.
func (v view) define(out *Container, c ecs.Container) {
	i := slices.IndexFunc(v.def.ContainerDefinitions, func(d types.ContainerDefinition) bool { return aws.ToString(d.Name) == c.Name })
	if i < 0 {
		return
	}
	d := v.def.ContainerDefinitions[i]
	out.Labels = v.task.Labels(v.def, d)
	out.Limits.CPU = aws.Float64(float64(d.Cpu))
	if d.Memory != nil {
		out.Limits.Memory = aws.Int64(int64(*d.Memory))
	}
	for _, p := range d.PortMappings {
		port := aws.ToInt32(p.ContainerPort)
		out.Ports = append(out.Ports, Port{ContainerPort: port, Protocol: cmp.Or(string(p.Protocol), string(types.TransportProtocolTcp)), HostPort: port})
	}
	for _, m := range d.MountPoints {
		out.Volumes = append(out.Volumes, Volume{DockerName: aws.ToString(m.SourceVolume), Destination: aws.ToString(m.ContainerPath)})
	}
	if !v.v4 {
		return
	}
	if p := d.RestartPolicy; p != nil && aws.ToBool(p.Enabled) {
		out.RestartCount = &c.Restarts
	}
	if l := d.LogConfiguration; l != nil {
		out.LogDriver, out.LogOptions = string(l.LogDriver), v.logOptions(l.Options, c.Name)
	}
}

// logOptions names the stream itself in place of its prefix, as on Fargate.
func (v view) logOptions(options map[string]string, container string) map[string]string {
	const prefix, stream = "awslogs-stream-prefix", "awslogs-stream"
	out := maps.Clone(options)
	if p, ok := out[prefix]; ok {
		delete(out, prefix)
		out[stream] = p + "/" + container + "/" + v.task.ID
	}
	return out
}

// observe adds what is known of the container itself: by the engine, or else by
// the record.
func (v view) observe(out *Container, c ecs.Container) {
	out.KnownStatus = c.Status
	if c.Status == ecs.Pending {
		out.KnownStatus = v.unstarted()
	}
	i := slices.IndexFunc(v.is.Containers, func(is engine.ContainerStatus) bool { return is.Name == c.Name })
	if i < 0 {
		return
	}
	is := v.is.Containers[i]
	out.CreatedAt, out.StartedAt, out.FinishedAt = at(is.CreatedAt), at(is.StartedAt), at(is.FinishedAt)
	switch is.State {
	case engine.Created:
		if c.Status != ecs.Stopped {
			out.KnownStatus = created
		}
	case engine.Running:
		out.KnownStatus = ecs.Running
	case engine.Exited:
		out.KnownStatus, out.ExitCode = ecs.Stopped, aws.Int32(int32(is.ExitCode))
	}
	if out.RestartCount != nil {
		out.RestartCount = &is.Restarts
	}
	if out.Health != nil {
		out.Health.Output = is.HealthLog
		switch is.Health {
		case engine.Healthy:
			out.Health.Status = string(types.HealthStatusHealthy)
		case engine.Unhealthy:
			out.Health.Status = string(types.HealthStatusUnhealthy)
		}
	}
}

// network tells of the task's interface.
func (v view) network() Network {
	addr := v.task.ENI.Addr.String()
	n := Network{NetworkMode: string(types.NetworkModeAwsvpc), IPv4Addresses: []string{addr}}
	if !v.v4 {
		return n
	}
	n.AttachmentIndex, n.MACAddress, n.IPv4SubnetCIDRBlock = new(int), v.task.ENI.MAC, v.subnet.String()
	if a, err := arn.Parse(v.task.ARN); err == nil {
		n.PrivateDNSName = fmt.Sprintf("ip-%s.%s.compute.internal", strings.ReplaceAll(addr, ".", "-"), a.Region)
	}
	n.SubnetGatewayIpv4Address = netip.PrefixFrom(v.subnet.Addr().Next(), v.subnet.Bits()).String()
	return n
}

// at is nil for what hasn't happened.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
