// Package task is the handlers of tasks: they are started, stopped, protected and listed.
package task

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/wire"
)

// Tasks answers for tasks.
type Tasks struct {
	*scope.Scope
	capacity Capacity
	roles    role.Roles
}

// New returns the handlers. Roles may be absent: then no task can have one.
func New(s *scope.Scope, capacity Capacity, roles role.Roles) *Tasks {
	return &Tasks{Scope: s, capacity: capacity, roles: roles}
}

// What operations take, where it is long or several take it.
const (
	ofLaunch = "cluster taskDefinition group startedBy tags{*} propagateTags enableECSManagedTags " + scope.Awsvpc + " " +
		"overrides{containerOverrides{name command environment{*} environmentFiles{*} cpu memory memoryReservation} cpu memory ephemeralStorage{*} executionRoleArn taskRoleArn}"
)

// Operations lists what is implemented.
func (a *Tasks) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("DescribeTasks", a.DescribeTasks).OnThose("task", func(in *sdk.DescribeTasksInput) []string { return a.ARNs("task", in.Cluster, in.Tasks...) }).
			Keys(scope.ClusterKey).Takes("cluster include tasks"),
		wire.Op("GetTaskProtection", a.GetTaskProtection).OnThose("task", func(in *sdk.GetTaskProtectionInput) []string { return a.ARNs("task", in.Cluster, in.Tasks...) }).
			Keys(scope.ClusterKey).Takes("cluster tasks"),
		wire.Op("ListTasks", a.ListTasks).On("container-instance: cluster=default containerInstance").Keys(scope.ClusterKey).
			Takes("cluster containerInstance desiredStatus family launchType maxResults nextToken serviceName startedBy"),
		launches(a, wire.Op("RunTask", a.RunTask), ran).Keys(scope.StrategyKey).KeyFound("ecs:task-cpu", a.cpu).KeyFound("ecs:task-memory", a.memory).
			Takes("count clientToken launchType platformVersion capacityProviderStrategy{*} placementConstraints{*} placementStrategy{*}", ofLaunch).
			Keeps("enableExecuteCommand", scope.NoExec).
			Checks(func(in *sdk.RunTaskInput) []error { return runFaults(in).Each(ecs.Invalid) }),
		launches(a, wire.Op("StartTask", a.StartTask), started).Keys("ecs:container-instances as container-instance: cluster=default containerInstances").Takes("containerInstances", ofLaunch).Keeps("enableExecuteCommand", scope.NoExec),
		wire.Op("StopTask", a.StopTask).OnThose("task", func(in *sdk.StopTaskInput) []string { return a.ARNs("task", in.Cluster, aws.ToString(in.Task)) }).
			Keys(scope.ClusterKey).Takes("cluster reason task"),
		wire.Op("UpdateTaskProtection", a.UpdateTaskProtection).OnThose("task", func(in *sdk.UpdateTaskProtectionInput) []string { return a.ARNs("task", in.Cluster, in.Tasks...) }).
			Keys(scope.ClusterKey).Takes("cluster expiresInMinutes protectionEnabled tasks"),
	}
}
