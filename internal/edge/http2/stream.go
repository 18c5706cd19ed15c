package http2

import (
	"errors"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

var (
	errReset  = errors.New("the client gave the request up")
	errClosed = net.ErrClosed
)

// Stream is a request as a connection over HTTP/1.1, on which it is the only one. One
// goroutine reads and one writes at a time.
type Stream struct {
	s  *Server
	id uint32

	toHead  bool  // the answer has no body
	chunked bool  // so is the request's body, as it is read
	length  int64 // that the request says it has; -1: it doesn't

	head  []byte // what is left to be read of the request's
	frame []byte // what is left to be read of what stands around its body's pieces
	done  bool   // the end of a chunked body was read

	// Guarded by Server.mu.
	space    []byte // where buf is in
	buf      []byte // received and not read yet
	got      int64  // how long the body was so far
	ended    bool   // the client has sent all
	trailers []byte // lines
	open     int64  // what the client may send
	received int64  // what was read of that, and the client wasn't told of
	window   int64  // what may be sent
	answered bool   // all was sent
	err      error  // why the stream has ended

	readable, writable chan struct{} // get a value when it may be worth to look again
	readBy, writeBy    atomic.Int64  // deadlines; 0: none

	answer answer
}

// wake makes somebody who waits look again.
func (st *Stream) wake(who chan struct{}) {
	select {
	case who <- struct{}{}:
	default:
	}
}

// break_ ends the stream. Server.mu is held.
func (st *Stream) break_(err error) {
	if st.err == nil {
		st.err = err
	}
	st.wake(st.readable)
	st.wake(st.writable)
}

// receive takes a piece of the request's body. Server.mu is held.
func (st *Stream) receive(data []byte, last bool) error {
	st.got += int64(len(data))
	if st.length >= 0 && (st.got > st.length || last && st.got != st.length) {
		st.s.received += int64(len(data))
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
	}
	if len(st.buf) == 0 {
		st.buf = st.space[:0]
	}
	if len(st.buf)+len(data) > cap(st.buf) {
		st.space = make([]byte, 0, max(2*len(st.buf), len(st.buf)+len(data), 4<<10))
		st.buf = append(st.space, st.buf...)
	}
	st.buf = append(st.buf, data...)
	st.ended = last
	st.wake(st.readable)
	return nil
}

// receiveTrailers takes what stands behind the request's body. Server.mu is held.
func (st *Stream) receiveTrailers(f *http2.MetaHeadersFrame) error {
	if st.ended {
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeStreamClosed}
	}
	if !f.StreamEnded() || len(f.PseudoFields()) > 0 || f.Truncated || st.length >= 0 && st.got != st.length {
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
	}
	for _, h := range f.Fields {
		st.trailers = append(append(append(append(st.trailers, h.Name...), ": "...), h.Value...), "\r\n"...)
	}
	st.s.control = 0
	st.ended = true
	st.wake(st.readable)
	return nil
}

// Read implements net.Conn: it reads the request. Behind its end it waits for the
// client to give it up.
func (st *Stream) Read(p []byte) (int, error) {
	for {
		if n := copy(p, st.head); n > 0 {
			st.head = st.head[n:]
			return n, nil
		}
		if n := copy(p, st.frame); n > 0 {
			st.frame = st.frame[n:]
			return n, nil
		}
		st.s.mu.Lock()
		n, err := st.readBody(p)
		st.s.mu.Unlock()
		if n > 0 {
			st.s.giveBack(st)
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if len(st.frame) > 0 {
			continue
		}
		if err := await(st.readable, &st.readBy); err != nil {
			return 0, err
		}
	}
}

// smallest is how much room a chunk needs to be read at once.
const smallest = 64

// readBody reads what is there of the body, or has what stands around it read first.
// Server.mu is held.
func (st *Stream) readBody(p []byte) (n int, err error) {
	switch {
	case st.err != nil:
		return 0, st.err
	case len(st.buf) > 0 && !st.chunked:
		n = copy(p, st.buf)
	case len(st.buf) > 0 && len(p) >= smallest:
		piece := min(len(st.buf), len(p)-smallest/2)
		out := append(strconv.AppendInt(p[:0], int64(piece), 16), "\r\n"...)
		out = append(append(out, st.buf[:piece]...), "\r\n"...)
		st.take(piece)
		return len(out), nil
	case len(st.buf) > 0:
		piece := min(len(st.buf), 1<<10)
		st.frame = append(strconv.AppendInt(st.frame[:0], int64(piece), 16), "\r\n"...)
		st.frame = append(append(st.frame, st.buf[:piece]...), "\r\n"...)
		st.take(piece)
		return 0, nil
	case st.ended && st.chunked && !st.done:
		st.done = true
		st.frame = append(append(append(st.frame[:0], "0\r\n"...), st.trailers...), "\r\n"...)
		return 0, nil
	}
	st.take(n)
	return n, nil
}

// take takes what was read out of the buffer. Server.mu is held.
func (st *Stream) take(n int) {
	st.buf = st.buf[n:]
	st.received += int64(n)
	st.s.received += int64(n)
}

// await waits for a value, until a deadline, which may move meanwhile: whoever moves it
// sends a value.
func await(wake <-chan struct{}, by *atomic.Int64) error {
	at := by.Load()
	if at == 0 {
		<-wake
		return nil
	}
	left := time.Until(time.Unix(0, at))
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-wake:
	case <-t.C:
	}
	return nil
}

// Close implements net.Conn: nothing is read or written any more.
func (st *Stream) Close() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.break_(errClosed)
	return nil
}

// LocalAddr implements net.Conn.
func (st *Stream) LocalAddr() net.Addr { return st.s.nc.LocalAddr() }

// RemoteAddr implements net.Conn.
func (st *Stream) RemoteAddr() net.Addr { return st.s.nc.RemoteAddr() }

// SetDeadline implements net.Conn.
func (st *Stream) SetDeadline(t time.Time) error {
	return errors.Join(st.SetReadDeadline(t), st.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (st *Stream) SetReadDeadline(t time.Time) error {
	set(&st.readBy, t)
	st.wake(st.readable)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (st *Stream) SetWriteDeadline(t time.Time) error {
	set(&st.writeBy, t)
	st.wake(st.writable)
	return nil
}

func set(by *atomic.Int64, t time.Time) {
	if t.IsZero() {
		by.Store(0)
	} else {
		by.Store(t.UnixNano())
	}
}

var _ net.Conn = (*Stream)(nil)
