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
	// Resting says since when (Unix time in nanoseconds) nothing has been under
	// way on it; ok is false when something is.
	Resting() (since int64, ok bool)
	// Cut ends it, and tells whether it did: not when something is under way.
	Cut() bool
}

// Config is what Conns need. Only Max is a must.
type Config struct {
	Name      string       // what the connections are to, as in "the APIs"
	Max       int          // connections in all
	PerClient int          // of one address; 0: no bound
	PerTask   int          // of one address of Tasks; 0: as PerClient
	Tasks     netip.Prefix // where tasks have their addresses
	Log       *slog.Logger
}

// The errors of Enter.
var (
	ErrFull = errors.New("too many connections")
	ErrMany = errors.New("too many connections of one address")
)

// Conns bounds connections: how many there are, and how many of one address. It
// is safe for concurrent use, and takes nothing on a request's way.
type Conns struct {
	cfg    Config
	hungry atomic.Int32 // who wait to come in

	mu     sync.Mutex
	open   map[Conn]netip.Addr
	by     map[netip.Addr]*address
	freed  chan struct{} // has room for one
	short  shortage
	logged time.Time
}

// address is the connections from one address.
type address struct {
	open map[Conn]netip.Addr // all of them are of this one
	busy time.Time           // when all were found to be busy last
}

// shortage is what came of bounds since the last time that somebody was told.
type shortage struct {
	at           time.Time // the last
	cut, refused int
	many         netip.Addr // the last address that had too many; invalid: none
	full         bool
}

// How long a new connection waits for another one's end, how long a shortage
// is told of, and how often it is logged.
const (
	waitFor  = time.Second
	lookFor  = 50 * time.Millisecond
	tellFor  = time.Minute
	logEvery = 10 * time.Second
)

// batch is what share of a bound is cut at once, so that a flood of connections
// doesn't look through all for each of its own.
const batch = 64

// NewConns returns bounds that nothing has come in through.
func NewConns(c Config) *Conns {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.PerTask == 0 {
		c.PerTask = c.PerClient
	}
	return &Conns{cfg: c, open: map[Conn]netip.Addr{}, by: map[netip.Addr]*address{}, freed: make(chan struct{}, 1)}
}

// Enter lets c in, which comes from an address. At a bound, those that have
// rested longest are cut. Where none rests it waits a moment for one that
// ends, or until done is closed; then it is refused. Who was let in leaves once.
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

// within tells whether an address may have one more connection, and cuts some
// of its own for that. One that has busy ones only isn't looked through each time
// that it tries. c.mu is held.
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

// bound is how many connections an address may have; 0: no bound. This
// machine's loopback addresses stand for all that reach it through a proxy or
// a tunnel, and where they can connect nobody else can.
func (c *Conns) bound(from netip.Addr) int {
	switch {
	case c.cfg.Tasks.IsValid() && c.cfg.Tasks.Contains(from):
		return c.cfg.PerTask
	case from.IsLoopback():
		return 0
	}
	return c.cfg.PerClient
}

// cut ends the n of open that have rested longest, which are those of an address
// if one is given, and returns how many it were. c.mu is held.
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

// Relieve cuts some of those that have rested longest, since descriptors ran out
// before the bound was reached.
func (c *Conns) Relieve() {
	defer c.report()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut(max(1, len(c.open)/batch), c.open, netip.Addr{})
}

// note remembers a shortage: of an address, or of all. c.mu is held.
func (c *Conns) note(of netip.Addr) {
	c.short.at = time.Now()
	if of.IsValid() {
		c.short.many = of
	} else {
		c.short.full = true
	}
}

// Leave ends what Enter began. It may be called again.
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

// Hungry tells whether somebody waits to come in: what becomes idle should end
// then.
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

// Problem says in a sentence that connections run short, or did a minute ago;
// "" when they don't.
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
