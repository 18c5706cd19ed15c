// Package figure is what is measured: figures, beside those of peers, as tables.
package figure

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Series is what one thing measured in each round.
type Series []float64

// Median is the middle value, or the mean of the two in the middle.
func (s Series) Median() float64 {
	o := slices.Sorted(slices.Values(s))
	switch n := len(o); {
	case n == 0:
		return 0
	case n%2 == 1:
		return o[n/2]
	default:
		return (o[n/2-1] + o[n/2]) / 2
	}
}

// String is the median with the least and the most.
func (s Series) String() string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s – %s)", digits(s.Median()), digits(slices.Min(s)), digits(slices.Max(s)))
}

// digits writes x with three digits that mean something.
func digits(x float64) string {
	switch {
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case x >= 1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

// Figure is a thing measured, beside the same thing of a peer.
type Figure struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Ours   Series  `json:"skylift"`
	Peer   string  `json:"peer,omitempty"` // "": there is none
	Theirs Series  `json:"peer_values,omitempty"`
	AtMost float64 `json:"at_most,omitempty"` // the target: of ours, or of the ratio where there is a peer; 0: none
}

// Add adds a round's values.
func (f *Figure) Add(ours, theirs float64) {
	f.Ours, f.Theirs = append(f.Ours, ours), append(f.Theirs, theirs)
}

// Ratio is ours by theirs, 0 without a peer.
func (f Figure) Ratio() float64 {
	if t := f.Theirs.Median(); t > 0 {
		return f.Ours.Median() / t
	}
	return 0
}

// Verdict is the target and whether it is met.
func (f Figure) Verdict() string {
	if f.AtMost == 0 {
		return "–"
	}
	got, target := f.Ours.Median(), fmt.Sprintf("≤ %g %s", f.AtMost, f.Unit)
	if f.Peer != "" {
		got, target = f.Ratio(), fmt.Sprintf("≤ %g ×", f.AtMost)
	}
	if got <= f.AtMost {
		return target + ": met"
	}
	return target + ": MISSED"
}

var heads = []string{"figure", "Skylift", "peer", "the peer's", "ratio", "target"}

func (f Figure) cells() []string {
	name := f.Name
	if f.Unit != "" {
		name += ", " + f.Unit
	}
	ratio, peer, theirs := "–", "–", "–"
	if f.Peer != "" {
		ratio, peer, theirs = fmt.Sprintf("%.2f ×", f.Ratio()), f.Peer, f.Theirs.String()
	}
	return []string{name, f.Ours.String(), peer, theirs, ratio, f.Verdict()}
}

// PrintTable writes the figures for the terminal.
func PrintTable(w io.Writer, figures []Figure) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, strings.Join(heads, "\t"))
	for _, f := range figures {
		fmt.Fprintln(t, strings.Join(f.cells(), "\t"))
	}
	return t.Flush()
}

// Markdown is the figures for the documentation.
func Markdown(figures []Figure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(heads, " | "), strings.Repeat("---|", len(heads)))
	for _, f := range figures {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(f.cells(), " | "))
	}
	return b.String()
}

const (
	markBegin = "<!-- figures: written by make bench, don't edit -->"
	markEnd   = "<!-- end of figures -->"
)

// Between replaces what doc has between the marks.
func Between(doc, text string) (string, error) {
	head, rest, ok := strings.Cut(doc, markBegin)
	_, tail, closed := strings.Cut(rest, markEnd)
	if !ok || !closed {
		return "", fmt.Errorf("the document has no lines %q and %q to write between", markBegin, markEnd)
	}
	return head + markBegin + "\n\n" + strings.TrimSpace(text) + "\n\n" + markEnd + tail, nil
}
