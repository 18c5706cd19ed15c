// Package discovery keeps the tasks of services that name a service registry in Cloud Map as they run.
//
// A task is an instance of its registries from when it runs until it begins to stop, by the transactions that write so: it is
// never found before or after.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// Registries is Cloud Map as ECS sees it.
type Registries interface {
	// Ports says whether instances of a registry must say a port; the error is a client's when there is no such registry.
	Ports(ctx context.Context, registry string) (bool, error)
	// Announce makes an instance, or changes it. It is part of the caller's transaction, and the error is a client's when the registry
	// can't have it.
	Announce(tx store.Tx, registry, id string, ill bool, attributes map[string]string) error
	// Withdraw removes an instance, which need not be there. It is part of the caller's transaction.
	Withdraw(tx store.Tx, registry, id string) error
	// Told says whether names are answered as they are written for the registry.
	Told(ctx context.Context, registry string) (bool, error)
}

// The attributes of a task's instance (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-discovery.html).
const (
	address    = "AWS_INSTANCE_IPV4"
	port       = "AWS_INSTANCE_PORT"
	initHealth = "AWS_INIT_HEALTH_STATUS"
)

// state is what a registry is told of a task.
type state struct{ here, ill bool }

func stateOf(t *ecs.Task) state {
	here := t.Status == ecs.Running || t.Status == ecs.Activating
	return state{here, here && t.Health != "" && t.Health != types.HealthStatusHealthy}
}

// Keep has the registries of a task, which changes from was to is, hold what is true then. It returns events of a registry that
// refuses the task.
func Keep(tx store.Tx, r Registries, was, is *ecs.Task) (events []string, err error) {
	now := stateOf(is)
	if r == nil || now == stateOf(was) {
		return nil, nil
	}
	for _, g := range is.Registries {
		if !now.here {
			err = r.Withdraw(tx, g.ARN, is.ID)
		} else {
			err = r.Announce(tx, g.ARN, is.ID, now.ill, attributes(is, g))
		}
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			events, err = append(events, fmt.Sprintf("was unable to register (task %s) in (service registry %s): %s", is.ID, g.ARN, e.ErrorMessage())), nil
		}
		if err != nil {
			return nil, fmt.Errorf("tell registry %s of task %s: %w", g.ARN, is.ID, err)
		}
	}
	return events, nil
}

// attributes are those of a task's instance of a registry.
func attributes(t *ecs.Task, g ecs.Registry) map[string]string {
	service, _ := strings.CutPrefix(t.Group, "service:")
	own, _ := arn.Parse(t.ARN)
	all := map[string]string{
		address: t.ENI.Addr.String(), "AVAILABILITY_ZONE": t.Zone, "REGION": own.Region,
		"ECS_CLUSTER_NAME": t.Cluster, "ECS_SERVICE_NAME": service, "ECS_TASK_DEFINITION_FAMILY": family(t.TaskDefinition),
	}
	if g.Port != 0 {
		all[port] = fmt.Sprint(g.Port)
	}
	return all
}

// family is that of a task definition's ARN.
func family(ref string) string {
	_, name, _ := strings.Cut(ref, "/")
	name, _, _ = strings.Cut(name, ":")
	return name
}

// Left says whether nobody is told of a task any more that was withdrawn.
func Left(ctx context.Context, r Registries, t *ecs.Task) (bool, error) {
	for _, g := range t.Registries {
		told, err := r.Told(ctx, g.ARN)
		if _, gone := errors.AsType[smithy.APIError](err); gone {
			continue
		}
		if err != nil || !told {
			return false, err
		}
	}
	return true, nil
}
