// Package expire removes records that nothing needs any more: task definitions that are to be deleted, and client tokens
// that stand for nothing.
package expire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// usedPoll is how often it is looked whether a task definition is still used.
const usedPoll = 15 * time.Second

// Definitions reconciles task definitions: those that are to be deleted go once
// no task runs from them and no deployment may start one.
type Definitions struct{ db store.DB }

// NewDefinitions returns a reconciler of task definitions.
func NewDefinitions(db store.DB) *Definitions { return &Definitions{db} }

// Sources name the task definitions that are to be deleted.
func (d *Definitions) Sources() []reconcile.Source {
	return []reconcile.Source{reconcile.Rows(d.db, ecs.Definitions, func(key string, def *ecs.TaskDefinition) []string {
		if def.Definition.Status != types.TaskDefinitionStatusDeleteInProgress {
			return nil
		}
		return []string{key}
	})}
}

// Reconcile deletes the task definition at key if nothing uses it. What is to be
// deleted gets no new users, so that none it is once is none for ever.
func (d *Definitions) Reconcile(ctx context.Context, key string) (again time.Duration, err error) {
	used := true
	err = d.db.View(ctx, func(tx store.Tx) error {
		def, err := ecs.Definitions.Get(tx, key)
		if err != nil || def.Definition.Status != types.TaskDefinitionStatusDeleteInProgress {
			return err
		}
		used, err = inUse(tx, *def.Definition.TaskDefinitionArn)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look who uses task definition %s: %w", key, err)
	}
	if used {
		return usedPoll, nil
	}
	return 0, d.db.Update(ctx, func(tx store.Tx) error { return ecs.Definitions.Delete(tx, key) })
}

// inUse says whether a deployment or a task that hasn't stopped is of the task
// definition.
func inUse(tx store.Tx, arn string) (bool, error) {
	for d, err := range ecs.Deployments.Peek(tx, "") {
		if err != nil || d.TaskDefinition == arn {
			return true, err
		}
	}
	for t, err := range ecs.Tasks.Peek(tx, "") {
		if err != nil || t.TaskDefinition == arn && t.Status != ecs.Stopped {
			return true, err
		}
	}
	return false, nil
}
