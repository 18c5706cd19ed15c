package target

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/skylift/skylift/internal/edge/check"
	"github.com/skylift/skylift/internal/edge/report"
	"github.com/skylift/skylift/internal/edge/table"
)

// run checks the target until ctx ends, and cuts what is under way when the
// deadline of its drain has passed.
func (t *Target) run(ctx context.Context) {
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
			t.set.cut(t)
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

// peekEvery is how often a new target that did not answer yet is probed between
// its checks: an application that takes a moment to start need not wait for a
// whole interval. Of these probes only a pass counts.
const peekEvery = time.Second

// earlier returns the earlier of two times. An interval that became shorter does
// not wait for the end of the longer one.
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

// ask probes the target once and takes in the outcome. A probe that doesn't count
// is one between checks: it is short, and only a pass is taken in. ask tells
// whether the target was asked: it was not when this machine lacks the means.
func (t *Target) ask(ctx context.Context, s spec, counts bool) (asked bool) {
	select {
	case t.set.probes <- struct{}{}:
		defer func() { <-t.set.probes }()
	case <-ctx.Done():
		return true
	}
	matcher, err := check.ParseMatcher(s.check.Version, s.check.Matcher)
	if err != nil {
		t.set.log.Error("health check can't be made", "pool", t.pool.ID, "err", err)
		return true
	}
	addr := t.Addr
	if s.check.Port != 0 {
		addr = netip.AddrPortFrom(addr.Addr(), s.check.Port)
	}
	dial := func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
		return t.set.dial(ctx, s.source, addr)
	}
	timeout := s.check.Timeout
	if !counts {
		timeout = min(timeout, peekEvery)
	}
	began := time.Now()
	outcome := check.Probe{Path: s.check.Path, TLS: s.check.TLS, Version: s.check.Version, Matcher: matcher, Timeout: timeout}.Ask(ctx, dial, addr)
	if outcome.Kind == check.Unasked {
		t.set.Short(addr, outcome.Err)
		return false
	}
	if ctx.Err() == nil && (counts || outcome.Kind == check.Pass) {
		t.tell(s, outcome, addr, began)
		t.take(outcome, s)
	}
	return true
}

// tell tells of a check that ended.
func (t *Target) tell(s spec, o check.Outcome, addr netip.AddrPort, began time.Time) {
	if s.balancer == "" || t.set.told == nil {
		return
	}
	c := report.Check{
		Balancer: s.balancer, Node: s.source, Kind: report.HTTP, Time: began, Took: time.Since(began), Target: addr, Pool: t.pool.ID,
		Passed: o.Kind == check.Pass, Status: o.Code, HasCode: o.Kind == check.Pass || o.Kind == check.Mismatch, Reason: o.Why(s.check.Version),
	}
	switch {
	case s.check.Version == table.GRPC:
		c.Kind = report.GRPC
	case s.check.TLS && s.check.Version == table.HTTP2:
		c.Kind = report.HTTP2
	case s.check.TLS:
		c.Kind = report.HTTPS
	}
	t.set.told(&c)
}

// take counts an outcome, unless the target was drained or taken out of use
// meanwhile.
func (t *Target) take(o check.Outcome, asked spec) {
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
		t.slowFrom.Store(0)
		t.reweigh(time.Now(), 0)
		if now.State == check.Healthy {
			t.pool.starts(t, time.Now())
		}
		t.pool.refresh()
	}
	_, was := old.Reason()
	if _, is := now.Reason(); now.State != old.State || was != is {
		t.set.hub.publish(t)
	}
}
