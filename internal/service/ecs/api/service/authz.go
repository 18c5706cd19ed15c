package service

import (
	"context"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/wire"
)

// serviceKeys are the condition keys of what makes and changes services.
var serviceKeys = []string{
	scope.ClusterKey, scope.ExecKey, scope.VolumesKey, scope.StrategyKey, "ecs:enable-service-connect: =false", "ecs:enable-vpc-lattice: =false",
	"ecs:enable-ecs-managed-tags: enableECSManagedTags", "ecs:propagate-tags: propagateTags", "ecs:subnet: networkConfiguration.awsvpcConfiguration.subnets",
}

// keys declares them. of says what of an input the other ones are made from.
func keys[I any](a *Services, d wire.Declared[I], of func(in *I) (definition *string, network *types.NetworkConfiguration)) wire.Declared[I] {
	return d.Keys(serviceKeys...).Lacks("ecs:namespace", "a request for Service Connect is refused").
		KeyFound("ecs:auto-assign-public-ip", func(_ context.Context, in *I) []string {
			_, n := of(in)
			if n == nil || n.AwsvpcConfiguration == nil {
				return nil
			}
			return []string{strconv.FormatBool(n.AwsvpcConfiguration.AssignPublicIp == types.AssignPublicIpEnabled)}
		}).
		KeyFound("ecs:task-definition", func(ctx context.Context, in *I) []string {
			ref, _ := of(in)
			if ref == nil {
				return nil
			}
			return a.Revisions(ctx, []string{*ref})
		}).
		KeyFound("ecs:task-cpu", func(ctx context.Context, in *I) []string {
			ref, _ := of(in)
			return a.TaskCPU(ctx, ref, nil)
		}).
		KeyFound("ecs:task-memory", func(ctx context.Context, in *I) []string {
			ref, _ := of(in)
			return a.TaskMemory(ctx, ref, nil)
		})
}

func created(in *sdk.CreateServiceInput) (*string, *types.NetworkConfiguration) {
	return in.TaskDefinition, in.NetworkConfiguration
}

func updated(in *sdk.UpdateServiceInput) (*string, *types.NetworkConfiguration) {
	return in.TaskDefinition, in.NetworkConfiguration
}
