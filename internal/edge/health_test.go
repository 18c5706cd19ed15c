package edge_test

import (
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

// Requests go to healthy targets only, and to all when none is.
func TestFailOpen(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	var sick atomic.Bool
	sometimes := func(name string, always bool) netip.AddrPort {
		return backend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.UserAgent() == "ELB-HealthChecker/2.0" && (always || sick.Load()) {
				w.WriteHeader(500)
			}
			says(name)(w, r)
		})
	}
	tb := forwardAll(bind, sometimes("well", false), sometimes("ill", true))
	tb.Pools[0].Check.Interval = 20 * time.Millisecond
	f.load(tb)
	count := func(state table.State, want int) func([]table.TargetStatus) bool {
		return func(all []table.TargetStatus) bool {
			n := 0
			for _, s := range all {
				if s.State == state {
					n++
				}
			}
			return n == want
		}
	}
	answers := func() map[string]int {
		got := map[string]int{}
		c, r := dial(t, bind)
		for range 20 {
			_, body := askOn(t, c, r, get)
			got[body]++
		}
		return got
	}
	tb = forwardAll(bind, tb.Pools[0].Targets[0].Addr, tb.Pools[0].Targets[1].Addr)
	tb.Pools[0].Check.Matcher, tb.Pools[0].Check.Interval = "200", 20*time.Millisecond
	f.load(tb)
	f.wait(func(all []table.TargetStatus) bool {
		return count(table.Healthy, 1)(all) && count(table.Unhealthy, 1)(all)
	})
	if got := answers(); got["well"] != 20 {
		t.Errorf("got %v, want all from the healthy one", got)
	}
	sick.Store(true)
	f.wait(count(table.Unhealthy, 2))
	if got := answers(); got["well"] != 10 || got["ill"] != 10 {
		t.Errorf("got %v, want both in turn", got)
	}
}
