// Package http1 reads HTTP/1 messages without copying them.
//
// Heads and pieces of bodies are slices of the connection's buffer, good
// until it is read from again. What two parties could read differently is
// an error, so that whoever writes the message anew can't be made to smuggle
// one inside another.
package http1

import (
	"bytes"
	"errors"
	"io"
)

// ErrTooLarge is a head that is longer than the reader's limit.
var ErrTooLarge = errors.New("message head too large")

// Reader is a buffer over a connection.
type Reader struct {
	src  io.Reader
	buf  []byte
	r, w int
	read int64 // from src, in all
}

// Reset makes the reader read from src into buf, which must not be empty.
func (b *Reader) Reset(src io.Reader, buf []byte) {
	b.src, b.buf, b.r, b.w = src, buf, 0, 0
}

// Release takes the buffer back; Reset gives the next one.
func (b *Reader) Release() []byte {
	buf := b.buf
	b.buf, b.r, b.w = nil, 0, 0
	return buf
}

// Consumed is how many bytes were read and consumed in all.
func (b *Reader) Consumed() int64 { return b.read - int64(b.w-b.r) }

// Buffered is what was read and not consumed yet.
func (b *Reader) Buffered() []byte { return b.buf[b.r:b.w] }

// Room tells whether Fill could read without growing the buffer.
func (b *Reader) Room() bool { return b.w < len(b.buf) || b.r > 0 }

// Discard consumes n of the buffered bytes.
func (b *Reader) Discard(n int) {
	b.r += n
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
}

// Grow makes the buffer at least size long.
func (b *Reader) Grow(size int) {
	if size <= len(b.buf) {
		return
	}
	buf := make([]byte, size)
	b.w = copy(buf, b.buf[b.r:b.w])
	b.buf, b.r = buf, 0
}

// Fill reads once, behind what is buffered. It makes room by moving that, or
// by growing.
func (b *Reader) Fill() error {
	if b.w == len(b.buf) {
		if b.r > 0 {
			b.w = copy(b.buf, b.buf[b.r:b.w])
			b.r = 0
		} else {
			b.Grow(2 * len(b.buf))
		}
	}
	n, err := b.src.Read(b.buf[b.w:])
	b.w += n
	b.read += int64(n)
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// Head waits until a whole head is buffered and returns it, with the empty
// line that ends it but not consumed. Empty lines before it are. The error is
// io.EOF when the connection ends before a head begins, io.ErrUnexpectedEOF
// when it ends within.
func (b *Reader) Head(limit int) ([]byte, error) {
	seen := 0 // up to here there is no end of the head
	for {
		if seen == 0 {
			b.skipEmptyLines()
		}
		head := b.buf[b.r:b.w]
		if end := endOfHead(head, seen); end > 0 {
			if end > limit {
				return nil, ErrTooLarge
			}
			return head[:end], nil
		}
		if len(head) > limit {
			return nil, ErrTooLarge
		}
		seen = max(0, len(head)-3)
		if err := b.Fill(); err != nil {
			if errors.Is(err, io.EOF) && len(head) > 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

func (b *Reader) skipEmptyLines() {
	for b.r < b.w {
		switch {
		case b.buf[b.r] == '\n':
			b.Discard(1)
		case b.buf[b.r] == '\r' && b.r+1 < b.w && b.buf[b.r+1] == '\n':
			b.Discard(2)
		default:
			return
		}
	}
}

// endOfHead is where the head in p ends, 0 if it doesn't, looking from from.
// A line may end in a bare LF.
func endOfHead(p []byte, from int) int {
	for i := from; ; {
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		if i < len(p) && p[i] == '\n' {
			return i + 1
		}
		if i+1 < len(p) && p[i] == '\r' && p[i+1] == '\n' {
			return i + 2
		}
	}
}
