package output

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(ns int) time.Time { return epoch.Add(time.Duration(ns)) }

// part is as much of a long line as the daemon takes at once.
var part = strings.Repeat("p", partialFrame)

// linesOf makes lines of all frames of a log, and what is left at its end.
func linesOf(t *testing.T, frames []Frame, after time.Time) []engine.Line {
	t.Helper()
	var lines []engine.Line
	m := Lines{After: after, Emit: func(l engine.Line) error {
		lines = append(lines, l)
		return nil
	}}
	for _, f := range frames {
		if err := m.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestLines(t *testing.T) {
	t.Parallel()
	out := func(ns int, text string) Frame { return Frame{time: at(ns), text: []byte(text)} }
	err := func(ns int, text string) Frame { return Frame{time: at(ns), stderr: true, text: []byte(text)} }
	tests := []struct {
		name   string
		frames []Frame
		want   []engine.Line
	}{
		{"nothing", nil, nil},
		{"equal times", []Frame{out(5, "a\n"), out(5, "b\n"), err(5, "c\n")}, []engine.Line{
			{Time: at(5), Text: "a"}, {Time: at(6), Text: "b"}, {Time: at(7), Stderr: true, Text: "c"},
		}},
		{"times out of order", []Frame{out(9, "a\n"), err(3, "b\n"), out(20, "c\n")}, []engine.Line{
			{Time: at(9), Text: "a"}, {Time: at(10), Stderr: true, Text: "b"}, {Time: at(20), Text: "c"},
		}},
		{"parts of two streams", []Frame{out(1, part), err(2, "x\n"), out(1, part), out(1, "\n")}, []engine.Line{
			{Time: at(2), Stderr: true, Text: "x"}, {Time: at(3), Text: part + part},
		}},
		{"started again after an end without newline", []Frame{out(1, part), out(1, "a"), out(9, "b\n")}, []engine.Line{
			{Time: at(1), Text: part + "a"}, {Time: at(9), Text: "b"},
		}},
		{"empty lines", []Frame{out(1, "\n"), out(2, "\n")}, []engine.Line{{Time: at(1)}, {Time: at(2)}}},
		{"no newline at the end", []Frame{err(1, "a"), out(2, "b")}, []engine.Line{
			{Time: at(1), Stderr: true, Text: "a"}, {Time: at(2), Text: "b"},
		}},
		{"too long", []Frame{out(1, strings.Repeat("x", engine.MaxLine)), out(1, "yz\n")}, []engine.Line{
			{Time: at(1), Text: strings.Repeat("x", engine.MaxLine)}, {Time: at(2), Text: "yz"},
		}},
		{"a byte more than 256 KiB", append(slices.Repeat([]Frame{out(1, part)}, 16), out(2, "x\n")), []engine.Line{
			{Time: at(1), Text: strings.Repeat("p", 262_118)}, {Time: at(2), Text: strings.Repeat("p", 26) + "x"},
		}},
		{"a character where it is cut", []Frame{out(1, strings.Repeat("x", engine.MaxLine-1)), out(1, "é\n")}, []engine.Line{
			{Time: at(1), Text: strings.Repeat("x", engine.MaxLine-1)}, {Time: at(2), Text: "é"},
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, linesOf(t, tc.frames, time.Time{})); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever the log, and wherever a reader stopped, the rest is the rest.
func TestLinesResumeAnywhere(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var frames []Frame
		for i := range 30 {
			text := []string{"a\n", "b", "\n", "c\n", part}[r.IntN(5)]
			frames = append(frames, Frame{time: at(i/2 + r.IntN(4)), stderr: r.IntN(2) == 0, text: []byte(text)})
		}
		whole := linesOf(t, frames, time.Time{})
		for i, l := range whole {
			if i > 0 && !l.Time.After(whole[i-1].Time) {
				t.Fatalf("seed %d: line %d at %v is not after %v", seed, i, l.Time, whole[i-1].Time)
			}
			if rest := linesOf(t, frames, l.Time); !slices.Equal(rest, whole[i+1:]) {
				t.Fatalf("seed %d: after line %d come %v, want %v", seed, i, rest, whole[i+1:])
			}
		}
	}
}

func TestReadFrame(t *testing.T) {
	t.Parallel()
	packed := func(kind byte, text string) []byte {
		b := binary.BigEndian.AppendUint32([]byte{kind, 0, 0, 0}, uint32(len(text)))
		return append(b, text...)
	}
	read := func(b []byte) (Frame, error) { return ReadFrame(bufio.NewReader(bytes.NewReader(b))) }
	f, err := read(packed(2, "2026-01-02T03:04:05.000000007Z a b\n"))
	if err != nil || !f.time.Equal(at(7)) || !f.stderr || string(f.text) != "a b\n" {
		t.Errorf("frame %+v, %v", f, err)
	}
	if _, err := read(nil); !errors.Is(err, io.EOF) {
		t.Errorf("end of stream: %v, want io.EOF", err)
	}
	for name, bad := range map[string][]byte{
		"cut short": packed(1, "2026-01-02T03:04:05.000000007Z a\n")[:20],
		"empty":     packed(1, "x")[:8],
		"no time":   packed(1, "hello\n"),
		"huge":      {1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
		"error":     packed(3, "log driver broke"),
	} {
		if _, err := read(bad); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, want an error that isn't the end", name, err)
		}
	}
}
