package ecs

import (
	"context"
	"strconv"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// NewTask returns a task of revision d that is to run: PROVISIONING.
func NewTask(ns arn.Namespace, cluster, taskID string, d types.TaskDefinition) Task {
	t := Task{
		ID: taskID, Cluster: cluster,
		ARN:            ns.ARN("ecs", "task/"+cluster+"/"+taskID),
		TaskDefinition: *d.TaskDefinitionArn,
		Group:          "family:" + *d.Family,
		CPU:            *d.Cpu, Memory: *d.Memory,
		CreatedAt: now(), Desired: Running, Status: Provisioning, Version: 1,
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{}},
		ENI:       ENI{Attach: id.UUID()},
	}
	if d.EphemeralStorage != nil {
		t.Storage = d.EphemeralStorage.SizeInGiB
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

func mib(n *int32) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(int(*n))
}

// taskTags are the tags of a new task: those propagated, its own over them,
// and the managed ones.
func taskTags(p types.PropagateTags, ofDefinition, ofService, own []types.Tag, managed bool, cluster, service string) []types.Tag {
	var tags []types.Tag
	switch p {
	case types.PropagateTagsTaskDefinition:
		tags = ofDefinition
	case types.PropagateTagsService:
		tags = ofService
	}
	tags = merge(tags, own)
	if managed {
		tags = append(tags, types.Tag{Key: aws.String("aws:ecs:clusterName"), Value: &cluster})
		if service != "" {
			tags = append(tags, types.Tag{Key: aws.String("aws:ecs:serviceName"), Value: &service})
		}
	}
	return given(tags)
}

// fargateOnly refuses the other launch types as a cluster without container
// instances does.
func fargateOnly(l types.LaunchType) error {
	if l == "" || l == types.LaunchTypeFargate {
		return nil
	}
	return invalid("No Container Instances were found in your cluster. Use the launch type FARGATE.")
}

func platformVersion(v *string) (string, error) {
	switch s := aws.ToString(v); s {
	case "", "LATEST", "1.4.0":
		return "1.4.0", nil
	default:
		return "", &types.PlatformUnknownException{Message: aws.String("The specified platform does not exist: " + s + ". Use LATEST or 1.4.0.")}
	}
}

// placement checks where a task's interface is to be placed.
func (a *API) placement(ctx context.Context, c *types.NetworkConfiguration) (Network, error) {
	if c == nil || c.AwsvpcConfiguration == nil {
		return Network{}, invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	v := c.AwsvpcConfiguration
	if len(v.Subnets) == 0 {
		return Network{}, invalid("subnets can not be empty.")
	}
	if len(v.Subnets) > 16 {
		return Network{}, invalid("subnets can have at most 16 items.")
	}
	if len(v.SecurityGroups) > 5 {
		return Network{}, invalid("securityGroups can have at most 5 items.")
	}
	groups, zones, err := a.net.CheckPlacement(ctx, v.Subnets, v.SecurityGroups)
	if err != nil {
		return Network{}, invalid("%s", err)
	}
	public := string(v.AssignPublicIp)
	if public == "" {
		public = "DISABLED"
	}
	return Network{Subnets: v.Subnets, Zones: zones, SecurityGroups: groups, AssignPublicIP: public}, nil
}

// Stop marks a task to be stopped, unless it is already.
func (t *Task) Stop(code types.TaskStopCode, reason string) bool {
	if t.Desired == Stopped {
		return false
	}
	t.Desired, t.StopCode, t.Reason, t.StopAt = Stopped, code, reason, now()
	t.Version++
	return true
}

// maxReason is how long the reason of a stop may be.
const maxReason = 1024

// StopTask stops a task: it is drained, gets SIGTERM, and SIGKILL after its
// stopTimeout.
func (a *API) StopTask(ctx context.Context, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	reason := aws.ToString(in.Reason)
	switch {
	case reason == "":
		reason = "Task stopped by user"
	case utf8.RuneCountInString(reason) > maxReason:
		return nil, invalid("Reason must have at most %d characters.", maxReason)
	}
	var t Task
	err := a.db.Update(ctx, func(tx store.Tx) error {
		c, err := a.activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		key, err := a.taskKey(c.Name, *in.Task)
		if err != nil {
			return err
		}
		if t, err = Tasks.Get(tx, key); missing(err) {
			return invalid("The referenced task was not found.")
		} else if err != nil {
			return err
		}
		if !t.Stop(types.TaskStopCodeUserInitiated, reason) {
			return nil
		}
		return Tasks.Put(tx, t.Key(), t)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.StopTaskOutput{Task: new(t.wire(a.ns, false))}, nil
}

// DescribeTasks returns up to 100 tasks.
func (a *API) DescribeTasks(ctx context.Context, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	if len(in.Tasks) == 0 {
		return nil, invalid("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 100 {
		return nil, invalid("Tasks can have at most 100 items.")
	}
	tags := tagsOf(in.Include, types.TaskFieldTags, []types.Tag{}) != nil
	var out *ecs.DescribeTasksOutput
	err := a.db.View(ctx, func(tx store.Tx) error {
		out = &ecs.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
		c, err := a.activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		for _, ref := range in.Tasks {
			key, err := a.taskKey(c.Name, ref)
			if err != nil {
				return err
			}
			t, err := Tasks.Get(tx, key)
			if missing(err) {
				out.Failures = append(out.Failures, failure(a.ns.ARN("ecs", "task/"+key), "MISSING"))
				continue
			}
			if err != nil {
				return err
			}
			out.Tasks = append(out.Tasks, t.wire(a.ns, tags))
		}
		return nil
	})
	return out, err
}
