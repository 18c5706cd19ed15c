package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// body is a request's body with a deadline that moves on while bytes arrive: a slow
// client has time, and a silent one doesn't hold the connection. It is nil for a
// request without a body.
type body struct {
	io.ReadCloser
	w      http.ResponseWriter
	ctl    *http.ResponseController
	within time.Duration // the next piece must come
	pace   int64         // bytes a second that it must have on the whole; 0: any
	start  time.Time
	n      int64 // bytes read
	ended  bool
}

// bodyOf puts r's body under a deadline.
func (g *Gateway) bodyOf(w http.ResponseWriter, r *http.Request) *body {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	b := &body{ReadCloser: r.Body, w: w, ctl: http.NewResponseController(w), within: g.cfg.ReadTimeout, start: time.Now()}
	b.expect(b.within)
	r.Body = b
	return b
}

// expect sets the deadline of the next piece. It also holds for what is left of the
// body after the answer.
func (b *body) expect(within time.Duration) {
	// A server that knows no deadlines (httptest's recorder) sets none.
	_ = b.ctl.SetReadDeadline(time.Now().Add(within))
}

// Read reads the next piece.
func (b *body) Read(p []byte) (n int, err error) {
	within := b.within
	if b.pace > 0 {
		within = min(within, time.Until(b.start.Add(b.within+time.Duration(b.n*int64(time.Second)/b.pace))))
	}
	b.expect(within)
	n, err = b.ReadCloser.Read(p)
	b.n += int64(n)
	if errors.Is(err, io.EOF) {
		b.ended = true
		_ = b.ctl.SetReadDeadline(time.Time{}) // the handler takes its time
	}
	return n, err
}

// refuse says that nobody will read the body. The answer goes out at once, and the
// connection ends with it. What has arrived by then is still read, because closing
// a connection with unread data would destroy the answer.
func (b *body) refuse() {
	if b == nil || b.ended {
		return
	}
	b.w.Header().Set("Connection", "close")
	b.expect(lingerTime)
}

// guard returns a writer to w that sends errors at once, without waiting for the
// rest of the body.
func (b *body) guard(w http.ResponseWriter) http.ResponseWriter {
	if b == nil {
		return w
	}
	return &guarded{w, b}
}

type guarded struct {
	http.ResponseWriter
	in *body
}

// WriteHeader sends the head of the answer.
func (g *guarded) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		g.in.refuse()
	}
	g.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (g *guarded) Unwrap() http.ResponseWriter { return g.ResponseWriter }
