package output

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine"
)

func TestTerminalLog(t *testing.T) {
	t.Parallel()
	const first, second = "2026-01-02T03:04:05.000000001Z ", "2026-01-02T03:04:05.000000009Z "
	const future = "2036-01-02T03:04:05.000000000Z "
	tests := []struct {
		name, log string
		restarted bool
		want      []engine.Line
	}{
		{"nothing", "", false, nil},
		{"lines", first + "a\r\n" + second + "\r\n", false, []engine.Line{{Time: at(1), Text: "a"}, {Time: at(9)}}},
		{"no newline at the end", first + "a\r\n" + second + "b", false, []engine.Line{{Time: at(1), Text: "a"}, {Time: at(9), Text: "b"}}},
		{"parts", first + part + first + part + first + "\r\n", false, []engine.Line{{Time: at(1), Text: part + part}}},
		{"started again", first + "a" + second + "b\r\n", true, []engine.Line{{Time: at(1), Text: "a"}, {Time: at(9), Text: "b"}}},
		{"started again, then parts", first + "a" + second + part + second + "b\r\n", true, []engine.Line{
			{Time: at(1), Text: "a"}, {Time: at(9), Text: part + "b"},
		}},
		{"a time in the text", first + future + "b\r\n", false, []engine.Line{{Time: at(1), Text: future + "b"}}},
		{"an earlier time in the text", second + first + "b\r\n", true, []engine.Line{{Time: at(9), Text: first + "b"}}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, terminalLines(t, tc.log, tc.restarted)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// terminalLines reads log a byte at a time.
func terminalLines(t *testing.T, log string, restarted bool) []engine.Line {
	t.Helper()
	var lines []engine.Line
	m := Lines{After: time.Time{}, Terminal: true, Emit: func(l engine.Line) error {
		lines = append(lines, l)
		return nil
	}}
	l := Terminal{R: bufio.NewReader(iotest.OneByteReader(strings.NewReader(log))), Restarted: restarted}
	for {
		f, err := l.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	return lines
}
