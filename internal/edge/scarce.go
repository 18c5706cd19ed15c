package edge

import (
	"net/netip"
	"time"

	"github.com/skylift/skylift/internal/limit"
)

// crowded tells whether three quarters of the connections that there may be to
// targets are open: none is kept then.
func (e *Edge) crowded() bool { return e.backends.Load() > e.maxTargets/4*3 }

// relieve closes the older half of the connections that are kept to each target.
func (e *Edge) relieve() {
	for _, t := range e.allTargets() {
		for _, u := range *t.upstreams.Load() {
			u.halve()
		}
	}
}

// halve closes the older half of the kept connections.
func (u *upstream) halve() {
	u.mu.Lock()
	n := (len(u.idle) + 1) / 2
	old := append([]*backend(nil), u.idle[:n]...)
	left := copy(u.idle, u.idle[n:])
	clear(u.idle[left:])
	u.idle = u.idle[:left]
	u.mu.Unlock()
	closeAll(old)
}

// sayEvery is how often this machine's own failures are logged.
const sayEvery = 10 * time.Second

// short says that this machine, not the target, is why the target wasn't asked,
// and makes room where that helps.
func (e *Edge) short(target netip.AddrPort, err error) {
	now, last := time.Now().UnixNano(), e.scarce.Load()
	if now-last > int64(sayEvery) && e.scarce.CompareAndSwap(last, now) {
		e.log.Warn("this machine can't connect to a target", "target", target, "err", err)
		if limit.Crowded(err) {
			e.relieve()
		}
	}
}

// Short tells whether this machine itself failed to connect to a target in the
// last minute.
func (e *Edge) Short() bool { return time.Now().UnixNano()-e.scarce.Load() < int64(time.Minute) }
