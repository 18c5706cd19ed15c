package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/daemon"
	"github.com/skylift/skylift/internal/gateway/denial"
)

type deniedCmd struct {
	dataDir
	Request string `arg:"" help:"The id of the request: the answer's X-Amzn-RequestId, which SDKs show in the error and aws --debug prints." name:"request-id"`
	Output  string `help:"text or json." enum:"text,json" default:"text" short:"o"`
}

func (d deniedCmd) Run(ctx context.Context, c console) error {
	return report(ctx, c, d.DataDir, daemon.DeniedPath+"?"+url.Values{"request": {d.Request}}.Encode(), d.Output, printDenied)
}

// printDenied says who called what, and which statement denied it.
func printDenied(out io.Writer, r denial.Refusal) error {
	w := &strings.Builder{}
	who := "somebody who signed nothing"
	if r.Caller != "" {
		who = r.Caller
	}
	if r.AccessKey != "" {
		who += " with the access key " + r.AccessKey
	}
	fmt.Fprintf(w, "request %s of %s was denied.\n", r.Request, r.At.UTC().Format(time.RFC3339))
	fmt.Fprintf(w, "  who:   %s\n", visible(who))
	fmt.Fprintf(w, "  what:  %s:%s", visible(r.Service), visible(r.Operation))
	if r.Action != r.Service+":"+r.Operation {
		fmt.Fprintf(w, ", which needs %s", visible(r.Action))
	}
	fmt.Fprintf(w, "\n  on:    %s\n", visible(r.Resource))
	if s := r.Statement; s != nil {
		which := fmt.Sprintf("statement %d", s.Number)
		if s.Sid != "" {
			which += " (" + s.Sid + ")"
		}
		fmt.Fprintf(w, "  why:   %s of the %s %s, at its line %d, denies it.\n", visible(which), r.Type, visible(s.Policy), s.Line)
		_, err := io.WriteString(out, w.String())
		return err
	}
	fmt.Fprintf(w, "  why:   no %s allows it.\n", r.Type)
	if len(r.Policies) == 0 {
		fmt.Fprintf(w, "         There is none.\n")
	} else {
		fmt.Fprintf(w, "         Asked: %s\n", visible(strings.Join(r.Policies, ", ")))
	}
	_, err := io.WriteString(out, w.String())
	return err
}
