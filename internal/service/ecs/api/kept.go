package api

import (
	"cmp"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/account"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Wishes lists what clusters, services, tasks of their own, task definitions and account settings keep
// without effect.
func Wishes(tx store.Tx) ([]wire.Wish, error) {
	var out []wire.Wish
	add := func(is bool, what, why, resource string) {
		if is {
			out = append(out, wire.Wish{What: what, Why: why, Resource: resource})
		}
	}
	for c, err := range ecs.Clusters.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list clusters: %w", err)
		}
		add(c.Status == ecs.Active && cmp.Or(c.Insights, ecs.InsightsDisabled) != ecs.InsightsDisabled, "containerInsights", scope.NoInsights, c.Name)
		add(c.Status == ecs.Active && logsCommands(c), "executeCommandConfiguration", scope.NoExec, c.Name)
	}
	for s, err := range ecs.Services.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list services: %w", err)
		}
		add(s.Status == ecs.Active && s.ExecuteCommand, "enableExecuteCommand", scope.NoExec, s.Key())
	}
	for t, err := range ecs.Tasks.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list tasks: %w", err)
		}
		add(t.Service == "" && t.Status != ecs.Stopped && t.ExecuteCommand, "enableExecuteCommand", scope.NoExec, t.Key())
	}
	for d, err := range ecs.Definitions.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list task definitions: %w", err)
		}
		is := d.Definition.Status == types.TaskDefinitionStatusActive && aws.ToBool(d.Definition.EnableFaultInjection)
		add(is, "enableFaultInjection", scope.NoFaults, fmt.Sprintf("%s:%d", aws.ToString(d.Definition.Family), d.Definition.Revision))
	}
	for a, err := range ecs.AccountSettings.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list account settings: %w", err)
		}
		why, kept := account.Kept(a)
		add(kept, string(a.Name), why, "the account")
	}
	return out, nil
}

// logsCommands says whether the cluster's configuration asks for another log of commands than the default.
func logsCommands(c *ecs.Cluster) bool {
	if c.Configuration == nil || c.Configuration.ExecuteCommandConfiguration == nil {
		return false
	}
	l := c.Configuration.ExecuteCommandConfiguration.Logging
	return l != "" && l != types.ExecuteCommandLoggingDefault
}
