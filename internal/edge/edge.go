// Package edge is the load balancer's data plane: it answers requests on the
// sockets of a table, from the table's targets.
//
// A table is swapped whole. One table routes a request. A swap loses no request
// and no connection that stays valid. A target that drains gets no new request;
// requests that are under way may take until its deadline. A client that isn't
// admitted gets no answer. No body is held in memory.
//
// It is one package of more than 1,500 lines because greeting a client, answering
// its requests, tunnels and swaps all work on one connection's state; what knows
// only bytes, rules or targets stands in packages below.
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
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/client"
	"github.com/skylift/skylift/internal/edge/cookie"
	"github.com/skylift/skylift/internal/edge/report"
	"github.com/skylift/skylift/internal/edge/route"
	"github.com/skylift/skylift/internal/edge/secure"
	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/edge/target"
	"github.com/skylift/skylift/internal/limit"
)

const (
	defaultGrace = 30 * time.Second
	maxHeld      = 4096 // connections held without an answer at once
	rebindEvery  = time.Second
	pruneEvery   = 5 * time.Second
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
	// kept; 0: there is no bound. Nobody who needs one waits for it: kept
	// connections are closed first.
	MaxTargets int
	// MaxChecks is how many health checks are made at once; 0: 2,048.
	MaxChecks int
	// Sink is told of requests, connections and checks whose balancers say so; nil: nobody is.
	Sink report.Sink
	// CookieKey is what the balancer's cookies are sealed with; nil: they hold no
	// longer than the Edge.
	CookieKey []byte
}

// Edge answers requests as its Table says. Load and Run may be called in any
// order; Run once.
type Edge struct {
	log    *slog.Logger
	listen func(ctx context.Context, network, addr string) (net.Listener, error)
	grace  time.Duration

	targets *target.Set
	held    atomic.Int64 // connections
	maxHeld int64
	clients *limit.Conns
	tickets *secure.Tickets
	shakes  *secure.Handshakes

	loading  sync.Mutex // one Load at a time
	compiler route.Compiler
	unread   string // what Load said last of rules that can't be read
	cookies  *cookie.Keys
	sink     report.Sink   // may be nil
	conned   atomic.Uint32 // connections of clients so far

	mu      sync.Mutex
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
		grace:   cmp.Or(c.Grace, defaultGrace),
		maxHeld: maxHeld,
		clients: c.Clients,
		tickets: secure.NewTickets(time.Now()),
		shakes:  secure.NewHandshakes(runtime.GOMAXPROCS(0)),
		cookies: cookie.New(c.CookieKey),
		sink:    c.Sink,
		sockets: map[netip.AddrPort]*socket{},
		conns:   map[*conn]struct{}{},
	}
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
	t := target.Config{Log: e.log, Dial: c.Dial, MaxConns: c.MaxTargets, MaxChecks: c.MaxChecks, Spawn: e.spawn, Cut: e.cutTarget}
	if c.Sink != nil {
		t.Checked = c.Sink.Check
	}
	e.targets = target.NewSet(t)
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
		c.Finish()
		if c.Endless.Load() {
			c.Break(true)
		}
	})
	done := make(chan struct{})
	var waiter sync.WaitGroup
	waiter.Go(func() { e.live.Wait(); close(done) })
	select {
	case <-done:
	case <-time.After(e.grace):
		e.eachRequest((*conn).sever)
	}
	waiter.Wait()
	e.targets.Retire()
}

// eachConn calls f for every connection.
func (e *Edge) eachConn(f func(*conn)) {
	e.connMu.Lock()
	defer e.connMu.Unlock()
	for c := range e.conns {
		f(c)
	}
}

// eachRequest calls f for every connection, and for every request on those over HTTP/2.
func (e *Edge) eachRequest(f func(*conn)) {
	e.eachConn(func(c *conn) {
		f(c)
		c.each(f)
	})
}

// cutTarget ends the requests that are under way to a target.
func (e *Edge) cutTarget(t *target.Target) {
	e.eachRequest(func(c *conn) {
		if c.target.Load() == t {
			c.sever()
		}
	})
}

// Forget gives up the connections that are kept from source to a target: the
// network silently drops what they send, so a request on one would hang until its
// timeout. Requests that are under way go on.
func (e *Edge) Forget(source netip.Addr, target netip.AddrPort) { e.targets.Forget(source, target) }

// Statuses returns the states of all targets, by pool and address.
func (e *Edge) Statuses() []table.TargetStatus { return e.targets.Statuses() }

// Changes calls f with the status of every target. Then, until ctx ends or f
// fails, it calls f with those whose state, reason or description changed. A
// target that changed while f ran is told once, as it is then. A target that left
// the table is not told.
func (e *Edge) Changes(ctx context.Context, f func([]table.TargetStatus) error) error {
	return e.targets.Changes(ctx, f)
}

// Short tells whether this machine itself failed to connect to a target in the
// last minute.
func (e *Edge) Short() bool { return e.targets.WasShort() }

// sweep looks after what no request looks after: clients that may have hung up,
// and idle connections to targets.
func (e *Edge) sweep(ctx context.Context) {
	tick := time.NewTicker(client.Patience)
	defer tick.Stop()
	pruned := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			e.eachRequest(func(c *conn) { c.look(now) })
			rarely := now.Sub(pruned) >= pruneEvery
			e.targets.Tick(now, rarely)
			if rarely {
				pruned = now
				e.targets.Prune(now)
				e.turn(now)
			}
		}
	}
}

// turn changes the keys of session tickets when it is time.
func (e *Edge) turn(now time.Time) {
	e.loading.Lock() // or a Load would bring in servers with the old keys
	defer e.loading.Unlock()
	if !e.tickets.Turn(now) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sockets {
		s.routes.Load().Turn(e.tickets)
	}
}

// BindErrors returns the sockets of the table that can't be bound, and why. Each
// is tried again every second.
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

// rebind tries to bind the sockets that couldn't be bound before.
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
