package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/skylift/skylift/internal/daemon"
)

type balancersCmd struct {
	dataDir
	Output string `help:"text or json." enum:"text,json" default:"text" short:"o"`
}

func (b balancersCmd) Run(ctx context.Context, c console) error {
	return report(ctx, c, b.DataDir, daemon.BalancersPath, b.Output, printBalancers)
}

// printBalancers prints what load balancers have counted since Skylift started.
func printBalancers(w io.Writer, counts daemon.Counts) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "LOAD BALANCER\tZONE\tREQUESTS\tRECEIVED\tSENT\tCONNECTIONS\tOPEN\tOWN 3XX\tOWN 4XX\tOWN 5XX\tTLS ERRORS")
	for _, b := range counts.Balancers {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
			after(b.Balancer, ":loadbalancer/"), orDash(b.Zone), b.Requests, b.BytesIn, b.BytesOut, b.Opened, b.Open, b.Codes[3], b.Codes[4], b.Codes[5], b.TLSErrors)
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "TARGET GROUP\tZONE\tREQUESTS\t2XX\t3XX\t4XX\t5XX\tUNREACHED\tP50\tP99\tHEALTHY\tUNHEALTHY")
	for _, p := range counts.Pools {
		healthy, ill := p.Hosts("")
		for _, z := range p.Zones {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%d\t%d\n",
				after(p.Pool, ":targetgroup/"), orDash(z.Zone), z.Requests, z.Codes[2], z.Codes[3], z.Codes[4], z.Codes[5], z.Refused+z.TLSErrors,
				short(z.Times.Quantile(0.5)), short(z.Times.Quantile(0.99)), healthy, ill)
		}
	}
	return t.Flush()
}

// after is what stands behind a part of an ARN.
func after(arn, part string) string {
	_, id, _ := strings.Cut(arn, part)
	return id
}

// short is a time of no more digits than are known of it.
func short(d time.Duration) string {
	unit := time.Microsecond
	for d/unit >= 100 {
		unit *= 10
	}
	return d.Round(unit).String()
}
