// Package stream sends requests over HTTP/2, each of which is a connection over
// HTTP/1.1 to whoever sends it: what is written to a Stream is the request, and what is
// read from it is the answer.
//
// Many streams share few connections. A request that the server says it didn't look at,
// because it goes away or has enough, is sent again on another connection. What was
// received and not read is held in memory up to the windows. Who closes a stream gives
// the request up.
package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
)

const (
	// The windows that a server gets: a stream whose client is slow must not hold up
	// the others of its connection.
	streamWindow = 128 << 10
	connWindow   = 16 << 20

	maxDials    = 4 // at once
	idleTimeout = 60 * time.Second
	pieceSize   = 16 << 10
)

// Dial opens a connection, which has agreed on HTTP/2 where that is over TLS.
type Dial func(ctx context.Context) (net.Conn, error)

// Client sends requests to one server.
type Client struct {
	dial   Dial
	addr   string
	scheme string
	tr     *http.Transport

	mu      sync.Mutex
	open    int           // connections
	ready   []net.Conn    // that the transport didn't ask for yet
	dialing chan struct{} // closed when the first connection is there, or isn't
	err     error         // why it isn't
}

// New returns a client of the server at addr, over TLS or not. It has no connection yet.
func New(addr string, secured bool, dial Dial) *Client {
	c := &Client{dial: dial, addr: addr, scheme: "http"}
	protocols := &http.Protocols{}
	c.tr = &http.Transport{
		Protocols: protocols, DisableCompression: true, IdleConnTimeout: idleTimeout, MaxConnsPerHost: maxDials,
		MaxResponseHeaderBytes: http1.MaxReply,
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: connWindow},
	}
	if secured {
		c.scheme = "https"
		protocols.SetHTTP2(true)
		c.tr.DialTLSContext = c.next
	} else {
		protocols.SetUnencryptedHTTP2(true)
		c.tr.DialContext = c.next
	}
	return c
}

// next gives the transport a connection.
func (c *Client) next(ctx context.Context, _, _ string) (net.Conn, error) {
	c.mu.Lock()
	if n := len(c.ready); n > 0 {
		nc := c.ready[n-1]
		c.ready = c.ready[:n-1]
		c.mu.Unlock()
		return nc, nil
	}
	c.mu.Unlock()
	return c.dial(ctx)
}

// Opened and Closed count the connections. Who dials calls them when one was dialled, and
// when it is closed.
func (c *Client) Opened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
}

// Closed counts a connection out.
func (c *Client) Closed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
}

// Warm tells whether there is a connection.
func (c *Client) Warm() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open > 0
}

// Connect waits for a connection where there is none: who has not sent anything yet may
// then turn to another server. One caller dials for all.
func (c *Client) Connect(ctx context.Context) error {
	c.mu.Lock()
	if c.open > 0 {
		c.mu.Unlock()
		return nil
	}
	if wait := c.dialing; wait != nil {
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	}
	done := make(chan struct{})
	c.dialing = done
	c.mu.Unlock()
	nc, err := c.dial(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialing, c.err = nil, err
	if err == nil {
		c.ready = append(c.ready, nc)
	}
	close(done)
	return err
}

// CloseIdle closes the connections that carry no request.
func (c *Client) CloseIdle() {
	c.mu.Lock()
	ready := c.ready
	c.ready = nil
	c.mu.Unlock()
	for _, nc := range ready {
		nc.Close()
	}
	c.tr.CloseIdleConnections()
}

// Stream is one request. Its deadlines are those of a connection.
type Stream struct {
	net.Conn // the near end of a pipe
	far      net.Conn
	client   *Client
	ctx      context.Context
	cancel   context.CancelFunc
	begun    bool

	mu  sync.Mutex
	err error // why there is no answer, or no end of it
}

// Open begins a request. The first Write has all of its head.
func (c *Client) Open() *Stream {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	return &Stream{Conn: near, far: far, client: c, ctx: ctx, cancel: cancel}
}

var errNoHead = errors.New("what was written is no request")

// Write implements net.Conn.
func (s *Stream) Write(p []byte) (int, error) {
	if s.begun {
		n, err := s.Conn.Write(p)
		return n, s.reason(err)
	}
	s.begun = true
	p = bytes.Clone(p)
	end := bytes.Index(p, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, errNoHead
	}
	var r http1.Request
	if err := r.Parse(p[:end+4]); err != nil {
		return 0, errors.Join(errNoHead, err)
	}
	go s.run(s.client.request(s, &r, p[end+4:]))
	return len(p), nil
}

// Read implements net.Conn.
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	return n, s.reason(err)
}

// reason is why the other end of the pipe was closed.
func (s *Stream) reason(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) || s.ctx.Err() != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return err
}

// Close implements net.Conn: it gives the request up.
func (s *Stream) Close() error {
	s.cancel()
	if !s.begun {
		s.far.Close()
	}
	return s.Conn.Close()
}

func (s *Stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// run sends the request and passes the answer on.
func (s *Stream) run(req *http.Request) {
	defer s.far.Close()
	defer s.cancel()
	res, err := s.client.tr.RoundTrip(req)
	if err != nil {
		s.fail(err)
		return
	}
	defer res.Body.Close()
	if err := s.answer(res, req.Method == http.MethodHead); err != nil {
		s.fail(err)
	}
}

var pieces = sync.Pool{New: func() any { return new([pieceSize + 32]byte) }}

// answer writes an answer to the far end.
func (s *Stream) answer(res *http.Response, toHead bool) error {
	chunked := !toHead && (res.ContentLength < 0 || len(res.Trailer) > 0)
	if _, err := s.far.Write(appendHead(nil, res, chunked)); err != nil || toHead {
		return err
	}
	buf := pieces.Get().(*[pieceSize + 32]byte)
	defer pieces.Put(buf)
	const room = 16 // for a chunk's size
	for {
		n, err := res.Body.Read(buf[room : room+pieceSize])
		if n > 0 {
			piece := buf[room : room+n]
			if chunked {
				piece = frame(buf[:], room, n)
			}
			if _, err := s.far.Write(piece); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) && chunked:
			_, err := s.far.Write(appendTrailers([]byte("0\r\n"), res.Trailer))
			return err
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// past is a deadline that ends a read at once.
var past = time.Unix(1, 0)

// body is a request's as the transport reads it.
type body struct {
	http1.Body
	far     net.Conn
	trailer http.Header // that was announced
	left    []byte
	whole   atomic.Bool
	closed  sync.Once
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		piece, err := b.Next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, io.ErrClosedPipe // the server wants no more
		}
		if errors.Is(err, io.EOF) {
			b.whole.Store(true)
			b.takeTrailers()
		}
		if err != nil {
			return 0, err
		}
		b.left = piece
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

// takeTrailers gives the transport the values of the trailers.
func (b *body) takeTrailers() {
	for line := range bytes.SplitSeq(b.Trailers, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(": "))
		key := http.CanonicalHeaderKey(string(name))
		if _, announced := b.trailer[key]; announced {
			b.trailer[key] = append(b.trailer[key], string(value))
		}
	}
}

// Close implements io.Closer. What is still written of the body goes nowhere.
func (b *body) Close() error {
	b.closed.Do(func() {
		if !b.whole.Load() {
			b.far.SetReadDeadline(past) //nolint:errcheck // a closed pipe is awake
			go drain(b.far)
		}
	})
	return nil
}

func drain(far net.Conn) {
	var buf [4 << 10]byte
	for {
		_, err := far.Read(buf[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			far.SetReadDeadline(time.Time{}) //nolint:errcheck // reads see it
			continue
		}
		if err != nil {
			return
		}
	}
}
