package ecs

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
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
	for _, c := range d.ContainerDefinitions {
		t.Containers = append(t.Containers, Container{
			Name: *c.Name, ARN: ns.ARN("ecs", "container/"+cluster+"/"+taskID+"/"+id.UUID()),
			Image: *c.Image, Status: Pending, Essential: aws.ToBool(c.Essential),
			CPU: strconv.Itoa(int(c.Cpu)), Memory: mib(c.Memory), Soft: mib(c.MemoryReservation),
		})
	}
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
	err := awserr.Refuse(in, "InvalidParameterException", "Cluster", "TaskDefinition", "Count", "Group", "StartedBy", "Tags",
		"LaunchType", "NetworkConfiguration", "PlatformVersion", "Overrides", "PropagateTags", "EnableECSManagedTags")
	if err != nil {
		return nil, err
	}
	n := int32(1)
	if in.Count != nil {
		n = *in.Count
	}
	if n < 1 || n > 10 {
		return nil, invalid("Count must be between 1 and 10.")
	}
	if g := aws.ToString(in.Group); strings.HasPrefix(g, "family:") || strings.HasPrefix(g, "service:") {
		return nil, invalid("Group %s: the prefixes family: and service: are reserved.", g)
	}
	if in.PropagateTags == types.PropagateTagsService {
		return nil, invalid("PropagateTags can't be SERVICE for a task that no service runs; use TASK_DEFINITION.")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	platform, err := platformVersion(in.PlatformVersion)
	if err != nil {
		return nil, err
	}
	if err := fargateOnly(in.LaunchType); err != nil {
		return nil, err
	}
	net, err := a.placement(ctx, in.NetworkConfiguration)
	if err != nil {
		return nil, err
	}
	var tasks []Task
	err = a.db.Update(ctx, func(tx store.Tx) error {
		c, err := activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		d, err := launchable(tx, *in.TaskDefinition)
		if err != nil {
			return err
		}
		if err := checkOverrides(in.Overrides, d.Definition); err != nil {
			return err
		}
		tasks = tasks[:0]
		for range n {
			t := NewTask(a.ns, c.Name, d.Definition)
			t.LaunchType, t.Platform, t.Network = types.LaunchTypeFargate, platform, net
			t.StartedBy = aws.ToString(in.StartedBy)
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
	if err := awserr.Refuse(o, "InvalidParameterException", "ContainerOverrides"); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, c := range d.ContainerDefinitions {
		names[*c.Name] = true
	}
	for _, c := range o.ContainerOverrides {
		if err := awserr.Refuse(&c, "InvalidParameterException", "Name", "Command", "Environment"); err != nil {
			return err
		}
		if !names[aws.ToString(c.Name)] {
			return invalid("Override for container named %s is not a container in the TaskDefinition.", aws.ToString(c.Name))
		}
	}
	return nil
}

// taskID reads a task's id or ARN.
func taskID(ref string) string {
	return ref[strings.LastIndex(ref, "/")+1:]
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
		c, err := activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		if t, err = Tasks.Get(tx, c.Name+"/"+taskID(*in.Task)); missing(err) {
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
	out := &ecs.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	err := a.db.View(ctx, func(tx store.Tx) error {
		c, err := activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		for _, ref := range in.Tasks {
			t, err := Tasks.Get(tx, c.Name+"/"+taskID(ref))
			if missing(err) {
				out.Failures = append(out.Failures, failure(a.ns.ARN("ecs", "task/"+c.Name+"/"+taskID(ref)), "MISSING"))
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
	n, err := limit(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	desired := string(in.DesiredStatus)
	if desired == "" {
		desired = Running
	}
	if in.ContainerInstance != nil {
		return nil, invalid("The parameter 'containerInstance' is not supported by Skylift: there are no container instances.")
	}
	var keys []string
	var cluster string
	err = a.db.View(ctx, func(tx store.Tx) error {
		c, err := activeCluster(tx, in.Cluster)
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
			key := cluster + "/" + serviceName(*in.ServiceName)
			if _, err := Services.Get(tx, key); missing(err) {
				return &types.ServiceNotFoundException{Message: aws.String("Service not found.")}
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
	keys, next := page(keys, func(s string) string { return s }, in.NextToken, n)
	arns := []string{}
	for _, k := range keys {
		arns = append(arns, a.ns.ARN("ecs", "task/"+k))
	}
	return &ecs.ListTasksOutput{TaskArns: arns, NextToken: next}, nil
}

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
		LaunchType: t.LaunchType, PlatformVersion: str(t.Platform), PlatformFamily: aws.String("Linux"),
		Cpu: &t.CPU, Memory: &t.Memory,
		DesiredStatus: &t.Desired, LastStatus: &t.Status, Version: t.Version,
		AvailabilityZone: str(t.Zone),
		CreatedAt:        at(t.CreatedAt), PullStartedAt: at(t.PullStartedAt), PullStoppedAt: at(t.PullStoppedAt),
		StartedAt: at(t.StartedAt), StoppingAt: at(t.StoppingAt), ExecutionStoppedAt: at(t.ExecutionStopped), StoppedAt: at(t.StoppedAt),
		StopCode: t.StopCode, StoppedReason: str(t.Reason),
		HealthStatus: types.HealthStatusUnknown,
		Overrides:    t.Overrides,
		Attachments:  []types.Attachment{t.attachment()},
		Attributes:   []types.Attribute{{Name: aws.String("ecs.cpu-architecture"), Value: aws.String(architecture)}},
		Containers:   []types.Container{},
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

func (t *Task) container(c Container) types.Container {
	out := types.Container{
		ContainerArn: &c.ARN, TaskArn: &t.ARN, Name: &c.Name, Image: &c.Image, ImageDigest: str(c.Digest), RuntimeId: str(c.RuntimeID),
		LastStatus: &c.Status, ExitCode: c.ExitCode, Reason: str(c.Reason), HealthStatus: types.HealthStatusUnknown,
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
// essential container ended, or a target group called it unhealthy.
func (t *Task) Failed() bool {
	return t.StopCode == types.TaskStopCodeTaskFailedToStart || t.StopCode == types.TaskStopCodeEssentialContainerExited ||
		strings.HasPrefix(t.Reason, "Task failed ELB health checks")
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
