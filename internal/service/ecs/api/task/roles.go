package task

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/role"
)

// assumable refuses a task whose role ECS can't assume.
func (a *Tasks) assumable(ctx context.Context, arn, cluster, id string) error {
	why, err := role.Denied(ctx, a.roles, arn, a.NS.ARN("ecs", "task/"+cluster+"/"+id))
	if err == nil && why != "" {
		err = ecs.Client("%s", why)
	}
	return err
}

// withRoles returns a RunTask whose overrides name roles by their ARNs.
func (a *Tasks) withRoles(in *sdk.RunTaskInput) (*sdk.RunTaskInput, error) {
	if in.Overrides == nil {
		return in, nil
	}
	out, over := *in, *in.Overrides
	for _, name := range []**string{&over.TaskRoleArn, &over.ExecutionRoleArn} {
		var err error
		if *name, err = role.ARN(a.NS, *name); err != nil {
			return nil, err
		}
	}
	out.Overrides = &over
	return &out, nil
}
