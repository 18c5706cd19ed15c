package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/service/logs"
)

var logsService = service{make: (*builder).logs, tables: logs.Tables, dirs: []string{logsDir}}

// logs makes CloudWatch Logs.
func (b *builder) logs(context.Context) (part, error) {
	m := b.m
	b.events = logs.New(logs.Config{DB: m.db, Events: m.events, Namespace: m.ns, Log: m.Log})
	return part{
		name: "logs", title: "CloudWatch Logs", api: b.events, tagged: b.events, operations: b.events.Operations(),
		always: map[string]Runner{"logs": freed(b.events)},
	}, nil
}

// logsDir is where in the data directory the log events are.
const logsDir = "logs"
