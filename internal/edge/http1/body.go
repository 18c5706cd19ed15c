package http1

import (
	"bytes"
	"errors"
	"io"
)

// Framing is how the end of a body is told.
type Framing uint8

// The framings.
const (
	None Framing = iota // there is no body
	Sized
	Chunked
	UntilClose
)

const (
	maxChunkLine = 1 << 10
	maxTrailers  = 16 << 10
)

// Body yields a message's body piece by piece, as it arrives.
type Body struct {
	Framing  Framing
	Length   int64  // of a Sized body; of a None one what a Content-Length says
	Trailers []byte // lines behind a Chunked body, good until the reader is read again

	src   *Reader
	told  bool  // a None body has a Content-Length nevertheless
	left  int64 // of the body or of the chunk
	state chunkState
	ended bool
}

type chunkState uint8

const (
	atSize chunkState = iota
	inChunk
	afterChunk
	atTrailers
)

// Told tells whether the message has a Content-Length.
func (b *Body) Told() bool { return b.told || b.Framing == Sized }

// Ended tells whether the body was read to its end.
func (b *Body) Ended() bool {
	return b.ended || b.Framing == None || b.Framing == Sized && b.left == 0
}

// Whole tells whether all the rest of a body of known size is buffered.
func (b *Body) Whole() bool {
	return b.Framing == None || b.Framing == Sized && b.left <= int64(len(b.src.Buffered()))
}

// Rest consumes all the rest of a Whole body and returns it, good until the
// reader is read from again.
func (b *Body) Rest() []byte {
	if b.Framing == None {
		return nil
	}
	rest := b.src.Buffered()[:b.left]
	b.src.Discard(int(b.left))
	b.left = 0
	return rest
}

// Ready tells whether Next would return a piece without waiting for the
// connection.
func (b *Body) Ready() bool {
	p := b.src.Buffered()
	if b.Framing != Chunked || b.ended || b.state == inChunk {
		return b.Ended() || len(p) > 0
	}
	if b.state == afterChunk {
		_, p, _ = bytes.Cut(p, []byte("\n"))
	}
	_, p, _ = bytes.Cut(p, []byte("\n"))
	return len(p) > 0
}

// Next returns the next piece, which is good until the reader is read from
// again, or io.EOF behind the last.
func (b *Body) Next() ([]byte, error) {
	if b.Ended() {
		return nil, io.EOF
	}
	switch b.Framing {
	case Chunked:
		return b.nextChunked()
	case Sized:
		return b.take()
	default:
		piece, err := b.take()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			b.ended = true
			return nil, io.EOF
		}
		return piece, err
	}
}

// take returns what is there of the body or chunk.
func (b *Body) take() ([]byte, error) {
	if len(b.src.Buffered()) == 0 {
		if err := b.fill(); err != nil {
			return nil, err
		}
	}
	piece := b.src.Buffered()
	if b.Framing != UntilClose {
		if int64(len(piece)) > b.left {
			piece = piece[:b.left]
		}
		b.left -= int64(len(piece))
	}
	b.src.Discard(len(piece))
	return piece, nil
}

func (b *Body) nextChunked() ([]byte, error) {
	for {
		switch b.state {
		case atSize:
			line, err := b.line(maxChunkLine)
			if err != nil {
				return nil, err
			}
			if b.left, err = chunkSize(line); err != nil {
				return nil, err
			}
			if b.state = inChunk; b.left == 0 {
				b.state = atTrailers
			}
		case inChunk:
			piece, err := b.take()
			if b.left == 0 {
				b.state = afterChunk
			}
			return piece, err
		case afterChunk:
			line, err := b.line(2)
			if err != nil {
				return nil, err
			}
			if len(line) > 0 {
				return nil, malformed("chunk longer than its size")
			}
			b.state = atSize
		case atTrailers:
			if err := b.readTrailers(); err != nil {
				return nil, err
			}
			b.ended = true
			return nil, io.EOF
		}
	}
}

// line consumes one line, which must end in CRLF.
func (b *Body) line(limit int) ([]byte, error) {
	for {
		p := b.src.Buffered()
		i := bytes.IndexByte(p, '\n')
		if i == 0 || i > 0 && p[i-1] != '\r' || i < 0 && len(p) > limit || i > limit {
			return nil, malformed("malformed chunk")
		}
		if i > 0 {
			b.src.Discard(i + 1)
			return p[:i-1], nil
		}
		if err := b.fill(); err != nil {
			return nil, err
		}
	}
}

func (b *Body) fill() error {
	err := b.src.Fill()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func chunkSize(line []byte) (int64, error) {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	digits = trim(digits)
	if len(digits) == 0 || len(digits) > 15 {
		return 0, malformed("malformed chunk size")
	}
	var n int64
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, malformed("malformed chunk size")
		}
		n = n<<4 | int64(c)
	}
	return n, nil
}

// readTrailers keeps the lines that may stand behind a body.
func (b *Body) readTrailers() error {
	var kept []byte
	for read := 0; ; {
		line, err := b.line(maxTrailers)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			b.Trailers = kept
			return nil
		}
		if read += len(line); read > maxTrailers {
			return malformed("trailers too long")
		}
		f, err := parseField(line)
		if err != nil {
			return err
		}
		if f.Kind == Other {
			kept = append(append(append(append(kept, f.Name...), ": "...), f.Value...), "\r\n"...)
		}
	}
}
