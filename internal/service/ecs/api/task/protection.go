package task

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/store"
)

// How long a task is protected, in minutes: when nothing else is said, and at
// most.
const (
	protectedMinutes    = 120
	maxProtectedMinutes = 2880
)

// Why a task can't be protected, or its protection not be told.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
const (
	reasonMissing  = "MISSING"
	reasonNotValid = "TASK_NOT_VALID"
	reasonBlocked  = "DEPLOYMENT_BLOCKED"
)

// GetTaskProtection tells until when tasks of services are protected.
func (a *Tasks) GetTaskProtection(ctx context.Context, in *sdk.GetTaskProtectionInput) (*sdk.GetTaskProtectionOutput, error) {
	if len(in.Tasks) == 0 {
		return nil, ecs.Invalid("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 100 {
		return nil, ecs.Invalid("Tasks can have at most 100 items.")
	}
	at := ecs.Now()
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.GetTaskProtectionOutput, error) {
		out := &sdk.GetTaskProtectionOutput{ProtectedTasks: []types.ProtectedTask{}, Failures: []types.Failure{}}
		return out, a.protectable(tx, in.Cluster, in.Tasks, &out.Failures, func(t ecs.Task) error {
			out.ProtectedTasks = append(out.ProtectedTasks, protectionOf(&t, at))
			return nil
		})
	})
}

// UpdateTaskProtection protects tasks of services from scale-in and
// deployments, or no longer.
func (a *Tasks) UpdateTaskProtection(ctx context.Context, in *sdk.UpdateTaskProtectionInput) (*sdk.UpdateTaskProtectionOutput, error) {
	if len(in.Tasks) == 0 {
		return nil, ecs.Invalid("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 10 {
		return nil, ecs.Invalid("Tasks can have at most 10 items.")
	}
	minutes := int32(protectedMinutes)
	if in.ExpiresInMinutes != nil {
		minutes = *in.ExpiresInMinutes
	}
	if minutes < 1 || minutes > maxProtectedMinutes {
		return nil, ecs.Invalid("expiresInMinutes must be between 1 and %d.", maxProtectedMinutes)
	}
	at := ecs.Now()
	var until time.Time
	if in.ProtectionEnabled {
		until = at.Add(time.Duration(minutes) * time.Minute)
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.UpdateTaskProtectionOutput, error) {
		out := &sdk.UpdateTaskProtectionOutput{ProtectedTasks: []types.ProtectedTask{}, Failures: []types.Failure{}}
		return out, a.protectable(tx, in.Cluster, in.Tasks, &out.Failures, func(t ecs.Task) error {
			if in.ProtectionEnabled {
				blocked, err := blocks(tx, t, at)
				if err != nil {
					return err
				}
				if blocked {
					out.Failures = append(out.Failures, shape.Failure(t.ARN, reasonBlocked))
					return nil
				}
			}
			t.ProtectedUntil = until
			out.ProtectedTasks = append(out.ProtectedTasks, protectionOf(&t, at))
			return ecs.Tasks.Put(tx, t.Key(), t)
		})
	})
}

// protectable calls f with each task named, in their order; those that can't be
// protected become failures. Only a task that a service wants to run can.
func (a *Tasks) protectable(tx store.Tx, cluster *string, refs []string, failures *[]types.Failure, f func(ecs.Task) error) error {
	c, err := a.ActiveCluster(tx, cluster)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		key, err := a.TaskKey(c.Name, ref)
		if err != nil {
			return err
		}
		t, ok, err := handler.Find(tx, ecs.Tasks, key)
		switch {
		case err != nil:
			return err
		case !ok:
			*failures = append(*failures, shape.Failure(a.NS.ARN("ecs", "task/"+key), reasonMissing))
			continue
		case t.Service == "" || t.Desired == ecs.Stopped:
			*failures = append(*failures, shape.Failure(t.ARN, reasonNotValid))
			continue
		}
		if err := f(t); err != nil {
			return err
		}
	}
	return nil
}

// blocks says whether so many other tasks of the service are protected that one
// more would keep it from ever coming down to the count that is wanted.
func blocks(tx store.Tx, t ecs.Task, now time.Time) (bool, error) {
	s, err := ecs.Services.Get(tx, t.Service)
	if err != nil {
		return false, err
	}
	live, err := ecs.Tasks.By(tx, "live", t.Service)
	if err != nil {
		return false, err
	}
	others := int32(0)
	for _, o := range live {
		if o.ID != t.ID && o.Desired != ecs.Stopped && o.Protected(now) {
			others++
		}
	}
	return others >= s.Desired, nil
}

// protectionOf returns the task's protection as the API has it.
func protectionOf(t *ecs.Task, now time.Time) types.ProtectedTask {
	p := types.ProtectedTask{TaskArn: &t.ARN, ProtectionEnabled: t.Protected(now)}
	if p.ProtectionEnabled {
		p.ExpirationDate = aws.Time(t.ProtectedUntil)
	}
	return p
}
