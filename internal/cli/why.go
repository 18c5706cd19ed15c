package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/daemon"
	"github.com/skylift/skylift/internal/projection/why"
	"github.com/skylift/skylift/internal/projection/why/finding"
)

// whyCmds are the questions; the one that needs no name is about things.
type whyCmds struct {
	Of     whyCmd    `cmd:"" default:"withargs" help:"Tell what is wrong with a thing, how that is known, and what mends it; without a thing: all that is wrong now, worst first. \"why A can't reach B [PORT]\" tells which rule is in the way."`
	Denied deniedCmd `cmd:"" help:"Tell which statement of which policy denied a call, or that none allowed it."`
}

type whyCmd struct {
	dataDir
	Words   []string `arg:"" optional:"" help:"A task's id, a service, a load balancer, rule, target group, target, host name, URL, image, secret, role, certificate, security group, address or ARN." name:"thing"`
	Cluster string   `help:"The cluster that it is in." short:"c"`
	Watch   bool     `help:"Ask again every few seconds." short:"w"`
	Output  string   `help:"text or json." enum:"text,json" default:"text" short:"o"`
}

// watchEvery is how often an answer that is watched is asked for.
const watchEvery = 2 * time.Second

func (w whyCmd) Run(ctx context.Context, c console) error {
	query, err := w.query()
	if err != nil {
		return err
	}
	for {
		err := report(ctx, c, w.DataDir, daemon.WhyPath+"?"+query.Encode(), w.Output, printAnswer)
		if err != nil || !w.Watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
			fmt.Fprintf(c.out, "\n%s\n", time.Now().UTC().Format(time.RFC3339))
		}
	}
}

// query reads the words: nothing, a thing, or A can't reach B PORT.
func (w whyCmd) query() (url.Values, error) {
	q := url.Values{"cluster": {w.Cluster}}
	reach := slices.Index(w.Words, "reach")
	switch {
	case len(w.Words) == 0:
	case reach < 0 && len(w.Words) == 1:
		q.Set("of", w.Words[0])
	case reach < 0:
		return nil, fmt.Errorf("%q: name one thing, or ask: why A can't reach B [PORT]", strings.Join(w.Words, " "))
	default:
		from := slices.DeleteFunc(slices.Clone(w.Words[:reach]), func(s string) bool { return slices.Contains([]string{"can", "can't", "cant", "cannot"}, s) })
		to := w.Words[reach+1:]
		if len(from) != 1 || len(to) < 1 || len(to) > 2 {
			return nil, fmt.Errorf("%q: ask: why A can't reach B [PORT]", strings.Join(w.Words, " "))
		}
		q.Set("of", from[0])
		q.Set("to", to[0])
		if len(to) == 2 {
			q.Set("port", to[1])
		}
	}
	return q, nil
}

func printAnswer(out io.Writer, a why.Answer) error {
	w := &strings.Builder{}
	if a.Thing != "" {
		fmt.Fprintf(w, "%s\n", a.Thing)
	}
	for i, f := range a.Findings {
		if i > 0 || a.Thing != "" {
			fmt.Fprintln(w)
		}
		printFinding(w, f)
	}
	if len(a.Findings) == 0 {
		printNothing(w, a)
	}
	for _, u := range a.Unknown {
		fmt.Fprintf(w, "\nnot known: %s\n", visible(u))
	}
	if a.Details != nil {
		fmt.Fprintln(w)
		printDetails(w, *a.Details)
	}
	_, err := io.WriteString(out, w.String())
	return err
}

func printFinding(w io.Writer, f finding.Finding) {
	level, _ := f.Level.MarshalText()
	how := string(level)
	if f.Possible {
		how += ", possible"
	}
	fmt.Fprintf(w, "%s [%s, %s]\n", visible(f.Cause), how, f.Check)
	if !f.Since.IsZero() {
		fmt.Fprintf(w, "  since %s\n", f.Since.UTC().Format(time.RFC3339))
	}
	for _, e := range f.Evidence {
		fmt.Fprintf(w, "  %s: %s\n", e.What, strings.ReplaceAll(visible(strings.ReplaceAll(e.Says, "\n", "\t")), "\t", "\n      "))
	}
	for _, m := range f.Mend {
		switch {
		case m.Command == "":
			fmt.Fprintf(w, "  → %s\n", visible(m.Say))
		case m.Say == "":
			fmt.Fprintf(w, "  → %s\n", visible(m.Command))
		default:
			fmt.Fprintf(w, "  → %s:\n      %s\n", visible(m.Say), visible(m.Command))
		}
	}
}

func printNothing(w io.Writer, a why.Answer) {
	fmt.Fprintln(w, "nothing is wrong that Skylift knows of. It looked at:")
	for _, l := range a.Looked {
		fmt.Fprintf(w, "  %s\n", visible(l))
	}
}
