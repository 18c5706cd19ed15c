package edge

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/deadline"
	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/target"
)

// bodyBuffer is how much of a request's body is read at once.
const bodyBuffer = 32 << 10

// upload sends a request's body to the target. The answer may come meanwhile.
// Whoever started an upload calls end.
type upload struct {
	finished chan struct{}
	read     atomic.Bool // the client has sent all of it
	starves  atomic.Bool // it waits for the client
	cutOff   atomic.Bool // the target doesn't take it
	stop     atomic.Bool
	// status answers a request that broke off on the client's side: 0 nothing, -1
	// it didn't break off there.
	status atomic.Int64
}

func startUpload(c *conn, b *target.Conn, idle time.Duration) *upload {
	u := &upload{finished: make(chan struct{})}
	u.status.Store(-1)
	c.In.Grow(bodyBuffer)
	go u.run(c, b, idle)
	return u
}

func (u *upload) run(c *conn, b *target.Conn, idle time.Duration) {
	defer close(u.finished)
	chunk := c.body.Framing == http1.Chunked
	var out []byte
	for {
		now := time.Now()
		c.Touch(now, idle)
		b.Touch(now, idle)
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
				out = rewrite.AppendChunk(out[:0], piece)
				piece = out
			}
		case errors.Is(err, io.EOF) && chunk:
			u.read.Store(true)
			piece = append(append(append(out[:0], "0\r\n"...), c.body.Trailers...), "\r\n"...)
		case errors.Is(err, io.EOF):
			c.Await(now)
			return
		default:
			u.broke(c, b, err)
			return
		}
		if _, err := b.Net.Write(piece); err != nil {
			u.cutOff.Store(true)
			return // whoever reads the answer sees the failure
		}
		if chunk && c.body.Ended() {
			c.Await(time.Now())
			return
		}
	}
}

// broke ends the request because the client's side of it failed.
func (u *upload) broke(c *conn, b *target.Conn, err error) {
	if u.stop.Load() {
		return
	}
	bad, malformed := errors.AsType[*http1.Error](err)
	switch {
	case malformed:
		u.status.Store(int64(bad.Status))
	case deadline.Passed(err):
		u.status.Store(408)
	default:
		u.status.Store(0)
		c.Gone.Store(true)
	}
	b.Net.Close()
}

// delivered waits for the end of an upload that the client has sent in full, and
// tells whether the target got it.
func (u *upload) delivered() bool {
	<-u.finished
	return !u.cutOff.Load()
}

// end waits for the upload, and ends the watch over the client that it may have begun. An upload that isn't done is stopped; the client's
// connection is then of no use for another request.
func (u *upload) end(c *conn) {
	u.stop.Store(true)
	select {
	case <-u.finished:
	default:
		c.Interrupt()
		if b := c.Backend.Load(); b != nil && !u.read.Load() {
			b.Net.Close() // it may be stuck there
		}
		<-u.finished
		c.Calm()
	}
	c.Resume()
}
