package output

import (
	"bytes"

	"github.com/skylift/skylift/internal/engine"
)

// splitter makes lines of one stream's bytes. The same bytes always make the same
// lines with the same times, whatever the chunks begin with, so a line's time is
// a cursor.
type splitter struct {
	pending []byte // of a line whose end hasn't come
}

// piece is a line, or a part of one that was too long.
type piece struct {
	at   int64 // ns
	text []byte
}

// feed takes the next bytes, the first of which came at the time at, in ns, and
// each other one 1 ns after the one before. A line's time is that of the byte
// that ended it. The text that emit gets is good until it returns.
func (s *splitter) feed(at int64, chunk []byte, emit func(piece) error) error {
	for i := 0; i < len(chunk); {
		room := engine.MaxLine - len(s.pending)
		end := bytes.IndexByte(chunk[i:min(len(chunk), i+room+1)], '\n')
		switch {
		case end >= 0:
			text := chunk[i : i+end]
			if len(s.pending) > 0 {
				text = append(s.pending, text...)
			}
			i += end
			if err := emit(piece{at: at + int64(i), text: text}); err != nil {
				return err
			}
			s.pending = s.pending[:0]
			i++
		case len(chunk)-i <= room:
			s.pending = append(s.pending, chunk[i:]...)
			return nil
		default:
			i += room
			text := append(s.pending, chunk[i-room:i+1]...)
			cut := engine.CutAt(text)
			if err := emit(piece{at: at + int64(i), text: text[:cut]}); err != nil {
				return err
			}
			s.pending = append(text[:0], text[cut:]...)
			i++
		}
	}
	return nil
}

// flush emits a line that has no end yet.
func (s *splitter) flush(at int64, emit func(piece) error) error {
	if len(s.pending) == 0 {
		return nil
	}
	err := emit(piece{at: at, text: s.pending})
	s.pending = nil
	return err
}
