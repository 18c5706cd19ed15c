package task

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/wire"
)

// launches declares what is authorized of a request that starts tasks: the revision that is run, the tasks that are made, and the
// roles that they get. of says which definition it is, and what is said over it.
func launches[I any](a *Tasks, d wire.Declared[I], of func(in *I) (definition *string, o *types.TaskOverride)) wire.Declared[I] {
	return d.OnFound("task-definition: taskDefinition", a.Revisions).Makes("task: cluster=default *").
		Keys(scope.ClusterKey, scope.ExecKey, scope.VolumesKey).
		PassesFound(scope.TasksPrincipal, func(ctx context.Context, in *I) []string {
			ref, o := of(in)
			return a.Roles(ctx, ref, o)
		})
}

func ran(in *sdk.RunTaskInput) (*string, *types.TaskOverride) { return in.TaskDefinition, in.Overrides }

func started(in *sdk.StartTaskInput) (*string, *types.TaskOverride) {
	return in.TaskDefinition, in.Overrides
}

func (a *Tasks) cpu(ctx context.Context, in *sdk.RunTaskInput) []string {
	return a.TaskCPU(ctx, in.TaskDefinition, in.Overrides)
}

func (a *Tasks) memory(ctx context.Context, in *sdk.RunTaskInput) []string {
	return a.TaskMemory(ctx, in.TaskDefinition, in.Overrides)
}
