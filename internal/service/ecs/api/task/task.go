package task

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/store"
)

// maxReason is how long the reason of a stop may be.
const maxReason = 1024

// StopTask stops a task: it is drained, gets SIGTERM, and SIGKILL after its
// stopTimeout.
func (a *Tasks) StopTask(ctx context.Context, in *sdk.StopTaskInput) (*sdk.StopTaskOutput, error) {
	reason := aws.ToString(in.Reason)
	switch {
	case reason == "":
		reason = "Task stopped by user"
	case utf8.RuneCountInString(reason) > maxReason:
		return nil, ecs.Invalid("Reason must have at most %d characters.", maxReason)
	}
	t, err := handler.Update(ctx, a.DB, func(tx store.Tx) (t ecs.Task, err error) {
		c, err := a.ActiveCluster(tx, in.Cluster)
		if err != nil {
			return t, err
		}
		key, err := a.TaskKey(c.Name, *in.Task)
		if err != nil {
			return t, err
		}
		if t, err = handler.Get(tx, ecs.Tasks, key, noTask); err != nil || !t.Stop(types.TaskStopCodeUserInitiated, reason) {
			return t, err
		}
		return t, ecs.Tasks.Put(tx, t.Key(), t)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.StopTaskOutput{Task: new(taskOut(&t, a.NS, false))}, nil
}

func noTask(string) error { return ecs.Invalid("The referenced task was not found.") }

// DescribeTasks returns up to 100 tasks.
func (a *Tasks) DescribeTasks(ctx context.Context, in *sdk.DescribeTasksInput) (*sdk.DescribeTasksOutput, error) {
	if len(in.Tasks) == 0 {
		return nil, ecs.Invalid("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 100 {
		return nil, ecs.Invalid("Tasks can have at most 100 items.")
	}
	tags := slices.Contains(in.Include, types.TaskFieldTags)
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.DescribeTasksOutput, error) {
		out := &sdk.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
		c, err := a.ActiveCluster(tx, in.Cluster)
		if err != nil {
			return nil, err
		}
		for _, ref := range in.Tasks {
			key, err := a.TaskKey(c.Name, ref)
			if err != nil {
				return nil, err
			}
			t, ok, err := handler.Find(tx, ecs.Tasks, key)
			if err != nil {
				return nil, err
			}
			if !ok {
				out.Failures = append(out.Failures, shape.Failure(a.NS.ARN("ecs", "task/"+key), "MISSING"))
				continue
			}
			out.Tasks = append(out.Tasks, taskOut(&t, a.NS, tags))
		}
		return out, nil
	})
}
