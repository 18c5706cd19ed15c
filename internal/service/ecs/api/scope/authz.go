package scope

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/definition"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/store"
)

// The condition keys of several operations
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html).
const (
	ClusterKey  = "ecs:cluster: cluster=default"
	ExecKey     = "ecs:enable-execute-command: enableExecuteCommand"
	VolumesKey  = "ecs:enable-ebs-volumes: =false" // a request for some is refused
	StrategyKey = "ecs:capacity-provider: capacityProviderStrategy.capacityProvider"
)

// TasksPrincipal is the service that roles of tasks are handed to.
const TasksPrincipal = "ecs-tasks.amazonaws.com"

// ServicesPrincipal is the service that the roles of services' load balancers are handed to
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AmazonECSInfrastructureRolePolicyForLoadBalancers.html).
const ServicesPrincipal = "ecs.amazonaws.com"

// named returns the task definition that ref names, the newest revision where it names none. ok is false when there is none, which
// the handler says.
func (a *Scope) named(ctx context.Context, ref *string) (d types.TaskDefinition, ok bool) {
	found, err := handler.View(ctx, a.DB, func(tx store.Tx) (ecs.TaskDefinition, error) { return a.Definition(tx, aws.ToString(ref)) })
	return found.Definition, err == nil
}

// Revisions returns the ARNs of the revisions that these references name, which are what requests are authorized on
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html). What names none is returned as it is.
func (a *Scope) Revisions(ctx context.Context, refs []string) (list []string) {
	for _, ref := range refs {
		if d, ok := a.named(ctx, &ref); ok {
			ref = aws.ToString(d.TaskDefinitionArn)
		}
		list = append(list, ref)
	}
	return list
}

// TaskCPU returns the CPU units of a task of that definition, as a condition key has them.
func (a *Scope) TaskCPU(ctx context.Context, ref *string, o *types.TaskOverride) []string {
	if o != nil && o.Cpu != nil {
		return CPU(o.Cpu)
	}
	d, _ := a.named(ctx, ref)
	return CPU(d.Cpu)
}

// TaskMemory returns the MiB of a task of that definition, as a condition key has them.
func (a *Scope) TaskMemory(ctx context.Context, ref *string, o *types.TaskOverride) []string {
	if o != nil && o.Memory != nil {
		return Memory(o.Memory)
	}
	d, _ := a.named(ctx, ref)
	return Memory(d.Memory)
}

// CPU returns CPU units as a condition key has them.
func CPU(s *string) []string { return number(definition.CPU(aws.ToString(s))) }

// Memory returns MiB as a condition key has them.
func Memory(s *string) []string { return number(definition.Memory(aws.ToString(s))) }

func number(n int, ok bool) []string {
	if !ok {
		return nil
	}
	return []string{strconv.Itoa(n)}
}

// Roles returns those that a task of that definition has.
func (a *Scope) Roles(ctx context.Context, ref *string, o *types.TaskOverride) (list []string) {
	d, _ := a.named(ctx, ref)
	task, execution := d.TaskRoleArn, d.ExecutionRoleArn
	if o != nil && o.TaskRoleArn != nil {
		task = o.TaskRoleArn
	}
	if o != nil && o.ExecutionRoleArn != nil {
		execution = o.ExecutionRoleArn
	}
	return a.RoleARNs(task, execution)
}

// RoleARNs returns the ARNs of those roles that are named; what can't be one is as it is, which the handler says.
func (a *Scope) RoleARNs(roles ...*string) (list []string) {
	for _, name := range roles {
		if arn, err := role.ARN(a.NS, name); err == nil && arn != nil {
			list = append(list, *arn)
		} else if err != nil {
			list = append(list, *name)
		}
	}
	return list
}
