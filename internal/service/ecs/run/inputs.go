package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
)

// reads says whether the task has an execution role, and what is read as it is for.
func (t task) reads() (f inputs.For, ok bool) {
	return inputs.For{Source: t.ARN, TaskDefinition: t.def.Definition}, aws.ToString(t.def.Definition.ExecutionRoleArn) != ""
}

// given reads what the task's containers get as its execution role.
func (r *Runner) given(ctx context.Context, t task) (inputs.Inputs, error) {
	f, ok := t.reads()
	if !ok {
		return inputs.Inputs{}, nil
	}
	return r.Inputs.Read(ctx, f)
}

// as returns a context in which the task's execution role is judged, if it has one.
func (r *Runner) as(ctx context.Context, t task) (context.Context, error) {
	f, ok := t.reads()
	if !ok {
		return ctx, nil
	}
	return r.Inputs.As(ctx, f)
}

// logins returns what the images of the task's containers are brought with, and a context as as does.
func (r *Runner) logins(ctx context.Context, t task) (context.Context, map[string]engine.Auth, error) {
	f, ok := t.reads()
	if !ok {
		return ctx, nil, nil
	}
	return r.Inputs.Logins(ctx, f)
}

// begin begins the pull once all can be read that the task is to be given: what can't be is told before images are brought, as on Fargate.
func (r *Runner) begin(ctx context.Context, t task) error {
	if _, err := r.given(ctx, t); err != nil {
		return r.unread(ctx, t, err)
	}
	return r.change(ctx, t, func(t *ecs.Task) { t.PullStartedAt = now() })
}

// unread stops a task that can't have what it is to be given; other errors pass.
func (r *Runner) unread(ctx context.Context, t task, err error) error {
	if e, ok := errors.AsType[*inputs.Error](err); ok {
		return r.fail(ctx, t, "%s", e.Reason)
	}
	return err
}

// renew notes the versions with which the task is made. What was made of it before with others is removed: all its containers have the same.
// Once one of them has begun all were made, and stay.
func (r *Runner) renew(ctx context.Context, t task, versions map[string]string) error {
	if t.Versions == nil || maps.Equal(t.Versions, versions) {
		return r.noteVersions(ctx, t, versions)
	}
	state, err := r.Engine.Inspect(ctx, t.ID)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return fmt.Errorf("look at task %s: %w", t.ID, err)
	}
	if slices.ContainsFunc(state.Containers, func(c engine.ContainerStatus) bool { return c.State != engine.Created }) {
		return nil
	}
	if err := r.Engine.Remove(ctx, t.ID); err != nil {
		return fmt.Errorf("remove what there is of task %s with older secrets: %w", t.ID, err)
	}
	return r.noteVersions(ctx, t, versions)
}

// noteVersions writes down which versions of secrets and parameters the task is started with.
func (r *Runner) noteVersions(ctx context.Context, t task, versions map[string]string) error {
	if maps.Equal(t.Versions, versions) {
		return nil
	}
	return r.change(ctx, t, func(t *ecs.Task) { t.Versions = versions })
}
