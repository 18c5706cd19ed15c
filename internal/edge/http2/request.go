package http2

import (
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// takeHeaders begins a request, or ends one with trailers.
func (s *Server) takeHeaders(f *http2.MetaHeadersFrame) error {
	id := f.StreamID
	s.mu.Lock()
	if st := s.streams[id]; st != nil {
		defer s.mu.Unlock()
		return st.receiveTrailers(f)
	}
	switch {
	case id%2 == 0 || id <= s.last && !s.wasReset(id):
		s.mu.Unlock()
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case id <= s.last || s.final: // sent before the client knew
		defer s.mu.Unlock()
		s.last = max(s.last, id)
		s.noteReset(id)
		return s.countLocked()
	}
	s.last, s.control = id, 0
	full := len(s.streams) >= maxStreams || s.handlers >= maxHandlers
	s.mu.Unlock()
	if f.HasPriority() && f.Priority.StreamDep == id {
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	if full {
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeRefusedStream}
	}
	st, ok := newStream(s, f)
	if !ok {
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	s.run(st)
	return nil
}

// run has a request answered.
func (s *Server) run(st *Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.streams[st.id] = st
	st.window, st.open = s.initial, streamWindow
	if s.handlers++; s.handlers == 1 {
		s.cfg.Busy()
	}
	s.answers.Go(func() {
		defer s.over(st)
		s.cfg.Handle(st)
	})
}

// over ends a request that nobody works on any more.
func (s *Server) over(st *Stream) {
	s.mu.Lock()
	open := s.streams[st.id] == st
	code, reset := http2.ErrCodeNo, open && !st.ended
	if open && !st.answered {
		code, reset = http2.ErrCodeInternal, true
	}
	if open {
		s.forget(st)
		s.faults = max(0, s.faults-1)
	}
	if reset {
		s.noteReset(st.id)
	}
	s.mu.Unlock()
	if reset {
		s.begin()
		s.fr.WriteRSTStream(st.id, code) //nolint:errcheck // end says it
		s.end()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handlers--; s.handlers == 0 {
		s.cfg.Idle()
		s.leave()
	}
}

// newStream reads the head of a request; ok is false when it is malformed (RFC 9113, 8.1.1).
func newStream(s *Server, f *http2.MetaHeadersFrame) (st *Stream, ok bool) {
	st = &Stream{s: s, id: f.StreamID, length: -1, ended: f.StreamEnded(), readable: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
	if f.Truncated {
		st.head = tooLong
		return st, true
	}
	var method, scheme, path, authority, host string
	for _, h := range f.PseudoFields() {
		switch h.Name {
		case ":method":
			method = h.Value
		case ":scheme":
			scheme = h.Value
		case ":path":
			path = h.Value
		case ":authority":
			authority = h.Value
		default:
			return nil, false
		}
	}
	fields := f.RegularFields()
	if method == "" || scheme == "" || path == "" || path[0] != '/' && path != "*" || !st.look(fields, &host) {
		return nil, false
	}
	if authority == "" {
		authority = host
	}
	if host != "" && !strings.EqualFold(host, authority) || st.ended && st.length > 0 {
		return nil, false
	}
	st.toHead = method == "HEAD"
	st.chunked = !st.ended && st.length < 0
	st.head = appendHead(make([]byte, 0, 256+64*len(fields)), method, path, authority, fields, st)
	return st, true
}

// tooLong is the head of a request whose own is longer than what is read: it is answered
// as any that is malformed.
var tooLong = []byte("? HTTP/1.1\r\n\r\n")

// look takes in what a request's fields say of the message; false: one of them may not
// be there. A Host that is there twice is none.
func (st *Stream) look(fields []hpack.HeaderField, host *string) bool {
	for _, h := range fields {
		switch h.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			return false
		case "te":
			if h.Value != "trailers" {
				return false
			}
		case "content-length":
			n, err := strconv.ParseUint(h.Value, 10, 63)
			if err != nil || st.length >= 0 && st.length != int64(n) {
				return false
			}
			st.length = int64(n)
		case "host":
			if *host != "" && *host != h.Value {
				return false
			}
			*host = h.Value
		}
	}
	return true
}

// appendHead writes a request's head over HTTP/1.1. Crumbs of a cookie become one
// (RFC 9113, 8.2.3). Whether the body is sent at once is the balancer's business.
func appendHead(out []byte, method, path, authority string, fields []hpack.HeaderField, st *Stream) []byte {
	out = append(append(append(append(out, method...), ' '), path...), " HTTP/1.1\r\n"...)
	if authority != "" {
		out = append(append(append(out, "host: "...), authority...), "\r\n"...)
	}
	crumbs := 0
	for _, h := range fields {
		switch h.Name {
		case "host", "content-length", "expect":
			continue
		case "cookie":
			crumbs++
			continue
		}
		out = append(append(append(append(out, h.Name...), ": "...), h.Value...), "\r\n"...)
	}
	if crumbs > 0 {
		out = append(out, "cookie: "...)
		for _, h := range fields {
			if h.Name != "cookie" {
				continue
			}
			out = append(out, h.Value...)
			if crumbs--; crumbs > 0 {
				out = append(out, "; "...)
			}
		}
		out = append(out, "\r\n"...)
	}
	switch {
	case st.chunked:
		out = append(out, "transfer-encoding: chunked\r\n"...)
	case st.length >= 0:
		out = append(strconv.AppendInt(append(out, "content-length: "...), st.length, 10), "\r\n"...)
	}
	return append(out, "\r\n"...)
}
