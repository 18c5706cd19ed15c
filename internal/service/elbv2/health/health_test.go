package health

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// fakeEdge says of targets what a test has it say.
type fakeEdge struct {
	mu       sync.Mutex
	statuses map[netip.AddrPort]table.TargetStatus
	changed  chan table.TargetStatus
}

func newFakeEdge() *fakeEdge {
	return &fakeEdge{statuses: make(map[netip.AddrPort]table.TargetStatus), changed: make(chan table.TargetStatus)}
}

func (e *fakeEdge) Statuses() []table.TargetStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Values(e.statuses))
}

func (e *fakeEdge) Changes(ctx context.Context, f func([]table.TargetStatus) error) error {
	if err := f(e.Statuses()); err != nil {
		return err
	}
	for {
		select {
		case s := <-e.changed:
			if err := f([]table.TargetStatus{s}); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const group = "tg/web"

// world is a group in use, with one target, and the loop that is tested.
type world struct {
	t      *testing.T
	db     *memstore.DB
	edge   *fakeEdge
	writes int // of TargetHealth
}

func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, db: memstore.New(), edge: newFakeEdge()}
		w.update(func(tx store.Tx) error {
			g := elbv2.TargetGroup{ARN: group, Attributes: map[string]string{"deregistration_delay.timeout_seconds": "30"}}
			return elbv2.TargetGroups.Put(tx, g.ARN, g)
		})
		w.use(true)
		w.put(target("172.31.0.5"))
		r := New(w.db, w.edge)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = reconcile.New("health", r, reconcile.Options{}, r.Sources()...).Run(ctx) })
		wg.Go(func() {
			_ = elbv2.Healths.Follow(ctx, w.db, func(_ bool, events []store.Event[elbv2.TargetHealth]) error {
				w.writes += len(events)
				return nil
			})
		})
		synctest.Wait()
		test(w)
		cancel()
		wg.Wait()
	})
}

func target(addr string) elbv2.Target {
	return elbv2.Target{Group: group, Addr: addr, Port: 80, RegisteredAt: time.Now()}
}

func (w *world) update(f func(store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

func (w *world) put(t elbv2.Target) {
	w.t.Helper()
	w.update(func(tx store.Tx) error { return elbv2.Targets.Put(tx, elbv2.TargetKey(t.Group, t.Addr, t.Port), t) })
}

func (w *world) use(on bool) {
	w.t.Helper()
	r := elbv2.Rule{ARN: "rule", LoadBalancer: "lb", Action: elbv2.Action{Forward: &elbv2.Forward{Groups: []elbv2.WeightedGroup{{ARN: group, Weight: 1}}}}}
	w.update(func(tx store.Tx) error {
		if !on {
			return elbv2.Rules.Delete(tx, r.ARN)
		}
		return elbv2.Rules.Put(tx, r.ARN, r)
	})
}

func (w *world) says(addr string, state table.State, reason string) {
	s := table.TargetStatus{Pool: group, Target: netip.MustParseAddrPort(addr + ":80"), State: state, Reason: reason}
	w.edge.mu.Lock()
	w.edge.statuses[s.Target] = s
	w.edge.mu.Unlock()
	w.edge.changed <- s
	synctest.Wait()
}

// want checks which targets there are, and what was found out about them.
func (w *world) want(when string, want map[string]string) {
	w.t.Helper()
	got := make(map[string]string)
	err := w.db.View(w.t.Context(), func(tx store.Tx) error {
		targets, err := elbv2.Targets.List(tx, "")
		for _, t := range targets {
			h, _ := elbv2.Healths.Get(tx, elbv2.TargetKey(t.Group, t.Addr, t.Port))
			got[t.Addr] = h.State
		}
		if healths, _ := elbv2.Healths.List(tx, ""); len(healths) > len(targets) {
			w.t.Errorf("%s: %d healths of %d targets", when, len(healths), len(targets))
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

const a, b = "172.31.0.5", "172.31.0.6"

func TestHealthIsWrittenOnChange(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.want("before the data plane knows it", map[string]string{a: ""})
		w.says(a, table.Initial, "Elb.InitialHealthChecking")
		w.want("initial", map[string]string{a: "initial"})
		w.says(a, table.Healthy, "")
		w.says(a, table.Healthy, "")
		w.says(a, table.Healthy, "")
		w.says(b, table.Healthy, "")
		w.want("healthy", map[string]string{a: "healthy"})
		if w.writes != 2 {
			t.Errorf("written %d times, want 2", w.writes)
		}
		w.says(a, table.Unhealthy, "Target.Timeout")
		w.says(a, table.Unhealthy, "Target.ResponseCodeMismatch")
		w.want("unhealthy", map[string]string{a: "unhealthy"})
		if w.writes != 4 {
			t.Errorf("written %d times, want 4", w.writes)
		}
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	gone := func(t elbv2.Target) elbv2.Target { t.DeregisteredAt = time.Now(); return t }
	t.Run("until nothing is under way", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.says(a, table.Healthy, "")
			w.put(gone(target(a)))
			w.want("deregistered", map[string]string{a: "healthy"}) // the data plane hasn't heard
			time.Sleep(time.Second)
			w.says(a, table.Draining, "Target.DeregistrationInProgress")
			w.want("draining", map[string]string{a: "draining"})
			w.says(a, table.Drained, "")
			w.want("drained", map[string]string{})
		})
	})
	t.Run("until the delay has passed", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.put(gone(target(a)))
			time.Sleep(10 * time.Second)
			w.put(gone(target(b)))
			w.says(a, table.Draining, "Target.DeregistrationInProgress")
			time.Sleep(20*time.Second - time.Nanosecond)
			synctest.Wait()
			w.want("just before", map[string]string{a: "draining", b: ""})
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			w.want("after", map[string]string{b: ""})
			time.Sleep(10 * time.Second)
			synctest.Wait()
			w.want("after the other's", map[string]string{})
		})
	})
	t.Run("not in a group that isn't used", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.use(false)
			w.want("unused", map[string]string{a: ""})
			w.put(gone(target(a)))
			w.want("deregistered", map[string]string{})
		})
	})
	t.Run("not when the group isn't used any more", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.put(gone(target(a)))
			w.want("used", map[string]string{a: ""})
			w.use(false)
			w.want("unused", map[string]string{})
		})
	})
	t.Run("not when it is registered again", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.put(gone(target(a)))
			w.put(target(a))
			w.says(a, table.Drained, "") // which the data plane said before it heard
			w.want("registered again", map[string]string{a: "draining"})
			w.says(a, table.Healthy, "")
			time.Sleep(time.Hour)
			synctest.Wait()
			w.want("later", map[string]string{a: "healthy"})
		})
	})
}
