package edge

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
)

var errUnasked = errors.New("switched protocols without being asked")

// tunnel passes bytes both ways once the target has switched protocols, until
// one side ends or both are idle for too long.
func (a *attempt) tunnel(b *backend, headLen int) *failure {
	c := a.c
	if len(c.req.Switch) == 0 || a.upload != nil {
		return a.malformed(b, errUnasked)
	}
	out := appendStatus(a.scratch.reply[:0], &c.res)
	out = appendFields(out, c.res.Fields)
	for i := range c.res.Fields {
		if f := &c.res.Fields[i]; f.Kind == http1.Upgrade {
			out = appendField(out, f.Name, f.Value)
		}
	}
	out = append(out, "Connection: Upgrade\r\n\r\n"...)
	b.rd.Discard(headLen)
	a.scratch.reply = append(out, b.rd.Buffered()...)
	c.resume()
	if _, err := c.nc.Write(a.scratch.reply); err != nil {
		return nil
	}
	if early := c.rd.Buffered(); len(early) > 0 {
		if _, err := b.conn.Write(early); err != nil {
			return nil
		}
		c.rd.Discard(len(early))
	}

	c.endless.Store(true)
	t := &tunnel{idle: a.route.idle}
	t.active.Store(time.Now().UnixNano())
	var up sync.WaitGroup
	up.Go(func() { t.copy(b.conn, c.nc) })
	t.copy(c.nc, b.conn)
	c.nc.Close()
	b.conn.Close()
	up.Wait()
	c.gone.Store(true)
	return nil
}

type tunnel struct {
	idle   time.Duration
	active atomic.Int64 // when a byte went either way
}

// copy passes bytes from one side to the other, and ends the other's reading
// when it is over.
func (t *tunnel) copy(to, from net.Conn) {
	defer to.Close()
	buf := readBuffers.Get().(*[readSize]byte)
	defer readBuffers.Put(buf)
	for {
		until := time.Unix(0, t.active.Load()).Add(t.idle)
		from.SetReadDeadline(until) //nolint:errcheck // a closed connection says so when it is read
		n, err := from.Read(buf[:])
		if n > 0 {
			now := time.Now()
			t.active.Store(now.UnixNano())
			to.SetWriteDeadline(now.Add(t.idle)) //nolint:errcheck // as above
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		other := time.Unix(0, t.active.Load()).Add(t.idle)
		if err != nil && !(isTimeout(err) && time.Now().Before(other)) {
			return
		}
	}
}
