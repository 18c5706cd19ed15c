package target

import (
	"net/netip"
	"time"

	"github.com/skylift/skylift/internal/limit"
)

// crowded tells whether three quarters of the connections that targets may have
// are open. No connection is kept then.
func (s *Set) crowded() bool { return s.conns.Load() > s.maxConns/4*3 }

// relieve closes the older half of the connections that are kept to each target.
func (s *Set) relieve() {
	for _, t := range s.all() {
		for _, u := range *t.upstreams.Load() {
			u.halve()
		}
	}
}

// halve closes the older half of the kept connections.
func (u *upstream) halve() {
	u.mu.Lock()
	n := (len(u.idle) + 1) / 2
	old := append([]*Conn(nil), u.idle[:n]...)
	left := copy(u.idle, u.idle[n:])
	clear(u.idle[left:])
	u.idle = u.idle[:left]
	u.mu.Unlock()
	closeAll(old)
	u.closeIdle()
}

// sayEvery is how often this machine's own failures are logged.
const sayEvery = 10 * time.Second

// Short notes that a target wasn't asked because of this machine, not because of
// the target, and makes room where that helps.
func (s *Set) Short(target netip.AddrPort, err error) {
	now, last := time.Now().UnixNano(), s.scarce.Load()
	if now-last > int64(sayEvery) && s.scarce.CompareAndSwap(last, now) {
		s.log.Warn("this machine can't connect to a target", "target", target, "err", err)
		if limit.Crowded(err) {
			s.relieve()
		}
	}
}

// WasShort tells whether this machine itself failed to connect to a target in the
// last minute.
func (s *Set) WasShort() bool { return time.Now().UnixNano()-s.scarce.Load() < int64(time.Minute) }
