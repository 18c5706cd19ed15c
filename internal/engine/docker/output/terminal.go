package output

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// stampSize is the size of the time before each line of a log, and of the space.
const stampSize = len("2006-01-02T15:04:05.000000000Z ")

// Terminal reads the log of a container with a terminal. The daemon sends it
// as plain text, in which a part of a long line ends where it is full, and what
// a container left without a newline ends where it was started again.
type Terminal struct {
	R         *bufio.Reader
	Restarted bool   // the container was
	rest      []byte // was read with the frame before
}

// Next returns the next message; io.EOF is the end.
func (l *Terminal) Next() (Frame, error) {
	body := l.rest
	l.rest = nil
	for len(body) < stampSize+partialFrame && !bytes.HasSuffix(body, []byte("\n")) {
		b, err := l.R.ReadByte()
		if errors.Is(err, io.EOF) && len(body) > 0 {
			break
		}
		if err != nil {
			return Frame{}, err
		}
		body = append(body, b)
	}
	if at := laterRun(body); l.Restarted && at > 0 {
		body, l.rest = body[:at:at], bytes.Clone(body[at:])
	}
	return stamped(body)
}

// laterRun returns where a message ends because the container was started
// again: where there is another, later time. It is 0 when there is none.
func laterRun(body []byte) int {
	first, ok := stampAt(body)
	if !ok {
		return 0
	}
	for at := stampSize; at+stampSize <= len(body); at++ {
		if then, ok := stampAt(body[at:]); ok && then.After(first) {
			return at
		}
	}
	return 0
}

// stampAt reads the time that text begins with.
func stampAt(text []byte) (time.Time, bool) {
	if len(text) < stampSize || text[stampSize-2] != 'Z' || text[stampSize-1] != ' ' {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(text[:stampSize-1]))
	return at, err == nil
}
