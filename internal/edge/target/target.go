package target

import (
	"context"
	"crypto/tls"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/check"
	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/edge/table"
)

// Target is a registered target. Its own goroutine, run, checks it and ends its
// drain.
type Target struct {
	Addr netip.AddrPort // never changes
	set  *Set
	pool *Pool
	// secure is how it is spoken to over TLS; nil: it isn't.
	secure *tls.Config

	inflight  atomic.Int64
	refuses   atomic.Bool // drains or is gone: Begin fails
	upstreams atomic.Pointer[[]*upstream]

	Meter     meter.Target
	weight    atomic.Uint32 // of full: its share of requests
	slowFrom  atomic.Int64  // when its slow start began; 0: it has none
	trust     atomic.Uint32 // of full: the weight that its failures leave it
	anomalous atomic.Bool   // it fails more often than the others
	history   history

	wake chan struct{}
	stop context.CancelFunc

	mu      sync.Mutex
	spec    spec
	health  check.Health
	drained bool
}

// spec is what a table says of a target.
type spec struct {
	check    table.Check
	source   netip.Addr
	zone     string
	inUse    bool
	draining bool
	deadline time.Time
	balancer string // that is told of its checks; "": none is
}

func newTarget(all *Set, p *Pool, addr netip.AddrPort, s spec, known table.State) *Target {
	t := &Target{Addr: addr, set: all, pool: p, spec: s, wake: make(chan struct{}, 1)}
	if p.tls {
		t.secure = overTLS(p.Version)
	}
	if s.inUse && known == table.Healthy {
		t.health = check.Health{State: check.Healthy}
	}
	if s.inUse && known == table.Unhealthy {
		t.health = check.Health{State: check.Unhealthy, Last: check.Outcome{Kind: check.Failure}}
	}
	t.weight.Store(full)
	t.trust.Store(full)
	t.upstreams.Store(new([]*upstream))
	t.refuses.Store(s.draining)
	return t
}

// Begin counts a request in, unless the target refuses new ones. Each Begin that
// succeeds is followed by an End.
//
// The order matters. Begin counts and then looks at refuses; a drain sets refuses
// and then looks at the count. So one of the two sees the other.
func (t *Target) Begin() bool {
	t.inflight.Add(1)
	if t.refuses.Load() {
		t.End()
		return false
	}
	return true
}

// End counts a request out.
func (t *Target) End() {
	if t.inflight.Add(-1) == 0 && t.refuses.Load() {
		t.settle(false)
	}
}

// settle notes that a draining target is drained: nothing is under way, or its
// deadline has passed (over).
func (t *Target) settle(over bool) {
	t.mu.Lock()
	done := t.spec.draining && !t.drained && (over || t.inflight.Load() == 0)
	t.drained = t.drained || done
	t.mu.Unlock()
	if done {
		t.set.hub.publish(t)
	}
}

// become takes over what a new table says.
func (t *Target) become(s spec) {
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
	t.set.hub.publish(t)
	t.nudge()
}

// refuse makes the target refuse new requests, or take them again. A target that
// refuses keeps no idle connections.
func (t *Target) refuse(yes bool) {
	t.refuses.Store(yes)
	for _, u := range *t.upstreams.Load() {
		u.shut(yes)
	}
}

// opened counts a connection that was made.
func (t *Target) opened() {
	t.Meter.Opened.Add(1)
	t.Meter.Open.Add(1)
	t.pool.opened.Add(1)
}

func (t *Target) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// retire ends a target that is in no table any more. Requests that are under way
// go on.
func (t *Target) retire() {
	t.refuse(true)
	t.stop()
}

// registered tells whether the target is still in the table.
func (t *Target) registered() bool {
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	return t.pool.targets[t.Addr] == t
}

func (t *Target) healthState() check.State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.health.State
}

func (t *Target) zone() string { return t.current().zone }

func (t *Target) current() spec {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spec
}

func (t *Target) status() table.TargetStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := table.TargetStatus{Pool: t.pool.ID, Target: t.Addr, Inflight: int(t.inflight.Load())}
	s.Anomalous, s.Mitigated = t.anomalous.Load(), t.trust.Load() < full
	switch {
	case t.spec.draining:
		s.State = table.Draining
		if t.drained {
			s.State = table.Drained
		}
		s.Reason, s.Description = "Target.DeregistrationInProgress", "Target deregistration is in progress"
	case !t.spec.inUse:
		s.State, s.Reason = table.Unused, "Target.NotInUse"
		s.Description = "Target group is not configured to receive traffic from the load balancer"
	default:
		s.State = states[t.health.State]
		s.Reason, s.Description = t.health.Reason()
		s.Seen = t.health.Seen()
	}
	return s
}

var states = map[check.State]table.State{
	check.Registering: table.Initial,
	check.Initial:     table.Initial,
	check.Healthy:     table.Healthy,
	check.Unhealthy:   table.Unhealthy,
}
