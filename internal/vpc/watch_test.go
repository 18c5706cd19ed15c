package vpc

import (
	"context"
	"testing"

	"github.com/google/nftables"
)

// watchTables is the names of tables as they are made, until ctx ends.
func watchTables(t *testing.T, ctx context.Context) <-chan string {
	t.Helper()
	c, err := nftables.New()
	check(t, err)
	m := nftables.NewMonitor(nftables.WithMonitorAction(nftables.MonitorActionNew), nftables.WithMonitorObject(nftables.MonitorObjectTables))
	events, err := c.AddMonitor(m)
	check(t, err)
	context.AfterFunc(ctx, func() { _ = m.Close() })
	names := make(chan string)
	go func() {
		defer close(names)
		for e := range events {
			if table, ok := e.Data.(*nftables.Table); ok {
				select {
				case names <- table.Name:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return names
}
