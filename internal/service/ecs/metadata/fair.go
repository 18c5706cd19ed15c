package metadata

import (
	"net"
	"net/netip"
	"sync"
)

// maxConns is how many connections a task may have at once.
const maxConns = 32

// fair is a listener that closes what an address has too many of, so that no
// task keeps others from being answered.
type fair struct {
	net.Listener
	mu   sync.Mutex
	open map[netip.Addr]int
}

func newFair(ln net.Listener) *fair { return &fair{Listener: ln, open: map[netip.Addr]int{}} }

// Accept returns the next connection that is none too many.
func (f *fair) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err == nil && f.enter(from.Addr()) {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { f.leave(from.Addr()) })}, nil
		}
		_ = c.Close()
	}
}

func (f *fair) enter(a netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[a] >= maxConns {
		return false
	}
	f.open[a]++
	return true
}

func (f *fair) leave(a netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[a]--; f.open[a] == 0 {
		delete(f.open, a)
	}
}

// counted is a connection that says when it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
