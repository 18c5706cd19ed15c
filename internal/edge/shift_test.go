package edge_test

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

// Weights that move from one pool to another and back, as a blue/green
// deployment does it, lose no request, and requests on connections that are
// kept go where the newest weights send them.
func TestShiftsLoseNoRequest(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	addrs := map[string]netip.AddrPort{"blue": backend(t, says("blue")), "green": backend(t, says("green"))}
	weigh := func(blue, green int) {
		tb := forwardAll(bind, addrs["blue"])
		second := tb.Pools[0]
		second.ID, second.Targets = "green", []table.Target{{ID: "green", Addr: addrs["green"]}}
		tb.Pools = append(tb.Pools, second)
		for i := range tb.Pools {
			tb.Pools[i].Check.Interval = 50 * time.Millisecond
		}
		tb.Listeners[0].Default = table.Action{Forward: &table.Forward{Pools: []table.WeightedPool{
			{Pool: tb.Pools[0].ID, Weight: blue}, {Pool: "green", Weight: green},
		}}}
		f.load(tb)
	}
	weigh(100, 0)
	f.wait(func(all []table.TargetStatus) bool {
		return len(all) == 2 && !slices.ContainsFunc(all, func(s table.TargetStatus) bool { return s.State != table.Healthy })
	})
	var stop atomic.Bool
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			c, r := dial(t, bind)
			for !stop.Load() {
				if res, body := askOn(t, c, r, get); res.StatusCode != 200 || addrs[body] == (netip.AddrPort{}) {
					t.Errorf("got %d %q", res.StatusCode, body)
					return
				}
			}
		})
	}
	c, r := dial(t, bind)
	for range 5 {
		for _, w := range [][2]int{{999, 1}, {50, 50}, {0, 100}, {100, 0}} {
			weigh(w[0], w[1])
			for range 10 {
				_, body := askOn(t, c, r, get)
				if w[0] == 0 && body != "green" || w[1] == 0 && body != "blue" {
					t.Fatalf("weights %v: %q answered", w, body)
				}
			}
		}
	}
	stop.Store(true)
	clients.Wait()
}
