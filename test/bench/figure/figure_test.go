package figure

import (
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of   Series
		want float64
	}{
		{nil, 0},
		{Series{7}, 7},
		{Series{9, 1, 5}, 5},
		{Series{4, 1, 3, 2}, 2.5},
	} {
		if got := c.of.Median(); got != c.want {
			t.Errorf("median of %v: got %v, want %v", []float64(c.of), got, c.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f    Figure
		want string
	}{
		{Figure{Ours: Series{5}}, "–"},
		{Figure{Ours: Series{0.2}, Unit: "s", AtMost: 1}, "≤ 1 s: met"},
		{Figure{Ours: Series{130}, Unit: "MB", AtMost: 120}, "≤ 120 MB: MISSED"},
		{Figure{Ours: Series{300}, Unit: "ms", Peer: "p", Theirs: Series{200}, AtMost: 1.5}, "≤ 1.5 ×: met"},
		{Figure{Ours: Series{301}, Unit: "ms", Peer: "p", Theirs: Series{200}, AtMost: 1.5}, "≤ 1.5 ×: MISSED"},
	} {
		if got := c.f.Verdict(); got != c.want {
			t.Errorf("verdict of %+v: got %q, want %q", c.f, got, c.want)
		}
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	doc := "before\n" + markBegin + "\nold\n" + markEnd + "\nafter\n"
	got, err := Between(doc, "new\n")
	if want := "before\n" + markBegin + "\n\nnew\n\n" + markEnd + "\nafter\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := Between("no marks", "new"); err == nil {
		t.Error("a document without marks was written to")
	}
}

func TestMarkdownHoldsTheFigures(t *testing.T) {
	t.Parallel()
	got := Markdown([]Figure{{Name: "x", Unit: "ms", Ours: Series{300, 100, 200}, Peer: "p", Theirs: Series{100}, AtMost: 1.5}})
	want := "| figure | Skylift | peer | the peer's | ratio | target |\n|---|---|---|---|---|---|\n| x, ms | 200 (100 – 300) | p | 100 (100 – 100) | 2.00 × | ≤ 1.5 ×: MISSED |\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
