package logstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"
)

// The keys: one byte for what it is, then names that end with NUL.
//
//	e <group> 0 <stream> 0 <time> <seq> → <ingested> <text>     an event
//	s <group> 0 <stream> 0              → a stat                 what a stream holds
//	c <source>                          → a cursor's value
//	q                                   → the last seq given out
const (
	eventKind  = 'e'
	statKind   = 's'
	cursorKind = 'c'
)

var seqKey = []byte{'q'}

// pos is an event's place in the order of all events: by time, then by arrival.
type pos struct {
	ms  int64
	seq uint64
}

func (p pos) less(q pos) bool { return p.ms < q.ms || p.ms == q.ms && p.seq < q.seq }

// The digits of an ID: AWS's have 56.
const (
	timeDigits = 19
	seqDigits  = 37
)

func (p pos) id() string { return fmt.Sprintf("%0*d%0*d", timeDigits, p.ms, seqDigits, p.seq) }

// parseID is the inverse of id.
func parseID(id string) (pos, error) {
	if len(id) != timeDigits+seqDigits {
		return pos{}, fmt.Errorf("event id %q: want %d digits", id, timeDigits+seqDigits)
	}
	ms, err := strconv.ParseInt(id[:timeDigits], 10, 64)
	if err != nil {
		return pos{}, fmt.Errorf("event id %q: %w", id, err)
	}
	seq, err := strconv.ParseUint(id[timeDigits:], 10, 64)
	if err != nil {
		return pos{}, fmt.Errorf("event id %q: %w", id, err)
	}
	return pos{ms, seq}, nil
}

// ValidID says whether id could be an event's.
func ValidID(id string) bool {
	_, err := parseID(id)
	return err == nil
}

// prefix starts the keys of kind under names.
func prefix(kind byte, names ...string) []byte {
	k := []byte{kind}
	for _, n := range names {
		k = append(append(k, n...), 0)
	}
	return k
}

// after is the first key behind those that start with p, whose last byte is
// not 0xff.
func after(p []byte) []byte {
	end := bytes.Clone(p)
	end[len(end)-1]++
	return end
}

func statKey(st Stream) []byte { return prefix(statKind, st.Group, st.Name) }

func cursorKey(source string) []byte { return append([]byte{cursorKind}, source...) }

func eventKey(st Stream, p pos) []byte {
	k := prefix(eventKind, st.Group, st.Name)
	k = binary.BigEndian.AppendUint64(k, uint64(p.ms)^1<<63) // negative times sort first
	return binary.BigEndian.AppendUint64(k, p.seq)
}

func keyPos(k []byte) pos {
	k = k[len(k)-16:]
	return pos{int64(binary.BigEndian.Uint64(k) ^ 1<<63), binary.BigEndian.Uint64(k[8:])}
}

// keyStream reads the stream out of a stat's key.
func keyStream(k []byte) Stream {
	group, name, _ := bytes.Cut(k[1:len(k)-1], []byte{0})
	return Stream{string(group), string(name)}
}

func eventValue(ingested int64, text string) []byte {
	v := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(text)), uint64(ingested))
	return append(v, text...)
}

// event reads an event out of its row.
func event(stream string, key, value []byte) (Event, error) {
	if len(value) < 8 {
		return Event{}, fmt.Errorf("event %x of %s is damaged", key, stream)
	}
	p := keyPos(key)
	return Event{
		Time:     time.UnixMilli(p.ms),
		Ingested: time.UnixMilli(int64(binary.BigEndian.Uint64(value))),
		ID:       p.id(),
		Stream:   stream,
		Text:     string(value[8:]),
	}, nil
}

// stat is what a stream holds: Count events of Bytes in all, times in ms.
type stat struct {
	First, Last, Ingested int64
	Bytes, Count          int64
}

// eventOverhead is what AWS counts for an event beyond its text.
const eventOverhead = 26

func (s *stat) add(ms, ingested int64, text string) {
	if s.Count == 0 || ms < s.First {
		s.First = ms
	}
	if s.Count == 0 || ms > s.Last {
		s.Last = ms
	}
	s.Ingested = max(s.Ingested, ingested)
	s.Count++
	s.Bytes += int64(len(text)) + eventOverhead
}

func (s *stat) encode() []byte {
	var b []byte
	for _, v := range []int64{s.First, s.Last, s.Ingested, s.Bytes, s.Count} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func decodeStat(b []byte) (stat, error) {
	if len(b) != 5*8 {
		return stat{}, fmt.Errorf("stream row is damaged: %d bytes", len(b))
	}
	v := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	return stat{v(0), v(1), v(2), v(3), v(4)}, nil
}
