// Package deadline moves the deadlines of connections, and tells when one has
// passed.
//
// A deadline is not moved every time: that would be a call into the runtime's
// timers for each piece that passes.
package deadline

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// Lazy is a connection's deadline. It is safe for concurrent use.
type Lazy struct{ at atomic.Int64 }

// Extend gives conn at least idle from now. The deadline is set an eighth later
// than asked for, and again only when that eighth is used up.
func (d *Lazy) Extend(conn net.Conn, now time.Time, idle time.Duration) {
	left := time.Duration(d.at.Load() - now.UnixNano())
	if slack := idle / 8; left < idle || left > idle+slack {
		at := now.Add(idle + slack)
		d.at.Store(at.UnixNano())
		conn.SetDeadline(at) //nolint:errcheck // a closed connection says so when it is used
	}
}

// Forget makes the next Extend set the deadline, because somebody else moved it.
// It tells whether the deadline that was set here is still to come.
func (d *Lazy) Forget() (ahead bool) { return d.at.Swap(0) > time.Now().UnixNano() }

// Passed tells whether a read or a write failed because its deadline has passed.
func Passed(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
