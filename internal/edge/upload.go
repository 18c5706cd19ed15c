package edge

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
)

// upload sends a request's body to the target while the answer may already
// come. Whoever started it calls end.
type upload struct {
	finished chan struct{}
	read     atomic.Bool // the client has sent all of it
	starves  atomic.Bool // it waits for the client
	cutOff   atomic.Bool // the target doesn't take it
	stop     atomic.Bool
	// status is what a request that broke off is answered with: 0 nothing,
	// -1 it didn't break off on the client's side.
	status atomic.Int64
}

func startUpload(c *conn, b *backend, idle time.Duration) *upload {
	u := &upload{finished: make(chan struct{})}
	u.status.Store(-1)
	c.rd.Grow(bodyBuffer)
	go u.run(c, b, idle)
	return u
}

func (u *upload) run(c *conn, b *backend, idle time.Duration) {
	defer close(u.finished)
	chunk := c.body.Framing == http1.Chunked
	var out []byte
	for {
		now := time.Now()
		c.touch(now, idle)
		b.touch(now, idle)
		if u.stop.Load() {
			return
		}
		u.starves.Store(true)
		piece, err := c.body.Next()
		u.starves.Store(false)
		switch {
		case err == nil:
			u.read.Store(!chunk && c.body.Ended())
			if chunk {
				out = appendChunk(out[:0], piece)
				piece = out
			}
		case errors.Is(err, io.EOF) && chunk:
			u.read.Store(true)
			piece = append(append(append(out[:0], "0\r\n"...), c.body.Trailers...), "\r\n"...)
		case errors.Is(err, io.EOF):
			return
		default:
			u.broke(c, b, err)
			return
		}
		if _, err := b.conn.Write(piece); err != nil {
			u.cutOff.Store(true)
			return // whoever reads the answer sees what is wrong
		}
		if chunk && c.body.Ended() {
			return
		}
	}
}

// broke ends the request, as the client does.
func (u *upload) broke(c *conn, b *backend, err error) {
	if u.stop.Load() {
		return
	}
	bad, malformed := errors.AsType[*http1.Error](err)
	switch {
	case malformed:
		u.status.Store(int64(bad.Status))
	case isTimeout(err):
		u.status.Store(408)
	default:
		u.status.Store(0)
		c.gone.Store(true)
	}
	b.conn.Close()
}

// delivered waits for the end of an upload that the client has sent all of,
// and tells whether the target got it.
func (u *upload) delivered() bool {
	<-u.finished
	return !u.cutOff.Load()
}

// end waits for the upload. If it isn't done it is stopped, and the client's
// connection is of no more use for another request.
func (u *upload) end(c *conn) {
	u.stop.Store(true)
	select {
	case <-u.finished:
	default:
		c.nc.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection is awake
		if b := c.backend.Load(); b != nil && !u.read.Load() {
			b.conn.Close() // it may be stuck there
		}
		<-u.finished
		c.deadline.Store(0)
	}
}
