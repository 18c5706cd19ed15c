package main

import (
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of   series
		want float64
	}{
		{nil, 0},
		{series{7}, 7},
		{series{9, 1, 5}, 5},
		{series{4, 1, 3, 2}, 2.5},
	} {
		if got := c.of.median(); got != c.want {
			t.Errorf("median of %v: got %v, want %v", []float64(c.of), got, c.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f    figure
		want string
	}{
		{figure{Ours: series{5}}, "–"},
		{figure{Ours: series{0.2}, Unit: "s", AtMost: 1}, "≤ 1 s: met"},
		{figure{Ours: series{130}, Unit: "MB", AtMost: 120}, "≤ 120 MB: MISSED"},
		{figure{Ours: series{300}, Unit: "ms", Peer: "p", Theirs: series{200}, AtMost: 1.5}, "≤ 1.5 ×: met"},
		{figure{Ours: series{301}, Unit: "ms", Peer: "p", Theirs: series{200}, AtMost: 1.5}, "≤ 1.5 ×: MISSED"},
	} {
		if got := c.f.verdict(); got != c.want {
			t.Errorf("verdict of %+v: got %q, want %q", c.f, got, c.want)
		}
	}
}

const wrkSays = `Running 3s test @ http://127.0.0.1:8080/
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.95ms    6.05ms 101.04ms   91.01%
    Req/Sec    13.9k     4.02k   24.75k    70.97%
  Latency Distribution
     50%  840.00us
     75%    3.62ms
     90%    5.90ms
     99%   28.10ms
  85812 requests in 3.10s, 10.15MB read
Requests/sec:  27661.03
Transfer/sec:      3.27MB
`

func TestParseLoad(t *testing.T) {
	t.Parallel()
	got, err := parseLoad(wrkSays)
	if want := (result{requests: 85812, perSecond: 27661.03, p50: 0.84, p99: 28.1}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, lost := range []string{"  Socket errors: connect 0, read 3, write 0, timeout 0\n", "  Non-2xx or 3xx responses: 12\n"} {
		if _, err := parseLoad(wrkSays + lost); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(lost)) {
			t.Errorf("with %q: got error %v, want one that says so", lost, err)
		}
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	doc := "before\n" + markBegin + "\nold\n" + markEnd + "\nafter\n"
	got, err := between(doc, "new\n")
	if want := "before\n" + markBegin + "\n\nnew\n\n" + markEnd + "\nafter\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := between("no marks", "new"); err == nil {
		t.Error("a document without marks was written to")
	}
}

func TestMarkdownHoldsTheFigures(t *testing.T) {
	t.Parallel()
	got := markdown([]figure{{Name: "x", Unit: "ms", Ours: series{300, 100, 200}, Peer: "p", Theirs: series{100}, AtMost: 1.5}})
	want := "| figure | Skylift | peer | the peer's | ratio | target |\n|---|---|---|---|---|---|\n| x, ms | 200 (100 – 300) | p | 100 (100 – 100) | 2.00 × | ≤ 1.5 ×: MISSED |\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
