package output

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// full does on a full disk what the mode says.
func (c *capture) full(stream, fd int, why error) error {
	if c.state.DiskFull.IsZero() {
		c.state.DiskFull = time.Now()
		c.log.Warn("disk is full: output waits or is dropped, as its mode says", "mode", c.options.Mode)
		c.writeState()
	}
	switch c.options.Mode {
	case Drop:
		if err := c.drop(stream, fd); err != nil {
			return err
		}
	case Roll:
		if err := c.rollOff(); err != nil {
			return err
		}
	}
	return why
}

// drop throws away what is in the FIFO, and counts it.
func (c *capture) drop(stream, fd int) error {
	text := make([]byte, chunk)
	n, err := unix.Read(fd, text)
	if err != nil {
		return err
	}
	if n == 0 {
		return c.ended(stream)
	}
	c.count(text[:n])
	c.skip[stream] = text[n-1] != '\n'
	if len(c.splitters[stream].pending) > 0 {
		// The end of this line is lost, and the next line must not be taken for
		// it.
		return c.put(record{kind: kindEnd, stream: uint8(stream)})
	}
	return nil
}

func (c *capture) count(lost []byte) {
	c.state.DroppedLines += int64(bytes.Count(lost, []byte("\n")))
	c.state.DroppedBytes += int64(len(lost))
	c.writeState()
}

// tellDropped puts a line where lines were dropped, unless there is one.
func (c *capture) tellDropped(stream int) error {
	if c.state.DroppedBytes == c.state.ToldBytes {
		return nil
	}
	lines := max(c.state.DroppedLines-c.state.ToldLines, 1)
	c.state.ToldLines, c.state.ToldBytes = c.state.DroppedLines, c.state.DroppedBytes
	c.writeState()
	return c.put(record{kind: kindDrop, stream: uint8(stream), size: uint32(min(lines, math.MaxUint32))})
}

// resumeAfterDrop drops the rest of a line, and keeps what follows.
func (c *capture) resumeAfterDrop(stream, fd int) error {
	text := make([]byte, chunk)
	n, err := unix.Read(fd, text)
	if err != nil {
		return err
	}
	if n == 0 {
		c.skip[stream] = false
		return c.ended(stream)
	}
	end := bytes.IndexByte(text[:n], '\n')
	if end < 0 {
		c.count(text[:n])
		return nil
	}
	c.count(text[:end+1])
	c.skip[stream] = false
	if err := c.tellDropped(stream); err != nil {
		return err
	}
	rest := text[end+1 : n]
	if len(rest) == 0 {
		return nil
	}
	if _, err := c.seg.data[stream].WriteAt(rest, c.seg.place(stream, c.next.off[stream])); err != nil {
		c.count(rest)
		c.skip[stream] = rest[len(rest)-1] != '\n'
		return err
	}
	return c.note(stream, len(rest))
}

// writeState overwrites the state. It is for people to see: if it can't be
// written, the log has it.
func (c *capture) writeState() {
	f, err := os.OpenFile(filepath.Join(c.dir, stateFile), os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteAt(c.state.encode(), 0)
}

func decodeState(text []byte) State {
	var st State
	_ = json.Unmarshal(text, &st) // a torn one counts from zero
	return st
}
