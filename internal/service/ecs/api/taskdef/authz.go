package taskdef

import (
	"context"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/wire"
)

// roles are those that a new revision hands to its tasks.
func (a *Definitions) roles(_ context.Context, in *sdk.RegisterTaskDefinitionInput) []string {
	return a.RoleARNs(in.TaskRoleArn, in.ExecutionRoleArn)
}

// keys declares the condition keys of a new revision.
func keys(d wire.Declared[sdk.RegisterTaskDefinitionInput]) wire.Declared[sdk.RegisterTaskDefinitionInput] {
	return d.Keys("ecs:compute-compatibility: requiresCompatibilities").
		KeyFound("ecs:privileged", func(_ context.Context, in *sdk.RegisterTaskDefinitionInput) []string {
			any := slices.ContainsFunc(in.ContainerDefinitions, func(c types.ContainerDefinition) bool { return aws.ToBool(c.Privileged) })
			return []string{strconv.FormatBool(any)}
		}).
		KeyFound("ecs:task-cpu", func(_ context.Context, in *sdk.RegisterTaskDefinitionInput) []string { return scope.CPU(in.Cpu) }).
		KeyFound("ecs:task-memory", func(_ context.Context, in *sdk.RegisterTaskDefinitionInput) []string { return scope.Memory(in.Memory) })
}
