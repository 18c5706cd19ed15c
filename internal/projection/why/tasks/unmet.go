package tasks

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// Unmet finds containers that waited for another one in vain.
var Unmet = finding.Check{
	Number: 18, Name: "dependency-unmet", Title: "A container waits for another one in vain",
	Shows: "Tasks stop with \"dependency graph: failed to resolve container ordering dependency\".",
	Known: "Which container it waited for, how that one ended, and what its health check said last.",
	Mend:  "Mend the container that is waited for, or wait for less: START instead of HEALTHY.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, unmet) },
}

// awaited is the name of the container that was waited for, in the agent's words.
var awaited = regexp.MustCompile(`ordering dependency \[([^(\]]+)`)

func unmet(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	if f.container == nil || !strings.Contains(f.container.Reason, "dependency graph: ") {
		return finding.Finding{}, false
	}
	found := awaited.FindStringSubmatch(f.container.Reason)
	if found == nil {
		return finding.Finding{}, false
	}
	other := strings.TrimSpace(found[1])
	cause := fmt.Sprintf("%s waited in vain for container %s", f.who(), other)
	is := f.finding(s, "waits/"+f.container.Name, cause)
	for _, c := range f.task.Containers {
		if c.Name != other {
			continue
		}
		left := failure{f.task, &c, s.Remains(f.task, other)}
		is.Evidence = append(is.Evidence, left.ends()...)
		if log := strings.TrimSpace(left.remains.HealthLog); log != "" {
			is.Evidence = append(is.Evidence, finding.Evidence{What: "health check of " + other, Says: log})
		}
		switch {
		case strings.Contains(f.container.Reason, "timed out"):
			is.Cause += ", which runs and never got HEALTHY"
		case c.ExitCode != nil:
			is.Cause += fmt.Sprintf(", which ended with exit code %d", *c.ExitCode)
		}
	}
	is.Mend = []finding.Mend{finding.Change("mend container " + other + ": its output and its health check say what it lacks; or let dependsOn wait for START only")}
	return is, true
}
