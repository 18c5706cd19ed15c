package ecs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
)

// counts says whether the task is counted as running or as pending.
func (t *Task) counts() (running, pending int32) {
	switch t.Status {
	case Running:
		return 1, 0
	case Provisioning, Pending, Activating:
		if t.Desired == Running {
			return 0, 1
		}
	}
	return 0, 0
}

// wire returns the task as the API has it.
func (t *Task) wire(ns arn.Namespace, tags bool) types.Task {
	out := types.Task{
		TaskArn: &t.ARN, ClusterArn: aws.String(ns.ARN("ecs", "cluster/"+t.Cluster)),
		TaskDefinitionArn: &t.TaskDefinition,
		Group:             &t.Group, StartedBy: str(t.StartedBy),
		LaunchType: t.LaunchType, CapacityProviderName: str(t.Provider), PlatformVersion: str(t.Platform), PlatformFamily: aws.String("Linux"),
		Cpu: &t.CPU, Memory: &t.Memory,
		DesiredStatus: &t.Desired, LastStatus: &t.Status, Version: t.Version,
		AvailabilityZone: str(t.Zone),
		CreatedAt:        at(t.CreatedAt), PullStartedAt: at(t.PullStartedAt), PullStoppedAt: at(t.PullStoppedAt),
		StartedAt: at(t.StartedAt), StoppingAt: at(t.StoppingAt), ExecutionStoppedAt: at(t.ExecutionStopped), StoppedAt: at(t.StoppedAt),
		StopCode: t.StopCode, StoppedReason: str(t.Reason),
		EnableExecuteCommand:    t.ExecuteCommand,
		HealthStatus:            known(t.Health),
		EphemeralStorage:        &types.EphemeralStorage{SizeInGiB: t.StorageSize()},
		FargateEphemeralStorage: &types.TaskEphemeralStorage{SizeInGiB: t.StorageSize()},
		Overrides:               t.overrides(),
		Attachments:             []types.Attachment{t.attachment()},
		Attributes:              []types.Attribute{{Name: aws.String("ecs.cpu-architecture"), Value: aws.String(architecture)}},
		Containers:              []types.Container{},
	}
	if !t.ConnectivityAt.IsZero() {
		out.Connectivity, out.ConnectivityAt = types.ConnectivityConnected, &t.ConnectivityAt
	}
	if tags {
		out.Tags = append([]types.Tag{}, t.Tags...)
	}
	for _, c := range t.Containers {
		out.Containers = append(out.Containers, t.container(c))
	}
	return out
}

// overrides are the task's overrides as the API has them: with each container.
func (t *Task) overrides() *types.TaskOverride {
	out := types.TaskOverride{}
	if t.Overrides != nil {
		out = *t.Overrides
	}
	said := out.ContainerOverrides
	out.ContainerOverrides = []types.ContainerOverride{}
	for _, c := range t.Containers {
		o := types.ContainerOverride{Name: aws.String(c.Name)}
		if i := slices.IndexFunc(said, func(s types.ContainerOverride) bool { return aws.ToString(s.Name) == c.Name }); i >= 0 {
			o = said[i]
		}
		out.ContainerOverrides = append(out.ContainerOverrides, o)
	}
	return &out
}

func (t *Task) container(c Container) types.Container {
	out := types.Container{
		ContainerArn: &c.ARN, TaskArn: &t.ARN, Name: &c.Name, Image: &c.Image, ImageDigest: str(c.Digest), RuntimeId: str(c.RuntimeID),
		LastStatus: &c.Status, ExitCode: c.ExitCode, Reason: str(c.Reason), HealthStatus: known(c.Health),
		Cpu: str(c.CPU), Memory: str(c.Memory), MemoryReservation: str(c.Soft),
		NetworkBindings: []types.NetworkBinding{}, NetworkInterfaces: []types.NetworkInterface{},
	}
	if t.ENI.Addr.IsValid() {
		out.NetworkInterfaces = append(out.NetworkInterfaces, types.NetworkInterface{
			AttachmentId: &t.ENI.Attach, PrivateIpv4Address: aws.String(t.ENI.Addr.String()),
		})
	}
	return out
}

// attachment tells of the task's network interface.
func (t *Task) attachment() types.Attachment {
	status := "PRECREATED"
	switch {
	case t.Status == Stopped:
		status = "DELETED"
	case t.ENI.Deleted:
		status = "DETACHED"
	case t.Started():
		status = "ATTACHED"
	case t.ENI.ID != "":
		status = "ATTACHING"
	}
	a := types.Attachment{Id: &t.ENI.Attach, Type: aws.String("ElasticNetworkInterface"), Status: &status, Details: []types.KeyValuePair{}}
	if t.ENI.ID == "" {
		return a
	}
	host := fmt.Sprintf("ip-%s.internal", strings.ReplaceAll(t.ENI.Addr.String(), ".", "-"))
	for _, kv := range [][2]string{
		{"subnetId", t.ENI.Subnet},
		{"networkInterfaceId", t.ENI.ID},
		{"macAddress", t.ENI.MAC},
		{"privateDnsName", host},
		{"privateIPv4Address", t.ENI.Addr.String()},
	} {
		a.Details = append(a.Details, types.KeyValuePair{Name: aws.String(kv[0]), Value: aws.String(kv[1])})
	}
	return a
}

// Counted says whether the task counts as running or pending.
func (t *Task) Counted() bool {
	running, pending := t.counts()
	return running+pending > 0
}

// Failed says whether the task's end is a failure: it could not start, an
// essential container ended, or its health checks or a target group called it
// unhealthy.
func (t *Task) Failed() bool {
	return t.StopCode == types.TaskStopCodeTaskFailedToStart || t.StopCode == types.TaskStopCodeEssentialContainerExited ||
		strings.HasPrefix(t.Reason, "Task failed ELB health checks") || strings.HasPrefix(t.Reason, FailedChecks)
}

// Ending tells why the task stopped, with what its containers say.
func (t *Task) Ending() string {
	s := t.Reason
	for _, c := range t.Containers {
		if c.ExitCode != nil && t.StopCode == types.TaskStopCodeEssentialContainerExited {
			s += fmt.Sprintf(" (container %s) (exit code %d)", c.Name, *c.ExitCode)
		}
		if c.Reason != "" && !strings.Contains(s, c.Reason) {
			s += " " + c.Reason
		}
	}
	return s
}
