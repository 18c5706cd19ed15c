package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/skylift/skylift/internal/daemon"
	"github.com/skylift/skylift/internal/projection/status"
)

type statusCmd struct {
	dataDir
	Output string `help:"text or json." enum:"text,json" default:"text" short:"o"`
}

func (s statusCmd) Run(ctx context.Context, c console) error {
	return report(ctx, c, s.DataDir, daemon.StatusPath, s.Output, printStatus)
}

// told asks a running instance.
func told[T any](ctx context.Context, dir, path string) (r T, err error) {
	a, err := accessTo(dir)
	if err != nil {
		return r, err
	}
	err = a.ask(ctx, dir, path, &r)
	return r, err
}

// report asks a running instance and prints what it tells: as JSON, or for people.
func report[T any](ctx context.Context, c console, dir, path, output string, people func(io.Writer, T) error) error {
	r, err := told[T](ctx, dir, path)
	switch {
	case err != nil:
		return err
	case output == "json":
		return printJSON(c.out, r)
	}
	return people(c.out, r)
}

// emptyHash is the SHA-256 of no bytes.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// ask asks the instance of a data directory for something of its own.
func (a access) ask(ctx context.Context, dir, path string, answer any) error {
	err := a.get(ctx, path, answer)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("Skylift does not answer at %s: start it with skylift serve --data-dir %s", a.Endpoint, dir) //nolint:staticcheck // a name
	}
	if err != nil {
		return fmt.Errorf("ask Skylift at %s: %w", a.Endpoint, err)
	}
	return nil
}

func (a access) get(ctx context.Context, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Endpoint+path, nil)
	if err != nil {
		return err
	}
	creds := aws.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(ctx, creds, req, emptyHash, "skylift", a.Region, time.Now()); err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(b)))
	}
	return json.NewDecoder(res.Body).Decode(answer)
}

// printStatus shows the report on a terminal, problems first.
func printStatus(w io.Writer, r daemon.Status) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "account %s, region %s\n", r.Account, r.Region)
	if r.Engine != "" {
		fmt.Fprintf(t, "tasks run on %s\n", r.Engine)
	}
	if len(r.DNS) > 0 {
		fmt.Fprintf(t, "the name server answers at %s\n", strings.Join(r.DNS, ", "))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(t, "\nPROBLEM  %s\n", p)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(t, "\nWRONG  %s\n", visible(f.Cause))
		for _, m := range f.Mend[:min(1, len(f.Mend))] {
			fmt.Fprintf(t, "  mend it:  %s\n", shortened(visible(cmp.Or(m.Command, m.Say))))
		}
	}
	if len(r.Findings) > 0 {
		fmt.Fprint(t, "\n  skylift why tells more of each\n")
	}
	printCapacity(t, r.Capacity)
	for _, c := range r.Clusters {
		printCluster(t, c)
	}
	if len(r.LoadBalancers) > 0 {
		fmt.Fprint(t, "\nLOAD BALANCER\tURL\tHOST NAMES\n")
	}
	for _, b := range r.LoadBalancers {
		fmt.Fprintf(t, "%s\t%s\t%s\n", b.Name, orDash(strings.Join(b.URLs, " ")), orDash(strings.Join(b.HostNames, " ")))
	}
	if len(r.TargetGroups) > 0 {
		fmt.Fprint(t, "\nTARGET GROUP\tHEALTHY\tNOT HEALTHY\n")
	}
	for _, g := range r.TargetGroups {
		fmt.Fprintf(t, "%s\t%d/%d\t%s\n", g.Name, g.Healthy, g.Total, orDash(ailing(g)))
	}
	for i, e := range r.NoEffect {
		if i == 0 {
			fmt.Fprint(t, "\n")
		}
		fmt.Fprintf(t, "NOT IN EFFECT  %s of %s: %s\n", e.What, some(e.Resources), e.Why)
	}
	return t.Flush()
}

// mostNamed is how many resources a line names.
const mostNamed = 5

// some names the first of several resources.
func some(names []string) string {
	if len(names) <= mostNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNamed], ", "), len(names)-mostNamed)
}

func printCapacity(t io.Writer, c status.Capacity) {
	fmt.Fprintf(t, "\nCAPACITY  %d of %d MiB and %g of %g vCPU are reserved\n", c.Reserved.Memory, c.Total.Memory, c.Reserved.VCPU, c.Total.VCPU)
	for _, w := range c.Waiting {
		fmt.Fprintf(t, "  %s waits for room: %d tasks of %d MiB and %g vCPU\n", w.Service, w.Tasks, w.Each.Memory, w.Each.VCPU)
	}
}

func printCluster(t io.Writer, c status.Cluster) {
	fmt.Fprintf(t, "\nCLUSTER %s, %d running tasks\n", c.Name, c.Tasks)
	if len(c.Services) == 0 {
		return
	}
	fmt.Fprint(t, "SERVICE\tDESIRED\tRUNNING\tPENDING\tROLLOUT\tTASK DEFINITION\n")
	for _, s := range c.Services {
		rollout := s.Rollout
		if s.Status != "ACTIVE" {
			rollout = s.Status
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t%s\n", s.Name, s.Desired, s.Running, s.Pending, rollout, s.TaskDefinition)
	}
	for _, s := range c.Services {
		if s.LastFailure != "" {
			fmt.Fprintf(t, "  %s: its last failed task: %s\n", s.Name, s.LastFailure)
		}
		for _, o := range s.Outdated {
			fmt.Fprintf(t, "  %s: %d of its tasks run with an older version of %s; aws ecs update-service --cluster %s --service %s --force-new-deployment replaces them\n",
				s.Name, o.Tasks, o.From, c.Name, s.Name)
		}
	}
}

// ailing lists the targets that are not healthy, with the reasons.
func ailing(g status.TargetGroup) string {
	var out []string
	for _, t := range g.Targets {
		if t.State != "healthy" {
			s := t.Address + " " + t.State
			if t.Description != "" {
				s += " (" + t.Description + ")"
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// longest is how long a mend may be in the status. A definition is longer.
const longest = 300

func shortened(command string) string {
	if len(command) <= longest {
		return command
	}
	words := strings.Fields(command)
	return strings.Join(words[:min(3, len(words))], " ") + " …: skylift why has the whole call"
}
