package ecs

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// What is kept without effect, and why.
const (
	insightsSetting   = "settings{value=disabled}"
	noInsights        = "there are no metrics"
	execConfiguration = "configuration{executeCommandConfiguration{logging=DEFAULT logConfiguration{cloudWatchLogGroupName s3BucketName s3KeyPrefix}}}"
	noExec            = "no command can be run in a task yet"
	noFaults          = "containers have no fault injection endpoints"
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
	for c, err := range Clusters.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list clusters: %w", err)
		}
		add(c.Status == Active && cmp.Or(c.Insights, insights) != insights, "containerInsights", noInsights, c.Name)
		add(c.Status == Active && c.logsCommands(), "executeCommandConfiguration", noExec, c.Name)
	}
	for s, err := range Services.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list services: %w", err)
		}
		add(s.Status == Active && s.ExecuteCommand, "enableExecuteCommand", noExec, s.Key())
	}
	for t, err := range Tasks.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list tasks: %w", err)
		}
		add(t.Service == "" && t.Status != Stopped && t.ExecuteCommand, "enableExecuteCommand", noExec, t.Key())
	}
	for d, err := range Definitions.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list task definitions: %w", err)
		}
		is := d.Definition.Status == types.TaskDefinitionStatusActive && aws.ToBool(d.Definition.EnableFaultInjection)
		add(is, "enableFaultInjection", noFaults, fmt.Sprintf("%s:%d", aws.ToString(d.Definition.Family), d.Definition.Revision))
	}
	for a, err := range AccountSettings.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list account settings: %w", err)
		}
		s, err := settingNamed(a.Name)
		add(err == nil && slices.Contains(s.kept, a.Value), string(a.Name), s.why, "the account")
	}
	return out, nil
}

// logsCommands says whether the cluster's configuration asks for another log of commands than the default.
func (c *Cluster) logsCommands() bool {
	if c.Configuration == nil || c.Configuration.ExecuteCommandConfiguration == nil {
		return false
	}
	l := c.Configuration.ExecuteCommandConfiguration.Logging
	return l != "" && l != types.ExecuteCommandLoggingDefault
}
