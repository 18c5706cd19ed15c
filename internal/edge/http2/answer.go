package http2

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/skylift/skylift/internal/edge/http1"
)

// answer is what was written of an answer so far.
type answer struct {
	state state
	kept  []byte // of a head or a chunk that isn't whole yet
	body  []byte // the pieces of a chunked body, put together
	left  int64  // of a body of known length, or of a chunk
	res   http1.Response
}

type state uint8

// What comes next of an answer.
const (
	atHead state = iota
	inSized
	atChunk // the line with its size
	inChunk
	afterChunk
	atTrailers
	atEnd
)

var (
	errMalformed = errors.New("what was written is no answer")
	errTooMuch   = errors.New("more was written than the answer has")
)

// Write implements net.Conn: it takes the answer.
func (st *Stream) Write(p []byte) (int, error) {
	n := len(p)
	for first := true; first || len(p) > 0; first = false {
		var err error
		if p, err = st.write(p); err != nil {
			return n - len(p), err
		}
	}
	return n, nil
}

// write sends what begins p, and returns the rest.
func (st *Stream) write(p []byte) (rest []byte, err error) {
	a := &st.answer
	switch a.state {
	case atHead:
		return st.writeHead(p)
	case inSized:
		piece := p[:min(int64(len(p)), a.left)]
		if a.left -= int64(len(piece)); a.left == 0 {
			a.state = atEnd
		}
		return p[len(piece):], st.send(part{data: piece, last: a.state == atEnd})
	case atEnd:
		if len(p) > 0 {
			return p, errTooMuch
		}
		return nil, nil
	}
	return st.writeChunked(p, nil)
}

// writeHead sends a head, and with it what is there of the body.
func (st *Stream) writeHead(p []byte) (rest []byte, err error) {
	a := &st.answer
	if len(a.kept) > 0 {
		p = append(a.kept, p...)
	}
	end := bytes.Index(p, []byte("\r\n\r\n"))
	if end < 0 {
		a.kept = bytes.Clone(p)
		return nil, nil
	}
	a.kept = nil
	head, rest := p[:end+4], p[end+4:]
	if err := a.res.Parse(head); err != nil || a.res.Status == 101 {
		return rest, errors.Join(errMalformed, err)
	}
	if a.res.Informs() {
		return rest, st.send(part{head: &a.res, length: -1})
	}
	body := a.res.Body(nil, st.toHead)
	switch body.Framing {
	case http1.None:
		a.state = atEnd
		return rest, st.send(part{head: &a.res, length: length(&body), last: true})
	case http1.Sized:
		a.left, a.state = body.Length, inSized
		piece := rest[:min(int64(len(rest)), a.left)]
		if a.left -= int64(len(piece)); a.left == 0 {
			a.state = atEnd
		}
		return rest[len(piece):], st.send(part{head: &a.res, length: length(&body), data: piece, last: a.state == atEnd})
	case http1.Chunked:
		a.state = atChunk
		return st.writeChunked(rest, &a.res)
	}
	return rest, errMalformed // nobody could tell its end
}

// length is the Content-Length that an answer tells; -1: none.
func length(b *http1.Body) int64 {
	if b.Told() {
		return b.Length
	}
	return -1
}

// writeChunked sends what is there of a chunked body, with the head if that is still to be sent.
func (st *Stream) writeChunked(p []byte, head *http1.Response) (rest []byte, err error) {
	a := &st.answer
	if len(a.kept) > 0 {
		p = append(a.kept, p...)
		a.kept = nil
	}
	a.body = a.body[:0]
	var trailers []hpack.HeaderField
	for a.state != atEnd {
		if a.state == inChunk {
			n := min(int64(len(p)), a.left)
			a.body, p = append(a.body, p[:n]...), p[n:]
			if a.left -= n; a.left > 0 {
				break
			}
			a.state = afterChunk
		}
		line, more, whole := bytes.Cut(p, []byte("\r\n"))
		if !whole {
			a.kept, p = bytes.Clone(p), nil
			break
		}
		p = more
		if trailers, err = a.takeLine(line, trailers); err != nil {
			return p, err
		}
	}
	return p, st.send(part{head: head, length: -1, data: a.body, trailers: trailers, last: a.state == atEnd})
}

// takeLine takes a line of what stands around the pieces of a chunked body.
func (a *answer) takeLine(line []byte, trailers []hpack.HeaderField) ([]hpack.HeaderField, error) {
	switch a.state {
	case afterChunk:
		if len(line) > 0 {
			return nil, errMalformed
		}
		a.state = atChunk
	case atChunk:
		n, err := strconv.ParseUint(string(line), 16, 62)
		if err != nil {
			return nil, errMalformed
		}
		a.left, a.state = int64(n), inChunk
		if n == 0 {
			a.state = atTrailers
		}
	case atTrailers:
		if len(line) == 0 {
			a.state = atEnd
			return trailers, nil
		}
		name, value, _ := strings.Cut(string(line), ": ")
		trailers = append(trailers, hpack.HeaderField{Name: strings.ToLower(name), Value: value})
	}
	return trailers, nil
}

// part is what is sent of an answer at once.
type part struct {
	head     *http1.Response // nil: it was sent
	length   int64           // the head's Content-Length; -1: none
	data     []byte
	trailers []hpack.HeaderField
	last     bool
}

// send sends a part. It waits for room in the client's windows, and until the deadline
// at most.
func (st *Stream) send(p part) error {
	s := st.s
	s.begin()
	held := true
	defer func() {
		if held {
			s.end()
		}
	}()
	if p.head != nil {
		st.sendHead(p)
	}
	for len(p.data) > 0 {
		n, err := st.reserve(len(p.data))
		if err != nil {
			return err
		}
		if n == 0 {
			s.end()
			held = false
			if err := st.awaitWindow(); err != nil {
				return err
			}
			s.begin()
			held = true
			continue
		}
		s.fr.WriteData(st.id, p.last && n == len(p.data) && len(p.trailers) == 0, p.data[:n]) //nolint:errcheck // end says it
		if p.data = p.data[n:]; len(p.data) == 0 && len(p.trailers) == 0 {
			return st.sent(p.last)
		}
	}
	switch {
	case len(p.trailers) > 0:
		s.encode(st.id, true, p.trailers...)
	case p.last && p.head == nil:
		s.fr.WriteData(st.id, true, nil) //nolint:errcheck // as above
	}
	return st.sent(p.last)
}

// sent notes that all is sent, if so, and tells whether it went.
func (st *Stream) sent(last bool) error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.answered = st.answered || last
	return st.err
}

// reserve takes up to n bytes of the windows, and of a frame; 0: there is no room.
func (st *Stream) reserve(n int) (int, error) {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.err != nil {
		return 0, st.err
	}
	got := min(int64(n), st.window, s.window, int64(s.frame))
	if got <= 0 {
		s.waiting[st] = struct{}{}
		return 0, nil
	}
	delete(s.waiting, st)
	st.window -= got
	s.window -= got
	s.control = 0
	return int(got), nil
}

// awaitWindow waits until it is worth to try again.
func (st *Stream) awaitWindow() error {
	if err := await(st.writable, &st.writeBy); err != nil {
		return err
	}
	if by := st.writeBy.Load(); by != 0 && by < time.Now().UnixNano() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// sendHead sends a head. The right to write is held.
func (st *Stream) sendHead(p part) {
	s := st.s
	s.block.Reset()
	s.field(":status", strconv.Itoa(p.head.Status))
	for i := range p.head.Fields {
		if f := &p.head.Fields[i]; !f.Hop {
			s.field(lower(f.Name), string(f.Value))
		}
	}
	if p.length >= 0 {
		s.field("content-length", strconv.FormatInt(p.length, 10))
	}
	s.writeBlock(st.id, p.last && len(p.data) == 0 && len(p.trailers) == 0)
}

func (s *Server) field(name, value string) {
	s.enc.WriteField(hpack.HeaderField{Name: name, Value: value}) //nolint:errcheck // a buffer takes everything
}

// encode sends fields as a block. The right to write is held.
func (s *Server) encode(id uint32, last bool, fields ...hpack.HeaderField) {
	s.block.Reset()
	for _, f := range fields {
		s.field(f.Name, f.Value)
	}
	s.writeBlock(id, last)
}

// writeBlock sends the block as one frame, or several.
func (s *Server) writeBlock(id uint32, last bool) {
	block := s.block.Bytes()
	piece := block[:min(len(block), firstFrame)]
	block = block[len(piece):]
	s.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: piece, EndStream: last, EndHeaders: len(block) == 0}) //nolint:errcheck // end says it
	for len(block) > 0 {
		piece = block[:min(len(block), firstFrame)]
		block = block[len(piece):]
		s.fr.WriteContinuation(id, len(block) == 0, piece) //nolint:errcheck // as above
	}
}

// lower is a field's name as HTTP/2 has it.
func lower(name []byte) string {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			return strings.ToLower(string(name))
		}
	}
	return string(name)
}
