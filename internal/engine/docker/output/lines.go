// Package output reads the logs of containers as the daemon sends them, and makes
// lines of them.
package output

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
)

const (
	// maxFrame guards against a stream that isn't a log; the daemon's frames
	// are some 16 KiB.
	maxFrame = 16 << 20
	// partialFrame is the size of the parts of a long line. A shorter one without
	// newline is the last that a stream had before the container ended; what
	// follows was written after a restart.
	partialFrame = 16 << 10
)

// Frame is one message of a container's log: a line, or a part of one when
// it has no newline.
type Frame struct {
	time   time.Time
	stderr bool
	text   []byte
}

// ReadFrame reads one message of the daemon's multiplexed stream; io.EOF is
// its end.
func ReadFrame(r *bufio.Reader) (Frame, error) {
	var header [8]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Frame{}, err
	}
	size := binary.BigEndian.Uint32(header[4:])
	if size > maxFrame {
		return Frame{}, fmt.Errorf("log frame of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return Frame{}, fmt.Errorf("log frame cut short: %w", io.ErrUnexpectedEOF)
	}
	kind := stdcopy.StdType(header[0])
	if kind == stdcopy.Systemerr {
		return Frame{}, fmt.Errorf("%s%s", daemon.Prefix, bytes.TrimSpace(body))
	}
	f, err := stamped(body)
	f.stderr = kind == stdcopy.Stderr
	return f, err
}

// stamped splits the time from a line, or a part of one.
func stamped(body []byte) (Frame, error) {
	stamp, text, _ := bytes.Cut(body, []byte(" "))
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return Frame{}, fmt.Errorf("log frame without time: %w", err)
	}
	return Frame{time: at, text: text}, nil
}

// Lines makes lines of frames. Times strictly increase: a line that was
// written at the same time as the one before, or seems older, comes 1 ns after
// it. The same frames always make the same lines, so a line's time is a cursor.
type Lines struct {
	After    time.Time // lines up to here were emitted by an earlier call
	last     time.Time
	pending  [2]Frame // by stream: the start of a line
	Terminal bool     // lines end in a carriage return too
	Emit     func(engine.Line) error
}

// Add takes the next frame.
func (m *Lines) Add(f Frame) error {
	p := &m.pending[stream(f.stderr)]
	if p.text == nil {
		p.time, p.stderr = f.time, f.stderr
	}
	text, whole := bytes.CutSuffix(f.text, []byte("\n"))
	p.text = append(p.text, text...)
	for len(p.text) > engine.MaxLine {
		end := engine.CutAt(p.text)
		rest := bytes.Clone(p.text[end:])
		p.text = p.text[:end]
		if err := m.finish(p); err != nil {
			return err
		}
		*p = Frame{time: f.time, stderr: f.stderr, text: rest}
	}
	if p.text == nil {
		p.text = []byte{}
	}
	if whole || len(f.text) < partialFrame {
		return m.finish(p)
	}
	return nil
}

// Flush emits what the container left without a newline when it ended.
func (m *Lines) Flush() error {
	first, second := &m.pending[0], &m.pending[1]
	if second.text != nil && first.text != nil && second.time.Before(first.time) {
		first, second = second, first
	}
	return errors.Join(m.finish(first), m.finish(second))
}

// finish emits the line in p, if there is one, unless it was emitted before.
func (m *Lines) finish(p *Frame) error {
	if p.text == nil {
		return nil
	}
	at := p.time
	if !at.After(m.last) {
		at = m.last.Add(time.Nanosecond)
	}
	if m.Terminal {
		p.text = bytes.TrimSuffix(p.text, []byte("\r"))
	}
	line := engine.Line{Time: at, Stderr: p.stderr, Text: string(p.text)}
	m.last = at
	*p = Frame{}
	if !at.After(m.After) {
		return nil
	}
	if err := m.Emit(line); err != nil {
		return err
	}
	m.After = at
	return nil
}

func stream(stderr bool) int {
	if stderr {
		return 1
	}
	return 0
}
