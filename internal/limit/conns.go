package limit

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a connection that may be cut. It is comparable.
type Conn interface {
	// Resting says since when (Unix time in nanoseconds) the connection has been
	// idle; ok is false when a request is under way on it.
	Resting() (since int64, ok bool)
	// Cut closes the connection if it is idle, and tells whether it did.
	Cut() bool
}

// Config is what Conns need. Only Max is required.
type Config struct {
	Name      string // what the connections are to, as in "the APIs"
	Max       int    // connections in all
	PerClient int    // of one address; 0: no bound
	PerTask   int    // of one address of a task; 0: as PerClient
	// Tasks tells whether a task may have the address; nil: none has any.
	Tasks func(netip.Addr) bool
	Log   *slog.Logger
}

// The errors of Enter.
var (
	ErrFull = errors.New("too many connections")
	ErrMany = errors.New("too many connections of one address")
)

// Conns bounds connections: how many there are in all, and how many from one
// address. It is safe for concurrent use, and costs a request nothing.
type Conns struct {
	cfg    Config
	hungry atomic.Int32 // connections that wait to be let in

	mu     sync.Mutex
	open   map[Conn]netip.Addr
	by     map[netip.Addr]*address
	freed  chan struct{} // gets a value when a connection ends
	short  shortage
	logged time.Time
}

// address is the connections from one address.
type address struct {
	open map[Conn]netip.Addr // the value is always this address
	busy time.Time           // when all were last found busy
}

// shortage is what the bounds did since they were last reported.
type shortage struct {
	at           time.Time // the last
	cut, refused int
	many         netip.Addr // the last address that had too many; invalid: none
	full         bool
}

// How long a new connection waits for another one to end, how long status tells
// of a shortage, and how often a shortage is logged.
const (
	waitFor  = time.Second
	lookFor  = 50 * time.Millisecond
	tellFor  = time.Minute
	logEvery = 10 * time.Second
)

// batch is the share of a bound that is cut at once, so that a flood of new
// connections doesn't search all connections for each new one.
const batch = 64

// NewConns returns bounds without connections.
func NewConns(c Config) *Conns {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.PerTask == 0 {
		c.PerTask = c.PerClient
	}
	return &Conns{cfg: c, open: map[Conn]netip.Addr{}, by: map[netip.Addr]*address{}, freed: make(chan struct{}, 1)}
}

// Enter lets in c, a connection from an address. At a bound it cuts the connections
// that have been idle longest. If none is idle, c waits a moment for one to end, or
// until done is closed, and is refused after that. A connection that was let in
// must Leave.
func (c *Conns) Enter(done <-chan struct{}, nc Conn, from netip.Addr) error {
	defer c.report()
	if err := c.enter(nc, from); !errors.Is(err, ErrFull) {
		return err
	}
	c.hungry.Add(1)
	defer c.hungry.Add(-1)
	over, look := time.NewTimer(waitFor), time.NewTicker(lookFor)
	defer over.Stop()
	defer look.Stop()
	for {
		select {
		case <-done:
			return ErrFull
		case <-over.C:
			c.mu.Lock()
			c.short.refused++
			c.mu.Unlock()
			return ErrFull
		case <-c.freed:
		case <-look.C:
		}
		if err := c.enter(nc, from); !errors.Is(err, ErrFull) {
			return err
		}
	}
}

func (c *Conns) enter(nc Conn, from netip.Addr) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.within(from) {
		c.note(from)
		c.short.refused++
		return ErrMany
	}
	if len(c.open) >= c.cfg.Max && c.cut(max(1, c.cfg.Max/batch), c.open, netip.Addr{}) == 0 {
		c.note(netip.Addr{})
		return ErrFull
	}
	a := c.by[from]
	if a == nil {
		a = &address{open: map[Conn]netip.Addr{}}
		c.by[from] = a
	}
	c.open[nc], a.open[nc] = from, from
	return nil
}

// within tells whether an address may have one more connection, and cuts idle ones
// of the same address to make that possible. An address whose connections are all
// busy isn't searched again at each attempt. c.mu is held.
func (c *Conns) within(from netip.Addr) bool {
	most, a := c.bound(from), c.by[from]
	if most == 0 || a == nil || len(a.open) < most {
		return true
	}
	now := time.Now()
	if now.Sub(a.busy) < lookFor {
		return false
	}
	if c.cut(max(1, most/batch), a.open, from) > 0 {
		return true
	}
	a.busy = now
	return false
}

// bound is how many connections an address may have; 0: no bound. Loopback
// addresses have none: behind them stand all clients of a proxy or a tunnel on
// this machine.
func (c *Conns) bound(from netip.Addr) int {
	switch {
	case c.cfg.Tasks != nil && c.cfg.Tasks(from):
		return c.cfg.PerTask
	case from.IsLoopback():
		return 0
	}
	return c.cfg.PerClient
}

// cut closes the n connections of open that have been idle longest, and returns
// how many it closed. With a valid address it closes only those from there. c.mu is
// held.
func (c *Conns) cut(n int, open map[Conn]netip.Addr, of netip.Addr) (cut int) {
	type resting struct {
		conn  Conn
		since int64
	}
	var all []resting
	for nc := range open {
		if since, ok := nc.Resting(); ok {
			all = append(all, resting{nc, since})
		}
	}
	slices.SortFunc(all, func(a, b resting) int { return cmp.Compare(a.since, b.since) })
	for _, r := range all {
		if cut == n {
			break
		}
		if r.conn.Cut() {
			c.remove(r.conn)
			cut++
		}
	}
	if cut > 0 {
		c.note(of)
		c.short.cut += cut
	}
	return cut
}

// Relieve cuts some of the connections that have been idle longest. It is for when
// descriptors run out before the bound is reached.
func (c *Conns) Relieve() {
	defer c.report()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut(max(1, len(c.open)/batch), c.open, netip.Addr{})
}

// note remembers that a bound was reached: that of an address, or that of all. c.mu
// is held.
func (c *Conns) note(of netip.Addr) {
	c.short.at = time.Now()
	if of.IsValid() {
		c.short.many = of
	} else {
		c.short.full = true
	}
}

// Leave forgets a connection that Enter let in. Calling it again does nothing.
func (c *Conns) Leave(nc Conn) {
	c.mu.Lock()
	c.remove(nc)
	c.mu.Unlock()
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

func (c *Conns) remove(nc Conn) {
	from, ok := c.open[nc]
	if !ok {
		return
	}
	delete(c.open, nc)
	a := c.by[from]
	if delete(a.open, nc); len(a.open) == 0 {
		delete(c.by, from)
	}
}

// Max is how many connections there may be.
func (c *Conns) Max() int { return c.cfg.Max }

// Hungry tells whether connections wait to be let in. A connection that becomes
// idle should end then.
func (c *Conns) Hungry() bool { return c.hungry.Load() > 0 }

// report logs a shortage, now and then.
func (c *Conns) report() {
	c.mu.Lock()
	s, n, now := c.short, len(c.open), time.Now()
	if s.at.IsZero() || s.cut+s.refused == 0 || now.Sub(c.logged) < logEvery {
		c.mu.Unlock()
		return
	}
	c.logged = now
	c.short.cut, c.short.refused = 0, 0
	c.mu.Unlock()
	attrs := []any{"to", c.cfg.Name, "open", n, "most", c.cfg.Max, "cut", s.cut, "refused", s.refused}
	if s.many.IsValid() {
		attrs = append(attrs, "client", s.many)
	}
	c.cfg.Log.Warn("connections run short: the longest idle ones are cut", attrs...)
}

// Problem says in a sentence that connections run short, or did so within the last
// minute; "" when they don't.
func (c *Conns) Problem() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.short
	switch {
	case s.at.IsZero() || time.Since(s.at) > tellFor:
		c.short.full, c.short.many = false, netip.Addr{}
		return ""
	case s.full:
		return fmt.Sprintf("connections to %s run short: %d of %d are open, and the longest idle ones are cut for new ones", c.cfg.Name, len(c.open), c.cfg.Max)
	}
	return fmt.Sprintf("%s has as many connections to %s as one address may have (%d): its longest idle ones are cut for new ones",
		s.many, c.cfg.Name, c.bound(s.many))
}
