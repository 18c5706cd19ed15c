// Package edge is the load balancer's data plane: it answers requests on the
// sockets of a Table, from its targets.
//
// A Table is swapped whole. A request is routed by one table; a swap loses no
// request and no connection that stays valid. A target that drains gets no
// request any more and keeps what is under way until its deadline. A client
// that isn't admitted gets no answer. No body is held in memory.
package edge

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/limit"
)

const (
	defaultGrace = 30 * time.Second
	maxProbes    = 2048 // health checks at once
	maxHeld      = 4096 // connections held without an answer at once
	rebindEvery  = time.Second
	pruneEvery   = 5 * time.Second
	// patience is how long a request waits before its client is watched for
	// hanging up.
	patience = time.Second
)

// Config is what an Edge needs. The zero value works.
type Config struct {
	Log *slog.Logger
	// Listen opens a socket; nil: the host's.
	Listen func(ctx context.Context, network, addr string) (net.Listener, error)
	// Dial connects to a target from a source address, the host's choice when
	// that is invalid; nil: TCP.
	Dial func(ctx context.Context, source netip.Addr, addr netip.AddrPort) (net.Conn, error)
	// Grace is how long requests may take to finish when Run ends; 0: 30 s.
	Grace time.Duration
	// Clients bounds the connections of clients; nil: nothing does.
	Clients *limit.Conns
	// MaxTargets is how many connections to targets may be open, in use and
	// kept; 0: there is no bound. Nobody who needs one waits for it: those that
	// are kept go first.
	MaxTargets int
	// MaxChecks is how many health checks are made at once; 0: 2,048.
	MaxChecks int
}

// Edge answers requests as its Table says. Load and Run may be called in any
// order; Run once.
type Edge struct {
	log    *slog.Logger
	listen func(ctx context.Context, network, addr string) (net.Listener, error)
	dial   func(ctx context.Context, source netip.Addr, addr netip.AddrPort) (net.Conn, error)
	grace  time.Duration

	hub     hub
	probes  chan struct{} // a place each, while one is made
	held    atomic.Int64
	maxHeld int64
	clients *limit.Conns

	maxTargets int64
	backends   atomic.Int64 // connections to targets
	scarce     atomic.Int64 // when this machine's own failures were logged last

	loading sync.Mutex // one Load at a time

	mu      sync.Mutex
	pools   map[string]*pool
	sockets map[netip.AddrPort]*socket
	start   func(part func(context.Context)) // nil until Run
	queued  []func(context.Context)          // for Run to start
	ended   bool

	connMu sync.Mutex
	conns  map[*conn]struct{}
	live   sync.WaitGroup // of conns
}

// New returns an Edge with an empty table.
func New(c Config) *Edge {
	e := &Edge{
		log:     c.Log,
		listen:  c.Listen,
		dial:    c.Dial,
		grace:   cmp.Or(c.Grace, defaultGrace),
		probes:  make(chan struct{}, cmp.Or(c.MaxChecks, maxProbes)),
		clients: c.Clients,
		pools:   map[string]*pool{},
		sockets: map[netip.AddrPort]*socket{},
		conns:   map[*conn]struct{}{},
	}
	e.maxHeld, e.maxTargets = maxHeld, int64(cmp.Or(c.MaxTargets, math.MaxInt))
	if e.clients == nil {
		e.clients = limit.NewConns(limit.Config{Max: math.MaxInt})
	} else {
		e.maxHeld = min(maxHeld, int64(e.clients.Max()/4))
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.listen == nil {
		e.listen = new(net.ListenConfig).Listen
	}
	if e.dial == nil {
		e.dial = dialTCP
	}
	return e
}

// Run accepts connections and checks targets until ctx ends. Requests under
// way then get the grace to finish.
func (e *Edge) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	e.mu.Lock()
	e.start = func(part func(context.Context)) { parts.Go(func() { part(work) }) }
	for _, part := range e.queued {
		e.start(part)
	}
	e.queued = nil
	e.start(e.sweep)
	e.start(e.rebind)
	e.mu.Unlock()

	<-ctx.Done()
	e.closeSockets()
	e.finishConns()
	stop()
	parts.Wait()
	return context.Cause(ctx)
}

// spawn starts a part that Run waits for.
func (e *Edge) spawn(part func(context.Context)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.start == nil {
		e.queued = append(e.queued, part)
		return
	}
	e.start(part)
}

func (e *Edge) closeSockets() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.start, e.ended = func(func(context.Context)) {}, true
	for _, s := range e.sockets {
		s.close()
	}
	clear(e.sockets)
}

// finishConns closes the idle connections and the tunnels, which nothing
// bounds, gives the others the grace, and cuts what is left.
func (e *Edge) finishConns() {
	e.eachConn(func(c *conn) {
		c.finish()
		if c.endless.Load() {
			c.cut(true)
		}
	})
	done := make(chan struct{})
	var waiter sync.WaitGroup
	waiter.Go(func() { e.live.Wait(); close(done) })
	select {
	case <-done:
	case <-time.After(e.grace):
		e.eachConn(func(c *conn) { c.cut(true) })
	}
	waiter.Wait()
	for _, t := range e.allTargets() {
		t.retire()
	}
}

// eachConn calls f for every connection.
func (e *Edge) eachConn(f func(*conn)) {
	e.connMu.Lock()
	defer e.connMu.Unlock()
	for c := range e.conns {
		f(c)
	}
}

// cutTarget ends what is under way to a target.
func (e *Edge) cutTarget(t *target) {
	e.eachConn(func(c *conn) {
		if c.target.Load() == t {
			c.cut(true)
		}
	})
}

// Forget gives up the connections kept from source to a target, because the
// network drops what they send without a word: a request on one would wait for
// its end. What is under way is left alone.
func (e *Edge) Forget(source netip.Addr, target netip.AddrPort) {
	for _, t := range e.allTargets() {
		if t.addr != target {
			continue
		}
		for _, u := range *t.upstreams.Load() {
			if u.source == source {
				u.forget()
			}
		}
	}
}

// sweep looks after what no request looks after: clients that may have hung
// up, and idle connections to targets.
func (e *Edge) sweep(ctx context.Context) {
	tick := time.NewTicker(patience)
	defer tick.Stop()
	pruned := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			e.eachConn(func(c *conn) { c.watch(now) })
			if now.Sub(pruned) < pruneEvery {
				continue
			}
			pruned = now
			for _, t := range e.allTargets() {
				for _, u := range *t.upstreams.Load() {
					u.prune(now)
				}
			}
		}
	}
}

// allTargets are the targets of all pools, sorted by pool and address.
func (e *Edge) allTargets() []*target {
	e.mu.Lock()
	pools := slices.Collect(maps.Values(e.pools))
	e.mu.Unlock()
	var ts []*target
	for _, p := range pools {
		ts = append(ts, p.all()...)
	}
	return ts
}

// Statuses are the states of all targets, by pool and address.
func (e *Edge) Statuses() []TargetStatus {
	ts := e.allTargets()
	all := make([]TargetStatus, len(ts))
	for i, t := range ts {
		all[i] = t.status()
	}
	sortStatuses(all)
	return all
}

func sortStatuses(s []TargetStatus) {
	slices.SortFunc(s, func(a, b TargetStatus) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), a.Target.Compare(b.Target))
	})
}

// BindErrors are the sockets of the table that can't be bound, and why. They
// are tried again every second.
func (e *Edge) BindErrors() map[netip.AddrPort]error {
	e.mu.Lock()
	defer e.mu.Unlock()
	errs := map[netip.AddrPort]error{}
	for addr, s := range e.sockets {
		if s.err != nil {
			errs[addr] = s.err
		}
	}
	return errs
}

// rebind tries the sockets again that couldn't be bound.
func (e *Edge) rebind(ctx context.Context) {
	tick := time.NewTicker(rebindEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for addr := range e.BindErrors() {
			e.loading.Lock()
			e.mu.Lock()
			s := e.sockets[addr]
			e.mu.Unlock()
			if s != nil && s.err != nil && e.bind(s) == nil {
				e.log.Info("socket is bound now", "addr", addr)
			}
			e.loading.Unlock()
		}
	}
}

// joinBindErrors is the report of Load, in the order of the addresses.
func joinBindErrors(errs map[netip.AddrPort]error) error {
	var all []error
	for _, addr := range slices.SortedFunc(maps.Keys(errs), netip.AddrPort.Compare) {
		all = append(all, errs[addr])
	}
	return errors.Join(all...)
}
