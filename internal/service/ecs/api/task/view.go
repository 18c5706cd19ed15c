package task

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
)

// known is a health as the API has it.
func known(h types.HealthStatus) types.HealthStatus {
	if h == "" {
		return types.HealthStatusUnknown
	}
	return h
}

// taskOut returns the task as the API has it.
func taskOut(t *ecs.Task, ns arn.Namespace, tags bool) types.Task {
	out := types.Task{
		TaskArn: &t.ARN, ClusterArn: aws.String(ns.ARN("ecs", "cluster/"+t.Cluster)),
		TaskDefinitionArn: &t.TaskDefinition,
		Group:             &t.Group, StartedBy: handler.Optional(t.StartedBy),
		LaunchType: t.LaunchType, CapacityProviderName: handler.Optional(t.Provider), PlatformVersion: handler.Optional(t.Platform), PlatformFamily: aws.String("Linux"),
		Cpu: &t.CPU, Memory: &t.Memory,
		DesiredStatus: &t.Desired, LastStatus: &t.Status, Version: t.Version,
		AvailabilityZone: handler.Optional(t.Zone),
		CreatedAt:        shape.Time(t.CreatedAt), PullStartedAt: shape.Time(t.PullStartedAt), PullStoppedAt: shape.Time(t.PullStoppedAt),
		StartedAt: shape.Time(t.StartedAt), StoppingAt: shape.Time(t.StoppingAt), ExecutionStoppedAt: shape.Time(t.ExecutionStopped), StoppedAt: shape.Time(t.StoppedAt),
		StopCode: t.StopCode, StoppedReason: handler.Optional(t.Reason),
		EnableExecuteCommand:    t.ExecuteCommand,
		HealthStatus:            known(t.Health),
		EphemeralStorage:        &types.EphemeralStorage{SizeInGiB: t.StorageSize()},
		FargateEphemeralStorage: &types.TaskEphemeralStorage{SizeInGiB: t.StorageSize()},
		Overrides:               overridesOf(t),
		Attachments:             []types.Attachment{attachmentOf(t)},
		Attributes:              []types.Attribute{{Name: aws.String("ecs.cpu-architecture"), Value: aws.String(ecs.Architecture)}},
		Containers:              []types.Container{},
	}
	if !t.ConnectivityAt.IsZero() {
		out.Connectivity, out.ConnectivityAt = types.ConnectivityConnected, &t.ConnectivityAt
	}
	if tags {
		out.Tags = shape.TagType.To(t.Tags)
	}
	for _, c := range t.Containers {
		out.Containers = append(out.Containers, containerOut(t, c))
	}
	return out
}

// overridesOf are the task's overrides as the API has them: with each container.
func overridesOf(t *ecs.Task) *types.TaskOverride {
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

func containerOut(t *ecs.Task, c ecs.Container) types.Container {
	out := types.Container{
		ContainerArn: &c.ARN, TaskArn: &t.ARN, Name: &c.Name, Image: &c.Image, ImageDigest: handler.Optional(c.Digest), RuntimeId: handler.Optional(c.RuntimeID),
		LastStatus: &c.Status, ExitCode: c.ExitCode, Reason: handler.Optional(c.Reason), HealthStatus: known(c.Health),
		Cpu: handler.Optional(c.CPU), Memory: handler.Optional(c.Memory), MemoryReservation: handler.Optional(c.Soft),
		NetworkBindings: []types.NetworkBinding{}, NetworkInterfaces: []types.NetworkInterface{},
	}
	if t.ENI.Addr.IsValid() {
		out.NetworkInterfaces = append(out.NetworkInterfaces, types.NetworkInterface{
			AttachmentId: &t.ENI.Attach, PrivateIpv4Address: aws.String(t.ENI.Addr.String()),
		})
	}
	return out
}

// attachmentOf tells of the task's network interface.
func attachmentOf(t *ecs.Task) types.Attachment {
	status := "PRECREATED"
	switch {
	case t.Status == ecs.Stopped:
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
