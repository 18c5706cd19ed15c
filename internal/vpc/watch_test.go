package vpc

import (
	"context"
	"testing"

	"github.com/google/nftables"

	"github.com/skylift/skylift/internal/vpc/nft"
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

// Two instances that write in turn leave each other's tables alone: neither
// takes the other's writes for a change of its own, which it would write again
// for ever.
func TestNeighboursDoNotRewrite(t *testing.T) {
	w, x := newWorld(t), newWorld(t)
	for range 3 {
		w.apply(&Ruleset{Groups: []Group{open("sg-1")}})
		x.apply(&Ruleset{Groups: []Group{open("sg-1")}})
	}
	before, err := nft.Generation()
	check(t, err)
	for _, v := range []*VPC{w.VPC, x.VPC, w.VPC} {
		if _, err := v.repairFirewall(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := nft.Generation()
	check(t, err)
	if after != before {
		t.Errorf("looking wrote %d times", after-before)
	}
}
