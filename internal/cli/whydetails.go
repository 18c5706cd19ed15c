package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/projection/why"
)

// printDetails prints the tasks of a thing, and why they stopped.
func printDetails(w io.Writer, r why.Report) {
	if s := r.Service; s != nil {
		fmt.Fprintf(w, "service %s in cluster %s: %s, deployment %s\n", s.Name, s.Cluster, s.Status, orDash(s.Rollout))
		if s.Reason != "" {
			fmt.Fprintf(w, "  %s\n", s.Reason)
		}
		for _, e := range s.Events {
			fmt.Fprintf(w, "  %s\n", e)
		}
		if len(r.Tasks) == 0 {
			fmt.Fprint(w, "\nNone of its tasks has stopped, or is unhealthy.\n")
		}
	}
	for i, t := range r.Tasks {
		if i > 0 || r.Service != nil {
			fmt.Fprintln(w)
		}
		printEnd(w, t)
	}
}

func printEnd(w io.Writer, t why.Task) {
	fmt.Fprintf(w, "task %s of %s (%s, cluster %s): %s", t.ID, t.TaskDefinition, t.Group, t.Cluster, t.Status)
	if t.StoppedAt != nil {
		fmt.Fprintf(w, " since %s", t.StoppedAt.UTC().Format(time.RFC3339))
	}
	fmt.Fprintln(w)
	switch {
	case t.Reason != "":
		fmt.Fprintf(w, "  %s: %s\n", t.StopCode, t.Reason)
	case t.Health != "":
		fmt.Fprintf(w, "  its health is %s\n", t.Health)
	}
	if t.ProcessLimit > 0 {
		fmt.Fprintf(w, "  it could not start a process or a thread: it had the %d that it may have\n", t.ProcessLimit)
	}
	for _, c := range t.Containers {
		printContainer(w, c)
	}
}

func printContainer(w io.Writer, c why.Container) {
	fmt.Fprintf(w, "\n  container %s (%s): %s", c.Name, c.Image, c.Status)
	if c.ExitCode != nil {
		fmt.Fprintf(w, ", exit code %d", *c.ExitCode)
	}
	if c.Restarts > 0 {
		fmt.Fprintf(w, ", started again %d times", c.Restarts)
	}
	if c.Health != "" {
		fmt.Fprintf(w, ", %s", c.Health)
	}
	fmt.Fprintln(w)
	if c.Reason != "" {
		fmt.Fprintf(w, "    %s\n", visible(c.Reason))
	}
	if c.HealthLog != "" {
		fmt.Fprint(w, "    its last health check said:\n")
		for line := range strings.SplitSeq(strings.TrimRight(c.HealthLog, "\n"), "\n") {
			fmt.Fprintf(w, "      %s\n", visible(line))
		}
	}
	if len(c.Lines) > 0 {
		fmt.Fprint(w, "    its last output:\n")
	}
	for _, line := range c.Lines {
		fmt.Fprintf(w, "      %s\n", visible(line))
	}
}

// visible removes control sequences, which a terminal would obey, from what an
// application printed.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '�'
		}
		return r
	}, text)
}
