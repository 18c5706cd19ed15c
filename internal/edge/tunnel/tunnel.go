// Package tunnel passes bytes both ways between two connections.
package tunnel

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/deadline"
)

// tunnel is two connections whose bytes are passed on.
type tunnel struct {
	idle   time.Duration
	active atomic.Int64 // when a byte went either way
}

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Join passes bytes between a and b until one side ends or nothing goes either
// way for as long as idle. It closes both, and tells how many bytes each got.
func Join(a, b net.Conn, idle time.Duration) (toA, toB int64) {
	t := &tunnel{idle: idle}
	t.active.Store(time.Now().UnixNano())
	var up sync.WaitGroup
	up.Go(func() { toB = t.copy(b, a) })
	toA = t.copy(a, b)
	a.Close()
	b.Close()
	up.Wait()
	return toA, toB
}

// copy passes bytes from one side to the other. At its end it closes to, which
// ends the other direction.
func (t *tunnel) copy(to, from net.Conn) (all int64) {
	defer to.Close()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		until := time.Unix(0, t.active.Load()).Add(t.idle)
		from.SetReadDeadline(until) //nolint:errcheck // a closed connection says so when it is read
		n, err := from.Read(buf[:])
		if n > 0 {
			now := time.Now()
			t.active.Store(now.UnixNano())
			to.SetWriteDeadline(now.Add(t.idle)) //nolint:errcheck // as above
			n, err := to.Write(buf[:n])
			all += int64(n)
			if err != nil {
				return all
			}
		}
		other := time.Unix(0, t.active.Load()).Add(t.idle)
		if err != nil && !(deadline.Passed(err) && time.Now().Before(other)) {
			return all
		}
	}
}
