package ecs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/id"
)

// Protected says whether scale-in and deployments must leave the task alone at
// that time.
func (t *Task) Protected(now time.Time) bool { return now.Before(t.ProtectedUntil) }

// NewTask returns a task of revision d that is to run: PROVISIONING.
func NewTask(ns arn.Namespace, cluster, taskID string, d types.TaskDefinition) Task {
	t := Task{
		ID: taskID, Cluster: cluster,
		ARN:            ns.ARN("ecs", "task/"+cluster+"/"+taskID),
		TaskDefinition: *d.TaskDefinitionArn,
		Group:          "family:" + *d.Family,
		CPU:            *d.Cpu, Memory: *d.Memory,
		CreatedAt: Now(), Desired: Running, Status: Provisioning, Version: 1,
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{}},
		ENI:       ENI{Attach: id.UUID()},
	}
	if d.EphemeralStorage != nil {
		t.Storage = d.EphemeralStorage.SizeInGiB
	}
	if t.Role = aws.ToString(d.TaskRoleArn); t.Role != "" {
		t.CredentialsID = id.UUID()
	}
	for _, c := range d.ContainerDefinitions {
		t.Containers = append(t.Containers, Container{
			Name: *c.Name, ARN: ns.ARN("ecs", "container/"+cluster+"/"+taskID+"/"+id.UUID()),
			Image: *c.Image, Status: Pending, Essential: aws.ToBool(c.Essential),
			CPU: strconv.Itoa(int(c.Cpu)), Memory: mib(c.Memory), Soft: mib(c.MemoryReservation),
			Health: firstHealth(c.HealthCheck),
		})
	}
	t.Health = t.health()
	return t
}

// HasRole says whether the task's containers may have credentials of a role: for as long as one of them may run, also while it is told to stop.
func (t *Task) HasRole() bool {
	return t.Role != "" && t.Status != Deprovisioning && t.Status != Stopped
}

// credentials is the id of the task's credentials, or nothing.
func (t Task) credentials() []string { return strings.Fields(t.CredentialsID) }

func mib(n *int32) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(int(*n))
}

// Stop marks a task to be stopped, unless it is already.
func (t *Task) Stop(code types.TaskStopCode, reason string) bool {
	if t.Desired == Stopped {
		return false
	}
	t.Desired, t.StopCode, t.Reason, t.StopAt = Stopped, code, reason, Now()
	t.Version++
	return true
}

// Counts says whether the task is counted as running or as pending.
func (t *Task) Counts() (running, pending int32) {
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

// Counted says whether the task counts as running or pending.
func (t *Task) Counted() bool {
	running, pending := t.Counts()
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
