package edge

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/check"
)

// target is a registered target as it lives on from table to table. Its own
// goroutine, run, checks it and ends its drain.
type target struct {
	edge *Edge
	pool *pool
	addr netip.AddrPort

	inflight  atomic.Int64
	refuses   atomic.Bool // drains or is gone: begin fails
	upstreams atomic.Pointer[[]*upstream]

	wake chan struct{}
	stop context.CancelFunc

	mu      sync.Mutex
	spec    spec
	health  check.Health
	drained bool
}

// spec is what a table says of a target.
type spec struct {
	check    Check
	source   netip.Addr
	inUse    bool
	draining bool
	deadline time.Time
}

func newTarget(e *Edge, p *pool, addr netip.AddrPort, s spec, known State) *target {
	t := &target{edge: e, pool: p, addr: addr, spec: s, wake: make(chan struct{}, 1)}
	if s.inUse && known == Healthy {
		t.health = check.Health{State: check.Healthy}
	}
	if s.inUse && known == Unhealthy {
		t.health = check.Health{State: check.Unhealthy, Last: check.Outcome{Kind: check.Failure}}
	}
	t.upstreams.Store(new([]*upstream))
	t.refuses.Store(s.draining)
	return t
}

// begin counts a request in, unless the target refuses new ones. Each begin
// that succeeds is followed by an end.
//
// The order matters: who drains a target sets refuses and then looks at
// inflight, so one of the two sees the other.
func (t *target) begin() bool {
	t.inflight.Add(1)
	if t.refuses.Load() {
		t.end()
		return false
	}
	return true
}

func (t *target) end() {
	if t.inflight.Add(-1) == 0 && t.refuses.Load() {
		t.settle(false)
	}
}

// settle notes that a draining target is drained: when nothing is under way,
// or when it is over anyway.
func (t *target) settle(over bool) {
	t.mu.Lock()
	done := t.spec.draining && !t.drained && (over || t.inflight.Load() == 0)
	t.drained = t.drained || done
	t.mu.Unlock()
	if done {
		t.edge.hub.publish(t)
	}
}

// set takes over what a new table says.
func (t *target) set(s spec) {
	t.mu.Lock()
	old := t.spec
	t.spec = s
	if old.inUse != s.inUse || old.draining && !s.draining {
		t.health = check.Health{} // registered anew
	}
	if !s.draining {
		t.drained = false
	}
	t.mu.Unlock()
	if old == s {
		return
	}
	t.refuse(s.draining)
	t.settle(false)
	t.edge.hub.publish(t)
	t.nudge()
}

// refuse says whether new requests are refused; idle connections then go.
func (t *target) refuse(yes bool) {
	t.refuses.Store(yes)
	for _, u := range *t.upstreams.Load() {
		u.shut(yes)
	}
}

func (t *target) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// retire takes a target out that is in no table any more. What is under way
// goes on.
func (t *target) retire() {
	t.refuse(true)
	t.stop()
}

// registered tells whether the target is still in the table.
func (t *target) registered() bool {
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	return t.pool.targets[t.addr] == t
}

func (t *target) healthState() check.State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.health.State
}

func (t *target) current() spec {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spec
}

func (t *target) status() TargetStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := TargetStatus{Pool: t.pool.id, Target: t.addr, Inflight: int(t.inflight.Load())}
	switch {
	case t.spec.draining:
		s.State = Draining
		if t.drained {
			s.State = Drained
		}
		s.Reason, s.Description = "Target.DeregistrationInProgress", "Target deregistration is in progress"
	case !t.spec.inUse:
		s.State, s.Reason = Unused, "Target.NotInUse"
		s.Description = "Target group is not configured to receive traffic from the load balancer"
	default:
		s.State = states[t.health.State]
		s.Reason, s.Description = t.health.Reason()
	}
	return s
}

var states = map[check.State]State{
	check.Registering: Initial,
	check.Initial:     Initial,
	check.Healthy:     Healthy,
	check.Unhealthy:   Unhealthy,
}

// run checks the target until ctx ends, and cuts what is under way when the
// deadline of its drain has passed.
func (t *target) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due, peek time.Time // of the next check, and of the next look before it
	for {
		s := t.current()
		timer.Stop()
		switch now := time.Now(); {
		case s.draining && now.Before(s.deadline):
			due = time.Time{}
			timer.Reset(s.deadline.Sub(now))
		case s.draining:
			due = time.Time{}
			t.edge.cutTarget(t)
			t.settle(true)
		case s.inUse:
			due = earlier(due, now.Add(s.check.Interval))
			counts := !now.Before(due)
			if counts {
				due = now.Add(jittered(s.check.Interval))
				if !t.ask(ctx, s, true) {
					due = earlier(due, time.Now().Add(peekEvery))
				}
			} else if t.healthState() == check.Initial && !now.Before(peek) {
				t.ask(ctx, s, false)
			}
			next := due
			if t.healthState() == check.Initial {
				peek = time.Now().Add(peekEvery)
				next = earlier(due, peek)
			}
			timer.Reset(time.Until(next))
		default:
			due = time.Time{}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
	}
}

// peekEvery is how often a new target that did not answer yet is looked at
// between its checks: an application that takes a moment to start need not wait
// for a whole interval. Only a pass counts then.
const peekEvery = time.Second

// earlier keeps an interval that became shorter from waiting for the end of
// the longer one.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// jittered spreads the checks of many targets: 90 to 100 percent of d.
func jittered(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(max(d/10, 1))))
}

// ask probes once and takes in what came of it. When it doesn't count, it is
// a look between checks: short, and only a pass is taken in. It tells whether the
// target was asked: not when this machine lacks what that takes.
func (t *target) ask(ctx context.Context, s spec, counts bool) (asked bool) {
	select {
	case t.edge.probes <- struct{}{}:
		defer func() { <-t.edge.probes }()
	case <-ctx.Done():
		return true
	}
	matcher, err := check.ParseMatcher(s.check.Matcher)
	if err != nil {
		t.edge.log.Error("health check can't be made", "pool", t.pool.id, "err", err)
		return true
	}
	addr := t.addr
	if s.check.Port != 0 {
		addr = netip.AddrPortFrom(addr.Addr(), s.check.Port)
	}
	dial := func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
		return t.edge.dial(ctx, s.source, addr)
	}
	timeout := s.check.Timeout
	if !counts {
		timeout = min(timeout, peekEvery)
	}
	outcome := check.Probe{Path: s.check.Path, Matcher: matcher, Timeout: timeout}.Ask(ctx, dial, addr)
	if outcome.Kind == check.Unasked {
		t.edge.short(addr, outcome.Err)
		return false
	}
	if ctx.Err() == nil && (counts || outcome.Kind == check.Pass) {
		t.take(outcome, s)
	}
	return true
}

// take counts an outcome, unless the target was drained or taken out of use
// meanwhile.
func (t *target) take(o check.Outcome, asked spec) {
	t.mu.Lock()
	if t.spec.draining || !t.spec.inUse {
		t.mu.Unlock()
		return
	}
	old := t.health
	t.health = old.After(o, check.Thresholds{Healthy: asked.check.HealthyThreshold, Unhealthy: asked.check.UnhealthyThreshold})
	now := t.health
	t.mu.Unlock()

	if now.State != old.State {
		t.pool.refresh()
	}
	_, was := old.Reason()
	if _, is := now.Reason(); now.State != old.State || was != is {
		t.edge.hub.publish(t)
	}
}
