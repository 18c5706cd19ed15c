package ecs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// NewTask returns a task of revision d that is to run: PROVISIONING.
func NewTask(ns arn.Namespace, cluster string, d types.TaskDefinition) Task {
	taskID := id.Hex(32)
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

// RunTask starts count tasks.
func (a *API) RunTask(ctx context.Context, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	if err := checkRun(in); err != nil {
		return nil, err
	}
	platform, err := platformVersion(in.PlatformVersion)
	if err != nil {
		return nil, err
	}
	request, err := digest(*in)
	if err != nil {
		return nil, err
	}
	net, err := a.placement(ctx, in.NetworkConfiguration)
	if err != nil {
		return nil, err
	}
	var tasks []Task
	err = a.db.Update(ctx, func(tx store.Tx) error {
		c, err := a.activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		token := c.token(in.ClientToken)
		if tasks, err = ranAlready(tx, token, request); err != nil || len(tasks) > 0 {
			return err
		}
		d, err := a.launchable(tx, *in.TaskDefinition)
		if err != nil {
			return err
		}
		if err := checkOverrides(in.Overrides, d.Definition); err != nil {
			return err
		}
		for range max(1, aws.ToInt32(in.Count)) {
			t := NewTask(a.ns, c.Name, d.Definition)
			t.LaunchType, t.Platform, t.Network = types.LaunchTypeFargate, platform, net
			t.StartedBy, t.Token, t.Request = aws.ToString(in.StartedBy), token, request
			if in.Group != nil {
				t.Group = *in.Group
			}
			if in.Overrides != nil {
				t.Overrides = in.Overrides
			}
			t.Tags = taskTags(in.PropagateTags, d.Tags, nil, in.Tags, in.EnableECSManagedTags, c.Name, "")
			if err := Tasks.Put(tx, t.Key(), t); err != nil {
				return err
			}
			tasks = append(tasks, t)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, t := range tasks {
		out.Tasks = append(out.Tasks, t.wire(a.ns, true))
	}
	return out, nil
}

func checkRun(in *ecs.RunTaskInput) error {
	err := refuse(in, invalid, "", "Cluster", "TaskDefinition", "Count", "Group", "StartedBy", "Tags", "ClientToken",
		"LaunchType", "NetworkConfiguration", "PlatformVersion", "Overrides", "PropagateTags", "EnableECSManagedTags")
	switch {
	case err != nil:
		return err
	case in.Count != nil && (*in.Count < 1 || *in.Count > 10):
		return invalid("Count must be between 1 and 10.")
	case len(aws.ToString(in.ClientToken)) > 64:
		return invalid("clientToken must have at most 64 characters.")
	case len(aws.ToString(in.StartedBy)) > 128:
		return invalid("startedBy must have at most 128 characters.")
	case strings.HasPrefix(aws.ToString(in.Group), "family:"), strings.HasPrefix(aws.ToString(in.Group), "service:"):
		return invalid("Group %s: the prefixes family: and service: are reserved.", *in.Group)
	case in.PropagateTags == types.PropagateTagsService:
		return invalid("PropagateTags can't be SERVICE for a task that no service runs; use TASK_DEFINITION.")
	}
	if err := fargateOnly(in.LaunchType); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

// digest tells one RunTask from another, whatever their tokens.
func digest(in ecs.RunTaskInput) (string, error) {
	in.ClientToken = nil
	b, err := json.Marshal(in)
	return fmt.Sprintf("%x", sha256.Sum256(b)), err
}

// token is what a client token is found by: each cluster has its own.
func (c Cluster) token(t *string) string {
	if aws.ToString(t) == "" {
		return ""
	}
	return fmt.Sprintf("%s/%x", c.Name, *t)
}

// ranAlready returns the tasks that the same request has started before, for as
// long as they are described.
func ranAlready(tx store.Tx, token, request string) ([]Task, error) {
	if token == "" {
		return nil, nil
	}
	had, err := Tasks.By(tx, "token", token)
	if err != nil || len(had) == 0 || had[0].Request == request {
		return had, err
	}
	e := &types.ConflictException{Message: aws.String("The RunTask request could not be processed due to conflicts. The provided clientToken is already in use with a different RunTask request.")}
	for _, t := range had {
		e.ResourceIds = append(e.ResourceIds, t.ARN)
	}
	return nil, e
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
	return tags
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
	if err := refuse(v, invalid, "awsvpcConfiguration", "Subnets", "SecurityGroups", "AssignPublicIp"); err != nil {
		return Network{}, err
	}
	if len(v.Subnets) == 0 {
		return Network{}, invalid("subnets can not be empty.")
	}
	if len(v.Subnets) > 16 {
		return Network{}, invalid("subnets can have at most 16 items.")
	}
	if len(v.SecurityGroups) > 5 {
		return Network{}, invalid("securityGroups can have at most 5 items.")
	}
	groups, err := a.net.CheckPlacement(ctx, v.Subnets, v.SecurityGroups)
	if err != nil {
		return Network{}, invalid("%s", err)
	}
	public := string(v.AssignPublicIp)
	if public == "" {
		public = "DISABLED"
	}
	return Network{Subnets: v.Subnets, SecurityGroups: groups, AssignPublicIP: public}, nil
}

func checkOverrides(o *types.TaskOverride, d types.TaskDefinition) error {
	if o == nil {
		return nil
	}
	if err := refuse(o, invalid, "overrides", "ContainerOverrides"); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, c := range d.ContainerDefinitions {
		names[*c.Name] = true
	}
	size := 0
	for _, c := range o.ContainerOverrides {
		if err := refuse(&c, invalid, "containerOverrides", "Name", "Command", "Environment"); err != nil {
			return err
		}
		for _, s := range c.Command {
			size += len(s)
		}
		for _, e := range c.Environment {
			if aws.ToString(e.Name) == "" || strings.ContainsAny(*e.Name, "=\x00") {
				return invalid("Override for container %s: an environment variable's name must not be empty or contain '='.", aws.ToString(c.Name))
			}
			size += len(*e.Name) + len(aws.ToString(e.Value))
		}
		if !names[aws.ToString(c.Name)] {
			return invalid("Override for container named %s is not a container in the TaskDefinition.", aws.ToString(c.Name))
		}
	}
	if size > 8192 {
		return invalid("Container Overrides length must be at most 8192")
	}
	return nil
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

// StopTask stops a task: it is drained, gets SIGTERM, and SIGKILL after its
// stopTimeout.
func (a *API) StopTask(ctx context.Context, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	reason := aws.ToString(in.Reason)
	if reason == "" {
		reason = "Task stopped by user"
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

// ListTasks returns the ARNs of a cluster's tasks that all filters fit.
func (a *API) ListTasks(ctx context.Context, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	err := refuse(in, invalid, "", "Cluster", "Family", "NextToken", "MaxResults", "StartedBy", "ServiceName", "DesiredStatus", "LaunchType")
	if err != nil {
		return nil, err
	}
	n, err := limit(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	desired := string(in.DesiredStatus)
	if desired == "" {
		desired = Running
	}
	var keys []string
	var cluster string
	err = a.db.View(ctx, func(tx store.Tx) error {
		c, err := a.activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		cluster = c.Name
		fits := func(t Task) bool {
			family, _, _ := parseDefinition(t.TaskDefinition)
			return t.Desired == desired &&
				(in.Family == nil || family == *in.Family) &&
				(in.StartedBy == nil || t.StartedBy == *in.StartedBy) &&
				(in.LaunchType == "" || t.LaunchType == in.LaunchType)
		}
		if in.ServiceName != nil {
			key, err := a.serviceKey(cluster, *in.ServiceName)
			if err != nil {
				return err
			}
			if _, err := Services.Get(tx, key); missing(err) {
				return &types.ServiceNotFoundException{Message: aws.String("Service not found.")}
			} else if err != nil {
				return err
			}
			all, err := Tasks.By(tx, "service", key)
			for _, t := range all {
				if fits(t) {
					keys = append(keys, t.Key())
				}
			}
			return err
		}
		for t, err := range Tasks.Scan(tx, cluster+"/", "") {
			if err != nil {
				return err
			}
			if fits(t) {
				keys = append(keys, t.Key())
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	keys, next, err := page(keys, itself, false, in.NextToken, n)
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for _, k := range keys {
		arns = append(arns, a.ns.ARN("ecs", "task/"+k))
	}
	return &ecs.ListTasksOutput{TaskArns: arns, NextToken: next}, nil
}
