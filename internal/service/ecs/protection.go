package ecs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

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

// Protected says whether scale-in and deployments must leave the task alone at
// that time.
func (t *Task) Protected(now time.Time) bool { return now.Before(t.ProtectedUntil) }

// GetTaskProtection tells until when tasks of services are protected.
func (a *API) GetTaskProtection(ctx context.Context, in *ecs.GetTaskProtectionInput) (*ecs.GetTaskProtectionOutput, error) {
	if len(in.Tasks) == 0 {
		return nil, invalid("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 100 {
		return nil, invalid("Tasks can have at most 100 items.")
	}
	at := now()
	var out *ecs.GetTaskProtectionOutput
	err := a.db.View(ctx, func(tx store.Tx) error {
		out = &ecs.GetTaskProtectionOutput{ProtectedTasks: []types.ProtectedTask{}, Failures: []types.Failure{}}
		return a.protectable(tx, in.Cluster, in.Tasks, &out.Failures, func(t Task) error {
			out.ProtectedTasks = append(out.ProtectedTasks, t.protection(at))
			return nil
		})
	})
	return out, err
}

// UpdateTaskProtection protects tasks of services from scale-in and
// deployments, or no longer.
func (a *API) UpdateTaskProtection(ctx context.Context, in *ecs.UpdateTaskProtectionInput) (*ecs.UpdateTaskProtectionOutput, error) {
	if len(in.Tasks) == 0 {
		return nil, invalid("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 10 {
		return nil, invalid("Tasks can have at most 10 items.")
	}
	minutes := int32(protectedMinutes)
	if in.ExpiresInMinutes != nil {
		minutes = *in.ExpiresInMinutes
	}
	if minutes < 1 || minutes > maxProtectedMinutes {
		return nil, invalid("expiresInMinutes must be between 1 and %d.", maxProtectedMinutes)
	}
	at := now()
	var until time.Time
	if in.ProtectionEnabled {
		until = at.Add(time.Duration(minutes) * time.Minute)
	}
	var out *ecs.UpdateTaskProtectionOutput
	err := a.db.Update(ctx, func(tx store.Tx) error {
		out = &ecs.UpdateTaskProtectionOutput{ProtectedTasks: []types.ProtectedTask{}, Failures: []types.Failure{}}
		return a.protectable(tx, in.Cluster, in.Tasks, &out.Failures, func(t Task) error {
			if in.ProtectionEnabled {
				blocked, err := blocks(tx, t, at)
				if err != nil {
					return err
				}
				if blocked {
					out.Failures = append(out.Failures, failure(t.ARN, reasonBlocked))
					return nil
				}
			}
			t.ProtectedUntil = until
			out.ProtectedTasks = append(out.ProtectedTasks, t.protection(at))
			return Tasks.Put(tx, t.Key(), t)
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// protectable calls f with each task named, in their order; those that can't be
// protected become failures. Only a task that a service wants to run can.
func (a *API) protectable(tx store.Tx, cluster *string, refs []string, failures *[]types.Failure, f func(Task) error) error {
	c, err := a.activeCluster(tx, cluster)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		key, err := a.taskKey(c.Name, ref)
		if err != nil {
			return err
		}
		t, err := Tasks.Get(tx, key)
		switch {
		case missing(err):
			*failures = append(*failures, failure(a.ns.ARN("ecs", "task/"+key), reasonMissing))
			continue
		case err != nil:
			return err
		case t.Service == "" || t.Desired == Stopped:
			*failures = append(*failures, failure(t.ARN, reasonNotValid))
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
func blocks(tx store.Tx, t Task, now time.Time) (bool, error) {
	s, err := Services.Get(tx, t.Service)
	if err != nil {
		return false, err
	}
	live, err := Tasks.By(tx, "live", t.Service)
	if err != nil {
		return false, err
	}
	others := int32(0)
	for _, o := range live {
		if o.ID != t.ID && o.Desired != Stopped && o.Protected(now) {
			others++
		}
	}
	return others >= s.Desired, nil
}

// protection returns the task's protection as the API has it.
func (t *Task) protection(now time.Time) types.ProtectedTask {
	p := types.ProtectedTask{TaskArn: &t.ARN, ProtectionEnabled: t.Protected(now)}
	if p.ProtectionEnabled {
		p.ExpirationDate = aws.Time(t.ProtectedUntil)
	}
	return p
}
