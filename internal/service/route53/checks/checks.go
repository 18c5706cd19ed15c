// Package checks runs Route 53's health checks of endpoints, and keeps what they find out as records.
//
// A check changes its mind after as many observations in a row as its threshold says. It begins as well, and goes on from its record
// after a restart.
package checks

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
)

// Resolve returns the IPv4 addresses of a name.
type Resolve func(ctx context.Context, name string) ([]netip.Addr, error)

// Checker runs health checks. Its methods may be called at the same time.
type Checker struct {
	db      store.DB
	resolve Resolve

	mu   sync.Mutex
	seen map[string]*course // by the checks' ids
}

// course is how a check goes in this process.
type course struct {
	version int64
	next    time.Time // when it is to look again
	last    scope.Observed
	ok      bool // what it saw last
	row     int  // how many times in a row
}

// New returns a Checker.
func New(db store.DB, resolve Resolve) *Checker {
	return &Checker{db: db, resolve: resolve, seen: map[string]*course{}}
}

// Sources is what tells of checks.
func (c *Checker) Sources() []reconcile.Source {
	return []reconcile.Source{reconcile.Rows(c.db, record.Checks, nil)}
}

// Last is what a check saw last in this process; ok is false where it has not looked yet.
func (c *Checker) Last(check string) (o scope.Observed, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.seen[check]; s != nil && !s.last.At.IsZero() {
		return s.last, true
	}
	return o, false
}

// Reconcile looks at the endpoint of a check when it is time to, and says when it is again.
func (c *Checker) Reconcile(ctx context.Context, id string) (again time.Duration, err error) {
	var check record.Check
	err = c.db.View(ctx, func(tx store.Tx) (err error) {
		check, err = record.Checks.Get(tx, id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, c.forget(ctx, id)
	}
	if err != nil {
		return 0, err
	}
	if conf := check.Config; conf.Type == types.HealthCheckTypeCalculated || conf.Disabled != nil && *conf.Disabled {
		c.drop(id)
		return 0, nil
	}
	interval := time.Duration(*check.Config.RequestInterval) * time.Second
	if rest := c.begin(&check, interval); rest > 0 {
		return rest, nil
	}
	well, said := c.probe(ctx, &check)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	now := time.Now().UTC()
	row := c.note(id, well, scope.Observed{Said: said, At: now})
	err = c.db.Update(ctx, func(tx store.Tx) error { return write(tx, &check, well, row, said, now) })
	if err != nil {
		return 0, err
	}
	return time.Until(c.due(id)), nil
}

// begin returns how long a check is to wait until it looks; 0: it is to look now, and comes again after the interval.
func (c *Checker) begin(check *record.Check, interval time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.seen[check.ID]
	if s == nil || s.version != check.Version { // what was seen of another endpoint says nothing
		s = &course{version: check.Version}
		c.seen[check.ID] = s
	}
	now := time.Now()
	if rest := s.next.Sub(now); rest > 0 {
		return rest
	}
	s.next = now.Add(interval)
	return 0
}

func (c *Checker) due(id string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.seen[id]; s != nil {
		return s.next
	}
	return time.Now()
}

// note remembers what a check saw, and returns how many times in a row it saw that.
func (c *Checker) note(id string, ok bool, o scope.Observed) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.seen[id]
	if s == nil { // it was deleted meanwhile
		return 0
	}
	if s.row == 0 || s.ok != ok {
		s.row = 0
	}
	s.ok, s.last = ok, o
	s.row++
	return s.row
}

func (c *Checker) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen, id)
}

// forget removes what a check that was deleted has found out.
func (c *Checker) forget(ctx context.Context, id string) error {
	c.drop(id)
	return c.db.Update(ctx, func(tx store.Tx) error {
		switch _, err := record.Checks.Get(tx, id); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		if _, err := record.Healths.Get(tx, id); err != nil {
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		}
		return record.Healths.Delete(tx, id)
	})
}

// write keeps what a check found out, where that is something new: its health, or that what it sees is another than before.
func write(tx store.Tx, c *record.Check, ok bool, row int, said string, now time.Time) error {
	is, err := record.Checks.Get(tx, c.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && is.Version != c.Version {
		return nil // it is another one by now
	}
	if err != nil {
		return err
	}
	h, err := record.Healths.Get(tx, c.ID)
	first := errors.Is(err, store.ErrNotFound)
	if err != nil && !first {
		return err
	}
	if first {
		h = record.Health{Check: c.ID, Well: true, Since: now}
	}
	turned := h.Well != ok && row >= int(*c.Config.FailureThreshold)
	if !first && !turned && row != 1 && h.Version == c.Version {
		return nil
	}
	if turned {
		h.Well, h.Since = ok, now
	}
	h.Version, h.Said, h.At = c.Version, said, now
	if !ok {
		h.Failed, h.FailedAt = said, now
	}
	return record.Healths.Put(tx, c.ID, h)
}
